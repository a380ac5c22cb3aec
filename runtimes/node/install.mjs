// Runs a package manager on a written project, in the folder that becomes the
// layer, and leaves nothing there but node_modules.
//
//   node install.mjs PROJECT OUTPUT COMMAND [ARGUMENT…]

import { spawnSync } from "node:child_process";
import { copyFileSync, existsSync, mkdirSync, readFileSync, readdirSync, rmSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";

const [project, output, command, ...args] = process.argv.slice(2);

function copy(from, to) {
  mkdirSync(to, { recursive: true });
  for (const name of readdirSync(from)) {
    const [a, b] = [join(from, name), join(to, name)];
    if (statSync(a).isDirectory()) copy(a, b);
    else copyFileSync(a, b);
  }
}

// bun's lock file gets the addresses of the tarballs, which are in no key.
function place() {
  const file = "/layerbuild/whereabouts.json";
  if (!existsSync(file)) return;
  const urls = JSON.parse(readFileSync(file, "utf8"));
  const lock = join(output, "bun.lock");
  const text = readFileSync(lock, "utf8");
  writeFileSync(lock, text.replace(/"layerbuild:([^"]*)"/g, (_, id) => JSON.stringify(urls[id] ?? "")));
}

// What a registry refused, npm says in its log alone.
function explain() {
  const logs = process.env.npm_config_logs_dir;
  if (command !== "npm" || !existsSync(logs)) return;
  for (const name of readdirSync(logs)) {
    for (const line of readFileSync(join(logs, name), "utf8").split("\n")) {
      if (/ http fetch GET 40[13] /.test(line)) console.error(line.replace(/^\d+ /, "npm "));
    }
  }
}

process.umask(0o022);
copy(project, output);
place();
const ran = spawnSync(command, args, { cwd: output, stdio: "inherit" });
if (ran.error) {
  console.error(`${command}: ${ran.error.message}`);
  process.exit(1);
}
if (ran.status !== 0) {
  explain();
  process.exit(ran.status ?? 1);
}
for (const name of readdirSync(output)) {
  if (name !== "node_modules") rmSync(join(output, name), { recursive: true });
}
