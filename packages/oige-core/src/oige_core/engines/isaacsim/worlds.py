"""The running worlds of the engine, which its views share."""

from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
import torch

from oige_core.capabilities import Capable, require
from oige_core.config import SimConfig
from oige_core.engines.checks import WorldChecker, check_numbers, values_of_shape
from oige_core.engines.isaacsim.host import Host
from oige_core.engines.isaacsim.tensors import write_gravity
from oige_core.engines.isaacsim.usd.stage_map import StageMap, path_in_world
from oige_core.errors import OigeError
from oige_core.problems import ProblemCounts
from oige_core.selections import write_rows
from oige_core.views import Indices

if TYPE_CHECKING:
    from pxr import Usd

__all__ = ["MAX_VALUE", "IsaacWorlds", "Part"]

MAX_VALUE = 1e10  # beyond this, a number of a state has diverged
KINDS = ("diverged", "exploded", "physx_overflow")


class Part(Protocol):
    """Part of the state of all worlds, such as that of an articulation."""

    def flush(self) -> bool:
        """Send written positions and velocities to physics; return whether there were any."""
        ...

    def send_commands(self) -> None:
        """Send targets, efforts and wrenches, before each physics step."""
        ...

    def after_step(self) -> None:
        """Forget what was read before a control step, and wrenches, which act during one."""
        ...

    def find_problems(self, worlds: "IsaacWorlds") -> None:
        """Call :meth:`IsaacWorlds.check_state` with positions and velocities."""
        ...

    def restore(self, worlds: torch.Tensor | None) -> None:
        """Write the initial state of a selection of worlds."""
        ...


