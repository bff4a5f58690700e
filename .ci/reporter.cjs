/** Mocha's usual report; and in the file that OUBLI_RESULTS names the counts, what failed and how long each file took, for `.ci/run` to state at the end. */
const { writeFileSync } = require('node:fs');
const { relative } = require('node:path');
const { reporters } = require('mocha');

module.exports = class CountingReporter extends reporters.Spec {
  constructor(runner, options) {
    super(runner, options);
    const failed = [];
    const seconds = {};
    let file;
    let began = Date.now();
    const leave = () => {
      if (file !== undefined) seconds[file] = (seconds[file] ?? 0) + (Date.now() - began) / 1000;
      began = Date.now();
    };
    runner.on('suite', (suite) => {
      if (suite.parent?.root !== true) return;
      leave();
      file = relative(process.cwd(), suite.file);
    });
    runner.on('fail', (test, error) => failed.push(`${test.fullTitle()}\n${error.stack ?? error}`));
    runner.once('end', () => {
      leave();
      const { passes, failures, pending } = this.stats;
      writeFileSync(process.env.OUBLI_RESULTS, JSON.stringify({ passes, failures, pending, failed, seconds }));
    });
  }
};
