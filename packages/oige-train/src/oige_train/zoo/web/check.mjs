// Run the modules of a page in Node.js and print a JSON object:
//   node check.mjs FOLDER TASK replay VECTORS    deviations from numbers of the C engine, by function and result
//   node check.mjs FOLDER TASK play EPISODES     returns and lengths of episodes of the policy
import { readFileSync } from "node:fs";
import { gunzipSync } from "node:zlib";
import { pathToFileURL } from "node:url";
import { join, resolve } from "node:path";

const [folder, task, mode, argument] = process.argv.slice(2);
const lib = (name) => import(pathToFileURL(join(resolve(folder), "lib", name)).href);
const { Chance, Pack, Simulation } = await lib("simulation.js");
const mujoco = await (await lib("mujoco.js")).default();
const ort = await lib("ort.wasm.min.mjs");
ort.env.wasm.numThreads = 1;
ort.env.logLevel = "error";
const manifest = JSON.parse(readFileSync(join(folder, task, "task.json"), "utf8"));
const bytes = gunzipSync(readFileSync(join(folder, task, "data.bin.gz")));
const buffer = bytes.buffer.slice(bytes.byteOffset, bytes.byteOffset + bytes.byteLength);
const simulation = await Simulation.create(mujoco, ort, manifest, new Pack(buffer, manifest.arrays));

if (mode === "replay") {
  const { replay } = await lib("replay.js");
  console.log(JSON.stringify(await replay(simulation, Chance, JSON.parse(readFileSync(argument, "utf8")))));
} else {
  const episodes = [];
  const started = performance.now();
  let steps = 0;
  while (episodes.length < Number(argument)) {
    await simulation.reset();
    let [sum, length, done] = [0, 0, false];
    while (!done) {
      const result = await simulation.step(await simulation.act());
      sum += result.reward;
      length += 1;
      done = result.terminated || result.truncated;
    }
    episodes.push({ return: sum, length });
    steps += length;
  }
  console.log(JSON.stringify({ episodes, seconds_per_step: (performance.now() - started) / 1000 / steps }));
}
