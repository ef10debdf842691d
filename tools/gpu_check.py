"""Check and measure the CUDA executor of the embedded engine on a machine with a GPU.

    python tools/gpu_check.py --out gpu_check.json

Sections are independent: each prints its result, and the others run even if one fails. The program compares the
executor with the C engine on the models of its tests, checks that steps replay graphs without host synchronisation, and
compares steps per second with a graph of plain MuJoCo Warp. With ``--device cpu`` it runs a small version on Warp's CPU
device. The exit code is the number of sections that failed.
"""

import argparse
import json
import platform
import statistics
import time
import traceback
from collections.abc import Callable
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any

import mujoco
import mujoco_warp as mjw
import torch
import warp as wp
from oige_core.config import SimConfig
from oige_core.engines.mujoco.engine import MujocoEngine, on_warp
from oige_core.engines.mujoco.executors.batch import BatchExecutor
from oige_core.engines.mujoco.executors.protocol import FORCE_FIELDS, REFRESHED_FIELDS, STATE_FIELDS
from oige_core.engines.mujoco.executors.warp import WarpExecutor
from oige_core.errors import OigeError, nearest
from oige_core.scene import Scene
from oige_core.testing import TapeRecorder
from oige_train.cli.common import run_cli

ROOT = Path(__file__).resolve().parent.parent
MODELS = ROOT / "packages" / "oige-core" / "tests" / "test_executor_models"
NAMES = ("cartpole", "free_bodies", "mechanisms")
# What positions may differ by, and velocities and forces relative to their size, after 1, 10 and 100 steps.
TOLERANCES = {1: (1e-5, 1e-4, 1e-3), 10: (1e-4, 1e-3, 1e-3), 100: (2e-4, 2e-3, 2e-3)}
FORCES = FORCE_FIELDS | {"qacc_warmstart"}
VELOCITIES = {"cvel", "qvel", "ten_velocity", "qfrc_passive", "qfrc_bias"}


def load(name: str) -> mujoco.MjModel:
    return mujoco.MjModel.from_xml_path(str(MODELS / f"{name}.xml"))


def push(executor: Any, seed: int = 0) -> None:
    """Start from the initial state with velocities and controls that differ between worlds."""
    random = torch.Generator().manual_seed(seed)
    model, count = executor.model, executor.num_envs
    executor.reset()
    executor.field("qvel").copy_(0.5 * torch.randn(count, model.nv, generator=random, dtype=torch.float64))
    executor.field("ctrl").copy_(2.0 * torch.randn(count, model.nu, generator=random, dtype=torch.float64))


def set_drives(executor: Any) -> None:
    if executor.model.nu:
        gains = executor.model_field("actuator_biasprm")
        gains[..., 1], gains[..., 2] = -20.0, -1.0
        executor.model_changed(["actuator_biasprm"])


def synchronize(device: str) -> None:
    if device != "cpu":
        torch.cuda.synchronize(device)


def everything(executor: WarpExecutor) -> dict[str, torch.Tensor]:
    return {name: executor.field(name).clone() for name in sorted(STATE_FIELDS | FORCE_FIELDS)}


def equal(one: dict[str, torch.Tensor], other: dict[str, torch.Tensor]) -> bool:
    return all(torch.equal(values, other[name]) for name, values in one.items())


def machine(device: str) -> dict[str, Any]:
    packages = ("mujoco", "mujoco-warp", "warp-lang", "torch", "numpy")
    result: dict[str, Any] = {
        "date": datetime.now(UTC).isoformat(timespec="seconds"),
        "python": platform.python_version(),
        "versions": {name: version(name) for name in packages},
    }
    if device != "cpu":
        properties = torch.cuda.get_device_properties(device)
        result["gpu"] = {"name": properties.name, "memory_gib": round(properties.total_memory / 2**30, 1)}
        result["cuda"] = torch.version.cuda
    return result


