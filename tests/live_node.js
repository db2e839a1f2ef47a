// Runs an expression on the page's scripts in Node: node live_node.js FOLDER FILE. Standard input is the request as
// JSON, standard output the answer. See tests/live.py.
const { readFileSync } = require("node:fs");
const { join } = require("node:path");
const { runInThisContext } = require("node:vm");
const [folder, file] = process.argv.slice(2);
const { scripts, structures, ...request } = JSON.parse(readFileSync(0, "utf8"));
for (const script of scripts) runInThisContext(readFileSync(join(folder, script), "utf8"), { filename: script });
Live.structures = structures;
const ask = runInThisContext(readFileSync(file, "utf8").replace(/^(\/\/.*\n)*/, ""), { filename: file });
process.stdout.write(JSON.stringify(ask(Live, request)));
