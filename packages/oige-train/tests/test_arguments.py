"""Command-line arguments: error messages and derived values."""

import json
import subprocess
import sys
import zipfile
from pathlib import Path
from typing import Any

import pytest
import yaml
from oige_core.gpu import cuda_device_count
from oige_train.config.overrides import rewrite_overrides
from oige_train.learner.progress import format_time

CONFIG = "train.params.config"


def write_checkpoint(file: Path, **changes: object) -> None:
    """Write the outline of a checkpoint, without torch; ``changes`` to its info, or ``info=<text>``."""
    info: dict[str, Any] = {
        "task": "Cartpole",
        "algo": "a2c_continuous",
        "observation_shape": [4],
        "num_actions": 1,
        "num_states": 0,
        "epoch": 3,
        "mean_reward": None,
        "format": 1,
    } | changes
    with zipfile.ZipFile(file, "w") as archive:
        archive.writestr("archive/data.pkl", b"")
        archive.writestr("archive/oige.json", info.get("info") or json.dumps(info))


# arguments, then the line that must come out; {tmp} is a folder with the files of the fixture below
REFUSED = {
    "unknown task": (
        ["task=Cartpol"],
        "task=Cartpol: unknown task 'Cartpol'. Did you mean Cartpole or CartpoleCamera?",
    ),
    "unknown training configuration": (
        ["train=CartpolPPO"],
        "train=CartpolPPO: unknown training configuration. Did you mean CartpolePPO or CartpoleCameraPPO or "
        "CartpoleCameraPPO_cpu?",
    ),
    "unknown launcher": (
        ["-m", "hydra/launcher=nomad", "seed=1,2"],
        "hydra/launcher=nomad: expected one of basic, joblib, ray, submitit_local, submitit_slurm.",
    ),
    "no value": (["num_envs"], "'num_envs': expected key=value without spaces, for instance num_envs=64."),
    "name of a task": (["Ant"], "'Ant': expected key=value without spaces, for instance task=Ant."),
    "path of a checkpoint": (["a.pth"], "'a.pth': expected key=value without spaces, for instance checkpoint=a.pth."),
    "setting with dashes": (["--num-envs", "64"], "--num-envs: unknown option; write settings as num_envs=<value>."),
    "setting with dashes and value": (["--task=Ant"], "--task=Ant: unknown option; write settings as task=Ant."),
    "unknown root key": (["numenvs=3"], "numenvs: unknown key. Did you mean num_envs?"),
    "task key at the root": (["episodeLength=3"], "episodeLength: unknown key. Did you mean task.env.episodeLength?"),
    "viewport key at the root": (
        ["viewport_camera_width=3"],
        "viewport_camera_width: unknown key. Did you mean task.viewport.viewport_camera_width?",
    ),
    "learner's key at the root": (
        ["learning_rate=3"],
        f"learning_rate: unknown key. Did you mean {CONFIG}.learning_rate or {CONFIG}.central_value_config",
    ),
    "unknown task key": (["task.sims.dt=3"], "task.sims: unknown key. Did you mean sim?"),
    "unknown env key": (["task.env.maxEfort=3"], "task.env.maxEfort: unknown key. Did you mean maxEffort?"),
    "unknown sim key": (["task.sim.gravty=3"], "task.sim.gravty: unknown key. Did you mean gravity?"),
    "unknown engine key": (
        ["task.sim.mujoco.iteration=3"],
        "task.sim.mujoco.iteration: unknown key. Did you mean iterations",
    ),
    "unknown params key": (["train.params.confg=3"], "train.params.confg: unknown key. Did you mean config?"),
    "unknown learner key": (
        [f"{CONFIG}.learning_rat=3"],
        f"{CONFIG}.learning_rat: unknown key. Did you mean learning_rate?",
    ),
    "unknown network key": (
        ["train.params.network.mlp.unit=[8]"],
        "train.params.network.mlp.unit: unknown key. Did you mean units?",
    ),
    "unknown algorithm": (
        ["train.params.algo.name=a2c_continuos"],
        "train.params.algo.name=a2c_continuos: unknown algorithm. Did you mean a2c_continuous?",
    ),
    "wrong type of root": (["seed=abc"], "seed=abc: expected an int."),
    "wrong type of env": (["task.env.maxEffort=strong"], "task.env.maxEffort=strong: expected a float."),
    "wrong type of learner": ([f"{CONFIG}.gamma=x"], f"{CONFIG}.gamma=x: expected a float."),
    "section for value": ([f"{CONFIG}.player=3"], f"{CONFIG}.player=3: expected a section with keys."),
    "gamma out of range": ([f"{CONFIG}.gamma=1.5"], f"{CONFIG}.gamma=1.5: expected a number from 0 to 1."),
    "unknown schedule": (
        [f"{CONFIG}.lr_schedule=adaptiv"],
        f"{CONFIG}.lr_schedule=adaptiv: expected one of adaptive, linear, identity, fixed, None. Did you mean "
        "adaptive?",
    ),
    "unknown activation": (
        ["train.params.network.mlp.activation=foo"],
        "train.params.network.mlp.activation=foo: expected one of relu, tanh, sigmoid, elu, selu, swish, gelu, "
        "softplus, None.",
    ),
    "name that is a path": (
        ["experiment=../x"],
        f"{CONFIG}.name=../x: expected a name for files, without / and \\; experiment= sets it.",
    ),
    "no place for the cart": (["task.env.resetDist=-1"], "task.env.resetDist=-1.0: expected a number above 0."),
    "two numbers for three": (
        ["task=Anymal", "task.env.baseInitState.pos=[0,0]"],
        "task.env.baseInitState.pos=[0, 0]: expected 3 values, but there are 2.",
    ),
    "a range the wrong way round": (
        ["task=Anymal", "task.env.randomCommandVelocityRanges.yaw=[1,-1]"],
        "task.env.randomCommandVelocityRanges.yaw=[1.0, -1.0]: expected [low, high] with low <= high.",
    ),
    "no rotation": (
        ["task=Anymal", "task.env.baseInitState.rot=[0,0,0,0]"],
        "task.env.baseInitState.rot=[0.0, 0.0, 0.0, 0.0]: expected a quaternion x, y, z, w.",
    ),
    "drives that push away": (
        ["task=AnymalTerrain", "task.env.control.stiffness=-5"],
        "task.env.control.stiffness=-5.0: expected a number of at least 0.",
    ),
    "no number": (["task.env.maxEffort=nan"], "task.env.maxEffort=nan: expected a finite number."),
    "too large a number": (["task.env.maxEffort=inf"], "task.env.maxEffort=inf: expected a finite number."),
    "negative clipping": ([f"{CONFIG}.e_clip=-1"], f"{CONFIG}.e_clip=-1.0: expected a number above 0."),
    "compilation": (
        [f"{CONFIG}.torch_compile=True"],
        f"{CONFIG}.torch_compile=True: expected False; networks are never compiled.",
    ),
    "entropy that has no schedule": (
        [f"{CONFIG}.schedule_entropy=True", f"{CONFIG}.lr_schedule=identity"],
        f"{CONFIG}.schedule_entropy=True: expected lr_schedule=adaptive or linear, it is identity.",
    ),
    "entropy that falls for ever": (
        [f"{CONFIG}.schedule_entropy=True", f"{CONFIG}.max_epochs=-1"],
        f"{CONFIG}.schedule_entropy=True: expected max_epochs to be set",
    ),
    "symmetry augmentation of sequences": (
        [f"{CONFIG}.symmetry_augmentation=True", "+train.params.network.rnn={{name: lstm, units: 8}}"],
        f"{CONFIG}.symmetry_augmentation=True: expected False; a recurrent network is trained on sequences.",
    ),
    "shuffled sequences": (
        [f"{CONFIG}.shuffle_minibatches=True", "+train.params.network.rnn={{name: lstm, units: 8}}"],
        f"{CONFIG}.shuffle_minibatches=True: expected False; a recurrent network is trained on sequences.",
    ),
    "negative num_envs": (["num_envs=-3"], "num_envs=-3: expected a whole number above 0."),
    "negative numEnvs": (["task.env.numEnvs=-3"], "task.env.numEnvs=-3: expected a number above 0."),
    "fractional num_envs": (["num_envs=1.5"], "num_envs=1.5: expected a whole number above 0."),
    "negative max_iterations": (["max_iterations=0"], "max_iterations=0: expected a whole number above 0."),
    "steps that only reset": (
        ["task.env.autoresetMode=next_step"],
        "task.env.autoresetMode=next_step: only SAC leaves out the steps that only reset; use same_step, or upstream "
        "to train as OmniIsaacGymEnvs does.",
    ),
    "num_actors": (
        [f"{CONFIG}.num_actors=3"],
        f"{CONFIG}.num_actors=3: expected 512; set num_envs instead.",
    ),
    "two numbers of envs": (
        ["num_envs=2", "task.env.numEnvs=4"],
        "num_envs=2: has no effect, because task.env.numEnvs=4 is set, too; set only one of them.",
    ),
    "two numbers of epochs": (
        ["max_iterations=5", f"{CONFIG}.max_epochs=7"],
        f"max_iterations=5: has no effect, because {CONFIG}.max_epochs=7 is set, too; set only one of them.",
    ),
    "too many envs": (["num_envs=2000000000"], "num_envs=2000000000: needs at least"),
    "more envs than there are numbers": (
        ["num_envs=100000000000000"],
        "num_envs=100000000000000: expected a number of at most 2147483647.",
    ),
    "indivisible minibatch": (
        [f"{CONFIG}.minibatch_size=1000"],
        f"{CONFIG}.minibatch_size=1000: expected a divisor of horizon_length × num_envs = 16 × 512 = 8192; "
        "near it are 128, 256, 512, 1024.",
    ),
    "indivisible sequence": (
        [f"{CONFIG}.seq_length=5"],
        f"{CONFIG}.seq_length=5: expected a divisor of horizon_length × num_envs = 8192.",
    ),
    "missing checkpoint": (
        ["checkpoint={tmp}/nn/absent.pth"],
        "checkpoint={tmp}/nn/absent.pth: no such file. {tmp}/nn has text.pth.",
    ),
    "hash of a file": (
        ["checkpoint={tmp}/nn/text.pth#sha256=00"],
        "checkpoint={tmp}/nn/text.pth#sha256=00: #sha256= follows an address, such as https://…; leave it out.",
    ),
    "checkpoint in no folder": (
        ["checkpoint={tmp}/absent/a.pth"],
        "checkpoint={tmp}/absent/a.pth: no such file. There is no checkpoint in {tmp}/absent.",
    ),
    "folder": (
        ["checkpoint={tmp}"],
        "checkpoint={tmp}: expected a file, found a folder; name a .pth file. {tmp}/nn has text.pth.",
    ),
    "address": (
        ["checkpoint=ftp://example.org/a.pth"],
        "checkpoint=ftp://example.org/a.pth: expected a file, or an address that begins with https",
    ),
    "no checkpoint": (
        ["checkpoint={tmp}/nn/text.pth"],
        "checkpoint={tmp}/nn/text.pth: not a checkpoint; expected a .pth file of oige-train or rl_games.",
    ),
    "zip without weights": (
        ["checkpoint={tmp}/other.zip"],
        "checkpoint={tmp}/other.zip: not a checkpoint; expected a .pth file of oige-train or rl_games.",
    ),
    "truncated": (["checkpoint={tmp}/truncated.pth"], "checkpoint={tmp}/truncated.pth: not a checkpoint;"),
    "damaged info": (["checkpoint={tmp}/damaged.pth"], "checkpoint={tmp}/damaged.pth: damaged ("),
    "another task": (
        ["task=Cartpole", "checkpoint={tmp}/ant.pth"],
        "checkpoint={tmp}/ant.pth: belongs to task Ant, not Cartpole; give a checkpoint of Cartpole, or leave task=",
    ),
    "another task, to be played": (
        ["test=True", "task=Cartpole", "checkpoint={tmp}/ant.pth"],
        "checkpoint={tmp}/ant.pth: belongs to",
    ),
    "task that is not installed": (
        ["checkpoint={tmp}/mine.pth"],
        "checkpoint={tmp}/mine.pth: belongs to task Mine, which is not installed; install the package of",
    ),
    "another size": (
        ["checkpoint={tmp}/wide.pth"],
        "checkpoint={tmp}/wide.pth: trained with observations of shape (5,), 1 actions and 0 states, but Cartpole has "
        "observations of shape (4,), 1 actions and 0 states; train a new policy.",
    ),
    "another algorithm": (
        ["checkpoint={tmp}/sac.pth"],
        "checkpoint={tmp}/sac.pth: trained with SAC, not PPO; choose the same train= as then.",
    ),
    "newer format": (
        ["checkpoint={tmp}/newer.pth"],
        "checkpoint={tmp}/newer.pth: written by a newer version (format 2",
    ),
    "nothing left to train": (
        ["checkpoint={tmp}/good[1]=x.pth", "max_iterations=3"],
        "checkpoint={tmp}/good[1]=x.pth: is from epoch 3, and training ends at epoch 3; raise max_iterations, "
        "or play it with test=True.",
    ),
    "nothing to play": (
        ["test=True"],
        "checkpoint: a policy is needed; add checkpoint=<file>, or use checkpoint=pretrained, the policy that comes",
    ),
    "no torchrun": (["multi_gpu=True"], "multi_gpu=True: this process was not started by torchrun; use torchrun"),
    "no wandb": (["wandb_activate=True"], "wandb_activate=True: wandb is not installed; install oige-train[wandb]."),
    "malformed": (
        ["seed=[1"],
        "seed=[1: cannot be parsed; write lists as [1,2], and put text with special characters in '…' ",
    ),
    "no key": (["=5"], "'=5': expected key=value without spaces, for instance num_envs=64."),
    "malformed key": (["a..b=1"], "'a..b=1': expected key=value with a key such as task.env.episodeLength."),
    "unknown option": (["--multi"], "--multi: unknown option. Did you mean --multirun?"),
    "option without its value": (["--cfg"], "--cfg: expected a value after it."),
    "option with another value": (["--cfg", "jobs"], "--cfg jobs: expected one of job, hydra, all."),
    "flag with a value": (["--multirun=3"], "--multirun=3: unknown option. Did you mean --multirun?"),
    "several values": (
        ["seed=1,2"],
        "seed=1,2: several values; add --multirun to start one run for each.",
    ),
    "several values for a list": (
        ["train.params.network.mlp.units=8,8"],
        "train.params.network.mlp.units=8,8: several values; add --multirun to start one run for each, "
        "or write [8,8] for a list.",
    ),
    "several tasks": (
        ["task=Cartpole,Ant"],
        "task=Cartpole,Ant: several values; add --multirun to start one run for each.",
    ),
    "broken interpolation": (["seed=${{nowhere}}"], "seed=${{nowhere}}: Interpolation key 'nowhere' not found"),
    "circle of interpolations": (["seed=${{seed}}"], "seed=${{seed}}: Recursive interpolation detected"),
    "another task's name": (["task.name=Ant"], "task.name: has no effect; set task instead."),
    "key of Isaac Sim": (
        ["task.sim.physx.solver_type=0"],
        "task.sim.physx.solver_type: has no effect; read by Isaac Sim only, not by the embedded engine; leave it out.",
    ),
    "key of Isaac Sim in a section": (
        ["task.sim.Cartpole={{sleep_threshold: 0}}"],
        "task.sim.Cartpole.sleep_threshold: has no effect; read by Isaac Sim only",
    ),
    "domain randomisation": (
        ["task.domain_randomization.randomize=True"],
        "task.domain_randomization.randomize=True: task.domain_randomization.randomization_params says nothing to",
    ),
    "nonsense of domain randomisation": (
        ["task.domain_randomization.nonsense=1"],
        "task.domain_randomization.nonsense: unknown key.",
    ),
    "seed of the learner": (
        ["train.params.seed=7"],
        "train.params.seed: has no effect; set seed, without train.params.,",
    ),
    "path of the learner": (
        ["train.params.load_path=x"],
        "train.params.load_path: has no effect; set checkpoint instead.",
    ),
    "device of the learner": ([f"{CONFIG}.device=cpu"], f"{CONFIG}.device: has no effect; set rl_device instead."),
    "key that rl_games ignores": (
        ["train.params.network.mlp.regularizer.name=l2"],
        "train.params.network.mlp.regularizer.name: has no effect; rl_games does not use it; leave it out.",
    ),
    "normalisation that rl_games ignores": (
        ["train.params.network.normalization=layer_norm"],
        "network.normalization=layer_norm: has no effect, because rl_games normalises convolutional layers",
    ),
    "unknown network": (
        ["train.params.network.name=actor_critik"],
        "train.params.network.name=actor_critik: expected one of actor_critic, resnet_actor_critic, soft_actor_critic. "
        "Did you mean",
    ),
    "network of another algorithm": (
        ["train.params.network.name=soft_actor_critic"],
        "train.params.network.name=soft_actor_critic: expected one of actor_critic, resnet_actor_critic.",
    ),
    "unknown model": (
        ["train.params.model.name=foo"],
        "train.params.model.name=foo: expected one of continuous_a2c_logstd, continuous_a2c_tanh.",
    ),
    "unknown initializer": (
        ["train.params.network.mlp.initializer.name=orthogonl"],
        "network.mlp.initializer.name=orthogonl: unknown initializer. Did you mean orthogonal",
    ),
    "argument of another initializer": (
        ["train.params.network.mlp.initializer={{name: orthogonal, val: 1}}"],
        "network.mlp.initializer.val: unknown key; orthogonal takes gain.",
    ),
    "initializer of matrices for a vector": (
        [
            "~train.params.network.space.continuous.sigma_init",
            "+train.params.network.space.continuous.sigma_init={{name: orthogonal}}",
        ],
        "network.space.continuous.sigma_init.name=orthogonal: expected one of default, const_initializer,",
    ),
    "actions of another kind": (
        ["train.params.network.space={{discrete: {{}}}}"],
        "train.params.network.space.discrete: unknown key. Available: continuous.",
    ),
    "images for numbers": (
        ["train.params.network.cnn={{convs: [{{filters: 4, kernel_size: 3, strides: 1, padding: 0}}]}}"],
        "train.params.network.cnn: expected none; Cartpole does not observe images but 4 numbers.",
    ),
    "images too small": (
        ["task=TargetFollowing", "task.env.imageSize=32"],
        "train.params.network.cnn.convs: need images of at least 68 × 68 pixels, those of TargetFollowing have 32",
    ),
    "incomplete layer": (
        ["task=TargetFollowing", "train.params.network.cnn.convs=[{{filters: 4}}]"],
        "network.cnn.convs: expected filters, kernel_size, padding, strides in each entry, entry 0 has filters.",
    ),
    "two sizes of a minibatch": (
        [f"{CONFIG}.minibatch_size_per_env=4"],
        f"{CONFIG}.minibatch_size_per_env: has no effect while minibatch_size=8192 is set; add",
    ),
    "a single sample": (
        ["num_envs=1", f"{CONFIG}.horizon_length=1", f"{CONFIG}.seq_length=1"],
        f"num_envs=1: expected at least 2 with {CONFIG}.horizon_length=1; advantages are normalised over",
    ),
    "no minibatch of a similar size": (
        ["task=Anymal", "num_envs=40009", f"{CONFIG}.horizon_length=1", f"{CONFIG}.seq_length=1"],
        "num_envs=40009: no minibatch size near 16384 divides horizon_length × num_envs = 1 × 40009 = 40009; use "
        f"num_envs=40008, or set {CONFIG}.minibatch_size.",
    ),
    "replay memory": (
        ["task=AntSAC", f"{CONFIG}.replay_buffer_size=100000000000"],
        f"{CONFIG}.replay_buffer_size=100000000000: needs at least 48,",
    ),
}
REFUSED |= {
    f"key of Isaac Sim {key}": ([f"{key}={value}"], f"{key}: has no effect; read by Isaac Sim only,")
    for key, value in (("kit_app", "a.kit"), ("extras", "[--/log/level=info]"), ("task.sim.isaacsim.physics", "newton"))
}
REFUSED |= {
    f"key of MuJoCo {key}": (
        ["physics_engine=isaacsim", f"{key}={value}"],
        f"{key}: has no effect; read by the embedded engine only,",
    )
    for key, value in (("livestream_port", 8081), ("num_threads", 2), ("task.sim.mujoco.iterations", 5))
}
if cuda_device_count() == 0:
    REFUSED |= {
        "no GPU": (
            ["sim_device=gpu"],
            "sim_device=gpu: this machine has no CUDA device; use sim_device=cpu or sim_device=auto.",
        ),
        "no GPU for tensors": (["pipeline=gpu"], "pipeline=gpu: this machine has no CUDA device; use pipeline=cpu"),
        "no GPU to learn on": (
            ["rl_device=cuda:0"],
            "rl_device=cuda:0: this machine has no CUDA device; use rl_device=cpu",
        ),
    }

