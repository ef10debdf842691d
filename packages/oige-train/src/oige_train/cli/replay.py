"""``oige-replay``: repeat the last steps of a world that failed, in the plain C engine."""

import math
from pathlib import Path
from typing import TYPE_CHECKING, Any

from oige_train.cli.common import run_cli

if TYPE_CHECKING:
    from oige_core.engines.mujoco.failures.failure import Failure
    from oige_core.engines.mujoco.failures.replay import CallReport, Replay

__all__ = ["main", "replay_file"]

HELP = """usage: oige-replay FILE [--json] [--video VIDEO.mp4 | --pictures FOLDER] [--viewer]

Repeat the last steps of a world that diverged or exploded in training, in the plain C engine. FILE is one of
runs/<name>/failures. It contains the model, so that the package of the task need not be installed.

For each recorded step and, in the step that fails, for each solver step, this prints the time, the largest velocity and
acceleration with their joints, the deepest contact and the energy. The last line says what went wrong first.

  --json              print the same as JSON, with null for NaN and infinity
  --video VIDEO.mp4   also write a video with a frame for each solver step, 30 a second; each names the time, the
                      fastest joint and, where it fails, what is wrong
  --pictures FOLDER   also write the last 16 of these frames as PNG files into a new folder
  --viewer            also show the world in a browser, with a slider over its solver steps, until Ctrl-C

The exit code is 1 if the world does not fail here as it did in training. This may happen with files of MuJoCo Warp,
which computes in single precision."""

SIZE = (960, 540)
FPS = 30
PICTURES = 16


def main() -> None:
    """Run the program."""
    run_cli(replay_file, HELP)


def replay_file(arguments: list[str]) -> int:
    """Replay a file and print what happens.

    Args:
        arguments: command-line arguments.

    Returns:
        The exit code.

    Raises:
        OigeError: an argument is wrong, or the file cannot be read.
    """
    from oige_core.errors import ConfigError

    rest = list(arguments)
    as_json = "--json" in rest
    if as_json:
        rest.remove("--json")
    in_viewer = "--viewer" in rest
    if in_viewer:
        rest.remove("--viewer")
    video, pictures = (_pop_path(rest, option) for option in ("--video", "--pictures"))
    if video is not None and (pictures is not None or video.suffix != ".mp4" or video.exists()):
        raise ConfigError(f"--video {video}: expected a new file with the suffix .mp4, without --pictures.")
    if pictures is not None and pictures.exists():
        raise ConfigError(f"--pictures {pictures}: exists; expected a new folder.")
    if len(rest) != 1 or rest[0].startswith("-"):
        raise ConfigError(f"{' '.join(arguments) or 'oige-replay'}: expected one file, runs/<name>/failures/*.npz.")
    from oige_core.engines.mujoco.failures.failure import Failure
    from oige_core.engines.mujoco.failures.replay import replay

    path = Path(rest[0])
    failure = Failure.load(path)
    result = replay(failure)
    print(_as_json(failure, result) if as_json else "\n".join(_lines(failure, result)))
    if video is not None:
        print(_write_video(failure, video))
    if pictures is not None:
        print(_write_pictures(failure, pictures))
    if in_viewer:
        _show(failure)
    return 0 if result.fails_as_recorded else 1


def _show(failure: "Failure") -> None:
    from oige_core.engines.mujoco.failures.page import FailurePage

    from oige_train.stopping import stop_on_signals
    from oige_train.viewing import StepLoop

    page, loop = FailurePage(failure), StepLoop()
    print(f"viewer: {page.url}, until Ctrl-C", flush=True)
    with stop_on_signals(lambda _: loop.stop()):
        page.run(lambda: loop.stopped)


def _pop_path(arguments: list[str], option: str) -> Path | None:
    from oige_core.errors import ConfigError

    if option not in arguments:
        return None
    index = arguments.index(option)
    if index + 1 == len(arguments):
        raise ConfigError(f"{option}: a path is required.")
    path = arguments.pop(index + 1)
    arguments.pop(index)
    return Path(path)


def _lines(failure: "Failure", result: "Replay") -> list[str]:
    calls = len(failure.states)
    notes = ", ".join(f"{key} {value}" for key, value in failure.notes.items())
    executor = {"mujoco.batch": "the C engine", "mujoco_warp": "MuJoCo Warp"}.get(failure.executor, failure.executor)
    lines = [
        f"world {failure.world} {failure.kind} in control step {failure.step:,} ({notes}), on {executor}",
        f"step{'s' * (calls != 1)} recorded since the last reset of the world: {calls}",
        "     step   time (s)    velocity  acceleration    contact  energy (J)  where",
    ]
    lines += [_line(report, f"{report.call - calls + 1}") for report in result.calls]
    lines += [_line(report, f"{report.call - calls + 1}+{report.solver_step}") for report in result.solver_steps]
    if calls > 1:
        lines.append(f"recorded positions are repeated to {result.deviation:.3g}")
    else:
        lines.append("one step is recorded, so that no positions can be compared")
    trouble = result.trouble
    if trouble is None:
        lines.append("nothing goes wrong in the C engine; the failure depends on the precision of the recording engine")
    else:
        when = "before the first solver step" if trouble.solver_step == 0 else f"in solver step {trouble.solver_step}"
        step = trouble.call - calls + 1
        which = "the failing step" if step == 0 else f"step {step}, earlier than recorded"
        lines.append(f"first wrong, {when} of {which}: {trouble.text}")
    return lines


def _line(report: "CallReport", step: str) -> str:
    where = f"velocity {report.fastest}, acceleration {report.most_accelerated}"
    if report.contact:
        where += f", contact {report.contact}"
    depth = f"{1000 * report.penetration:.3g} mm" if report.contact else "none"
    return (
        f"{step:>9}  {report.time:>9.4f}  {report.speed:>10.4g}  {report.acceleration:>12.4g}  {depth:>9}  "
        f"{report.energy:>10.4g}  {where}"
    )


def _as_json(failure: "Failure", result: "Replay") -> str:
    import json
    from dataclasses import asdict

    header = {key: getattr(failure, key) for key in ("kind", "world", "step", "executor", "notes")}
    return json.dumps(_finite(header | asdict(result)), indent=2, allow_nan=False)


def _finite(value: Any) -> Any:
    """Return a value whose numbers JSON can express: null for NaN and infinity."""
    if isinstance(value, dict):
        return {key: _finite(each) for key, each in value.items()}
    if isinstance(value, list):
        return [_finite(each) for each in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value


def _write_video(failure: "Failure", path: Path) -> str:
    from oige_core.engines.mujoco.failures.pictures import frames
    from oige_core.render.recording import VideoFile

    path.parent.mkdir(parents=True, exist_ok=True)
    video, count = VideoFile(path, SIZE, FPS), 0
    for frame in frames(failure, SIZE):
        video.add(frame)
        count += 1
    if not count:
        return f"{path}: not written, because the first recorded state is not finite"
    video.close()
    return f"{path}: {count} frames"


def _write_pictures(failure: "Failure", folder: Path) -> str:
    from collections import deque

    from oige_core.engines.mujoco.failures.pictures import frames
    from PIL import Image

    folder.mkdir(parents=True)
    last = deque(enumerate(frames(failure, SIZE)), maxlen=PICTURES)
    for number, frame in last:
        Image.fromarray(frame).save(folder / f"{number:04}.png")
    return f"{folder}: {len(last)} pictures"


if __name__ == "__main__":
    main()
