"""Train on two nodes that are network namespaces of this machine, and let one of them fail.

    sudo uv run python tools/two_nodes.py

Each node has a hostname, an address and processes of its own, and they are connected by a virtual cable; both see the
same files, as on a cluster. Needs Linux, root and ``ip`` (Debian: ``apt-get install iproute2``). Each scenario prints
what was run and what the user would see.
"""

import argparse
import contextlib
import os
import re
import shlex
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from oige_core.errors import OigeError
from oige_train.cli.common import run_cli

__all__ = ["Node", "Program", "fail", "missing", "network", "resume", "train_on_both", "train_on_one"]

WORKER = Path(__file__).resolve().with_name("two_nodes_worker.py")
SCRIPT = Path(__file__).resolve().parent.parent / "scripts" / "rlgames_train.py"
PORT = 29500
#: Overrides of all trainings.
SMALL = ("task=Cartpole", "multi_gpu=True", "num_envs=64", "num_threads=1", "sim_device=cpu", "rl_device=cpu")
#: Longest time, in seconds, that the surviving node may take to end.
PATIENCE = 60.0


@dataclass(frozen=True)
class Program:
    """A program that runs on a node.

    Attributes:
        process: its process.
        log: file with its output.
    """

    process: subprocess.Popen[bytes]
    log: Path

    def text(self) -> str:
        """Return the output so far."""
        return self.log.read_text(errors="replace").replace("\r", "\n")

    def code(self, seconds: float) -> int:
        """Wait for the program, and return its exit code; kill it after ``seconds``."""
        try:
            return self.process.wait(seconds)
        except subprocess.TimeoutExpired:
            os.killpg(self.process.pid, signal.SIGKILL)
            return self.process.wait()

    def errors(self) -> list[str]:
        """Return the error messages in the output."""
        return [line for line in self.text().splitlines() if line.startswith("error: ")]


