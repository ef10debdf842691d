// Calls the functions of a page with states of the C engine and returns how far its results are from those of Python.

/** Return the largest deviation of each result, |a - b| / (1 + |b|), over all calls. */
export async function replay(simulation, Chance, { state, calls }) {
  for (const [path, values] of Object.entries(state)) {
    const own = simulation.state.get(path);
    simulation.state.set(path, own instanceof BigInt64Array ? own.map((_, i) => BigInt(values[i])) : own.map((_, i) => values[i]));
  }
  const worst = {};
  const note = (label, ours, theirs) => {
    if (ours.length !== theirs.length) throw new Error(`${label}: ${ours.length} numbers, expected ${theirs.length}`);
    for (let i = 0; i < ours.length; i++) {
      const error = Math.abs(Number(ours[i]) - theirs[i]) / (1 + Math.abs(theirs[i]));
      if (!(error <= (worst[label] ?? -1))) worst[label] = error;
    }
  };
  for (const call of calls) {
    const { data, forces } = simulation;
    for (const [name, values] of Object.entries(call.fields ?? {})) (forces.get(name) ?? data[name]).set(values);
    simulation.chance = new Chance({ [call.function]: call.random });
    const given = Object.fromEntries(Object.entries(call.given).map(([name, values]) => [name, Float32Array.from(values)]));
    const results = await simulation.call(call.function, given);
    for (const [name, values] of Object.entries(call.results)) note(`${call.function} ${name}`, results[name], values);
    for (const [name, values] of Object.entries(call.written ?? {})) note(`${call.function} ${name}`, data[name], values);
  }
  return worst;
}