def parity(device: str) -> dict[str, Any]:
    result: dict[str, Any] = {}
    for name in NAMES:
        model = load(name)
        executors = WarpExecutor(model, 8, device), BatchExecutor(model, 8)
        for executor in executors:
            set_drives(executor)
            for field in REFRESHED_FIELDS | FORCE_FIELDS:
                executor.field(field)
            executor.mass_matrix()
            push(executor)
        done, result[name] = 0, {}
        for steps, tolerances in TOLERANCES.items():
            for _ in range(steps - done):
                for executor in executors:
                    executor.step(1, refresh=True)
            done = steps
            worst = {"position": 0.0, "velocity": 0.0, "force": 0.0}
            for field in STATE_FIELDS | REFRESHED_FIELDS | FORCE_FIELDS:
                ours, theirs = (executor.field(field).cpu().double() for executor in executors)
                if theirs.numel():
                    kind = "force" if field in FORCES else "velocity" if field in VELOCITIES else "position"
                    size = 1.0 if kind == "position" else max(1.0, float(theirs.abs().max()))
                    worst[kind] = max(worst[kind], float((ours - theirs).abs().max()) / size)
            ours, theirs = (executor.mass_matrix().cpu() for executor in executors)
            worst["mass_matrix"] = float((ours - theirs).abs().max())
            result[name][steps] = worst
            for (kind, value), tolerance in zip(worst.items(), (*tolerances, 1e-4), strict=True):
                assert value <= tolerance, (
                    f"{name}: {kind} differs by {value} after {steps} steps, more than {tolerance}"
                )
        problems = executors[0].problem_counts.totals()
        assert not problems, f"{name}: {problems}"
    return result


def model_fields(device: str) -> dict[str, Any]:
    """Per-world model fields against the C engine after 60 steps, all of them at once."""
    model = load("mechanisms")
    executors = WarpExecutor(model, 8, device), BatchExecutor(model, 8)
    final = []
    for executor in executors:
        set_drives(executor)
        worlds = torch.arange(8, device=executor.device)
        for field, share in (("body_mass", 0.1), ("opt.gravity", 0.05), ("dof_damping", 0.5), ("jnt_range", -0.05)):
            values = executor.model_field(field)
            values *= (1.0 + share * worlds.to(values)).view(-1, *[1] * (values.ndim - 1))
        executor.model_field("dof_frictionloss")[:] += 0.05 * worlds.to(values)[:, None]
        executor.model_field("body_pos")[:, 1, 2] += 0.05 * worlds.to(values)
        executor.model_changed(["body_mass", "opt.gravity", "dof_damping", "jnt_range", "dof_frictionloss", "body_pos"])
        push(executor)
        for _ in range(100):
            executor.step(1, refresh=False)
        final.append(executor.field("qpos").cpu().double())
    difference = float((final[0] - final[1]).abs().max())
    spread = float((final[1][1:] - final[1][:1]).abs().max())
    assert spread > 0.05, f"worlds do not differ: {spread}"
    assert difference <= 2e-4, f"differs from the C engine by {difference}"
    return {"difference": difference, "spread": spread}


def graphs(device: str) -> dict[str, Any]:
    """A step is one graph, captured once; nothing in a control step waits for the device."""
    executor = WarpExecutor(load("mechanisms"), 4096 if device != "cpu" else 4, device)
    set_drives(executor)
    for field in ("xpos", "cvel", "sensordata"):
        executor.field(field)
    ids = torch.arange(0, executor.num_envs, 7, device=executor.device)
    control = torch.zeros_like(executor.field("ctrl"))

    def control_step() -> None:
        executor.field("ctrl").copy_(control)
        executor.step(2, refresh=True)
        executor.reset(ids)
        executor.model_field("body_mass").mul_(1.0)
        executor.model_changed(["body_mass"])
        executor.refresh()

    for _ in range(3):
        control_step()
    captured = dict(executor.graphs.captured)
    assert captured, "no graph was captured"
    if device != "cpu":
        torch.cuda.synchronize()
        torch.cuda.set_sync_debug_mode("error")
    try:
        began = time.perf_counter()
        for _ in range(20):
            control_step()
        queued = (time.perf_counter() - began) / 20
    finally:
        if device != "cpu":
            torch.cuda.set_sync_debug_mode("default")
    synchronize(device)
    finished = (time.perf_counter() - began) / 20
    assert executor.graphs.captured == captured, "graphs were captured again"
    return {
        "graphs": sorted(map(str, captured)),
        "host_us_per_control_step": round(queued * 1e6, 1),
        "us_per_control_step": round(finished * 1e6, 1),
    }


