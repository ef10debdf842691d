"""Exit codes and messages after user errors, system errors and interruptions."""

import errno
import importlib.metadata
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from oige_core.errors import ConfigError
from oige_train.cli.exits import exit_code

CLI = [sys.executable, "-m"]


def raising(error: BaseException):
    def program() -> None:
        raise error

    return program


@pytest.mark.parametrize(
    ("error", "code", "line"),
    [
        (
            OSError(errno.ENOSPC, "No space left on device", "runs/a"),
            2,
            "error: runs/a: No space left on device; free ",
        ),
        (OSError(errno.ENOSPC, "No space left on device"), 2, "error: No space left on device; free some space, or"),
        (
            PermissionError(errno.EACCES, "Permission denied", "x"),
            2,
            "error: x: Permission denied; choose a place that",
        ),
        (
            OSError(errno.ENAMETOOLONG, "File name too long", "xx"),
            2,
            "error: xx: File name too long; choose a shorter ",
        ),
        (ConfigError("num_envs=0: no."), 2, "error: num_envs=0: no."),
        (
            RuntimeError("Could not determine home directory."),
            2,
            "error: a path begins with ~, but there is no such home folder; give the whole path, or set HOME.",
        ),
        (KeyboardInterrupt(), 130, "interrupted"),
    ],
)
def test_user_and_system_errors_are_one_line(
    error: BaseException, code: int, line: str, capfd: pytest.CaptureFixture[str]
) -> None:
    with capfd.disabled():
        saved = os.dup(1)
    try:
        assert exit_code(raising(error)) == code
    finally:
        os.dup2(saved, 1)
        os.close(saved)
    err = capfd.readouterr().err
    assert err.startswith(line)
    assert len(err.splitlines()) == 1


@pytest.mark.parametrize("error", [ValueError("a bug"), FileNotFoundError(errno.ENOENT, "No such file", "x")])
def test_program_errors_keep_their_traceback(error: Exception) -> None:
    with pytest.raises(type(error)):
        exit_code(raising(error))


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="/dev/full takes nothing, and is not here")
@pytest.mark.parametrize("arguments", [["oige_train.cli.tasks"], ["oige_train.cli.train", "--help"]])
def test_full_disk_of_the_output_is_one_line(arguments: list[str]) -> None:
    with Path("/dev/full").open("w") as full:
        process = subprocess.run([*CLI, *arguments], stdout=full, stderr=subprocess.PIPE, text=True, check=False)
    assert process.returncode == 2
    assert process.stderr == "error: No space left on device; free some space, or write elsewhere.\n"


def test_closed_pipe_ends_a_program_silently() -> None:
    read, write = os.pipe()
    os.close(read)
    arguments = [*CLI, "oige_train.cli.tasks"]
    process = subprocess.run(arguments, stdout=write, stderr=subprocess.PIPE, text=True, check=False)
    os.close(write)
    assert (process.returncode, process.stderr) == (141, "")


@pytest.mark.parametrize("module", ["numpy", "hydra", "omegaconf"])
def test_interruption_during_imports_is_one_line(module: str, tmp_path: Path) -> None:
    code = (
        "import sys, importlib.abc\n"
        "class Interrupting(importlib.abc.MetaPathFinder):\n"
        "    def find_spec(self, name, path, target=None):\n"
        f"        if name == {module!r}: raise KeyboardInterrupt\n"
        "sys.meta_path.insert(0, Interrupting())\n"
        "from oige_train.cli.train import main\n"
        "main()\n"
    )
    process = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert (process.returncode, process.stderr) == (130, "interrupted\n")


PROGRAMS = sorted(
    (point.name, point.module)
    for point in importlib.metadata.entry_points(group="console_scripts")
    if point.name.startswith("oige-") and point.name != "oige-isaacsim-check"  # it runs without OIGE
)


@pytest.mark.parametrize("module", [module for _, module in PROGRAMS], ids=[name for name, _ in PROGRAMS])
def test_interruption_of_the_first_import_of_a_program_is_one_line(module: str, tmp_path: Path) -> None:
    code = (
        "import sys, importlib.abc\n"
        "class Interrupting(importlib.abc.MetaPathFinder):\n"
        "    def find_spec(self, name, path, target=None):\n"
        f"        own = name in ('oige_train', 'oige_train.cli') or {module!r}.startswith(name)\n"
        "        if own or name.partition('.')[0] in sys.stdlib_module_names: return\n"
        "        sys.meta_path.remove(self)\n"
        "        raise KeyboardInterrupt\n"
        "sys.meta_path.insert(0, Interrupting())\n"
        f"from {module} import main\n"
    )
    process = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert (process.returncode, process.stderr) == (130, "interrupted\n")


def test_other_errors_of_a_program_keep_their_traceback(tmp_path: Path) -> None:
    code = "import oige_train.cli; raise ValueError('a bug')"
    process = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert process.returncode == 1
    assert process.stderr.startswith("Traceback")
    assert process.stderr.endswith("ValueError: a bug\n")


@pytest.mark.parametrize("package", ["oige_train", "oige_compat", "oige_extension"])
def test_packages_of_programs_import_next_to_nothing(package: str) -> None:
    code = f"import sys; before = set(sys.modules); import {package}; print(*sorted(set(sys.modules) - before))"
    process = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert process.stdout == f"{package}\n", "expected no module beside it: Ctrl-C shows a traceback until it is there"


@pytest.mark.skipif(os.name != "posix", reason="signals of POSIX")
@pytest.mark.parametrize("name", ["SIGINT", "SIGHUP"])  # SIGTERM is handled like SIGHUP
def test_interruption_during_build_is_one_line_and_leaves_no_folder(name: str, tmp_path: Path) -> None:
    code = """
import sys, time
import oige_train.supervisor

def make_env(_):
    print("building", file=sys.stderr, flush=True)
    time.sleep(60)

oige_train.supervisor.make_env = make_env
from oige_train.cli.train import main
main()
"""
    arguments = [sys.executable, "-c", code, "sim_device=cpu", "num_envs=2"]
    process = subprocess.Popen(arguments, cwd=tmp_path, stderr=subprocess.PIPE, text=True)
    assert process.stderr is not None
    while process.stderr.readline() != "building\n":
        assert process.poll() is None
    process.send_signal(getattr(signal, name))
    _, err = process.communicate(timeout=60)
    assert process.returncode == 130
    assert err.splitlines()[-1] == "interrupted"
    assert "Traceback" not in err
    assert list((tmp_path / "runs").iterdir()) == []
