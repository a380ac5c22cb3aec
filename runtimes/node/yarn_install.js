// Runs yarn in the project that layerbuild wrote, and leaves node_modules in
// the output folder. What lies in the user's project is a workspace while yarn
// runs; its link is then replaced by its files.
'use strict';
const { spawnSync } = require('child_process');
const fs = require('fs');
const path = require('path');
const zlib = require('zlib');

const [cli, jobFile, whereaboutsFile] = process.argv.slice(2);
const job = JSON.parse(fs.readFileSync(jobFile, 'utf8'));

function run(args, env) {
  const { status, signal, error } = spawnSync(process.execPath, [cli, ...args], {
    cwd: job.output, env: { ...process.env, ...env }, stdio: 'inherit',
  });
  if (error) throw error;
  if (status !== 0) process.exit(status || 1);
}

// yarn 1: the lock file gets the addresses of the tarballs.
function yarn1() {
  const urls = JSON.parse(fs.readFileSync(whereaboutsFile, 'utf8'));
  const lock = path.join(job.output, 'yarn.lock');
  const text = fs.readFileSync(lock, 'utf8').replace(/^  resolved "layerbuild:(.*)"$/gm, (line, id) => {
    if (!urls[id]) throw new Error(`no address of ${id}`);
    return `  resolved ${JSON.stringify(urls[id])}`;
  });
  fs.writeFileSync(lock, text);
  run([
    'install', '--production', '--frozen-lockfile', '--ignore-scripts', '--ignore-platform', '--ignore-engines',
    '--no-bin-links', '--non-interactive', '--no-progress', '--network-timeout', '120000',
    '--cache-folder', job.cache, '--mutex', `file:${path.join(job.cache, '.mutex')}`,
  ]);
}

// yarn 2 and later: checksums are those of archives that yarn makes, by one
// level of compression each. It holds those of its own level against them; where
// there are several, it runs once for each. The lock file must come out as it
// was, but for the patches that yarn itself has for some packages: another
// release of it may have others, on top of what the checksums hold.
function berry() {
  const lock = path.join(job.output, 'yarn.lock');
  const text = fs.readFileSync(lock, 'utf8');
  for (const level of job.levels) {
    fs.writeFileSync(lock, text);
    run(['install', '--no-immutable'], { YARN_COMPRESSION_LEVEL: level });
    const [was, is] = [text, fs.readFileSync(lock, 'utf8')].map(kept);
    const at = was.findIndex((line, i) => line !== is[i]);
    if (at >= 0 || was.length !== is.length) {
      console.error(`the lock file would change: ${JSON.stringify(was[at])} to ${JSON.stringify(is[at])}`);
      process.exit(1);
    }
  }
}

// What may not change of a lock file, in lines.
function kept(text) {
  const mixed = job.levels.length > 1;
  return text.split('\n\n').flatMap((entry) => {
    const patched = /^"[^"]*builtin</.test(entry);
    return entry.split('\n')
      .filter((line) => !((mixed || patched) && /^  (checksum|cacheKey): /.test(line)))
      .map((line) => (patched ? line.replace(/&hash=[0-9a-f]+/, '') : line));
  });
}

// Text of a tar's header.
function field(block, from, length) {
  const text = block.subarray(from, from + length);
  const end = text.indexOf(0);
  return text.subarray(0, end < 0 ? length : end).toString();
}

// Unpacks a tarball as layerbuild writes it: regular files below package/, with
// pax records where a name is long.
function unpack(tarball, folder) {
  const tar = zlib.gunzipSync(fs.readFileSync(tarball));
  let long = '';
  for (let at = 0; at + 512 <= tar.length && tar[at] !== 0;) {
    const header = tar.subarray(at, at + 512);
    const size = parseInt(field(header, 124, 12), 8);
    const data = tar.subarray(at + 512, at + 512 + size);
    const kind = String.fromCharCode(header[156]);
    at += 512 + Math.ceil(size / 512) * 512;
    if (kind === 'x') {
      long = (/^\d+ path=(.*)$/m.exec(data.toString()) || [])[1] || '';
      continue;
    }
    const prefix = field(header, 345, 155);
    const name = long || (prefix ? prefix + '/' : '') + field(header, 0, 100);
    long = '';
    const file = path.join(folder, name.slice(name.indexOf('/') + 1));
    fs.mkdirSync(path.dirname(file), { recursive: true });
    fs.writeFileSync(file, data, { mode: parseInt(field(header, 100, 8), 8) & 0o111 ? 0o755 : 0o644 });
  }
}

// Replaces the links to workspaces in a node_modules by the files of their
// packages, with what yarn has put below them. The links are read as they were
// in the folder where yarn made them.
function settle(folder, from, above) {
  for (const entry of fs.readdirSync(folder, { withFileTypes: true })) {
    const at = path.join(folder, entry.name);
    const origin = path.join(from, entry.name);
    if (entry.isSymbolicLink()) {
      const workspace = path.resolve(from, fs.readlinkSync(at));
      const member = (job.members || []).find((m) => path.join(job.output, m.folder) === workspace);
      if (!member) continue;
      fs.unlinkSync(at);
      if (above.includes(member)) continue; // it is found further up
      unpack(member.tarball, at);
      const nested = path.join(workspace, 'node_modules');
      if (!fs.existsSync(nested)) continue;
      fs.cpSync(nested, path.join(at, 'node_modules'), { recursive: true, verbatimSymlinks: true });
      settle(path.join(at, 'node_modules'), nested, [...above, member]);
    } else if (entry.isDirectory() && entry.name.startsWith('@')) {
      settle(at, origin, above);
    } else if (entry.isDirectory() && fs.existsSync(path.join(at, 'node_modules'))) {
      settle(path.join(at, 'node_modules'), path.join(origin, 'node_modules'), above);
    }
  }
}

// yarn runs in the output folder itself: nothing has to be moved.
fs.cpSync(job.project, job.output, { recursive: true });
if (job.manager === 'yarn') yarn1();
else berry();
const modules = path.join(job.output, 'node_modules');
settle(modules, modules, []);
for (const name of fs.readdirSync(job.output)) {
  if (name !== 'node_modules') fs.rmSync(path.join(job.output, name), { recursive: true });
}
