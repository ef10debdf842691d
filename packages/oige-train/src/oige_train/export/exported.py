"""An exported policy with the methods of the policies that are played."""

import logging

import numpy as np
import torch
from oige_core import VecEnv

from oige_train.export.contract import Contract
from oige_train.export.network import load_network
from oige_train.export.robots import articulation_views
from oige_train.export.vectors import check_vectors

__all__ = ["ExportedPolicy"]

#: Largest difference of gains from those of the contract, relative to the latter.
SAME_GAINS = 1e-4

_log = logging.getLogger(__name__)


class ExportedPolicy:
    """An ONNX or TorchScript file, run on the CPU, with the methods of :class:`~oige_train.policy.Policy`.

    Args:
        contract: its contract, whose test vectors are replayed.
        device: where observations come from and actions go to.
        num_envs: number of worlds, for the hidden state of a recurrent network.

    Raises:
        MissingExtraError: onnxruntime is not installed.
        OigeError: the file is damaged, or gives other actions than its contract.
    """

    def __init__(self, contract: Contract, device: str, num_envs: int) -> None:
        self.contract = contract
        self._device = device
        self._network = load_network(contract.policy, contract.input_names)
        check_vectors(self._network, contract.values["vectors"], contract.hidden_shapes, contract.policy)
        self._hidden = [np.zeros((layers, num_envs, units), np.float32) for layers, units in contract.hidden_shapes]

    def act(self, observations: torch.Tensor, *, deterministic: bool) -> torch.Tensor:
        """Return actions ``(N, num_actions)`` without exploration noise, which exported policies do not have.

        Args:
            observations: ``(N, …)``.
            deterministic: True.
        """
        assert deterministic
        actions, *self._hidden = self._network([observations.cpu().contiguous().numpy(), *self._hidden])
        return torch.from_numpy(actions).to(self._device)

    def reset_hidden_state(self, done: torch.Tensor) -> None:
        """Reset the recurrent state of worlds whose episode ended.

        Args:
            done: ``(N,)`` bool.
        """
        mask = done.cpu().numpy()
        self._hidden = [np.where(mask[None, :, None], np.float32(0.0), state) for state in self._hidden]

    def compare(self, env: VecEnv) -> None:
        """Warn of each difference between a task and the one in which the policy was recorded: rate and drives.

        Args:
            env: the environment in which the policy is about to act.
        """
        task, where = env.task, f"checkpoint={self.contract.policy}"
        period = self.contract.period
        if abs(task.control_dt - period) > 1e-6 * period:
            _log.warning(
                f"{where}: was exported at {1.0 / period:g} Hz, and the task now runs at {1.0 / task.control_dt:g} Hz"
            )
        views = {view.name: view for view in articulation_views(task)}
        for robot in self.contract.values["robots"]:
            view = views.get(robot["name"])
            names = [joint["name"] for joint in robot["joints"]]
            if view is None or list(view.dof_names) != names:
                now = "is missing" if view is None else "has other joints"
                _log.warning(f"{where}: {robot['name']} {now} in the task")
                continue
            for key, values in zip(("stiffness", "damping"), view.get_gains(), strict=True):
                for joint, value in zip(robot["joints"], values[0].tolist(), strict=True):
                    if abs(value - joint[key]) > SAME_GAINS * max(abs(joint[key]), 1.0):
                        _log.warning(
                            f"{where}: was exported with {key} {joint[key]:g} of {joint['name']}, and the task now has "
                            f"{value:g}"
                        )
