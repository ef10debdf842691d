"""Check whether OIGE works with an installation of Isaac Sim, and write a report for a bug report.

Run this file with the Python of Isaac Sim; it needs nothing else, and says what is missing::

    ./python.sh isaacsim_check.py                 # python.bat on Windows
    ./python.sh isaacsim_check.py --only host     # some checks: a group, or names with * for any text

Every check runs on its own: one that fails, hangs or ends the process does not stop those after it. The exit code is 0
if none failed, 1 if one failed, and 2 if an option is wrong.
"""

import argparse
import contextlib
import fnmatch
import importlib
import importlib.metadata
import json
import os
import platform
import re
import subprocess
import sys
import time
import traceback
from collections.abc import Callable, Sequence
from datetime import datetime, timezone
from pathlib import Path
from typing import Any, NoReturn

__all__ = ["main"]

FORMAT = 1
LOG_LINES = 30
START = "host.start"
STATUSES: tuple[str, ...] = ("PASS", "FAIL", "SKIP")
PACKAGES = ("oige-core", "oige-train", "oige-extension", "oige-tasks-classic")
LIBRARIES = ("torch", "numpy", "warp-lang", "mujoco", "usd-core", "gymnasium", "hydra-core", "omegaconf", "rl-games")

Check = Callable[[Any], str]


def check_versions(session: Any) -> str:
    """Versions, and the GPU."""
    facts = [f"Python {platform.python_version()}", platform.platform()]
    version = Path(os.environ.get("ISAAC_PATH", "")) / "VERSION"
    if version.is_file():
        facts.append(f"Isaac Sim {version.read_text(encoding='utf-8').splitlines()[0]}")
    own = {each.metadata["Name"] for each in importlib.metadata.distributions() if each.metadata["Name"]}
    for name in (*LIBRARIES, *sorted(each for each in own if each.startswith("oige-"))):
        with contextlib.suppress(importlib.metadata.PackageNotFoundError):
            facts.append(f"{name} {importlib.metadata.version(name)}")
    with contextlib.suppress(ImportError):
        import torch

        facts.append(f"torch in use {torch.__version__}")
        if torch.cuda.is_available():
            facts.append(torch.cuda.get_device_name(0))
    return "; ".join(facts)


def check_packages(session: Any) -> str:
    """The packages of OIGE can be imported."""
    for name in PACKAGES:
        try:
            importlib.import_module(name.replace("-", "_"))
        except ImportError as error:
            raise ImportError(f"{name}: {error}; install the wheels as the page OIGE inside Isaac Sim says") from error
    return ", ".join(PACKAGES)


def all_checks() -> dict[str, Check]:
    """Return every check by its name; without the packages of OIGE, only those that do not need them."""
    checks: dict[str, Check] = {"versions": check_versions, "packages": check_packages}
    try:
        from oige_extension.checks import all_checks
    except ImportError:
        return checks
    return checks | all_checks()


def process_of(name: str) -> str:
    """Return which checks share a process with a check: those of the same name, one word for all of a small stage."""
    group = name.partition(".")[0]
    return name if group in ("task", "train") else "stage" if group in ("host", "convention") else "environment"


# One process with checks


def run_checks(options: argparse.Namespace) -> NoReturn:
    """Run checks in this process, write what happens line by line, and end the process as it is."""
    checks = all_checks()
    session = new_session(options)
    with Path(options.results).open("a", encoding="utf-8") as file:

        def write(**event: Any) -> None:
            file.write(json.dumps(event) + "\n")
            file.flush()
            os.fsync(file.fileno())

        for name in options.run:
            write(event="begin", name=name)
            write(event="end", name=name, **outcome(checks[name], session))
    sys.stdout.flush()
    os._exit(0)  # closing the application could hang


def new_session(options: argparse.Namespace) -> Any:
    """Return what checks share; None without the packages of OIGE."""
    try:
        from oige_extension.checks import Session
    except ImportError:
        return None
    return Session(options.device, options.host, options.failed)


