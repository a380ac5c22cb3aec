// Runs the install scripts of some packages of an installed tree, as npm would
// after unpacking all of it: every preinstall, then every install, then every
// postinstall, the outer packages first. A package with a binding.gyp and
// neither a preinstall nor an install script is compiled by node-gyp.
//
//   node run_scripts.cjs JOB
//
// JOB is a JSON file: {"root": folder of node_modules, "work": folder for what
// is needed meanwhile, "packages": ["name@version", …]}.
//
// With "part": "name@version" and "result": FOLDER, that package's own folder is
// then copied to FOLDER/files, without the packages below it. Where something
// else in the tree has changed but the packages whose scripts were run,
// FOLDER/elsewhere names it instead.
//
// With "results": {"name@version": FOLDER, …} nothing is run: what such a FOLDER
// holds takes the place of the package.
//
// npm's own library runs the scripts, so that they find the variables that they
// expect. The packages' commands are linked outside of the tree.

const fs = require("node:fs");
const { dirname, join, relative } = require("node:path");
const { createHash } = require("node:crypto");

const npm = join(dirname(fs.realpathSync(process.execPath)), "../lib/node_modules/npm");
const runScript = require(join(npm, "node_modules/@npmcli/run-script"));

const job = JSON.parse(fs.readFileSync(process.argv[2], "utf8"));
const wanted = new Set(job.packages);

function fail(text) {
  console.error(`error: ${text}`);
  process.exit(1);
}

// packagesIn lists the packages below a folder that is named node_modules. Links
// are passed over: what they lead to lies elsewhere in the tree.
function packagesIn(folder, found = []) {
  for (const entry of fs.readdirSync(folder, { withFileTypes: true })) {
    const path = join(folder, entry.name);
    if (!entry.isDirectory() || entry.name === ".bin") continue;
    if (entry.name.startsWith("@")) {
      packagesIn(path, found);
    } else if (entry.name === ".pnpm") {
      for (const name of fs.readdirSync(path)) {
        const inner = join(path, name, "node_modules");
        if (fs.existsSync(inner)) packagesIn(inner, found);
      }
    } else {
      const manifest = readManifest(path);
      if (manifest) found.push({ path, manifest });
      const inner = join(path, "node_modules");
      if (fs.existsSync(inner)) packagesIn(inner, found);
    }
  }
  return found;
}

function readManifest(folder) {
  try {
    return JSON.parse(fs.readFileSync(join(folder, "package.json"), "utf8"));
  } catch {
    return null; // not a package, or one that nothing can be run of
  }
}

