// Runs a package manager on a written project, in the folder that becomes the
// layer, and leaves nothing there but node_modules.
//
//   node install.mjs PROJECT OUTPUT COMMAND [ARGUMENT…]

import { spawnSync } from "node:child_process";
import { copyFileSync, mkdirSync, readdirSync, rmSync, statSync } from "node:fs";
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

process.umask(0o022);
copy(project, output);
const ran = spawnSync(command, args, { cwd: output, stdio: "inherit" });
if (ran.error) {
  console.error(`${command}: ${ran.error.message}`);
  process.exit(1);
}
if (ran.status !== 0) {
  process.exit(ran.status ?? 1);
}
for (const name of readdirSync(output)) {
  if (name !== "node_modules") rmSync(join(output, name), { recursive: true });
}
