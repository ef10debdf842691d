"""Time a control step of each controller of oige_core.control, as a table in Markdown.

    uv run python tools/controller_speed.py [--num-envs 128] [--device cuda] [--json controller_speed.json]

States are random. On a CPU, torch has one thread, as in training on few cores. On a GPU, a step is a replayed CUDA
graph. Each figure is the median of 200 steps, in µs.
"""

import argparse
import json
import statistics
import time
import typing
from collections.abc import Callable
from pathlib import Path

import torch
from oige_core.config import ControlConfig
from oige_core.config.control_schema import ControlType, JacobianType
from oige_core.control import Controller, ControlState, ControlTarget

STEPS, WARM_UP = 200, 20
ARM, FINGERS = 7, 2


def random_inputs(count: int, device: str) -> tuple[ControlState, ControlTarget]:
    """Return states and targets of arms of seven joints with two fingers."""
    generator = torch.Generator(device).manual_seed(0)

    def drawn(*shape: int) -> torch.Tensor:
        return torch.randn(count, *shape, generator=generator, device=device)

    def quaternions() -> torch.Tensor:
        return torch.nn.functional.normalize(drawn(4), dim=-1)

    half = drawn(ARM, ARM)
    state = ControlState(
        joint_positions=drawn(ARM + FINGERS),
        joint_velocities=drawn(ARM + FINGERS),
        position=drawn(3),
        orientation=quaternions(),
        linear_velocity=drawn(3),
        angular_velocity=drawn(3),
        jacobian=drawn(6, ARM),
        mass_matrix=half @ half.mT + torch.eye(ARM, device=device),
        contact_force=drawn(3),
    )
    target = ControlTarget(
        position=drawn(3), orientation=quaternions(), gripper_positions=drawn(FINGERS), wrench=drawn(6)
    )
    return state, target


def captured(step: Callable[[], object]) -> Callable[[], object]:
    """Return a replay of a CUDA graph of ``step``, which waits until it is done."""
    step()
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph):
        step()

    def replay() -> None:
        graph.replay()
        torch.cuda.synchronize()

    return replay


def median_time(step: Callable[[], object]) -> float:
    """Return the median duration of a step in µs."""
    durations = []
    for index in range(WARM_UP + STEPS):
        start = time.perf_counter()
        step()
        if index >= WARM_UP:
            durations.append(time.perf_counter() - start)
    return 1e6 * statistics.median(durations)


def measure(name: ControlType, jacobian_type: JacobianType, count: int, device: str) -> float:
    """Return the duration of a step of a controller with the default gains in µs."""
    config = ControlConfig(ctrl_type=name)
    config.all.jacobian_type = jacobian_type
    controller = Controller(config, device, captured=device != "cpu")
    compute = controller.compute_position_targets if controller.drives_positions else controller.compute_efforts
    state, target = random_inputs(count, device)

    def step() -> torch.Tensor:
        return compute(state, target)

    return median_time(step if device == "cpu" else captured(step))


@torch.no_grad()
def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--num-envs", type=int, default=128)
    parser.add_argument("--device", choices=("cpu", "cuda"), default="cpu")
    parser.add_argument("--json", type=Path)
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    jacobian_types: tuple[JacobianType, ...] = typing.get_args(JacobianType)
    rows = {
        name: {kind: measure(name, kind, arguments.num_envs, arguments.device) for kind in jacobian_types}
        for name in typing.get_args(ControlType)
    }
    print(f"| controller | {' | '.join(jacobian_types)} |")
    print(f"|{' --- |' * (1 + len(jacobian_types))}")
    for name, row in rows.items():
        print(f"| `{name}` | {' | '.join(f'{value:.0f}' for value in row.values())} |")
    if arguments.json:
        arguments.json.write_text(json.dumps(vars(arguments) | {"json": None, "microseconds": rows}, indent=1) + "\n")


if __name__ == "__main__":
    main()