# Runs the program once per case in one process, and prints after each whether torch has been imported.
DRIVER = """
import contextlib, io, json, os, sys, types
from oige_train.cli.train import main
sys.modules["oige_train.runner"] = types.SimpleNamespace(execute=lambda run, arguments: sys.exit("nothing was refused"))
sys.modules["wandb"] = None  # as if it were not installed
results = []
for arguments in json.load(sys.stdin):
    sys.argv = ["oige-train", *arguments]
    out, err, code = io.StringIO(), io.StringIO(), None
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        try:
            main()
        except SystemExit as exit_:
            code = exit_.code
    results.append([code, out.getvalue(), err.getvalue(), "torch" in sys.modules])
json.dump(results, sys.stdout)
"""


@pytest.fixture(scope="module")
def refusals(tmp_path_factory: pytest.TempPathFactory) -> dict[str, tuple[int, str, str, bool, Path]]:
    tmp = tmp_path_factory.mktemp("refused")
    (tmp / "nn").mkdir()
    (tmp / "nn" / "text.pth").write_text("not a checkpoint")
    write_checkpoint(tmp / "good[1]=x.pth")
    write_checkpoint(tmp / "ant.pth", task="Ant")
    write_checkpoint(tmp / "mine.pth", task="Mine")
    write_checkpoint(tmp / "wide.pth", observation_shape=[5])
    write_checkpoint(tmp / "sac.pth", algo="sac")
    write_checkpoint(tmp / "newer.pth", format=2)
    write_checkpoint(tmp / "damaged.pth", info="{}")
    (tmp / "truncated.pth").write_bytes((tmp / "ant.pth").read_bytes()[:150])
    with zipfile.ZipFile(tmp / "other.zip", "w") as archive:
        archive.writestr("readme.txt", "hello")
    cases = [[argument.format(tmp=tmp) for argument in arguments] for arguments, _ in REFUSED.values()]
    process = subprocess.run(
        [sys.executable, "-c", DRIVER], input=json.dumps(cases), capture_output=True, text=True, cwd=tmp, check=True
    )
    return {name: (*result, tmp) for name, result in zip(REFUSED, json.loads(process.stdout), strict=True)}