def cameras(device: str) -> dict[str, Any]:
    """Reading a camera does not wait for the device; recorded in a CUDA graph, it renders what it renders eagerly."""
    worlds = 1024 if device != "cpu" else 4
    # The recorder that stands in for graphs on the CPU sees the work of one thread.
    engine = MujocoEngine(worlds, device, num_threads=1, executor=on_warp(worlds, device))
    scene = Scene(engine, SimConfig())
    scene.add_ground_plane()
    ball = scene.add_sphere("ball", radius=0.3, position=(2.0, 0.0, 0.5), kinematic=True)
    outputs = ("rgb", "depth", "segmentation")
    camera = scene.add_camera(
        "eye", width=120, height=80, horizontal_fov=1.2, position=(0.0, 0.0, 0.5), outputs=outputs
    )
    engine.build(scene)
    places = torch.zeros(4, worlds, 3, device=device)
    places[..., 0], places[..., 2] = 2.0, 0.5
    places[..., 1] = torch.linspace(-1.0, 1.0, 4 * worlds, device=device).view(4, worlds)
    place = places[0].clone()
    mask = torch.arange(worlds, device=device) % 3 == 0

    def read() -> list[torch.Tensor]:
        ball.set_world_poses(place)
        images = [getattr(camera, f"get_{output}")() for output in outputs]
        ball.set_world_poses(place.flip(0), indices=mask)
        return [*images, *(getattr(camera, f"get_{output}")() for output in outputs), *camera.get_world_poses()]

    for _ in range(2):
        read()
    synchronize(device)
    recorder = engine.graph_recorder() or TapeRecorder()
    with recorder.watch_waits() as waits:
        eager = []
        for values in places:
            place.copy_(values)
            eager.append([values.clone() for values in read()])
    assert not waits, f"waits for the device: {waits}"
    recorded: list[torch.Tensor] = []
    replay = recorder.record(lambda: recorded.extend(read()), [])
    replay()
    for values, expected in zip(places, eager, strict=True):
        place.copy_(values)
        replay()
        for one, other in zip(recorded, expected, strict=True):
            assert torch.equal(one, other), "the graph renders other images"
    assert not torch.equal(eager[0][0], eager[1][0]), "the images do not change"

    def render_time(selection: torch.Tensor | None) -> float:
        """Return the time of a rendering, in ms."""
        began = time.perf_counter()
        for _ in range(50):
            engine.worlds.mark_stale(selection)
            camera.get_rgb(clone=False)
        synchronize(device)
        return round((time.perf_counter() - began) / 50 * 1e3, 3)

    few = torch.arange(worlds, device=device) < worlds // 64
    result = {"ms_all_worlds": render_time(None), "ms_mask_of_few_worlds": render_time(few)}
    engine.close()
    return result


def streams(device: str) -> dict[str, Any]:
    """Torch writes before a step and reads after it are ordered on torch's current stream, whichever it is."""
    if device == "cpu":
        return {"skipped": "streams exist only on CUDA"}
    results = []
    for stream in (torch.cuda.current_stream(), torch.cuda.Stream()):
        executor = WarpExecutor(load("cartpole"), 65536, device)
        with torch.cuda.stream(stream):
            total = torch.zeros_like(executor.field("qpos"))
            for step in range(50):
                executor.field("ctrl").fill_(float(step % 5) - 2.0)
                executor.step(1, refresh=False)
                total += executor.field("qpos")
        torch.cuda.synchronize()
        # All worlds are alike: a write or a read out of order would set some apart or change the sum.
        assert float((total - total[:1]).abs().max()) == 0.0, "worlds differ"
        results.append(total[0].cpu())
    assert torch.equal(*results), f"streams disagree: {results}"
    reference = BatchExecutor(load("cartpole"), 1)
    total = torch.zeros_like(reference.field("qpos"))
    for step in range(50):
        reference.field("ctrl").fill_(float(step % 5) - 2.0)
        reference.step(1, refresh=False)
        total += reference.field("qpos")
    difference = float((total[0] - results[0].double()).abs().max())
    assert difference < 1e-4, f"differs from the C engine by {difference}"
    return {"difference": difference}


