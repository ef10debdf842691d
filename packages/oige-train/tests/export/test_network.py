"""The network of an exported policy."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from gymnasium import spaces
from oige_core.errors import OigeError
from oige_train.cli.common import checked_run
from oige_train.export import network as module
from oige_train.export.actor import Actor
from oige_train.export.network import check_network, export_actor, export_policy, load_network
from oige_train.policy import Policy, build_policy

LSTM = [
    "+train.params.network.rnn.name=lstm",
    "+train.params.network.rnn.units=5",
    "+train.params.network.rnn.layers=2",
    "train.params.config.symmetry_augmentation=False",
]


def make_actor(*overrides: str, shape: tuple[int, ...] = (4,), actions: int = 1) -> Actor:
    """Return the actor of a random policy with statistics of observations that are far from those of zeros."""
    run = checked_run(["sim_device=cpu", *overrides])
    env_info: dict[str, Any] = {
        "observation_space": spaces.Box(-np.inf, np.inf, shape, np.float32),
        "action_space": spaces.Box(-1.0, 1.0, (actions,), np.float32),
    }
    torch.manual_seed(1)
    policy = build_policy(run, env_info, "cpu", num_envs=1)
    if isinstance(policy, Policy) and getattr(policy.model, "normalize_input", False):
        statistics = policy.model.running_mean_std
        statistics.running_mean.copy_(torch.arange(1.0, shape[-1] + 1.0))
        statistics.running_var.copy_(torch.arange(1.0, shape[-1] + 1.0).square())
    return Actor(policy, shape, bytes_in=False)


@pytest.mark.parametrize("suffix", [".onnx", ".pt"])
@pytest.mark.parametrize(
    "overrides",
    [
        ["task=Cartpole", "train.params.model.name=continuous_a2c_tanh"],
        ["task=Cartpole", "train.params.network.separate=True", *LSTM],
        ["task=Cartpole", "train.params.config.clip_actions=False", *LSTM],
        ["task=AntSAC"],
        ["task=Ant", "train=AntFlashSAC"],
    ],
    ids=["tanh", "separate LSTM", "LSTM", "SAC", "FlashSAC"],
)
def test_file_computes_what_the_policy_does_in_a_sequence(tmp_path: Path, overrides: list[str], suffix: str) -> None:
    actor = make_actor(*overrides)
    network = load_network(export_actor(actor, tmp_path / f"policy{suffix}"), actor.input_names)
    reference = actor.policy
    reset = actor.inputs(3)
    if isinstance(reference, Policy) and reference.states is not None:
        reference.states = [torch.zeros(len(state), 3, state.shape[2]) for state in reference.states]
    hidden = [state.numpy() for state in reset[1:]]
    generator = torch.Generator().manual_seed(3)
    for _ in range(4):
        observations = torch.randn(3, *actor.shape, generator=generator) * 3.0 + 2.0
        expected = reference.act(observations, deterministic=True)
        actions, *hidden = network([observations.numpy(), *hidden])
        np.testing.assert_allclose(actions, expected.numpy(), atol=1e-5)
    assert len(hidden) == (2 if "rnn.name" in " ".join(overrides) else 0)


@pytest.mark.slow
def test_network_of_shadow_hand_lstm_is_exported(tmp_path: Path) -> None:
    actor = make_actor("task=ShadowHandOpenAI_LSTM", shape=(42,), actions=20)
    assert actor.hidden_shapes == [(1, 1024), (1, 1024)]
    network = load_network(export_actor(actor, tmp_path / "policy.onnx"), actor.input_names)
    observations, *hidden = actor.inputs(5, torch.Generator().manual_seed(4))
    expected = actor(observations, *hidden)
    for found, wanted in zip(network([each.numpy() for each in (observations, *hidden)]), expected, strict=True):
        np.testing.assert_allclose(found, wanted.numpy(), atol=1e-5)


def test_normalisation_is_inside(tmp_path: Path) -> None:
    actor = make_actor("task=Cartpole", "train.params.config.normalize_input=True")
    network = load_network(export_actor(actor, tmp_path / "policy.onnx"), actor.input_names)
    # Means of 1, 2, 3, 4 and deviations as large, so that these are 0, 1, -1, 5 (clamped) after normalisation.
    raw = np.array([[1.0, 4.0, 0.0, 400.0]], np.float32)
    mean, *_ = actor.model.a2c_network({"obs": torch.tensor([[0.0, 1.0, -1.0, 5.0]]), "rnn_states": None})
    np.testing.assert_allclose(network([raw])[0], mean.clamp(-1.0, 1.0).detach().numpy(), atol=1e-4)


def test_file_that_computes_something_else_is_not_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    actor, output = make_actor("task=Cartpole"), tmp_path / "policy.onnx"
    write = module.write_network

    def write_other(actor: Actor, file: Path) -> None:
        with torch.no_grad():
            actor.model.a2c_network.mu.bias += 0.25
            write(actor, file)
            actor.model.a2c_network.mu.bias -= 0.25

    monkeypatch.setattr(module, "write_network", write_other)
    with pytest.raises(OigeError) as info:
        export_actor(actor, output)
    start, end = str(info.value).split(" than PyTorch (difference ")
    assert start == f"output={output}: the file computes other actions"
    assert 0.01 < float(end.split(",")[0]) < 0.26
    assert end.endswith(", expected at most 5e-04); it was not written.")
    assert list(tmp_path.iterdir()) == []


def test_network_that_ignores_hidden_states_is_detected(tmp_path: Path) -> None:
    actor = make_actor("task=Cartpole", *LSTM)
    network = load_network(export_actor(actor, tmp_path / "policy.onnx"), actor.input_names)

    def forgetful(arrays: Any) -> list[np.ndarray]:
        return network([arrays[0], *(np.zeros_like(array) for array in arrays[1:])])

    with pytest.raises(OigeError, match=r"^output=x.onnx: the file computes other actions than PyTorch"):
        check_network(forgetful, actor, actor.inputs(2, torch.Generator().manual_seed(0)), Path("x.onnx"))


def test_shipped_policy_of_bytes_takes_bytes(tmp_path: Path) -> None:
    run = checked_run(["task=CartpoleCamera", "checkpoint=pretrained", "test=True", "sim_device=cpu"])
    file = export_policy(run, tmp_path / "policy.onnx")
    import onnx

    graph = onnx.load(file).graph
    (images,) = graph.input
    assert images.type.tensor_type.elem_type == onnx.TensorProto.UINT8
    sizes = [dimension.dim_value for dimension in images.type.tensor_type.shape.dim][1:]
    assert sizes == list(run.spec.shape_for(run.config.task.env))


@pytest.mark.parametrize("name", ["policy.onnx", "policy.pt"])
def test_damaged_files_are_reported(tmp_path: Path, name: str) -> None:
    file = tmp_path / name
    file.write_bytes(b"not a network")
    kind = {".onnx": "an ONNX", ".pt": "a TorchScript"}[file.suffix]
    with pytest.raises(OigeError) as info:
        load_network(file, ["observations"])
    assert str(info.value) == f"{file}: not {kind} file, or damaged; export the policy again."
