// The page of one task: loads its files, plays the policy, draws the world and shows rewards.

import { Pack, Simulation } from "./simulation.js";
import { Scene } from "./scene.js";

const KEYS = {
  ArrowUp: [1, 0, 0], ArrowDown: [-1, 0, 0], ArrowLeft: [0, 1, 0], ArrowRight: [0, -1, 0], z: [0, 0, 1], x: [0, 0, -1],
};
const MOST_STEPS = 4; // control steps per picture on machines that are too slow

const $ = (id) => document.getElementById(id);

async function unpack(response) {
  const stream = response.body.pipeThrough(new DecompressionStream("gzip"));
  return new Response(stream).arrayBuffer();
}

async function get(path) {
  const response = await fetch(new URL(path, document.baseURI));
  if (!response.ok) throw new Error(`${path}: ${response.status} ${response.statusText}`);
  return response;
}

/** Load the task of this page. */
export async function load() {
  const [manifest, buffer, mujoco, ort] = await Promise.all([
    get("task.json").then((response) => response.json()),
    get("data.bin.gz").then(unpack),
    import("./mujoco.js").then((module) => module.default()),
    import("./ort.wasm.min.mjs"),
  ]);
  ort.env.wasm.numThreads = 1;
  ort.env.logLevel = "error";
  const pack = new Pack(buffer, manifest.arrays);
  return { manifest, pack, simulation: await Simulation.create(mujoco, ort, manifest, pack) };
}

class Player {
  constructor({ manifest, pack, simulation }) {
    Object.assign(this, { manifest, simulation });
    this.scene = new Scene($("view"), manifest.geometry, pack, simulation.data);
    this.paused = false;
    this.random = false;
    this.keys = new Set();
    this.episode = { reward: 0, return: 0, steps: 0, terms: [] };
    this.finished = []; // returns of episodes
    this.behind = 0; // s of simulated time to catch up
    this.needsReset = true;
    this.wire();
  }

  wire() {
    $("pause").onclick = () => this.pause();
    $("reset").onclick = () => (this.needsReset = true);
    $("camera").onclick = () => this.scene.look();
    $("actions").onchange = (event) => (this.random = event.target.value === "random");
    if (this.manifest.steerable) $("steer").hidden = false;
    addEventListener("keydown", (event) => {
      if (event.target.matches?.("select")) return;
      if (event.key in KEYS && this.manifest.steerable) event.preventDefault();
      if (event.repeat) return;
      if (event.key === " ") event.preventDefault(), this.pause();
      else if (event.key === "r") this.needsReset = true;
      else if (event.key === "c") this.scene.look();
      else this.keys.add(event.key);
    });
    addEventListener("keyup", (event) => this.keys.delete(event.key));
    addEventListener("blur", () => this.keys.clear());
    for (const button of document.querySelectorAll("[data-key]")) {
      button.onpointerdown = () => this.keys.add(button.dataset.key);
      button.onpointerup = button.onpointerleave = () => this.keys.delete(button.dataset.key);
    }
  }

  pause() {
    this.paused = !this.paused;
    $("pause").textContent = this.paused ? "Play" : "Pause";
  }

  /** Write the commands of held keys; the robot follows random commands until the first key. */
  steer() {
    if (!this.manifest.steerable) return;
    const held = [...this.keys].filter((key) => key in KEYS);
    if (held.length) this.driven = true;
    if (!this.driven) return;
    const { state } = this.simulation;
    const command = held.reduce((sum, key) => sum.map((each, i) => each + KEYS[key][i]), [0, 0, 0]);
    state.get("task.commands")?.set(command);
    state.get("task.manual_control")?.fill(1);
    state.get("task.no_timeout")?.fill(1);
  }

  async step() {
    const { simulation, episode } = this;
    if (this.needsReset) {
      this.needsReset = false;
      await simulation.reset();
      Object.assign(episode, { reward: 0, return: 0, steps: 0 });
    }
    this.steer();
    const count = this.manifest.num_actions;
    const actions = this.random ? Float32Array.from({ length: count }, () => 2 * Math.random() - 1) : await simulation.act();
    const result = await simulation.step(actions);
    episode.reward = result.reward;
    episode.return += result.reward;
    episode.steps += 1;
    episode.terms = result.terms;
    if (result.terminated || result.truncated) {
      this.finished.push(episode.return);
      this.needsReset = true;
    }
  }

  show() {
    const { reward, return: sum, steps, terms } = this.episode;
    const number = (value) => {
      const size = Math.abs(value);
      if (size > 0 && size < 5e-4) return value.toExponential(1);
      return (value + 0).toLocaleString("en", { maximumFractionDigits: size < 10 ? 3 : size < 1000 ? 1 : 0 });
    };
    $("reward").textContent = number(reward);
    $("return").textContent = number(sum);
    $("time").textContent = `${(steps * this.manifest.control_dt).toFixed(1)} s`;
    const last = this.finished.slice(-10);
    $("mean").textContent = last.length ? number(last.reduce((a, b) => a + b) / last.length) : "–";
    const most = Math.max(1e-9, ...Array.from(terms, Math.abs));
    if (!this.bars) {
      this.bars = this.manifest.reward_terms.map((name) => {
        const row = $("terms").appendChild(document.createElement("div"));
        row.innerHTML = "<span></span><i><b></b></i><em></em>";
        row.firstChild.textContent = name;
        return row;
      });
    }
    this.bars.forEach((row, i) => {
      const bar = row.querySelector("b");
      bar.style.width = `${(50 * Math.abs(terms[i] ?? 0)) / most}%`;
      bar.className = terms[i] < 0 ? "less" : "";
      row.lastChild.textContent = number(terms[i] ?? 0);
    });
  }

  async run() {
    let before = performance.now();
    for (;;) {
      await new Promise(requestAnimationFrame);
      const now = performance.now();
      this.behind = Math.min(this.behind + (now - before) / 1000, MOST_STEPS * this.manifest.control_dt);
      before = now;
      while (!this.paused && this.behind >= this.manifest.control_dt) {
        this.behind -= this.manifest.control_dt;
        await this.step();
      }
      this.scene.draw();
      this.show();
    }
  }
}

export async function start() {
  try {
    const loaded = await load();
    const player = (window.player = new Player(loaded));
    $("loading").hidden = true;
    await player.run();
  } catch (error) {
    $("loading").hidden = false;
    $("loading").textContent = `This page cannot be shown: ${error.message ?? error}`;
    throw error;
  }
}
