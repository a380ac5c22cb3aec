#!/usr/bin/env node
// Runs the program. It lies in a package of its own for each platform, of which
// npm installs the one whose os and cpu are this machine's.
'use strict';

const { spawn } = require('child_process');
const { constants } = require('os');

const platform = `${process.platform}-${process.arch}`;

function find() {
  const file = process.platform === 'win32' ? 'layerbuild.exe' : 'layerbuild';
  try {
    return require.resolve(`@layerbuild/${platform}/bin/${file}`);
  } catch {
    console.error(`layerbuild: error: the package @layerbuild/${platform} is not installed
hint: install layerbuild on this machine and without --omit=optional; there are packages
for linux, darwin and win32, x64 and arm64`);
    process.exit(1);
  }
}

const child = spawn(find(), process.argv.slice(2), { stdio: 'inherit' });
for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP']) {
  process.on(signal, () => {
    // A terminal interrupts both processes, and a second SIGINT would end the
    // program before it has cleaned up.
    if (signal !== 'SIGINT' || !process.stdin.isTTY) child.kill(signal);
  });
}
child.on('error', (err) => {
  console.error(`layerbuild: error: ${err.message}`);
  process.exitCode = 1;
});
child.on('exit', (code, signal) => {
  process.exitCode = signal ? 128 + constants.signals[signal] : code;
});
