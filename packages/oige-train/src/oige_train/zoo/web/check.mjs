// Compare what a page computes with numbers of the C engine: node check.mjs <folder of the pages> <Task> <vectors.json>
import { readFileSync } from "node:fs";
import { gunzipSync } from "node:zlib";
import { pathToFileURL } from "node:url";
import { join, resolve } from "node:path";

const [folder, task, file] = process.argv.slice(2);
const lib = (name) => pathToFileURL(join(resolve(folder), "lib", name)).href;
const { Chance, Pack, Simulation } = await import(lib("simulation.js"));
const mujoco = await (await import(lib("mujoco.js"))).default();
const ort = await import(lib("ort.wasm.min.mjs"));
ort.env.wasm.numThreads = 1;
ort.env.logLevel = "error";
const manifest = JSON.parse(readFileSync(join(folder, task, "task.json"), "utf8"));
const bytes = gunzipSync(readFileSync(join(folder, task, "data.bin.gz")));
const buffer = bytes.buffer.slice(bytes.byteOffset, bytes.byteOffset + bytes.byteLength);
const simulation = await Simulation.create(mujoco, ort, manifest, new Pack(buffer, manifest.arrays));
const { replay } = await import(lib("replay.js"));
console.log(JSON.stringify(await replay(simulation, Chance, JSON.parse(readFileSync(file, "utf8")))));