def determinism(device: str) -> dict[str, Any]:
    """Compare two runs bitwise, with and without the deterministic mode, and measure the cost of that mode."""
    result: dict[str, Any] = {}
    count = 1024 if device != "cpu" else 4
    for name in NAMES:
        for deterministic in (False, True):
            executor = WarpExecutor(load(name), count, device, deterministic=deterministic)
            set_drives(executor)
            finals = []
            for _ in range(2):
                push(executor)
                for _ in range(100):
                    executor.step(1, refresh=False)
                finals.append(everything(executor))
            synchronize(device)
            began = time.perf_counter()
            for _ in range(100):
                executor.step(1, refresh=False)
            synchronize(device)
            key = f"{name}{' deterministic' if deterministic else ''}"
            duration = (time.perf_counter() - began) / 100
            result[key] = {"equal": equal(*finals), "us_per_step": round(duration * 1e6, 1)}
            if deterministic:
                assert equal(*finals), f"{name}: two runs differ"
    return result


def saving(device: str) -> dict[str, Any]:
    """A saved state that is loaded into a new executor continues bitwise."""
    model = load("mechanisms")
    executor = WarpExecutor(model, 64 if device != "cpu" else 4, device, deterministic=True)
    set_drives(executor)
    executor.model_field("body_mass").mul_(1.1)
    executor.model_changed(["body_mass"])
    push(executor)
    for _ in range(40):
        executor.step(1, refresh=False)
    saved = executor.state_dict()
    finals = []
    for target in (executor, WarpExecutor(model, executor.num_envs, device, deterministic=True)):
        target.load_state_dict(saved)
        for _ in range(60):
            target.step(1, refresh=False)
        finals.append(everything(target))
    assert equal(*finals), "the loaded run differs"
    return {"equal": True}


def failures(device: str) -> dict[str, Any]:
    """Overflow is reported; a diverged world is restored and counted."""
    executor = WarpExecutor(load("free_bodies"), 4, device, max_contacts=1)
    for _ in range(100):
        executor.step(1, refresh=False)
    overflow = executor.problem_counts.totals()
    assert "contacts_overflow" in overflow, f"no overflow reported: {overflow}"
    executor = WarpExecutor(load("cartpole"), 4, device)
    executor.field("qvel")[2] = float("nan")
    executor.step(1, refresh=False)
    diverged = executor.problem_counts.totals()
    assert diverged == {"diverged": 1}, diverged
    assert bool(executor.field("qpos").isfinite().all()), "a diverged world was not restored"
    return {"overflow": overflow, "diverged": diverged}


def speed(device: str, sizes: list[int], names: list[str]) -> dict[str, Any]:
    """Speed of control steps of two physics steps: with control writes and read-outs, and as a plain graph."""
    result: dict[str, Any] = {}
    for name in names:
        for count in sizes:
            key = f"{name} {count}"
            try:
                result[key] = speed_of(name, count, device)
            except Exception as error:  # one size that does not fit leaves the others
                result[key] = {"error": f"{type(error).__name__}: {error}"}
            print(f"  {key}: {json.dumps(result[key])}", flush=True)
    assert any("error" not in entry for entry in result.values()), "no size ran"
    return result


