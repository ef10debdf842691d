"""The jobs of examples/cluster start what their comments say."""

import os
import shlex
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

CLUSTER = Path(__file__).resolve().parent.parent / "examples" / "cluster"
JOBS = sorted(CLUSTER.glob("*.sbatch"))


@pytest.mark.parametrize("job", JOBS, ids=lambda job: job.name)
def test_job_passes_shellcheck(job: Path) -> None:
    if shutil.which("shellcheck") is None:
        pytest.skip("no shellcheck on this machine: apt-get install shellcheck")
    done = subprocess.run(["shellcheck", str(job)], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout


def run_job(name: str, folder: Path, *overrides: str, **variables: str) -> list[str]:
    """Run a job with programs that print their arguments, and return those of the last one."""
    programs = folder / "programs"
    programs.mkdir(exist_ok=True)
    for program, line in {"oige-train": 'echo "$@"', "srun": 'echo "$@"', "scontrol": "printf 'a1\\na2\\n'"}.items():
        (programs / program).write_text(f"#!/bin/sh\n{line}\n")
        (programs / program).chmod(0o755)
    done = subprocess.run(
        ["bash", str(CLUSTER / name), *overrides],
        cwd=folder,
        env={"PATH": f"{programs}:{os.environ['PATH']}", **variables},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return shlex.split(done.stdout)


def test_seed_continues_from_its_newest_checkpoint(tmp_path: Path) -> None:
    def start() -> list[str]:
        return run_job("seeds.sbatch", tmp_path, "task=Ant", SLURM_ARRAY_TASK_ID="3")

    assert start() == ["seed=3", "experiment=seed_3", "headless=True", "task=Ant"]
    checkpoints = tmp_path / "runs" / "seed_3" / "nn"
    checkpoints.mkdir(parents=True)
    for age, name in enumerate(("last_Ant_ep_100_rew_1.00.pth", "last_Ant_ep_90_rew_2.00.pth", "Ant.pth")):
        (checkpoints / name).touch()
        os.utime(checkpoints / name, (1000 - age, 1000 - age))
    newest = "checkpoint=runs/seed_3/nn/last_Ant_ep_100_rew_1.00.pth"
    assert start() == [newest, "headless=True", "task=Ant"]


def test_two_nodes_meet_at_the_first_of_the_job(tmp_path: Path) -> None:
    variables = {"SLURM_JOB_ID": "17", "SLURM_JOB_NODELIST": "a[1-2]", "SLURM_NNODES": "2"}
    torchrun = run_job("two_nodes.sbatch", tmp_path, "task=Ant", "seed=7", **variables)
    assert torchrun == [
        *("--kill-on-bad-exit=0", "--wait=60", "torchrun", "--nnodes=2", "--nproc-per-node=gpu", "--rdzv-id=17"),
        *("--rdzv-backend=c10d", "--rdzv-endpoint=a1:29500", "-m", "oige_train.cli.train"),
        *("multi_gpu=True", "headless=True", "task=Ant", "seed=7"),
    ]
    assert "--nproc-per-node=1" in run_job("two_nodes.sbatch", tmp_path, PROCESSES="1", **variables)


def documents(name: str) -> list[Any]:
    return list(yaml.safe_load_all((CLUSTER / name).read_text()))


def words(command: str) -> dict[str, str]:
    """Return the options and overrides of a command line, by key."""
    return {key: value for key, found, value in (word.partition("=") for word in shlex.split(command)) if found}


def test_pods_of_two_nodes_meet_at_the_first_of_the_job() -> None:
    service, job = documents("two_nodes.yaml")
    pod = job["spec"]["template"]["spec"]
    (container,) = pod["containers"]
    given = words(container["args"][0])
    name = job["metadata"]["name"]
    assert service["spec"]["selector"] == {"job-name": name}
    assert pod["subdomain"] == service["metadata"]["name"]
    assert given["--rdzv-endpoint"] == f"{name}-0.{pod['subdomain']}:29500"
    assert int(given["--nnodes"]) == job["spec"]["completions"] == job["spec"]["parallelism"]
    assert given["--nproc-per-node"] == container["resources"]["limits"]["nvidia.com/gpu"]
    assert given["multi_gpu"] == "True"


def test_volumes_of_pods_are_those_that_containers_mount() -> None:
    for name in ("seeds.yaml", "two_nodes.yaml"):
        pod = documents(name)[-1]["spec"]["template"]["spec"]
        mounts = {mount["name"]: mount["mountPath"] for mount in pod["containers"][0]["volumeMounts"]}
        assert mounts.keys() == {volume["name"] for volume in pod["volumes"]}
        assert pod["containers"][0]["workingDir"] == mounts["data"]


def test_script_of_skypilot_meets_at_the_first_machine(tmp_path: Path) -> None:
    (task,) = documents("sky.yaml")
    (tmp_path / ".local" / "bin").mkdir(parents=True)
    uv = tmp_path / ".local" / "bin" / "uv"
    uv.write_text('#!/bin/sh\necho "$@"\n')
    uv.chmod(0o755)
    variables = {"SKYPILOT_NODE_IPS": "10.0.0.5\n10.0.0.6", "SKYPILOT_NUM_NODES": "2"}
    variables |= {"SKYPILOT_NUM_GPUS_PER_NODE": "8", "SKYPILOT_TASK_ID": "id", "HOME": str(tmp_path)}
    script = ["bash", "-euc", task["run"]]
    done = subprocess.run(script, env=os.environ | variables, capture_output=True, text=True, check=True)
    given = words(done.stdout)
    assert given["--rdzv-endpoint"] == "10.0.0.5:29500"
    assert (given["--nnodes"], given["--nproc-per-node"]) == ("2", "8")
    assert task["num_nodes"] == 2
    assert task["resources"]["accelerators"].endswith(":8")
