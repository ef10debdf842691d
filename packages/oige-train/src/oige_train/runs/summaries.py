"""Scalars in the summaries of a run, which TensorBoard shows, too.

TensorBoard's own reader decodes every scalar of an epoch. This one skips from record to record and decodes only those
with the wanted names, so that hundreds of runs are read in seconds.
"""

import math
import struct
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

__all__ = ["REWARD", "SUCCESS", "Part", "Point", "Summaries", "read_summaries"]

REWARD = "rewards/step"
SUCCESS = "Episode/success"
#: A record is its length (8 bytes), a checksum (4), the data and another checksum (4).
HEAD, TAIL = 12, 4
CUT = "ends within a record"
LENGTH = struct.Struct("<Q")


class Point(NamedTuple):
    """A value at a time.

    Attributes:
        steps: environment steps of all worlds.
        time: seconds since 1970.
        value: the value, which is finite.
    """

    steps: int
    time: float
    value: float


class Part(NamedTuple):
    """What one start of a run contributed.

    Attributes:
        begun: seconds since 1970 at the end of its first epoch.
        first_steps: environment steps at that time.
        last_steps: environment steps at the end of its last one.
        seconds: time between the two.
    """

    begun: float
    first_steps: int
    last_steps: int
    seconds: float


@dataclass(frozen=True)
class Summaries:
    """The summaries of a run.

    Attributes:
        scalars: points of each wanted name, in order of steps; names without points are missing.
        parts: the starts of the run that finished an epoch.
        begun: seconds since 1970 at the end of the first epoch; None if there is none.
        problems: what is wrong with the files, one text each.
    """

    scalars: dict[str, list[Point]] = field(default_factory=dict)
    parts: tuple[Part, ...] = ()
    begun: float | None = None
    problems: tuple[str, ...] = ()

    @property
    def steps(self) -> int | None:
        """Environment steps so far."""
        return self.parts[-1].last_steps if self.parts else None

    @property
    def speed(self) -> float | None:
        """Environment steps per second of training, over all starts."""
        seconds = sum(part.seconds for part in self.parts)
        return sum(part.last_steps - part.first_steps for part in self.parts) / seconds if seconds > 0 else None


def read_summaries(folder: Path, names: Sequence[str] = (REWARD, SUCCESS), *, is_written: bool = False) -> Summaries:
    """Read the event files of a folder.

    A run that was resumed has several. Points of an earlier file at or after the first step of a later one were
    trained again and are left out.

    Args:
        folder: folder of the summaries.
        names: names of the wanted scalars.
        is_written: whether a process still writes them, so that the last record may be incomplete.
    """
    files = sorted(folder.glob("*tfevents*"))
    if not files:
        return Summaries(problems=(f"no event file in {folder.name}",))
    scalars: dict[str, list[Point]] = {name: [] for name in names}
    parts: list[Part] = []
    problems = []
    for file in files:
        try:
            part, points, problem = _read_file(file.read_bytes(), names)
        except OSError as error:
            part, points, problem = None, {}, f"cannot be read ({error.strerror})"
        if problem and not (is_written and file == files[-1] and problem.startswith(CUT)):
            problems.append(f"{file.name}: {problem}")
        if part is None:
            continue
        for name, values in scalars.items():
            scalars[name] = [point for point in values if point.steps < part.first_steps] + points[name]
        parts = [_cut(earlier, part.first_steps) for earlier in parts if earlier.first_steps < part.first_steps]
        parts.append(part)
    return Summaries(
        scalars={name: points for name, points in scalars.items() if points},
        parts=tuple(parts),
        begun=parts[0].begun if parts else None,
        problems=tuple(problems),
    )


def _cut(part: Part, steps: int) -> Part:
    """Return the part of a start until a later one begins at ``steps``; its speed stays the same."""
    last = min(part.last_steps, steps)
    length = part.last_steps - part.first_steps
    fraction = (last - part.first_steps) / length if length else 1.0
    return Part(part.begun, part.first_steps, last, part.seconds * fraction)


def _read_file(data: bytes, names: Sequence[str]) -> tuple[Part | None, dict[str, list[Point]], str]:
    """Return what a file contributes, its points by name, and what is wrong with it."""
    from google.protobuf.message import DecodeError

    points: dict[str, list[Point]] = {name: [] for name in names}
    if not data:
        return None, points, "is empty"
    first: Any = None
    event: Any = None
    problem = ""
    try:
        for start, end in _records(data, names):
            event = _decode(data[start:end])
            if event.summary.value:
                first = first or event
            for value in event.summary.value:
                if value.tag in points and math.isfinite(value.simple_value):
                    points[value.tag].append(Point(event.step, event.wall_time, value.simple_value))
    except EOFError:
        problem = CUT
    except DecodeError:
        problem = "is damaged"
    if first is None:
        return None, points, problem or "has no summaries"
    part = Part(first.wall_time, first.step, event.step, event.wall_time - first.wall_time)
    return part, points, f"{problem} after step {event.step:,}" if problem else ""


def _records(data: bytes, names: Sequence[str]) -> Iterator[tuple[int, int]]:
    """Yield the start and end of the first three and the last whole records, and of all that contain a name.

    Raises:
        EOFError: the file ends within a record.
    """
    hits = sorted(position for name in names for position in _positions(data, _tag(name)))
    hits.append(len(data) + 1)
    position, hit, count = 0, 0, 0
    last: tuple[int, int] | None = None
    while position + HEAD <= len(data):
        start = position + HEAD
        end = start + LENGTH.unpack_from(data, position)[0]
        if end + TAIL > len(data):
            break
        last = start, end
        count += 1
        wanted = hits[hit] < end
        while hits[hit] < end:
            hit += 1
        if wanted or count <= 3:  # the first record has the version of the format, the second may begin a new start
            yield start, end
            last = None
        position = end + TAIL
    if last is not None:
        yield last
    if position < len(data):
        raise EOFError


def _tag(name: str) -> bytes:
    """Return how a record writes a name: a type, the number of bytes, and the bytes."""
    text = name.encode()
    return b"\x0a" + bytes([len(text)]) + text


def _positions(data: bytes, text: bytes) -> Iterable[int]:
    position = data.find(text)
    while position >= 0:
        yield position
        position = data.find(text, position + 1)


def _decode(data: bytes) -> Any:
    from tensorboard.compat.proto.event_pb2 import Event  # pyright: ignore[reportAttributeAccessIssue]

    return Event.FromString(data)
