'use strict';
// What the actions have in common: find a Python, start it with the step's own streams, pass signals and the status on.
const { spawn, spawnSync } = require('node:child_process');
const fs = require('node:fs');
const os = require('node:os');
const path = require('node:path');

const WINDOWS = process.platform === 'win32';
const NEW_ENOUGH = 'import sys; sys.exit(sys.version_info < (3, 11))';

const list = (folder) => (fs.existsSync(folder) ? fs.readdirSync(folder) : []);

function* pythons() {
  yield 'python3';
  yield 'python';
  for (const folder of (process.env.PATH || '').split(path.delimiter)) {
    yield* list(folder).filter((name) => /^python3\.\d+(\.exe)?$/.test(name)).map((name) => path.join(folder, name));
  }
  const cache = process.env.RUNNER_TOOL_CACHE && path.join(process.env.RUNNER_TOOL_CACHE, 'Python');
  for (const version of cache ? list(cache) : []) {
    for (const build of list(path.join(cache, version))) {
      yield path.join(cache, version, build, ...(WINDOWS ? ['python.exe'] : ['bin', 'python3']));
    }
  }
}

function isNewEnough(python) {
  return spawnSync(python, ['-IBc', NEW_ENOUGH], { stdio: 'ignore', timeout: 20000 }).status === 0;
}

function fail(message) {
  console.log(`::error title=ciplug::${message}`);
  process.exitCode = 1;
}

exports.run = (command, ...args) => {
  const child = spawn(command, args, { stdio: 'inherit' });
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP']) {
    process.on(signal, () => WINDOWS || child.kill(signal)); // a Windows console tells all its processes by itself
  }
  child.on('error', (error) => fail(`${command} could not be started: ${error.code}. Next: check the runner's Python`));
  child.on('exit', (code, signal) => process.exit(signal ? 128 + os.constants.signals[signal] : code));
};

exports.install = (step) => {
  for (const python of pythons()) {
    if (isNewEnough(python)) return exports.run(python, '-EsB', path.join(__dirname, 'install.py'), step);
  }
  return fail('there is no Python 3.11 or newer on this runner. Next: put a step "uses: actions/setup-python" before it');
};

// main leaves the command here once there is an installed ciplug to run it; without one there is nothing to end.
exports.end = () => {
  if (!process.env.STATE_revoke) return;
  const { command, state } = JSON.parse(process.env.STATE_revoke);
  process.env.CIPLUG_STATE_DIR = state;
  exports.run(...command);
};
