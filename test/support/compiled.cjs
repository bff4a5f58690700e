/**
 * For processes that tests start by the hundred: what `ts-node/register` does, but each file is compiled once and kept, by its content.
 * To be loaded with `node -r`. Without it every such process spends a second on loading two compilers and compiling all of src.
 */
const { createHash } = require('node:crypto');
const { mkdirSync, readFileSync, renameSync, writeFileSync } = require('node:fs');
const Module = require('node:module');
const path = require('node:path');

const repository = path.join(__dirname, '..', '..');
const folder = path.join(repository, 'node_modules', '.cache', 'oubli-tests');
const settings = ['tsconfig.json', 'package-lock.json'].map((file) => readFileSync(path.join(repository, file)));
let compiler;

function compile(source, file) {
  compiler ??= require('ts-node').create({ project: path.join(repository, 'tsconfig.json') });
  return compiler.compile(source, file);
}

function kept(source, file) {
  const hash = createHash('sha256');
  for (const part of [...settings, file, source]) hash.update(part).update('\0');
  const place = path.join(folder, `${hash.digest('hex')}.js`);
  try {
    return readFileSync(place, 'utf8');
  } catch (error) {
    if (error.code !== 'ENOENT') throw error;
  }
  const compiled = compile(source, file);
  mkdirSync(folder, { recursive: true });
  const own = `${place}.${process.pid}`; // another process may write the same file at this moment
  writeFileSync(own, compiled);
  renameSync(own, place);
  return compiled;
}

Module._extensions['.ts'] = (module, file) => module._compile(kept(readFileSync(file, 'utf8'), file), file);
Module._extensions['.mts'] = (_module, file) => {
  throw Object.assign(new Error(`${file} is an ES module`), { code: 'ERR_REQUIRE_ESM' }); // as ts-node has it
};
