"""Fields of MuJoCo Warp's model with separate values for every world, and the constants derived from them."""

from collections.abc import Iterable
from typing import Any

import mujoco
import mujoco_warp as mjw
import numpy as np
import torch
import warp as wp

from oige_core.engines.mujoco.executors.constants import DerivedConstants
from oige_core.engines.mujoco.executors.graphs import Graphs
from oige_core.engines.mujoco.executors.warp_failures import WarpFailures
from oige_core.errors import CapabilityError

__all__ = ["WorldFields", "owner_of"]


def owner_of(model: Any, name: str) -> tuple[Any, str]:
    """Return the object with a model field, and the field's name in it (``opt.gravity``: option, gravity)."""
    return (model.opt, name.removeprefix("opt.")) if name.startswith("opt.") else (model, name)


class WorldFields:
    """Creates these fields when they are first needed, and keeps derived constants up to date.

    Args:
        compiled: the compiled model.
        model: MuJoCo Warp's model.
        data: MuJoCo Warp's data.
        graphs: the graphs of the worlds; a new field makes them out of date.
        device: device of the fields.
    """

    def __init__(
        self,
        compiled: mujoco.MjModel,
        model: Any,
        data: Any,
        graphs: Graphs,
        device: torch.device,
    ) -> None:
        self._compiled = compiled
        self._model, self._data = model, data
        self._graphs = graphs
        self._device = device
        self._names: set[str] = set()
        self._tensors: dict[str, torch.Tensor] = {}
        self._constants: DerivedConstants | None = None
        self._failures: WarpFailures | None = None
        self._every_body_moves = wp.full(compiled.nbody, 1, dtype=int)

    def tensor(self, name: str) -> torch.Tensor:
        """Return the values ``(N, …)`` of a field, in the shape of MuJoCo.

        Raises:
            CapabilityError: MuJoCo Warp has one value of this field for all worlds.
        """
        if name not in self._tensors:
            self._create(name)
            for derived in DerivedConstants.derived_from(name):
                self._create(derived)
            # MuJoCo Warp would skip them if they are zero in all worlds.
            self._model.has_tendon_stiffness |= name.startswith("tendon_stiffness")
            self._model.has_tendon_damping |= name.startswith("tendon_damping")
            shape = (self._data.nworld, *np.shape(getattr(*owner_of(self._compiled, name))))
            self._tensors[name] = wp.to_torch(self._array(name)).view(shape)
        return self._tensors[name]

    def record_in(self, failures: WarpFailures) -> None:
        """Have the values of worlds that fail recorded."""
        self._failures = failures
        self._set_recorded_fields()

    def changed(self, names: Iterable[str], worlds: torch.Tensor | None) -> None:
        """Bring what depends on fields up to date, after they were written in a selection of worlds.

        Raises:
            CapabilityError: a centre of mass was moved, or principal axes were rotated, for a body whose inertia was
                compiled as diagonal.
        """
        names = set(names)
        if names & {"body_ipos", "body_iquat"}:
            self._check_simple_bodies()
        if self._constants is not None and self._constants.mark(names, worlds):
            self._graphs.run("fixed_constants", self._constants.launch_fixed)
        if names & {"body_pos", "body_quat"}:
            self._graphs.run("static_geoms", self._move_static_geoms)

    def launch_update(self) -> None:
        """Launch the computation of the constants that the next step needs."""
        if self._constants is not None:
            self._constants.launch_update()

    def state_dict(self) -> dict[str, Any]:
        """Return the values, with derived constants unchanged, so that loading restores them bitwise."""
        return {
            "model": {name: wp.to_torch(array).clone() for name, array in self._arrays().items()},
            "changed": None if self._constants is None else self._constants.changed.clone(),
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Set the values that :meth:`state_dict` returned."""
        for name, values in state["model"].items():
            self._create(name)
            wp.to_torch(self._array(name)).copy_(values)
        if self._constants is not None:
            changed = state["changed"]
            self._constants.changed.copy_(torch.zeros(()) if changed is None else changed)
        if not self._names.isdisjoint({"body_pos", "body_quat"}):
            self._graphs.run("static_geoms", self._move_static_geoms)

    def _arrays(self) -> dict[str, wp.array]:
        return {name: self._array(name) for name in sorted(self._names)}

    def _array(self, name: str) -> Any:
        return getattr(*owner_of(self._model, name))

    def _create(self, name: str) -> None:
        """Create separate values of a field for every world."""
        if name in self._names:
            return
        owner, key = owner_of(self._model, name)
        array: Any = getattr(owner, key, None)
        spec: Any = type(owner).__dataclass_fields__[key].type if isinstance(array, wp.array) else None
        if spec is None or spec.shape[0] != "*":
            raise CapabilityError(f"{name}: MuJoCo Warp has no such model field per world. Use sim_device=cpu.")
        with wp.ScopedDevice(self._graphs.warp_device):
            own = wp.empty((self._data.nworld, *array.shape[1:]), dtype=array.dtype)
            wp.synchronize_device()
        wp.to_torch(own).copy_(wp.to_torch(array))
        setattr(owner, key, own)
        self._names.add(name)
        self._set_recorded_fields()
        if self._constants is None and DerivedConstants.derived_from(name):
            changed = torch.zeros(self._data.nworld, dtype=torch.bool, device=self._device)
            with wp.ScopedDevice(self._graphs.warp_device):
                self._constants = DerivedConstants(self._compiled, self._model, self._data, changed)
                wp.synchronize_device()
        self._graphs.forget()

    def _set_recorded_fields(self) -> None:
        if self._failures is not None:
            with wp.ScopedDevice(self._graphs.warp_device):
                self._failures.set_fields(self._arrays())
                wp.synchronize_device()
            self._graphs.forget()

    def _check_simple_bodies(self) -> None:
        """Raise if MuJoCo Warp would ignore the off-diagonal inertia of a body that is no longer simple.

        Scenes compile all their bodies as not simple, so that this looks at no values, which would wait for a GPU.
        """
        compiled = self._compiled
        simple = torch.from_numpy(np.flatnonzero((compiled.body_simple > 0) & (compiled.body_dofnum > 0)))
        for name, neutral in (("body_ipos", (0.0, 0.0, 0.0)), ("body_iquat", (1.0, 0.0, 0.0, 0.0))):
            if len(simple) and name in self._names:
                values = self.tensor(name)[:, simple.to(self._device)]
                moved = (values != torch.tensor(neutral, device=self._device)).any(dim=2).any(dim=0).cpu()
                for body in simple[moved].tolist():
                    title = compiled.body(body).name
                    raise CapabilityError(f"{name}: body {title!r} was compiled as simple. Use body simple='false'.")

    def _move_static_geoms(self) -> None:
        """Place the geoms of bodies fixed to the world, which MuJoCo Warp does only once, when data is created."""
        mask = self._model.body_weldid
        self._model.body_weldid = self._every_body_moves
        mjw.kinematics(self._model, self._data)
        self._model.body_weldid = mask
