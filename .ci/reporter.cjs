/** Mocha's usual report, and the counts in the file that OUBLI_RESULTS names, for `.ci/run` to state at the end. */
const { writeFileSync } = require('node:fs');
const { reporters } = require('mocha');

module.exports = class CountingReporter extends reporters.Spec {
  constructor(runner, options) {
    super(runner, options);
    runner.once('end', () => {
      const { passes, failures, pending } = this.stats;
      writeFileSync(process.env.OUBLI_RESULTS, JSON.stringify({ passes, failures, pending }));
    });
  }
};