// commandsOf are a package's commands, by name.
function commandsOf({ path, manifest }) {
  if (typeof manifest.bin === "string") {
    return { [manifest.name.replace(/^@[^/]*\//, "")]: join(path, manifest.bin) };
  }
  const commands = {};
  for (const [name, target] of Object.entries(manifest.bin ?? {})) {
    if (typeof target === "string" && !name.includes("/")) commands[name] = join(path, target);
  }
  return commands;
}

// linkCommands makes, for a folder that is named node_modules, a folder with the
// commands of the packages in it. Those that are links count: pnpm has only
// these.
const linked = new Map();
function linkCommands(folder) {
  if (linked.has(folder)) return linked.get(folder);
  const to = join(job.work, "bin", createHash("sha256").update(folder).digest("hex").slice(0, 16));
  fs.mkdirSync(to, { recursive: true });
  linked.set(folder, to);
  const direct = [];
  for (const name of fs.readdirSync(folder)) {
    const path = join(folder, name);
    if (name.startsWith(".")) continue;
    if (name.startsWith("@")) direct.push(...fs.readdirSync(path).map((inner) => join(path, inner)));
    else direct.push(path);
  }
  for (const path of direct) {
    const manifest = readManifest(path);
    if (!manifest) continue;
    for (const [name, target] of Object.entries(commandsOf({ path, manifest }))) {
      const command = join(to, name);
      if (!fs.existsSync(target) || fs.existsSync(command)) continue;
      if (fs.statSync(target).mode & 0o100) fs.symlinkSync(target, command);
      else fs.writeFileSync(command, `#!/bin/sh\nexec node '${target}' "$@"\n`, { mode: 0o755 });
    }
  }
  return to;
}

// commandPath lists the folders with the commands that a package sees.
function commandPath(path) {
  const folders = [];
  for (let at = path; at !== dirname(at) && at.startsWith(dirname(job.root)); at = dirname(at)) {
    const folder = at.endsWith("/node_modules") ? at : join(at, "node_modules");
    if (fs.existsSync(folder)) folders.push(linkCommands(folder));
  }
  return [...new Set(folders)];
}

// sum tells one state of a package's files from another.
function sum(folder, hash = createHash("sha256"), top = true) {
  for (const name of fs.readdirSync(folder).sort()) {
    const path = join(folder, name);
    const info = fs.lstatSync(path);
    hash.update(`${relative(job.root, path)} ${info.mode} ${info.isFile() ? info.size : 0} ${info.mtimeMs}\n`);
    if (info.isDirectory()) sum(path, hash, false);
  }
  return top ? hash.digest("hex") : "";
}

function hasFile(folder, matches) {
  return fs.readdirSync(folder, { recursive: true }).some((name) => matches.test(name));
}

// leaves are the files that a package is of no use without and that its scripts
// bring, for packages whose scripts do not fail where they could not.
const leaves = { "@prisma/engines": /(query_engine|schema-engine)[^/]*$/ };

function check(p, before) {
  const { name, version } = p.manifest;
  if (fs.existsSync(join(p.path, "binding.gyp")) && !hasFile(p.path, /\.node$/)) {
    fail(`${name} ${version}: its install scripts ended well, and left no compiled addon (*.node)`);
  }
  if (leaves[name] && !hasFile(p.path, leaves[name])) {
    fail(`${name} ${version}: its install scripts ended well, and left no engine: the download failed`);
  }
  if (sum(p.path) === before) console.error(`${name} ${version}: its install scripts changed nothing`);
}

// copy copies what a folder holds, but for the names that are to be left out.
function copy(from, to, leaveOut = []) {
  fs.mkdirSync(to, { recursive: true });
  for (const entry of fs.readdirSync(from, { withFileTypes: true })) {
    const [a, b] = [join(from, entry.name), join(to, entry.name)];
    if (leaveOut.includes(entry.name)) continue;
    if (entry.isDirectory()) copy(a, b);
    else if (entry.isSymbolicLink()) fs.symlinkSync(fs.readlinkSync(a), b);
    else fs.copyFileSync(a, b);
  }
}

// filesOutside lists the tree's files, each with its state, but for those of some
// packages. What node-gyp leaves where a package has the headers that it
// compiles with is passed over: it comes into no layer.
function filesOutside(packages, folder = job.root, found = new Map()) {
  for (const entry of fs.readdirSync(folder, { withFileTypes: true })) {
    const path = join(folder, entry.name);
    if (entry.isDirectory()) {
      const below = packages.some((p) => p.path === path) ? join(path, "node_modules") : path;
      if (fs.existsSync(below)) filesOutside(packages, below, found);
    } else if (!/^nothing\.o$|\.target\.mk$|\.Makefile$/.test(entry.name)) {
      const { mode, size, ctimeMs } = fs.lstatSync(path);
      found.set(relative(job.root, path), `${mode} ${size} ${ctimeMs}`);
    }
  }
  return found;
}

// saveResult leaves what a part's package has become.
function saveResult(chosen, before) {
  const after = filesOutside(chosen);
  const all = [...new Set([...before.keys(), ...after.keys()])].sort();
  const changed = all.filter((path) => before.get(path) !== after.get(path));
  if (changed.length > 0) {
    fs.writeFileSync(join(job.result, "elsewhere"), changed.slice(0, 10).join("\n") + "\n");
    return;
  }
  const { path } = chosen.find(({ manifest }) => job.part === `${manifest.name}@${manifest.version}`);
  copy(path, join(job.result, "files"), ["node_modules"]);
}

// placeResults puts results in the place of what was installed.
function placeResults() {
  const all = packagesIn(job.root);
  for (const [id, folder] of Object.entries(job.results)) {
    const those = all.filter(({ manifest }) => id === `${manifest.name}@${manifest.version}`);
    if (those.length === 0) fail(`${id} is not installed`);
    for (const { path } of those) {
      for (const name of fs.readdirSync(path)) {
        if (name !== "node_modules") fs.rmSync(join(path, name), { recursive: true });
      }
      copy(folder, path);
    }
  }
}

async function main() {
  process.umask(0o022);
  if (job.results) return placeResults();
  // Set for node, and wrong for the system's own programs, which scripts call.
  delete process.env.LD_LIBRARY_PATH;
  const depth = (path) => path.split("/node_modules/").length;
  const all = packagesIn(job.root);
  const chosen = all.filter(({ manifest }) => wanted.has(`${manifest.name}@${manifest.version}`));
  chosen.sort((a, b) => depth(a.path) - depth(b.path) || (a.path < b.path ? -1 : 1));
  for (const id of wanted) {
    if (!chosen.some(({ manifest }) => id === `${manifest.name}@${manifest.version}`)) fail(`${id} is not installed`);
  }
  const before = new Map(chosen.map((p) => [p, sum(p.path)]));
  const outside = job.part ? filesOutside(chosen) : null;
  for (const event of ["preinstall", "install", "postinstall"]) {
    for (const p of chosen) {
      try {
        await runScript({
          event,
          path: p.path,
          pkg: { ...p.manifest, _id: `${p.manifest.name}@${p.manifest.version}`, scripts: { ...p.manifest.scripts } },
          env: { npm_package_resolved: "", npm_package_integrity: "" },
          binPaths: commandPath(p.path),
          stdio: "inherit",
          banner: false,
        });
      } catch (error) {
        const how = error.code === undefined ? error.message : `exit code ${error.code}`;
        fail(`the ${event} script of ${p.manifest.name} ${p.manifest.version} failed: ${how}`);
      }
    }
  }
  for (const p of chosen) check(p, before.get(p));
  if (job.part) saveResult(chosen, outside);
}

main().catch((error) => fail(error.stack));