@dataclass(frozen=True)
class Node:
    """A network namespace.

    Attributes:
        name: its hostname.
        namespace: its name for ``ip netns``.
        address: its address.
        hosts: file that is its ``/etc/hosts``.
    """

    name: str
    namespace: str
    address: str
    hosts: Path

    def start(self, command: Sequence[str], folder: Path) -> "Program":
        """Start a program on the node in a folder, where its output goes to a file."""
        enter = 'hostname "$1"; mount --bind "$2" /etc/hosts; shift 2; exec "$@"'
        inside = ["unshare", "--uts", "--mount", "sh", "-c", enter, "sh", self.name, str(self.hosts), *command]
        environment = {key: value for key, value in os.environ.items() if not key.startswith("UV_RUN_")}
        log = folder / f"{self.name}.log"
        with log.open("wb") as output:
            process = subprocess.Popen(
                ["ip", "netns", "exec", self.namespace, *inside],
                cwd=folder,
                env=environment | {"OMP_NUM_THREADS": "1"},
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        return Program(process, log)

    def kill(self) -> None:
        """Kill all programs of the node at once, as a loss of power does."""
        for pid in _run("ip", "netns", "pids", self.namespace).split():
            with contextlib.suppress(ProcessLookupError):
                os.kill(int(pid), signal.SIGKILL)

    def unplug(self) -> None:
        """Pull the cable."""
        _run("ip", "-n", self.namespace, "link", "set", "cable", "down")


def missing() -> str | None:
    """Return what prevents network namespaces on this machine, or None."""
    if sys.platform != "linux" or os.geteuid() != 0:
        return "network namespaces need root on Linux"
    absent = [program for program in ("ip", "unshare", "mount") if shutil.which(program) is None]
    if absent:
        return f"no {absent[0]} on this machine: apt-get install iproute2 util-linux"
    name = f"oige-{os.getpid()}-test"
    if subprocess.run(["ip", "netns", "add", name], capture_output=True, check=False).returncode:
        return "this machine allows no network namespaces"
    _run("ip", "netns", "delete", name)
    return None


@contextlib.contextmanager
def network(folder: Path) -> Iterator[tuple[Node, Node]]:
    """Provide two nodes that reach each other; their programs are killed at the end.

    Args:
        folder: for the files of names.
    """
    addresses = {"node-a": "10.87.0.1", "node-b": "10.87.0.2"}
    hosts = folder / "hosts"
    lines = ["127.0.0.1 localhost", *(f"{address} {name}" for name, address in addresses.items())]
    hosts.write_text("\n".join(lines) + "\n")
    nodes = [Node(name, f"oige-{os.getpid()}-{name}", address, hosts) for name, address in addresses.items()]
    try:
        for node in nodes:
            _run("ip", "netns", "add", node.namespace)
        ends = [f"name cable netns {node.namespace}".split() for node in nodes]
        _run("ip", "link", "add", *ends[0], "type", "veth", "peer", *ends[1])
        for node in nodes:
            _run("ip", "-n", node.namespace, "address", "add", f"{node.address}/24", "dev", "cable")
            for link in ("lo", "cable"):
                _run("ip", "-n", node.namespace, "link", "set", link, "up")
        yield nodes[0], nodes[1]
    finally:
        for node in nodes:
            with contextlib.suppress(OigeError):
                node.kill()
                _run("ip", "netns", "delete", node.namespace)


def _run(*command: str) -> str:
    """Run a program and return its output."""
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise OigeError(f"{' '.join(command)}: {done.stderr.strip()}")
    return done.stdout


def torchrun(*options: str) -> list[str]:
    """Return the command of torchrun on a node, with one process."""
    return [sys.executable, "-m", "torch.distributed.run", "--nproc-per-node=1", *options]


def c10d(node: Node) -> list[str]:
    """Return torchrun on two nodes with a rendezvous at one of them."""
    return torchrun("--nnodes=2", "--rdzv-backend=c10d", f"--rdzv-endpoint={node.address}:{PORT}")


def finish(programs: Sequence[Program], seconds: float = 240.0) -> None:
    """Wait until programs have ended.

    Raises:
        OigeError: one of them failed.
    """
    for program in programs:
        if code := program.code(seconds):
            raise OigeError(f"{program.log.stem}: exit code {code}\n{program.text()[-2000:]}")


def train_on_both(nodes: Sequence[Node], folder: Path) -> list[dict[str, torch.Tensor]]:
    """Train five epochs on both nodes; return the weights of each process."""
    command = [*c10d(nodes[0]), str(WORKER), *SMALL, "max_iterations=5"]
    finish([node.start(command, folder) for node in nodes])
    return [torch.load(folder / f"rank{rank}.pth") for rank in range(2)]


def train_on_one(node: Node, folder: Path) -> dict[str, torch.Tensor]:
    """Train five epochs with two processes of one node; return the weights."""
    command = [sys.executable, "-m", "torch.distributed.run", "--nproc-per-node=2", str(WORKER)]
    finish([node.start([*command, *SMALL, "max_iterations=5"], folder)])
    return torch.load(folder / "rank0.pth")


def fail(
    nodes: Sequence[Node], folder: Path, victim: int, failure: Callable[[Node], None]
) -> tuple[list[Program], float]:
    """Let a node fail after two checkpoints of a training.

    Returns:
        The programs of both nodes, and the seconds until the other node has printed an error.

    Raises:
        OigeError: training has ended before, or the other node prints nothing.
    """
    command = [*c10d(nodes[0]), "-m", "oige_train.cli.train", *SMALL, "max_iterations=1000000"]
    command.append("train.params.config.save_frequency=5")
    programs = [node.start(command, folder) for node in nodes]
    while len(list(folder.glob("runs/*/nn/last_*"))) < 2:
        if any(program.process.poll() is not None for program in programs):
            raise OigeError(f"training has ended: {programs[0].text()[-2000:]}")
        time.sleep(0.1)
    failure(nodes[victim])
    begun = time.monotonic()
    survivor = programs[1 - victim]
    while not survivor.errors():
        if time.monotonic() - begun > PATIENCE:
            raise OigeError(f"no error within {PATIENCE:.0f} s: {survivor.text()[-2000:]}")
        time.sleep(0.1)
    return programs, time.monotonic() - begun


def resume(nodes: Sequence[Node], folder: Path, error: str) -> str:
    """Resume with the command of an error message, on both nodes, for two epochs; return what the program says."""
    command = shlex.split(error.partition("resume: ")[2])
    checkpoint = next(word for word in command if word.startswith("checkpoint="))
    epoch = int(re.findall(r"_ep_(\d+)", checkpoint)[-1])
    command = [*torchrun(), *command[1:], f"max_iterations={epoch + 2}"]
    programs = [node.start(command, folder) for node in nodes]
    finish(programs)
    return "\n".join(re.findall(r"(?:resuming \S+\.pth|done:) .*", programs[0].text()))


def main(argv: list[str]) -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.parse_args(argv)
    if reason := missing():
        raise OigeError(f"{reason}.")
    with tempfile.TemporaryDirectory() as name:
        whole = Path(name)

        def folder(scenario: str) -> Path:
            print(f"--- {scenario}", flush=True)
            (whole / scenario).mkdir()
            return whole / scenario

        with network(whole) as nodes:
            one, two = train_on_both(nodes, folder("five epochs on both nodes"))
            print("the processes have equal weights:", all(torch.equal(one[key], two[key]) for key in one))
            alone = train_on_one(nodes[0], folder("the same with two processes of one node"))
            print("they are equal to those of one node:", all(torch.equal(one[key], alone[key]) for key in one))
            for text, command in upstream_commands(nodes[0]).items():
                place = folder(text)
                programs = [node.start(command(number), place) for number, node in enumerate(nodes)]
                finish(programs)
                print(*re.findall("done: .*", programs[0].text()), sep="\n")
            for victim in (1, 0):
                place = folder(f"all programs of {nodes[victim].name} are killed")
                programs, seconds = fail(nodes, place, victim, Node.kill)
                (error,) = programs[1 - victim].errors()
                programs[1 - victim].code(PATIENCE)
                print(f"after {seconds:.1f} s: {error}", resume(nodes, place, error), sep="\n", flush=True)
            programs, seconds = fail(nodes, folder("the cable is pulled"), 1, Node.unplug)
            print(f"after {seconds:.1f} s: {programs[0].errors()[0]}")


def upstream_commands(first: Node) -> dict[str, Callable[[int], list[str]]]:
    """Return the command lines of OmniIsaacGymEnvs for two nodes, each a function of the number of the node."""
    script = [str(SCRIPT), "headless=True", *SMALL, "max_iterations=2"]
    rendezvous = ["--nnodes=2", "--rdzv_id=123", "--rdzv_backend=c10d", f"--rdzv_endpoint={first.address}:{PORT}"]
    static = ["--nnodes=2", f"--master_addr={first.address}", "--master_port=29501"]
    return {
        "rdzv_id and node_rank": lambda number: [*torchrun(*rendezvous, f"--node_rank={number}"), *script],
        "master_addr and node_rank": lambda number: [*torchrun(*static, f"--node_rank={number}"), *script],
    }


if __name__ == "__main__":
    run_cli(main)
