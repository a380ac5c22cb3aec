// Loads packages and writes down what becomes of each.
//
// Usage: worker.js ITEMS FOLDER SECONDS. The protocol is in smoke.go.
"use strict";
const fs = require("fs"), path = require("path"), { Worker } = require("worker_threads");
const [items, folder, seconds] = process.argv.slice(2);
process.argv.length = 2;
const results = path.join(folder, "results");
const note = (...words) => fs.appendFileSync(results, words.join(" ") + "\n");

function oneLine(error) {
  let text = error instanceof Error ? error.name + ": " + error.message : String(error);
  text = text.replace(/\s+/g, " ").trim();
  return text.length > 300 ? text.slice(0, 300) + "..." : text;
}

function describe(error) {
  let cause = error;
  while (cause && cause.cause instanceof Error && cause.cause !== cause) cause = cause.cause;
  return oneLine(error) + (cause !== error ? " (" + oneLine(cause) + ")" : "");
}

// An endless loop stops this thread's timers, but not another thread's.
const watch = new Worker(`
  const { parentPort } = require("worker_threads");
  let timer;
  parentPort.on("message", (seconds) => {
    clearTimeout(timer);
    if (seconds) timer = setTimeout(() => process.kill(process.pid, "SIGALRM"), seconds * 1000);
  });`, { eval: true });

// import() looks in the folders above the importing file only: Lambda makes up
// for that, and here links do.
const importers = [];
for (const [i, root] of (process.env.NODE_PATH || "").split(":").filter((p) => p.startsWith("/opt/") && fs.existsSync(p)).entries()) {
  const dir = path.join("/tmp", "importer" + i + "-" + process.pid);
  fs.mkdirSync(dir);
  fs.symlinkSync(root, path.join(dir, "node_modules"));
  fs.writeFileSync(path.join(dir, "load.mjs"), "export const load = (name) => import(name);\n");
  importers.push([root, dir]);
}

async function importIt(name) {
  const [, dir] = importers.find(([root]) => fs.existsSync(path.join(root, name))) || importers[0];
  const { load } = await import(path.join(dir, "load.mjs"));
  await load(name);
}

// What a package throws after it was loaded is its failure, too.
let thrown = [];
process.on("uncaughtException", (error) => thrown.push(error));
process.on("unhandledRejection", (error) => thrown.push(error));

const esmOnly = ["ERR_REQUIRE_ESM", "ERR_REQUIRE_ASYNC_MODULE", "ERR_PACKAGE_PATH_NOT_EXPORTED"];

async function load(item) {
  const name = item.split(" ")[1];
  thrown = [];
  watch.postMessage(Number(seconds));
  try {
    try {
      require(name);
    } catch (error) {
      if (!error || !esmOnly.includes(error.code)) throw error;
      await importIt(name);
    }
    await new Promise((resolve) => setImmediate(resolve));
    if (thrown.length) throw thrown[0];
    return ["ok"];
  } catch (error) {
    return ["fail", describe(error)];
  } finally {
    watch.postMessage(0);
  }
}

async function main() {
  const todo = fs.readFileSync(items, "utf8").split("\n").filter(Boolean);
  const tried = new Set(), failed = new Set(), alone = new Set();
  for (const line of fs.existsSync(results) ? fs.readFileSync(results, "utf8").split("\n") : []) {
    const [word, i] = line.split(" ");
    if (word === "start") tried.add(Number(i)), failed.add(Number(i));
    if (word === "alone") alone.add(Number(i));
    if (word === "ok") failed.delete(Number(i));
  }
  let fresh = true; // this process
  for (let i = 0; i < todo.length; i++) {
    if (tried.has(i)) continue;
    fresh = false;
    note("start", i);
    const [word, text = ""] = await load(todo[i]);
    note(word, i, text);
    if (word === "fail") failed.add(i);
  }
  // What one package does may break another: what failed is tried once more in
  // a process of its own.
  const again = [...failed].filter((i) => !alone.has(i)).sort((a, b) => a - b);
  if (again.length && fresh) {
    note("alone", again[0]);
    const [word, text = ""] = await load(todo[again[0]]);
    note(word, again[0], text);
  }
  if (again.length < (fresh ? 2 : 1)) fs.writeFileSync(path.join(folder, "done"), "");
  process.reallyExit(0);
}

main();
