"""Contacts and constraint rows get an order that does not vary; scenes choose whether they do."""

from types import SimpleNamespace
from typing import Any

import mujoco
import mujoco_warp as mjw
import numpy as np
import pytest
import torch
import warp as wp
from mujoco_warp import DeterminismType
from oige_core.config import MujocoConfig, SimConfig
from oige_core.engines.mujoco.engine import on_warp
from oige_core.engines.mujoco.executors import warp as executors
from oige_core.engines.mujoco.executors.ordering import ContactOrder, order_rows

PILE = """
<mujoco>
  <worldbody>
    <geom type="plane" size="5 5 1"/>
    <body pos="0 0 .09"><freejoint/><geom type="box" size=".1 .1 .1"/></body>
    <body pos=".01 .02 .28"><freejoint/><geom type="sphere" size=".1"/></body>
    <body pos=".5 0 .08"><freejoint/><geom type="capsule" size=".1 .2" euler="90 0 0"/></body>
  </worldbody>
</mujoco>
"""
CLOTH = """
<mujoco>
  <worldbody>
    <geom type="box" size=".2 .2 .01"/>
    <flexcomp name="cloth" type="grid" count="4 4 1" spacing=".05 .05 .05" radius=".01" pos="0 0 .015" mass="1">
      <edge equality="true"/>
    </flexcomp>
  </worldbody>
</mujoco>
"""


def make_module(file: str, changes: list[str]) -> Any:
    function = SimpleNamespace(__module__=f"mujoco_warp._src.{file}")
    kernels = {"kernel": SimpleNamespace(func=function)}
    return SimpleNamespace(kernels=kernels, options={}, mark_modified=lambda: changes.append(file))


def test_only_modules_that_append_rows_are_ordered_and_compiled_again_once() -> None:
    changes: list[str] = []
    modules = [make_module(file, changes) for file in ("collision_convex", "solver", "constraint", "smooth")]
    order_rows((module, 128) for module in modules)
    order_rows((module, 128) for module in modules)
    assert changes == ["constraint"]
    ordered = {"deterministic": wp.DeterministicMode.RUN_TO_RUN, "deterministic_max_records": 64}
    assert [module.options for module in modules] == [{}, {}, ordered, {}]


@pytest.mark.parametrize("xml", [PILE, CLOTH], ids=["pile", "cloth"])
def test_contacts_of_any_order_are_sorted_with_all_their_fields(xml: str) -> None:
    random = np.random.default_rng(0)
    with wp.ScopedDevice("cpu"):
        source = mujoco.MjModel.from_xml_string(xml)
        data = mjw.make_data(source, nworld=3, nconmax=60, njmax=300)
        order = ContactOrder(data)
        arrays = {name: array for name, array in vars(data.contact).items() if len(array) == data.naconmax}
        if source.nflex:
            assert {"flex", "elem", "vert"} <= arrays.keys()
        count = 100
        data.nacon.fill_(count)
        for array in arrays.values():
            values = array.numpy()
            array.assign(random.integers(0, 4, values.shape).astype(values.dtype))
        # Contacts of soft bodies are told apart by their vertices alone, others by their distances.
        telling = "vert" if source.nflex else "dist"
        if source.nflex:
            data.contact.geom.fill_(-1)
            data.contact.dist.zero_()
            data.contact.pos.zero_()
        values = arrays[telling].numpy()
        numbers = np.arange(values.size).reshape(values.shape)
        arrays[telling].assign(numbers.astype(values.dtype))
        order.sort(None, data)
        sorted_ = {name: array.numpy().copy() for name, array in arrays.items()}
        pairs = np.column_stack([sorted_["worldid"], sorted_["geom"], sorted_["geomcollisionid"]])[:count].tolist()
        assert pairs == sorted(pairs)
        assert sorted(sorted_[telling][:count].tolist()) == numbers[:count].tolist()
        for _ in range(3):
            shuffled = random.permutation(count)
            for array in arrays.values():
                values = array.numpy().copy()
                values[:count] = values[:count][shuffled]
                array.assign(values)
            order.sort(None, data)
            for name, array in arrays.items():
                np.testing.assert_array_equal(array.numpy(), sorted_[name], err_msg=name)


def test_steps_with_sorted_contacts_and_rows_are_those_of_the_c_engine() -> None:
    """Rows of sparse Jacobians cannot be ordered, so that the executor takes dense ones."""
    hinge = '<body pos="3 0 1"><joint axis="0 1 0" frictionloss=".1"/><geom size=".1" pos=".2 0 0"/></body>'
    xml = PILE.replace("<worldbody>", f'<option jacobian="sparse"/><worldbody>{hinge}')
    source = mujoco.MjModel.from_xml_string(xml)
    data = mujoco.MjData(source)
    executor = executors.WarpExecutor(source, 2, "cpu", ordered=True, max_contacts=24, max_constraints=100)
    sorted_: list[int] = []
    sort = executor._model.callback.contactfilter
    assert sort is not None
    executor._model.callback.contactfilter = lambda *both: (sorted_.append(1), sort(*both))
    mujoco.mj_step(source, data, 20)
    executor.step(20, refresh=False)
    assert data.nf == 1
    assert sorted_
    for name in ("qpos", "qvel"):
        expected = torch.from_numpy(getattr(data, name)).float().expand(2, -1)
        torch.testing.assert_close(executor.field(name), expected, atol=1e-5, rtol=0.0)
    executor.close()


@pytest.mark.parametrize(
    ("deterministic", "given", "expected"),
    [
        (False, {}, (0, False)),
        (True, {}, (int(DeterminismType.ALL), True)),
        (True, {"deterministic": 0, "ordered": False}, (0, False)),
        (False, {"deterministic": 4, "ordered": True}, (4, True)),
    ],
)
def test_scene_is_deterministic_if_its_configuration_says_so(
    deterministic: bool, given: dict[str, Any], expected: tuple[int, bool], monkeypatch: pytest.MonkeyPatch
) -> None:
    taken: dict[str, Any] = {}
    monkeypatch.setattr(executors, "WarpExecutor", lambda *others, **named: taken.update(named))
    scene: Any = SimpleNamespace(sim=SimConfig(mujoco=MujocoConfig(deterministic=deterministic)))
    compiled: Any = SimpleNamespace(model=None, other_models=tuple)
    on_warp(2, "cpu", **given)(compiled, scene)
    assert (taken["deterministic"], taken["ordered"]) == expected
