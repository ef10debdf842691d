"""The gradients of a minibatch are those of plain rl_games, for every kind of network and objective."""

from pathlib import Path
from typing import Any

import pytest
import torch
from fake_env import collected
from oige_train.learner.ppo.losses import TERMS
from oige_train.schema import CnnConfig, NetworkConfig, RnnConfig
from random_env import CNN, RandomEnv, critic, network, random_agent
from rl_games.algos_torch.a2c_continuous import A2CAgent
from rl_games.algos_torch.central_value import CentralValueTrain

TANH = {"model": "continuous_a2c_tanh"}


def recurrent(rnn: dict[str, Any] | None = None, **changes: Any) -> NetworkConfig:
    return network(rnn=RnnConfig(**{"name": "lstm", "units": 8} | (rnn or {})), **changes)


POLICIES: dict[str, dict[str, Any]] = {
    "plain": {},
    "deviation of the network": {"network": network(fixed_sigma=False)},
    "separate": {"network": network(separate=True)},
    "separate, deviation of the network": {"network": network(separate=True, fixed_sigma=False)},
    "activations": {"network": network(value_activation="tanh", mlp={"activation": "relu"})},
    "no layers": {"network": network(units=())},
    "d2rl": {"network": network(mlp={"d2rl": True})},
    "d2rl, layer norm": {"network": network(normalization="layer_norm", mlp={"d2rl": True})},
    "d2rl, batch norm": {"network": network(normalization="batch_norm", mlp={"d2rl": True})},
    "lstm": {"network": recurrent()},
    "lstm, two layers before the mlp": {"network": recurrent({"layers": 2, "before_mlp": True})},
    "lstm, separate": {"network": recurrent({"layer_norm": True, "concat_input": True}, separate=True)},
    "gru": {"network": recurrent({"name": "gru", "concat_output": True})},
    "lstm, memory kept": {"network": recurrent(), "zero_rnn_on_done": False},
    "tanh": TANH,
    "tanh, deviation of the network": TANH | {"network": network(fixed_sigma=False), "entropy_coef": 0.2},
    "clipped smoothly": {"use_smooth_clamp": True},
    "actor-critic": {"ppo": False},
    "value not clipped": {"clip_value": False},
    "regularisation": {"bound_loss_type": "regularisation", "bounds_loss_coef": 0.3},
    "bounds": {"bounds_loss_coef": 0.3},
    "entropy": {"entropy_coef": 0.2},
    "no loss of the value": {"critic_coef": 0.0},
    "clipped gradients": {"truncate_grads": True, "grad_norm": 0.05},
    "nothing normalised": {"normalize_input": False, "normalize_value": False, "normalize_advantage": False},
    "values of another critic": {"num_states": 4, "use_experimental_cv": False},
    "frozen": {"num_states": 4, "freeze_critic": True, "central_value_config": critic(freeze_critic=True)},
}


def collected_agent(folder: Path, images: bool = False, num_states: int = 0, **settings: Any) -> Any:
    """Return an agent with samples whose network was changed since, so that ratios, values and means are clipped."""
    agent = random_agent(folder, RandomEnv(8, num_states, images=images), **settings)
    collected(agent)
    torch.manual_seed(3)
    for net in agent._networks():
        for parameter in net.parameters():
            parameter.data.add_(torch.randn_like(parameter) * 0.15)
    return agent


def gradients(net: torch.nn.Module) -> dict[str, torch.Tensor | None]:
    return {name: None if p.grad is None else p.grad.clone() for name, p in net.named_parameters()}


def buffers(net: torch.nn.Module) -> dict[str, torch.Tensor]:
    return {name: value.clone() for name, value in net.named_buffers()}


def plain_batch(fields: dict[str, torch.Tensor], inputs: str) -> dict[str, Any]:
    """Return the first minibatch as rl_games' dataset does."""
    first = {name: field[0].clone() for name, field in fields.items()}
    return {
        **{name: first.get(name) for name in ("actions", "advantages", "mu", "sigma")},
        "obs": first[inputs],
        "old_values": first["values"].unsqueeze(1),
        "returns": first["returns"].unsqueeze(1),
        "old_logp_actions": first.get("neg_log_probs"),
        "dones": first.get("started"),
        "rnn_states": [first[name].contiguous() for name in first if name.startswith("memory")],
        "rnn_masks": None,
    }


def assert_same(ours: dict[str, Any], theirs: dict[str, Any]) -> None:
    assert ours.keys() == theirs.keys()
    for name, expected in theirs.items():
        assert (ours[name] is None) == (expected is None), name
        if expected is not None:
            scale = float(expected.detach().abs().max())
            torch.testing.assert_close(
                ours[name], expected, rtol=1e-4, atol=1e-5 * scale + 1e-6, msg=lambda text, name=name: f"{name}: {text}"
            )