@pytest.mark.parametrize("case", REFUSED)
def test_invalid_argument_prints_one_line_and_exits_with_2_before_importing_torch(
    case: str, refusals: dict[str, tuple[int, str, str, bool, Path]]
) -> None:
    code, out, err, torch_imported, tmp = refusals[case]
    assert code == 2
    assert out == ""
    lines = err.splitlines()
    assert len(lines) == 1, err
    assert lines[0].startswith("error: " + REFUSED[case][1].format(tmp=tmp))
    assert not torch_imported


def test_invalid_arguments_leave_no_files(refusals: dict[str, tuple[int, str, str, bool, Path]]) -> None:
    tmp = next(iter(refusals.values()))[-1]
    assert not (tmp / "runs").exists()
    assert not (tmp / "outputs").exists()


def shown_config(program, *arguments: str) -> dict:
    outcome = program(*arguments, "--cfg", "job")
    assert outcome.code == 0, outcome.err
    return yaml.safe_load(outcome.out)


def test_key_absent_from_yaml_files_needs_no_plus(program) -> None:
    config = shown_config(program, "task.sim.mujoco.iterations=3")
    assert config["task"]["sim"]["mujoco"] == {"iterations": 3}


def test_overrides_are_forced_and_groups_are_not() -> None:
    arguments = ["task=Cartpole", "num_envs=3", "+a.b=1", "~seed", "hydra.verbose=True", "-m"]
    assert rewrite_overrides(arguments) == [arguments[0], "++num_envs=3", *arguments[2:]]


def test_options_may_precede_overrides(program) -> None:
    outcome = program("--cfg", "job", "task=AntSAC", "num_envs=3")  # which takes a training configuration of its own
    assert outcome.code == 0, outcome.err
    config = yaml.safe_load(outcome.out)
    assert (config["num_envs"], config["train"]["params"]["algo"]["name"]) == (3, "sac")


def test_upstream_keys_reach_task_and_learner(program) -> None:
    config = shown_config(program, "num_envs=64", "seed=7", "max_iterations=3", "experiment=mine", "--resolve")
    assert config["task"]["env"]["numEnvs"] == 64
    params = config["train"]["params"]
    assert params["seed"] == 7
    assert params["config"]["num_actors"] == 64
    assert params["config"]["max_epochs"] == 3
    assert params["config"]["name"] == params["config"]["full_experiment_name"] == "mine"
    assert (params["load_checkpoint"], params["load_path"]) == (False, "")


def test_time_left_of_an_hour_or_more_shows_hours() -> None:
    assert [format_time(s) for s in (0, 59.6, 61, 3661)] == ["0:00", "1:00", "1:01", "1:01:01"]
