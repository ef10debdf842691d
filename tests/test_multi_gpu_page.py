"""The page of results of several GPUs is computed from the files of ``tools/multi_gpu.py``."""

from typing import Any

from tools.multi_gpu_page import page, pictures


def training(processes: int, rate: float, **changes: Any) -> dict[str, Any]:
    entry = {"seconds": 2.0, "gpu_seconds": 0.0, "host_seconds": 0.1, "reductions": 0.0}
    packages = ("torch", "mujoco", "mujoco-warp", "warp-lang", "rl-games")
    return {
        "task": "Ant",
        "num_envs": 64,
        "processes": processes,
        "device": "cuda:0",
        "seed": 42,
        "date": "2026-11-29T12:00:00+00:00",
        "machine": {"cpu": "a CPU", "cores": 8, "gpus": ["A GPU", "A GPU"]},
        "versions": dict.fromkeys((*packages, "python"), "1.0"),
        "seconds": 60.0,
        "rate": rate,
        "note": "Nothing else ran.",
        "collectives": [
            entry | {"gpu_seconds": 0.5, "reductions": 4.0},
            entry | {"gpu_seconds": 0.3, "reductions": 4.0},
        ],
        "reduction": None if processes == 1 else {"numbers": 1234, "seconds": 25e-6},
        "curve": [
            {"seconds": 0.0, "steps": 1000, "reward": None},
            {"seconds": 60.0, "steps": 61000, "reward": -3.5},
        ],
    } | changes


def row(text: str, processes: int) -> list[str]:
    (line,) = [line for line in text.splitlines() if line.startswith(f"| Ant | 64 | {processes} |")]
    return line.strip("| ").split(" | ")[3:]


def test_efficiency_is_relative_to_one_process_of_the_same_machine() -> None:
    text = page({"one": training(1, 1000.0), "two": training(2, 1500.0)})
    assert "## 2 × A GPU" in text
    assert "seed 42. Nothing else ran.\n" in text
    assert row(text, 1)[:2] == ["1,000", "1.000"]
    assert row(text, 2)[:2] == ["1,500", "0.750"]
    alone = page({"two": training(2, 1500.0), "other": training(1, 1000.0, device="cpu")})
    assert row(alone, 2)[:2] == ["1,500", ""]


def test_fractions_in_collectives_are_of_the_processes_with_least_and_most() -> None:
    assert row(page({"two": training(2, 1.0)}), 2)[2:] == [
        "0.150–0.250",
        "25 µs for 1,234 numbers",
        "60.0",
        "61,000",
        "−3.50",
    ]
    untraced = training(2, 1.0)
    for entry in untraced["collectives"]:
        entry |= {"gpu_seconds": 0.0, "reductions": 0.0}
    assert row(page({"two": untraced}), 2)[2] == "not measured"
    assert row(page({"two": training(2, 1.0, device="cpu")}), 2)[2] == "0.050–0.050"


def test_failures_and_killed_processes_are_on_the_page() -> None:
    killed = {"task": "Ant", "num_envs": 64, "processes": 2, "device": "cpu", "code": 1, "seconds": 2.5}
    text = page({"a": killed | {"lines": ["error: dead"], "resumed": "done: 3"}, "b": {"error": "exit code 2"}})
    assert "had ended 2.5 s later, with exit code 1." in text
    assert "\n    error: dead\n    done: 3\n" in text
    assert text.endswith("## Without a result\n\n* b: exit code 2\n")


def test_picture_has_a_curve_per_training_with_rewards_over_seconds() -> None:
    curve = [{"seconds": float(second), "steps": 1, "reward": 2.0 * second} for second in range(61)]
    images = pictures({"one": training(1, 1.0, curve=curve), "two": training(2, 1.0, curve=curve)})
    assert list(images) == ["multi_gpu_2_a_gpu_Ant.svg"]
    image = images["multi_gpu_2_a_gpu_Ant.svg"]
    assert image.count("<polyline") == 2
    assert ">seconds</text>" in image
    assert ">60</text>" in image
    assert "2 × 64 worlds" in image
