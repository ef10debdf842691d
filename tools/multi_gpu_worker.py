"""One of the processes that ``multi_gpu.py`` starts: it trains for some seconds, and process 0 writes the figures.

The clock starts after :data:`WARM_EPOCHS` epochs, in which kernels are compiled and CUDA graphs captured. After the
timed seconds, a few epochs show how long collectives take.
"""

import argparse
import contextlib
import datetime
import json
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import torch
import torch.distributed as dist
from oige_train.benchmark.report import versions
from oige_train.cli.common import checked_run, run_cli
from oige_train.config import Run
from oige_train.console import ProgressLine
from oige_train.headline import headline
from oige_train.learner.agent import TrainingStoppedError
from oige_train.learner.progress import ProgressObserver
from oige_train.machine import machine
from oige_train.runner import execute
from oige_train.stopping import INTERRUPTED
from oige_train.supervisor import Supervisor

WARM_EPOCHS = 5
#: Epochs in which collectives are measured.
TRACED_EPOCHS = 3
#: Reductions of the same size that are timed after training.
REPETITIONS = 50
#: Most points of a curve.
MOST_POINTS = 200


class Collectives:
    """What collectives of this process cost."""

    def __init__(self) -> None:
        self.largest: torch.Tensor | None = None
        self._host_seconds = 0.0
        self._profiler: Any = None
        self._start = (0.0, 0.0)
        self._reduce: Callable[..., Any] = dist.all_reduce
        dist.all_reduce = self._timed

    def _timed(self, tensor: torch.Tensor, *args: Any, **kwargs: Any) -> Any:
        if self.largest is None or tensor.numel() > self.largest.numel():
            self.largest = torch.zeros_like(tensor)
        start = time.perf_counter()
        try:
            return self._reduce(tensor, *args, **kwargs)
        finally:
            self._host_seconds += time.perf_counter() - start

    def start(self) -> None:
        """Begin the traced epochs."""
        if self.largest is not None and self.largest.is_cuda:
            profiler = torch.profiler.profile(activities=[torch.profiler.ProfilerActivity.CUDA])
            try:
                profiler.start()
                self._profiler = profiler
            except RuntimeError as error:
                print(f"collectives on the GPU are not traced: {error}", flush=True)
        self._start = (time.perf_counter(), self._host_seconds)

    def stop(self) -> list[float]:
        """End the traced epochs.

        Returns:
            Their seconds, those within collectives on the GPU and on the host, and the number of those on the GPU,
            which is 0 if they were not traced. On the host, a collective on the GPU takes only the time to start it.
        """
        start, host = self._start
        seconds, host = time.perf_counter() - start, self._host_seconds - host
        if self._profiler is None:
            return [seconds, 0.0, host, 0.0]
        self._profiler.stop()
        events = self._profiler.profiler.kineto_results.events()
        kernels = [event.duration_ns() for event in events if event.name().lower().startswith("nccldev")]
        return [seconds, sum(kernels) * 1e-9, host, float(len(kernels))]

    def alone(self) -> dict[str, float] | None:
        """Return the size of the largest reduction, and the seconds that it takes while nothing else runs."""
        tensor = self.largest
        if tensor is None:
            return None

        def synchronise() -> None:
            if tensor.is_cuda:
                torch.cuda.synchronize(tensor.device)

        for _ in range(5):
            self._reduce(tensor)
        synchronise()
        start = time.perf_counter()
        for _ in range(REPETITIONS):
            self._reduce(tensor)
        synchronise()
        return {"numbers": tensor.numel(), "seconds": (time.perf_counter() - start) / REPETITIONS}


class TimedObserver(ProgressObserver):
    """Records each epoch, and ends training after the timed and the traced epochs."""

    def __init__(
        self, line: ProgressLine, problems: Callable[[], Mapping[str, int]], seconds: float, collectives: Collectives
    ) -> None:
        super().__init__(line, problems)
        self.seconds, self.collectives = seconds, collectives
        self.points: list[tuple[float, int, int, float | None]] = []
        self.traced: list[float] | None = None
        self._epochs_left: int | None = None

    def after_print_stats(self, frame: int, epoch_num: int, total_time: float) -> None:
        """Record an epoch."""
        super().after_print_stats(frame, epoch_num, total_time)
        if self._epochs_left is not None:
            self._epochs_left -= 1
            if self._epochs_left == 0:
                self.traced = self.collectives.stop()
                self.algo.session.stop_requested = self.algo.session.workers.rank == 0
        elif epoch_num >= WARM_EPOCHS:
            self.points.append((time.monotonic(), frame, epoch_num, self.algo.mean_reward()))
            if self.points[-1][0] - self.points[0][0] >= self.seconds:
                self._epochs_left = TRACED_EPOCHS
                self.collectives.start()


class TimedSupervisor(Supervisor):
    """Trains for some seconds.

    Args:
        seconds: how long to train.
        file: JSON file for the figures.
    """

    def __init__(self, seconds: float, file: Path) -> None:
        self.seconds, self.file = seconds, file
        self.collectives = Collectives()

    @contextlib.contextmanager
    def environment(self, run: Run) -> Iterator[Any]:
        """Provide the environment; write the figures once training was stopped."""
        with super().environment(run) as env:
            try:
                yield env
            except TrainingStoppedError:
                self._write(run)
                raise

    def observer(self, line: ProgressLine, problems: Callable[[], Mapping[str, int]]) -> ProgressObserver:
        """Return the observer that ends training."""
        self._observer = TimedObserver(line, problems, self.seconds, self.collectives)
        return self._observer

    def _write(self, run: Run) -> None:
        observer = self._observer
        workers = observer.algo.session.workers
        alone = self.collectives.alone() if workers.size > 1 else None
        mine = torch.tensor(observer.traced or [0.0] * 4, dtype=torch.float64)
        everyone = [mine]
        if workers.size > 1:
            everyone = [torch.zeros_like(mine) for _ in range(workers.size)]
            dist.all_gather(everyone, mine)
        if workers.rank != 0:
            return
        points = observer.points
        start, first, epoch, _ = points[0]
        end, last, last_epoch, _ = points[-1]
        kept = [*points[: -1 : max(1, len(points) // MOST_POINTS)], points[-1]]
        config = run.config
        names = ("seconds", "gpu_seconds", "host_seconds", "reductions")
        figures = {
            "task": config.task.name,
            "num_envs": config.task.env.numEnvs,
            "processes": workers.size,
            "device": workers.device if workers.size > 1 else config.rl_device,
            "seed": config.seed,
            "date": datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
            "machine": machine(),
            "versions": versions(),
            "seconds": end - start,
            "epochs": last_epoch - epoch,
            "rate": (last - first) / (end - start),
            "steps_before": first,
            "collectives": [dict(zip(names, row.tolist(), strict=True)) for row in everyone],
            "reduction": alone,
            "curve": [
                {"seconds": round(at - start, 2), "steps": steps, "reward": reward} for at, steps, _, reward in kept
            ],
        }
        self.file.write_text(json.dumps(figures, indent=1) + "\n", encoding="utf-8")


def main(argv: list[str]) -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("overrides", nargs="+", help="overrides for oige-train, task=NAME first")
    parser.add_argument("--seconds", type=float, required=True)
    parser.add_argument("--out", type=Path, required=True, help="JSON file")
    options = parser.parse_args(argv)
    run = checked_run(options.overrides, starts=True)
    print(*headline(run, options.overrides), sep="\n", flush=True)
    code = execute(run, options.overrides, TimedSupervisor(options.seconds, options.out))
    return 0 if code == INTERRUPTED else code


if __name__ == "__main__":
    run_cli(main)
