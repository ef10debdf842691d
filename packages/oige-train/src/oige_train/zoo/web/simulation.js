// One world of a task: MuJoCo's model, and the recorded functions of the task and of its policy.

const ARRAYS = { float32: Float32Array, int64: BigInt64Array, bool: Uint8Array };
const FORCES = new Set(["actuator_force", "qacc", "qfrc_actuator", "qfrc_constraint", "sensordata"]);

/** Arrays of a task's data file by name. */
export class Pack {
  constructor(buffer, entries) {
    this.buffer = buffer;
    this.entries = entries;
  }

  get(name) {
    const { type, offset, count } = this.entries[name];
    const kinds = { float32: Float32Array, float64: Float64Array, int32: Int32Array, uint32: Uint32Array,
      int64: BigInt64Array, uint8: Uint8Array, bool: Uint8Array };
    return new kinds[type](this.buffer, offset, count);
  }
}

/** Random numbers of a page: from Math.random, or given ones. */
export class Chance {
  constructor(given = null) {
    this.given = given; // numbers by function and number of the input
  }

  draw(label, number, kind, values) {
    if (this.given) return values.set(this.given[label][number]);
    for (let i = 0; i < values.length; i++) {
      if (kind === "uniform") values[i] = Math.random();
      else if (kind === "bits") values[i] = Math.floor(65536 * Math.random()) - 32768;
      else values[i] = Math.sqrt(-2 * Math.log(1 - Math.random())) * Math.cos(2 * Math.PI * Math.random());
    }
  }
}

export class Simulation {
  /**
   * @param mujoco MuJoCo's module
   * @param ort ONNX Runtime
   * @param manifest the task's description
   * @param pack the task's arrays
   */
  static async create(mujoco, ort, manifest, pack) {
    const simulation = new Simulation(mujoco, ort, manifest, pack);
    for (const [name, parts] of Object.entries(manifest.functions)) {
      simulation.functions[name] = [];
      for (const part of parts) {
        const session = part.outputs.length ? await ort.InferenceSession.create(pack.get(part.graph)) : null;
        simulation.functions[name].push({ ...part, session });
      }
    }
    return simulation;
  }

  constructor(mujoco, ort, manifest, pack) {
    this.mujoco = mujoco;
    this.ort = ort;
    this.manifest = manifest;
    this.chance = new Chance();
    this.functions = {};
    const files = new mujoco.MjVFS();
    for (const name of manifest.files) files.addBuffer(name, pack.get(`file.${name}`));
    this.model = mujoco.MjModel.from_xml_string(manifest.xml, files);
    files.delete();
    for (const name of manifest.model_fields) {
      this.setModel(name, pack.get(`model.${name}`), manifest.arrays[`model.${name}`].rows);
    }
    this.data = new mujoco.MjData(this.model);
    this.state = new Map();
    for (const name of manifest.state) this.state.set(name, pack.get(`state.${name}`).slice());
    for (const name of manifest.fields) this.data[name].set(pack.get(`field.${name}`));
    this.forces = new Map();
    for (const name of manifest.forces) this.forces.set(name, new Float32Array(this.data[name].length));
    this.observations = null;
    this.limits = manifest.velocity_limits;
    this.pushes = Object.values(manifest.functions).flat().some((part) => part.outputs.includes("field:xfrc_applied"));
    this.refresh();
  }

  /** Set a field of the model. Rows are longer or shorter in another release of MuJoCo: the common columns count. */
  setModel(name, values, rows = 1) {
    const target = name === "opt.gravity" ? this.model.opt.gravity : this.model[name];
    if (!target) return; // a field that this release does not have
    if (target.length === values.length) return target.set(values);
    const [own, given] = [target.length / rows, values.length / rows];
    for (let row = 0; row < rows; row++) {
      target.set(values.subarray(row * given, row * given + Math.min(own, given)), row * own);
    }
  }

  /** Compute what depends on positions and velocities, without forces. */
  refresh() {
    this.mujoco.mj_fwdPosition(this.model, this.data);
    this.mujoco.mj_fwdVelocity(this.model, this.data);
  }

  /** Advance physics by a control step. */
  advance() {
    const { mujoco, model, data, limits } = this;
    for (let i = 0; i < this.manifest.physics_steps; i++) {
      mujoco.mj_step(model, data);
      if (limits) this.limitVelocities(limits);
    }
    for (const [name, values] of this.forces) values.set(data[name]);
    if (this.pushes) data.xfrc_applied.fill(0);
    this.refresh();
  }

  limitVelocities({ dofs, positions, bounds }) {
    const { qvel, qpos } = this.data;
    dofs.forEach((dof, i) => {
      const free = qvel[dof];
      qvel[dof] = Math.min(bounds[i], Math.max(-bounds[i], free));
      qpos[positions[i]] += (qvel[dof] - free) * this.model.opt.timestep;
    });
  }

  /** Run a recorded function and return its results by name. */
  async call(name, given = {}) {
    const results = {};
    const carried = new Map();
    const parts = this.functions[name];
    for (let i = 0; i < parts.length; i++) {
      if (i > 0) this.refresh();
      await this.run(name, parts[i], given, carried, results);
    }
    for (const [path, values] of Object.entries(results.state ?? {})) this.state.set(path, values);
    delete results.state;
    return results;
  }

  async run(name, part, given, carried, results) {
    if (!part.session) return;
    const feeds = {};
    for (const { name: label, type, shape } of part.inputs) {
      const [kind, rest] = split(label);
      let values;
      if (kind === "given") values = given[rest];
      else if (kind === "state") values = this.state.get(rest);
      else if (kind === "carry") values = carried.get(rest);
      else {
        const count = shape.reduce((a, b) => a * b, 1);
        values = new ARRAYS[type](count);
        if (kind === "random") this.chance.draw(name, Number(rest), part.random[rest], values);
        else if (kind === "model") values.set(this.model[rest]);
        else values.set(FORCES.has(rest) ? this.forces.get(rest) : this.data[rest]);
      }
      feeds[label] = new this.ort.Tensor(type, values, shape);
    }
    const outputs = await part.session.run(feeds);
    for (const label of part.outputs) {
      const values = outputs[`out:${label}`].data;
      const [kind, rest] = split(label);
      if (kind === "field" && FORCES.has(rest)) this.forces.get(rest).set(values);
      else if (kind === "field") this.data[rest].set(values);
      else if (kind === "model") this.setModel(rest, values);
      else if (kind === "state") (results.state ??= {})[rest] = values.slice();
      else if (kind === "carry") carried.set(rest, values.slice());
      else results[label] = values.slice();
    }
    if (part.set_const) this.mujoco.mj_setConst(this.model, this.data);
  }

  /** Start an episode. */
  async reset() {
    ({ observations: this.observations } = await this.call("reset"));
    this.refresh();
  }

  /** Return the policy's actions for the current observations. */
  async act() {
    return (await this.call("policy", { observations: this.observations })).actions;
  }

  /** Take a control step and return reward, reward terms and flags; a finished episode is not reset yet. */
  async step(actions) {
    await this.call("begin", { actions });
    this.advance();
    const results = await this.call("end");
    this.observations = results.observations;
    const broken = !this.data.qpos.every(Number.isFinite);
    return {
      reward: results.reward[0],
      terms: results.reward_terms ?? [],
      terminated: Boolean(results.terminated[0]) || broken,
      truncated: Boolean(results.truncated[0]),
    };
  }
}

function split(label) {
  const at = label.indexOf(":");
  return at < 0 ? ["result", label] : [label.slice(0, at), label.slice(at + 1)];
}
