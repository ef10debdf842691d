"""The part of ``cpu_speed.py`` that runs in each checkout; it imports only what old checkouts have, too."""

import hashlib
import json
import sys
import time

import torch
from oige_core import make_vec

NUM_ACTIONS = 16  # different actions, which repeat


def work(task: str, num_envs: int) -> None:
    """Step an environment for as many steps as each line of the input says, and print the times as JSON."""
    torch.set_num_threads(1)
    env = make_vec(task, num_envs, seed=1, sim_device="cpu", num_threads=1)
    observations, _ = env.reset(options={"stagger": True})
    generator = torch.Generator().manual_seed(1)
    actions = torch.rand(NUM_ACTIONS, *(env.action_space.shape or ()), generator=generator) * 2.0 - 1.0
    done = 0
    for line in sys.stdin:
        cpu, wall = time.process_time(), time.perf_counter()
        for _ in range(int(line)):
            observations = env.step(actions[done % NUM_ACTIONS])[0]
            done += 1
        cpu, wall = time.process_time() - cpu, time.perf_counter() - wall
        digest = hashlib.sha256(observations.numpy().tobytes()).hexdigest()
        print(json.dumps({"cpu": cpu, "wall": wall, "digest": digest}), flush=True)
    env.close()


if __name__ == "__main__":
    work(sys.argv[1], int(sys.argv[2]))
