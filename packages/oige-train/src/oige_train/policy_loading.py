"""Loads the policy that a run plays: a checkpoint, or an exported policy."""

from typing import TYPE_CHECKING

from oige_train.config import Run
from oige_train.export.contract import is_exported, read_contract
from oige_train.learner.environment import RlGamesEnv
from oige_train.policy import FlashSacPolicy, Policy, build_policy, load_weights

if TYPE_CHECKING:
    from oige_train.export.exported import ExportedPolicy

__all__ = ["load_policy"]


def load_policy(run: Run, adapter: RlGamesEnv) -> "Policy | FlashSacPolicy | ExportedPolicy":
    """Return the policy of a run's checkpoint, which may be an exported one.

    Args:
        run: the checked run, which has a checkpoint.
        adapter: the environment.

    Raises:
        CheckpointError: the checkpoint is refused, or does not fit the network.
        OigeError: an exported policy is damaged, or onnxruntime is not installed.
    """
    assert run.checkpoint is not None  # test=True without one is refused
    device = run.config.rl_device
    if is_exported(run.checkpoint):
        from oige_train.export.exported import ExportedPolicy

        exported = ExportedPolicy(read_contract(run.checkpoint), device, adapter.env.num_envs)
        exported.compare(adapter.env)
        return exported
    policy = build_policy(run, adapter.get_env_info(), device, adapter.env.num_envs)
    load_weights(policy, run.checkpoint, device)
    return policy