def outcome(check: Check, session: Any) -> dict[str, Any]:
    """Run a check and return its status, message and, if it failed, traceback."""
    try:
        return {"status": "PASS", "message": check(session)}
    except SystemExit as error:
        return {"status": "FAIL", "message": f"the program ended with exit code {error.code}"}
    except Exception as error:
        status = getattr(error, "status", None)  # of checks that did not find what they expected, or cannot run
        if status is not None:
            return {"status": status, "message": str(error)}
        if type(error).__name__ == "CapabilityError":
            return {"status": "SKIP", "message": str(error)}
        lines = traceback.format_exc().splitlines()
        return {"status": "FAIL", "message": f"{type(error).__name__}: {error}", "traceback": lines}


# The program


class Reporter:
    """Runs processes with checks, prints results as they come, and keeps them.

    Args:
        options: of the program.
    """

    def __init__(self, options: argparse.Namespace) -> None:
        self.options = options
        self.results: dict[str, dict[str, Any]] = {}
        self.log = options.report.with_suffix(".log")
        self._file = options.report.with_suffix(".jsonl")
        self._read = 0
        self._current: str | None = None
        self._since = 0.0

    def run(self, names: Sequence[str]) -> None:
        """Run checks in one process, and in a new one those after a check that ended it.

        Where the application did not start before, they are skipped: each of them would start it once more.
        """
        if self.results.get(START, {}).get("status") == "FAIL":
            for name in names:
                self._keep(name, {"status": "SKIP", "message": f"needs {START}, which failed"})
        while remaining := [name for name in names if name not in self.results]:
            self._current, self._since = None, time.monotonic()
            with self.log.open("a", encoding="utf-8") as log:
                start = log.tell()
                process = subprocess.Popen(self._command(remaining), stdout=log, stderr=log, stdin=subprocess.DEVNULL)
                reason = self._watch(process)
            unfinished = [name for name in remaining if name not in self.results]
            lines = self.log.read_bytes()[start:].decode("utf-8", "replace").splitlines()[-LOG_LINES:]
            for name in unfinished if self._current is None else [self._current]:
                self._keep(name, {"status": "FAIL", "message": reason, "log": lines})

    def _command(self, names: Sequence[str]) -> list[str]:
        options = self.options
        failed = [name for name, result in self.results.items() if result["status"] == "FAIL"]
        command = [sys.executable, __file__, "--device", options.device, "--host", options.host]
        lists = {"--run": names, "--failed": failed}
        return [*command, "--results", str(self._file), *(word for key in lists for word in (key, *lists[key]))]

    def _watch(self, process: "subprocess.Popen[bytes]") -> str:
        """Wait for the end of a process, print results, and return why it ended, for a check that it did not finish."""
        while process.poll() is None:
            time.sleep(0.1)
            self._read_events()
            if time.monotonic() - self._since > self.options.timeout:
                process.kill()
                process.wait()
                return f"not finished after {self.options.timeout:g} s"
        self._read_events()
        code = process.returncode
        return f"the process ended with signal {-code}" if code < 0 else f"the process ended with exit code {code}"

    def _read_events(self) -> None:
        if not self._file.is_file():
            return
        text = self._file.read_text(encoding="utf-8")
        for line in text[self._read : text.rfind("\n") + 1].splitlines():
            event = json.loads(line)
            self._since = time.monotonic()
            self._current = event["name"] if event.pop("event") == "begin" else None
            if self._current is None:
                self._keep(event.pop("name"), event)
        self._read = text.rfind("\n") + 1

    def _keep(self, name: str, result: dict[str, Any]) -> None:
        self.results[name] = result
        print(f"{result['status']}  {name:<30} {result['message']}", flush=True)

    def write(self) -> dict[str, int]:
        """Write the report and return the number of checks by status."""
        summary = dict.fromkeys(STATUSES, 0)
        for result in self.results.values():
            summary[result["status"]] += 1
        report = {
            "format": FORMAT,
            "date": datetime.now(timezone.utc).isoformat(timespec="seconds"),
            "arguments": sys.argv[1:],
            "summary": summary,
            "results": [{"name": name, **result} for name, result in self.results.items()],
        }
        self.options.report.write_text(json.dumps(report, indent=1) + "\n", encoding="utf-8")
        self._file.unlink(missing_ok=True)
        return summary


def parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    """Return the options of the program."""
    parser = argparse.ArgumentParser(prog="oige-isaacsim-check", description=__doc__.partition("\n\n")[0])  # type: ignore[union-attr]
    parser.add_argument("--list", action="store_true", help="print the names of all checks, and end")
    parser.add_argument(
        "--only", nargs="+", default=[], metavar="CHECK", help="names or groups of checks; * is any text"
    )
    parser.add_argument("--tasks", nargs="*", default=[], metavar="TASK", help="tasks to play; default: all")
    parser.add_argument("--device", default="cuda:0", help="device of physics, cpu or cuda:<n>; default: %(default)s")
    parser.add_argument("--timeout", type=float, default=900.0, help="seconds for one check; default: %(default)g")
    default = Path("oige_isaacsim_check.json")
    parser.add_argument("--report", type=Path, default=default, help="file of the report; default: %(default)s")
    parser.add_argument("--host", default="", metavar="MODULE:CALLABLE", help="for developers: host to check instead")
    for hidden in ("--run", "--failed"):
        parser.add_argument(hidden, nargs="*", default=[], help=argparse.SUPPRESS)
    parser.add_argument("--results", help=argparse.SUPPRESS)
    options = parser.parse_args(arguments)
    if options.run:
        run_checks(options)
    if re.fullmatch(r"cpu|cuda(:\d+)?", options.device) is None:
        parser.error(f"--device {options.device}: expected cpu, cuda or cuda:<n>")
    if not options.timeout > 0:
        parser.error(f"--timeout {options.timeout:g}: expected a number above 0")
    if not options.report.absolute().parent.is_dir():
        parser.error(f"--report {options.report}: its folder does not exist; make it first")
    names = list(all_checks())
    for pattern in (*options.only, *(f"task.{task}" for task in options.tasks)):
        if not select(names, [pattern]):
            parser.error(f"{pattern}: no check has this name; --list prints all names")
    if options.tasks:
        names = [name for name in names if name.partition(".")[0] != "task" or name[5:] in options.tasks]
    options.names = select(names, options.only) if options.only else names
    return options


def select(names: Sequence[str], patterns: Sequence[str]) -> list[str]:
    """Return the names that match a pattern, or belong to a group of that name."""
    return [
        name
        for name in names
        if any(fnmatch.fnmatchcase(name, each) or name.partition(".")[0] == each for each in patterns)
    ]


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the program."""
    options = parse(arguments)
    if options.list:
        for name, check in all_checks().items():
            print(f"{name:<30} {(check.__doc__ or '').partition(chr(10))[0]}".rstrip())
        return
    reporter = Reporter(options)
    for file in (options.report, reporter.log, options.report.with_suffix(".jsonl")):
        file.unlink(missing_ok=True)
    processes: dict[str, list[str]] = {}
    for name in options.names:
        processes.setdefault(process_of(name), []).append(name)
    for names in processes.values():
        reporter.run(names)
    summary = reporter.write()
    print(f"{', '.join(f'{count} {status}' for status, count in summary.items())}; report: {options.report}")
    if summary["FAIL"]:
        print(f"Please attach {options.report} and {reporter.log} to a bug report.")
        sys.exit(1)


def find_packages() -> None:
    """Let the packages beside this file be imported, and not its own neighbours as modules of their own."""
    folder = Path(__file__).resolve().parent
    sys.path[:] = [path for path in sys.path if not path or Path(path).resolve() != folder]
    if folder.name == "oige_extension":
        sys.path.append(str(folder.parent))


if __name__ == "__main__":
    find_packages()
    main()