def speed_of(name: str, count: int, device: str) -> dict[str, Any]:
    model = load(name)
    free_before = torch.cuda.mem_get_info(device)[0] if device != "cpu" else 0
    began = time.perf_counter()
    executor = WarpExecutor(model, count, device)
    for field in ("xpos", "xquat", "cvel", "sensordata"):
        executor.field(field)
    control = torch.zeros_like(executor.field("ctrl"))

    def ours() -> None:
        executor.field("ctrl").copy_(control)
        executor.step(2, refresh=True)

    ours()
    synchronize(device)
    started = time.perf_counter() - began
    memory = (free_before - torch.cuda.mem_get_info(device)[0]) / 2**20 if device != "cpu" else 0.0

    with wp.ScopedDevice(device):
        bare_model = mjw.put_model(model)
        bare_model.opt.warn_overflow = 0
        data = mjw.make_data(model, count, nconmax=executor.max_contacts, njmax=executor.max_constraints)
        with wp.ScopedCapture() as capture:
            mjw.step(bare_model, data)
            mjw.step(bare_model, data)

    graph: Any = capture.graph

    def bare() -> None:
        wp.capture_launch(graph)

    def rate(work: Callable[[], None]) -> float:
        wp.synchronize_device(device)
        synchronize(device)
        steps, began = 0, time.perf_counter()
        while (elapsed := time.perf_counter() - began) < (0.4 if device != "cpu" else 0.05):
            for _ in range(20):
                work()
            steps += 20
            wp.synchronize_device(device)
            synchronize(device)
        return steps * count / elapsed

    bare()
    rates: dict[str, list[float]] = {"ours": [], "bare": []}
    for _ in range(5):
        push(executor)
        wp.to_torch(data.qpos).copy_(executor.field("qpos"))
        wp.to_torch(data.qvel).copy_(executor.field("qvel"))
        rates["ours"].append(rate(ours))
        rates["bare"].append(rate(bare))
    push(executor)
    begin = executor.field("qpos").clone()
    for _ in range(20):
        ours()
    moved = (executor.field("qpos") - begin).abs().amax(dim=1)
    assert bool(executor.field("qpos").isfinite().all()), "positions are not finite"
    assert bool((moved > 1e-4).all()), "some worlds did not move"

    ids = torch.arange(0, count, max(1, count // 50), device=executor.device)
    costs = {}
    for label, work in (("reset", lambda: executor.reset(ids)), ("refresh", executor.refresh)):
        work()
        synchronize(device)
        began = time.perf_counter()
        for _ in range(50):
            work()
        synchronize(device)
        costs[f"{label}_us"] = round((time.perf_counter() - began) / 50 * 1e6, 1)
    ours_rate, bare_rate = statistics.median(rates["ours"]), statistics.median(rates["bare"])
    return {
        "env_steps_per_s": round(ours_rate),
        "bare_env_steps_per_s": round(bare_rate),
        "ratio": round(ours_rate / bare_rate, 3),
        "spread": [round(min(rates["ours"]) / ours_rate, 3), round(max(rates["ours"]) / ours_rate, 3)],
        "start_s": round(started, 2),
        "memory_mib": round(memory),
        "max_contacts": executor.max_contacts,
        "max_constraints": executor.max_constraints,
        "problems": executor.problem_counts.totals(),
        **costs,
    }


def main(argv: list[str]) -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--device", default="cuda:0", help="cuda:<index> or cpu (default: cuda:0)")
    parser.add_argument("--out", type=Path, help="file to write the results to, as JSON")
    parser.add_argument("--sizes", default="", help="numbers of worlds to measure, separated by commas")
    parser.add_argument("--only", default="", help="sections to run, separated by commas (default: all)")
    arguments = parser.parse_args(argv)
    device = arguments.device
    sizes = arguments.sizes or ("4,16" if device == "cpu" else "512,4096,16384,65536")
    counts = [int(size) for size in sizes.split(",")]
    sections: dict[str, Callable[[], dict[str, Any]]] = {
        "machine": lambda: machine(device),
        "parity": lambda: parity(device),
        "model_fields": lambda: model_fields(device),
        "graphs": lambda: graphs(device),
        "cameras": lambda: cameras(device),
        "streams": lambda: streams(device),
        "determinism": lambda: determinism(device),
        "saving": lambda: saving(device),
        "failures": lambda: failures(device),
        "speed": lambda: speed(device, counts, ["cartpole"]),
        "speed_contacts": lambda: speed(device, counts[:-1] or counts, ["free_bodies", "mechanisms"]),
    }
    chosen = [name for name in arguments.only.split(",") if name] or list(sections)
    for name in chosen:
        if name not in sections:
            raise OigeError(f"--only {name}: unknown section. {nearest(name, sections)}")
    if device != "cpu" and not torch.cuda.is_available():
        raise OigeError(f"--device {device}: PyTorch sees no GPU here; use --device cpu.")
    results: dict[str, Any] = {"device": device}
    failed = 0
    for name in chosen:
        began = time.perf_counter()
        try:
            results[name] = {"ok": True, **sections[name]()}
        except Exception as error:
            failed += 1
            traceback.print_exc()
            results[name] = {"ok": False, "error": f"{type(error).__name__}: {error}"}
        results[name]["seconds"] = round(time.perf_counter() - began, 1)
        print(f"{name}: {json.dumps(results[name])}", flush=True)
        if arguments.out:
            arguments.out.write_text(json.dumps(results, indent=2) + "\n")
    return failed


if __name__ == "__main__":
    run_cli(main)