class IsaacWorlds:
    """Running worlds: the host's simulation, what it consists of, and where worlds stand.

    Args:
        engine: the engine, for messages.
        host: runs physics, which plays.
        stage: the stage of physics.
        stage_map: where the elements of the scene are.
        sim: settings of the simulation.
        origins: ``(num_envs, 3)`` positions of the worlds in the stage, in m.

    Attributes:
        engine: see above.
        host: see above.
        stage: see above.
        stage_map: see above.
        sim: see above.
        num_envs: number of worlds.
        device: device of states.
        origins: see above, on the device.
        simulation: the simulation view of ``omni.physics.tensors``.
        parts: of the state.
        problem_counts: see :class:`~oige_core.engines.base.Engine`.
    """

    def __init__(
        self,
        engine: Capable,
        host: Host,
        stage: "Usd.Stage",
        stage_map: StageMap,
        sim: SimConfig,
        origins: np.ndarray,
    ) -> None:
        self.engine = engine
        self.stage = stage
        self.stage_map = stage_map
        self.sim = sim
        self.num_envs = len(origins)
        self.device = host.device
        self.origins = torch.as_tensor(origins, dtype=torch.float32, device=host.device)
        self.simulation: Any = host.simulation_view()
        self.parts: list[Part] = []
        self.problem_counts = ProblemCounts(KINDS, self.num_envs, self.device)
        self.selects_by_mask = self.device.type != "cpu"
        self._host: Host | None = host
        self._check_worlds = WorldChecker(self.num_envs)
        self._steps = 0
        self._time = 0.0
        self._kinematics_stale = False
        self._is_drawn = False
        self._diverged = torch.zeros(self.num_envs, dtype=torch.bool, device=self.device)
        self._exploded = torch.zeros_like(self._diverged)
        gravity = torch.tensor(sim.gravity, dtype=torch.float32, device=self.device)
        self._gravity = gravity.repeat(self.num_envs, 1)

    @property
    def host(self) -> Host:
        """The host.

        Raises:
            OigeError: the engine is closed.
        """
        if self._host is None:
            raise OigeError("the engine is closed: its views can no longer be used.")
        return self._host

    def close(self) -> None:
        """Stop physics and free the stage."""
        if self._host is not None:
            self.parts.clear()
            self.simulation = None
            self._host.close()
            self._host = None

    def pattern(self, path: str) -> str:
        """Return the expression of the prims in all worlds, given the path in world 0."""
        return path if path_in_world(path, 1) == path else path_in_world(path, 0).replace("env_0", "env_*", 1)

    def select(self, indices: Indices) -> torch.Tensor | None:
        """Return a selection of worlds on the device: int64 indices, a mask of bool, or None for all worlds."""
        _ = self.host
        return None if indices is None else self._check_worlds(indices, self.device)

    def selection(self, mask: torch.Tensor) -> torch.Tensor:
        """See :class:`~oige_core.engines.base.Engine`."""
        return mask if self.selects_by_mask else self._check_worlds.indices_of(mask)

    # Steps

    def step(self, n_substeps: int) -> None:
        """Advance all worlds by ``n_substeps`` physics steps."""
        host, dt = self.host, self.sim.dt / self.sim.substeps
        self.flush()
        for _ in range(n_substeps * self.sim.substeps):
            for part in self.parts:
                part.send_commands()
            host.simulate(dt, self._time)
            self._steps += 1
            self._time = self._steps * dt
        self._kinematics_stale = False
        self._is_drawn = False
        for part in self.parts:
            part.after_step()
        self._find_problems()

    def flush(self) -> None:
        """Send written positions and velocities to physics."""
        written = [part.flush() for part in self.parts]
        if any(written):
            self._kinematics_stale = True
            self._is_drawn = False

    def update_kinematics(self) -> None:
        """Let poses and velocities of links follow positions and velocities that were written."""
        self.flush()
        if self._kinematics_stale:
            self.host.update_kinematics()
            self._kinematics_stale = False

    def render(self, again: bool = False) -> None:
        """Draw windows and images of cameras, if the state has changed since the last time.

        Args:
            again: draw in any case.
        """
        self.update_kinematics()
        if again or not self._is_drawn:
            self.host.render()
            self._is_drawn = True

    # Problems

    def mark_diverged(self, worlds: torch.Tensor) -> None:
        """Count worlds of a mask ``(num_envs,)`` as diverged at the end of the next step."""
        self._diverged |= worlds

    def check_state(self, values: torch.Tensor, bound: float) -> None:
        """Find worlds in which a number of a state ``(num_envs, …)`` is not finite, or beyond a bound."""
        sizes = values.abs().flatten(1)
        if not sizes.shape[1]:
            return
        self._diverged |= ~(sizes <= MAX_VALUE).all(dim=1)
        self._exploded |= ~(sizes <= bound).all(dim=1)

    def _find_problems(self) -> None:
        for part in self.parts:
            part.find_problems(self)
        lost = self._diverged | self._exploded
        if bool(lost.any()):
            self.problem_counts.add("diverged", self._diverged)
            self.problem_counts.add("exploded", self._exploded & ~self._diverged)
            self._diverged.zero_()
            self._exploded.zero_()
            worlds = lost.nonzero().squeeze(-1)
            for part in self.parts:
                part.restore(worlds)
        if any("overflow" in line.lower() or "buffer" in line.lower() for line in self.host.errors()):
            self.problem_counts.add("physx_overflow", torch.ones_like(lost))

    # Gravity

    def get_gravity(self) -> torch.Tensor:
        """Return gravity ``(num_envs, 3)`` in m/s²."""
        return self._gravity.clone()

    def set_gravity(self, values: torch.Tensor, indices: Indices = None) -> None:
        """Set gravity ``(n, 3)`` in m/s².

        Raises:
            CapabilityError: worlds would have different gravity.
        """
        worlds = self.select(indices)
        shape = (self.num_envs if worlds is None else len(worlds), 3)

        def check(given: torch.Tensor) -> None:
            check_numbers("gravity", given)

        values = values_of_shape("gravity", values, shape, self.device, worlds, check=check)
        gravity = self._gravity.clone()
        write_rows(gravity, values.to(torch.float32), worlds)
        if not torch.equal(gravity, gravity[:1].expand_as(gravity)):
            remedy = "Set the same gravity in all worlds, in one call."
            require(self.engine, "gravity_per_world", "set_gravity", remedy)
        self._write_gravity(gravity)

    def _write_gravity(self, gravity: torch.Tensor) -> None:
        self._gravity = gravity
        write_gravity(self.simulation, gravity[0].tolist())

    # Saved states

    def state_dict(self) -> dict[str, Any]:
        """Return time, gravity and problems."""
        return {"steps": self._steps, "gravity": self._gravity.clone(), "problems": self.problem_counts.state_dict()}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Restore :meth:`state_dict`."""
        self._steps = state["steps"]
        self._time = self._steps * self.sim.dt / self.sim.substeps
        if not torch.equal(self._gravity, state["gravity"]):
            self._write_gravity(state["gravity"].clone())
        self.problem_counts.load_state_dict(state["problems"])
        self._diverged.zero_()
        self._exploded.zero_()
