"""The files for Docker, without Docker: scripts call a stand-in that writes down its arguments; linters pass."""

import dataclasses
import importlib.util
import itertools
import json
import os
import re
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
from oige_extension.kit.bundle import THIRD_PARTY
from oige_train.schema import TrainRunConfig

DOCKER = Path(__file__).resolve().parent.parent / "docker"
MUJOCO_DOCKERFILE = DOCKER / "mujoco.dockerfile"
SCRIPTS = ("run_docker", "run_docker_viewer", "run_dockerfile", "run_dockerfile_viewer")

needs_bash = pytest.mark.skipif(sys.platform == "win32" or not shutil.which("bash"), reason="needs bash")


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """Return a home folder whose ``bin`` has stand-ins of docker and xhost."""
    programs = tmp_path / "bin"
    programs.mkdir()
    for name in ("docker", "xhost"):
        program = programs / name
        program.write_text(f'#!/bin/sh\nfor word in {name} "$@"; do printf \'%s\\n\' "$word"; done >> $HOME/calls\n')
        program.chmod(0o755)
    return tmp_path


def start(home: Path, script: str, *arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    checkout = home / "checkout" / "docker"
    shutil.copytree(DOCKER, checkout, dirs_exist_ok=True)
    base = {"HOME": str(home), "PATH": f"{home / 'bin'}:{os.environ['PATH']}", "ACCEPT_EULA": "Y", "DISPLAY": ":1"}
    return subprocess.run(
        [checkout / f"{script}.sh", *arguments],
        env=base | environment,
        cwd=home,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )


def called(home: Path, script: str, *arguments: str, **environment: str) -> list[str]:
    done = start(home, script, *arguments, **environment)
    assert done.returncode == 0, done.stderr
    return (home / "calls").read_text().splitlines()


def volumes(arguments: list[str]) -> dict[str, str]:
    pairs = [value for flag, value in itertools.pairwise(arguments) if flag == "--volume"]
    return {inside: outside for outside, inside, _ in (pair.split(":") for pair in pairs)}


@needs_bash
@pytest.mark.parametrize(
    ("release", "user_home"),
    [("2023.1.1", "/root"), ("4.2.0", "/root"), ("5.0.0", "/root"), ("5.1.0", "/isaac-sim"), ("6.0.1", "/isaac-sim")],
)
@pytest.mark.parametrize("script", SCRIPTS)
def test_container_has_gpus_network_and_the_eight_folders(
    home: Path, script: str, release: str, user_home: str
) -> None:
    arguments = called(home, script, ISAAC_SIM=release)
    text = " ".join(arguments)
    assert (
        "docker run --name isaac-sim-oige --interactive --tty --rm --gpus all --network host --entrypoint bash" in text
    )
    assert "--env ACCEPT_EULA=Y --env PRIVACY_CONSENT=N" in text
    inside = volumes(arguments)
    kept = {
        "/isaac-sim/kit/cache": "cache/kit",
        f"{user_home}/.cache/ov": "cache/ov",
        f"{user_home}/.cache/pip": "cache/pip",
        f"{user_home}/.cache/nvidia/GLCache": "cache/glcache",
        f"{user_home}/.nv/ComputeCache": "cache/computecache",
        f"{user_home}/.nvidia-omniverse/logs": "logs",
        f"{user_home}/.local/share/ov/data": "data",
        f"{user_home}/Documents": "documents",
    }
    for folder, outside in kept.items():
        assert inside.pop(folder) == str(home / "docker/isaac-sim" / outside)
        assert (home / "docker/isaac-sim" / outside).is_dir()
    if "viewer" in script:
        assert inside.pop("/tmp/.X11-unix") == "/tmp/.X11-unix"
        assert inside.pop(f"{user_home}/.Xauthority") == str(home / ".Xauthority")
        assert "--env DISPLAY" in text
        assert text.startswith("xhost +local: docker")
        assert text.endswith("xhost -local:"), "access is taken back"
    else:
        assert "xhost" not in arguments
        assert "DISPLAY" not in arguments
    if "dockerfile" in script:
        assert "isaac-sim-oige" in arguments[arguments.index("--entrypoint") :]
    else:
        assert inside.pop("/workspace/oige") == str(home / "checkout")
        assert f"nvcr.io/nvidia/isaac-sim:{release}" in arguments
        assert "/isaac-sim/python.sh docker/install.py && exec bash" in arguments
    assert not inside


@needs_bash
@pytest.mark.parametrize("script", SCRIPTS)
def test_licence_must_be_accepted_first(home: Path, script: str) -> None:
    done = start(home, script, ACCEPT_EULA="")
    assert done.returncode == 2
    assert done.stderr == "error: ACCEPT_EULA='': expected Y; set it if you accept NVIDIA's licence of Isaac Sim.\n"
    assert not (home / "calls").exists()
    assert not (home / "docker").exists()


@needs_bash
def test_viewer_needs_a_screen(home: Path) -> None:
    done = start(home, "run_docker_viewer", DISPLAY="")
    assert done.returncode != 0
    assert "DISPLAY: is not set: a viewer needs a screen" in done.stderr
    assert not (home / "calls").exists()


def test_image_is_built_on_the_release_that_scripts_take() -> None:
    dockerfile = (DOCKER / "dockerfile").read_text()
    (release,) = re.findall(r"^ARG ISAAC_SIM=(.*)$", dockerfile, re.MULTILINE)
    assert f'ISAAC_SIM="${{ISAAC_SIM:-{release}}}"' in (DOCKER / "common.sh").read_text()
    assert re.findall(r"^FROM (.*)$", dockerfile, re.MULTILINE) == ["nvcr.io/nvidia/isaac-sim:${ISAAC_SIM}"]
    assert "RUN /isaac-sim/python.sh docker/install.py" in dockerfile


def test_requirements_are_what_the_extension_carries() -> None:
    lock = tomllib.loads((DOCKER.parent / "uv.lock").read_text())
    versions = {package["name"]: package["version"] for package in lock["package"]}
    lines = (DOCKER / "requirements.txt").read_text().splitlines()[1:]
    assert lines == [f"{name}=={versions[name.lower()]}" for name in sorted(THIRD_PARTY, key=str.lower)]


def test_install_replaces_nothing_of_isaac_sim(monkeypatch: pytest.MonkeyPatch) -> None:
    spec = importlib.util.spec_from_file_location("install", DOCKER / "install.py")
    assert spec
    assert spec.loader
    install = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(install)
    commands: list[list[str]] = []
    monkeypatch.setattr(install.subprocess, "run", lambda command, check: commands.append([*map(str, command)]))
    install.main()
    libraries, packages, extension = commands
    assert libraries == [
        sys.executable,
        *["-m", "pip", "install", "--no-deps", "--requirement"],
        str(DOCKER / "requirements.txt"),
    ]
    assert packages[:5] == [sys.executable, *["-m", "pip", "install", "--no-deps"]]
    assert {Path(path).name for path in packages[6::2]} == {
        path.name for path in (DOCKER.parent / "packages").iterdir()
    }
    assert extension[-3:] == ["extension", "--link", str(DOCKER.parent / "exts")]


def test_requirements_of_the_image_leave_torch_and_cuda_to_its_kind(tmp_path: Path) -> None:
    """The two filters of the dockerfile, applied to lines as uv writes them."""
    lines = {
        "requirements.txt": ["mujoco==4.0.0 ; sys_platform == 'linux'", "torchmetrics==1.0"],
        "torch.txt": ["torch==2.13.0"],
        "": ["nvidia-cublas==13.1.1.3 ; sys_platform == 'linux'", "cuda-toolkit==13.0.3", "triton==3.7.1"],
    }
    every = [*lines["requirements.txt"], *lines[""], "torch==2.13.0 ; sys_platform == 'linux'"]
    (tmp_path / "all.txt").write_text("\n".join(every) + "\n")
    filters = re.findall(r"&& (sed .*?) /wheels/all\.txt > /wheels/(\S+)", MUJOCO_DOCKERFILE.read_text())
    assert len(filters) == 2
    for command, name in filters:
        done = subprocess.run(["bash", "-c", f"{command} all.txt"], cwd=tmp_path, capture_output=True, text=True)
        assert done.stdout.splitlines() == lines[name]


def test_images_have_the_locked_versions_and_the_torch_of_their_kind() -> None:
    text = MUJOCO_DOCKERFILE.read_text()
    stages = {
        stage.partition("\n")[0].rpartition(" ")[2]: stage for stage in re.split(r"^FROM ", text, flags=re.MULTILINE)
    }
    assert "uv export --quiet --locked --all-packages" in stages["wheels"]
    for name, backend in (("cpu", "cpu"), ("cuda", "cu130")):
        assert f'ARG TORCH="--torch-backend {backend}"' in stages[name]
        assert "${TORCH} \\\n        --requirement /wheels/torch.txt" in stages[name]
    lock = tomllib.loads((DOCKER.parent / "uv.lock").read_text())
    cuda = {package["version"] for package in lock["package"] if package["name"] == "cuda-toolkit"}
    assert {version.partition(".")[0] for version in cuda} == {"13"}  # cu130 is built for the CUDA of the lock file


@needs_bash
def test_image_for_cpus_is_built_in_one_step(home: Path) -> None:
    checkout = home / "checkout"
    assert called(home, "build_mujoco", "cpu") == [
        *["docker", "build", "--file", f"{checkout}/docker/mujoco.dockerfile"],
        *["--target", "cpu", "--tag", "oige:cpu", str(checkout)],
    ]


@needs_bash
def test_kernels_are_compiled_in_the_image_and_built_into_the_next(home: Path) -> None:
    arguments = called(home, "build_mujoco", "cuda", "Ant,Humanoid")
    first, warmup, second = _calls(arguments)
    assert first[:1] == ["build"]
    assert first[first.index("--target") + 1] == "cuda"
    assert warmup[-3:] == ["oige:cuda", "oige-warmup", "task=Ant,Humanoid"]
    assert warmup[warmup.index("--gpus") + 1] == "all"
    folder, inside = warmup[warmup.index("--volume") + 1].split(":")
    assert f"WARP_CACHE_PATH={inside}\n" in MUJOCO_DOCKERFILE.read_text()
    assert second[second.index("--target") + 1] == "cuda-warm"
    assert second[second.index("--tag") + 1] == "oige:cuda"
    assert second[second.index("--build-context") + 1] == f"kernels={folder}"
    assert not Path(folder).exists()


def _calls(arguments: list[str]) -> list[list[str]]:
    """Return the arguments of each call of docker."""
    starts = [place for place, word in enumerate(arguments) if word == "docker"]
    return [arguments[begin + 1 : end] for begin, end in itertools.pairwise([*starts, len(arguments)])]


@needs_bash
@pytest.mark.parametrize("arguments", [[], ["gpu"], ["cpu", "Ant"], ["cuda", "Ant", "Humanoid"]])
def test_unknown_images_are_refused(home: Path, arguments: list[str]) -> None:
    done = start(home, "build_mujoco", *arguments)
    assert done.returncode == 2
    said = " ".join(["build_mujoco.sh", *arguments])
    assert done.stderr == f"error: {said}: expected cpu, cuda, or cuda and tasks, such as Ant,Humanoid.\n"
    assert not (home / "calls").exists()


@needs_bash
@pytest.mark.parametrize(("image", "gpus"), [("oige:cuda", ["--gpus", "all"]), ("oige:cpu", [])])
def test_programs_run_as_the_user_and_runs_are_kept(home: Path, image: str, gpus: list[str]) -> None:
    arguments = called(home, "run_mujoco", "oige-train", "task=Ant", OIGE_IMAGE=image)
    assert arguments[-3:] == [image, "oige-train", "task=Ant"]
    assert arguments[: 5 + len(gpus)] == ["docker", "run", "--rm", "--interactive", *gpus, "--network"]
    assert "--tty" not in arguments
    assert arguments[arguments.index("--user") + 1] == f"{os.getuid()}:{os.getgid()}"
    assert f"{home}/runs:/workspace/runs" in arguments
    assert (home / "runs").is_dir()
    assert f"oige-kernels-{os.getuid()}-{image.replace(':', '-')}:/opt/oige/kernels" in arguments


@needs_bash
@pytest.mark.parametrize("arguments", [[], ["--help"]])
def test_a_program_is_required(home: Path, arguments: list[str]) -> None:
    done = start(home, "run_mujoco", *arguments)
    assert done.returncode == 2
    said = " ".join(["run_mujoco.sh", *arguments])
    assert done.stderr == f"error: {said}: expected a program and its arguments, such as oige-train task=Ant.\n"
    assert not (home / "runs").exists()


@needs_bash
@pytest.mark.parametrize(("script", "arguments"), [("build_mujoco", ["cpu"]), ("run_mujoco", ["oige-tasks"])])
def test_missing_docker_is_reported(home: Path, script: str, arguments: list[str]) -> None:
    tools = home / "tools"
    tools.mkdir()
    for name in ("bash", "dirname"):
        (tools / name).symlink_to(shutil.which(name) or "")
    done = start(home, script, *arguments, PATH=str(tools))
    assert (done.returncode, done.stderr) == (2, "error: docker: not found; install Docker.\n")
    assert not (home / "runs").exists()


def test_development_container_forwards_the_port_of_the_viewer() -> None:
    settings = json.loads((DOCKER.parent / ".devcontainer" / "devcontainer.json").read_text())
    (port,) = (field.default for field in dataclasses.fields(TrainRunConfig) if field.name == "livestream_port")
    assert port in settings["forwardPorts"]
    assert settings["portsAttributes"][str(port)] == {"label": "viewer"}


@pytest.mark.parametrize(
    ("linter", "arguments"),
    [
        ("shellcheck", ["--external-sources", "--source-path=SCRIPTDIR", *map(str, sorted(DOCKER.glob("*.sh")))]),
        ("hadolint", [str(DOCKER / "dockerfile"), str(MUJOCO_DOCKERFILE)]),
    ],
)
def test_linters_find_nothing(linter: str, arguments: list[str]) -> None:
    program = shutil.which(linter, path=f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}")
    if program is None:
        pytest.skip(f"{linter} is not installed")
    done = subprocess.run([program, *arguments], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (0, ""), done.stdout + done.stderr