def assert_gradients_of_rl_games(agent: Any) -> None:
    """Compute the gradients of a minibatch with rl_games' code and with ours."""
    agent.optimizer.step = lambda *_: None
    before = {name: value.clone() for name, value in agent.model.state_dict().items()}
    torch.manual_seed(5)
    A2CAgent.calc_gradients(agent, plain_batch(agent.samples.fields, "obs"))
    theirs, statistics = gradients(agent.model), buffers(agent.model)
    agent.model.load_state_dict(before)
    agent.optimizer.zero_grad()
    agent.update.entropy_coef.fill_(agent.entropy_coef)
    torch.manual_seed(5)
    agent.update.step(first=True)
    assert_same(gradients(agent.model), theirs)
    assert any(gradient is not None and gradient.abs().max() > 0 for gradient in theirs.values())
    assert_same(buffers(agent.model), statistics)
    actor, value, entropy, kl, _, _, mu, sigma, bounds = agent.train_result
    means: dict[str, torch.Tensor] = dict(zip(TERMS, agent.update.terms[0], strict=True))
    expected = {"actor": actor, "critic": value, "entropy": entropy, "bounds": bounds, "kl": kl}
    assert_same({name: means[name] for name in expected}, {name: mean.squeeze() for name, mean in expected.items()})
    torch.testing.assert_close(agent.samples.fields["mu"][0], mu)
    torch.testing.assert_close(agent.samples.fields["sigma"][0], sigma.expand_as(mu))


@pytest.mark.parametrize("settings", POLICIES.values(), ids=POLICIES)
def test_gradients_of_the_policy_are_those_of_rl_games(tmp_path: Path, settings: dict[str, Any]) -> None:
    agent = collected_agent(tmp_path, **settings)
    assert_gradients_of_rl_games(agent)
    if "started" in agent.samples.fields:
        assert agent.samples.fields["started"][0].view(-1, 4)[:, 1:].any(), "no episode begins inside a sequence"


def test_ratios_values_and_means_of_these_tests_are_clipped(tmp_path: Path) -> None:
    agent = collected_agent(tmp_path)
    batch = {name: field[0] for name, field in agent.samples.fields.items()}
    agent.set_eval()
    with torch.no_grad():
        out = agent.model({"is_train": True, "prev_actions": batch["actions"], "obs": batch["obs"]})
    ratios = (batch["neg_log_probs"] - out["prev_neglogp"]).exp()
    for side in (ratios > 1.2, ratios < 0.8):
        for sign in (batch["advantages"] > 0.0, batch["advantages"] < 0.0):
            assert (side & sign).any()
    assert ((out["values"].squeeze(1) - batch["values"]).abs() > 0.2).any()
    assert (out["mus"].abs() > 1.1).any()


CONVOLUTIONS = {
    "cnn": network(cnn=CNN),
    "cnn, separate, layer norm": network(cnn=CNN, separate=True, normalization="layer_norm"),
    "cnn, batch norm": network(cnn=CNN, normalization="batch_norm"),
    "coordinates": network(cnn=CnnConfig(type="coord_conv2d", convs=CNN.convs)),
    "resnet": network(name="resnet_actor_critic", cnn=CnnConfig(conv_depths=[4])),
    "cnn, lstm": recurrent(cnn=CNN),
}


@pytest.mark.filterwarnings("ignore:Default grid_sample and affine_grid:UserWarning")
@pytest.mark.parametrize("normalize_input", [True, False])
@pytest.mark.parametrize("net", CONVOLUTIONS.values(), ids=CONVOLUTIONS)
def test_gradients_of_convolutions_are_those_of_rl_games(
    tmp_path: Path, net: NetworkConfig, normalize_input: bool
) -> None:
    assert_gradients_of_rl_games(collected_agent(tmp_path, images=True, network=net, normalize_input=normalize_input))


CRITICS: dict[str, dict[str, Any]] = {
    "plain": {},
    "clipped": {"truncate_grads": True, "grad_norm": 0.05, "e_clip": 0.1},
    "value not clipped": {"clip_value": False},
    "nothing normalised": {"normalize_input": False},
    "lstm": {"network": {"rnn": RnnConfig(name="lstm", units=8)}},
    "d2rl, layer norm": {"network": {"mlp": {"d2rl": True}, "normalization": "layer_norm"}},
}


@pytest.mark.parametrize("settings", CRITICS.values(), ids=CRITICS)
def test_gradients_of_an_asymmetric_critic_are_those_of_rl_games(tmp_path: Path, settings: dict[str, Any]) -> None:
    policy = recurrent() if "rnn" in settings.get("network", {}) else network()
    agent = collected_agent(tmp_path, num_states=4, central_value_config=critic(**settings), network=policy)
    net, update = agent.central_value_net, agent._critic
    net.optimizer.step = lambda *_: None
    before = {name: value.clone() for name, value in net.model.state_dict().items()}
    net.train()
    loss = CentralValueTrain.calc_gradients(net, plain_batch(update.samples.fields, "states"))
    theirs, statistics = gradients(net.model), buffers(net.model)
    net.model.load_state_dict(before)
    update.step(first=True)
    assert_same(gradients(net.model), theirs)
    assert_same(buffers(net.model), statistics)
    torch.testing.assert_close(update.loss, loss.detach())


def test_gradients_of_samples_and_images_are_those_of_twice_the_samples(tmp_path: Path) -> None:
    agent = collected_agent(tmp_path, symmetry_augmentation=True, minibatch_size=64)
    fields = agent.samples.fields
    assert fields["obs"].shape == (1, 128, 3)
    assert fields["mu"].shape == (1, 64, 2)
    agent.optimizer.step = lambda *_: None
    before = {name: value.clone() for name, value in agent.model.state_dict().items()}
    batch = plain_batch(fields, "obs")
    for name in ("mu", "sigma"):  # on which only rl_games' divergence depends
        batch[name] = batch[name].repeat(2, 1)
    A2CAgent.calc_gradients(agent, batch)
    theirs = gradients(agent.model)
    agent.model.load_state_dict(before)
    agent.update.step(first=True)
    assert_same(gradients(agent.model), theirs)
    torch.testing.assert_close(fields["mu"][0], agent.train_result[6][:64])
