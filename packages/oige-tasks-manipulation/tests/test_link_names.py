"""In the viewer, a click on a link names it: rays from a camera, against those of MuJoCo."""

import itertools
from collections import Counter, defaultdict
from typing import Any

import mujoco
import numpy as np
import pytest
from oige_core import make_vec
from oige_core.render.viewer import Viewer

DIRECTIONS = [np.array(way) / np.linalg.norm(way) for way in itertools.product((-1.0, 0.2, 1.0), repeat=3)]
DISTANCE = 0.3  # m; of the camera from the middle of a shape
DRAWN = np.array([1, 1, 1, 0, 0, 0], np.uint8)  # groups of shapes


KNUCKLES = {f"shadow_hand/robot0_{part}" for part in ("ffknuckle", "mfknuckle", "rfknuckle", "lfknuckle", "thbase")}


@pytest.mark.parametrize(
    ("task", "hidden"),
    [
        ("FrankaCabinet", {"franka/panda_link8"}),  # the flange, which has no shape
        ("AllegroHand", {"goal_object"}),  # transparent
        ("ShadowHand", {"goal_object", "shadow_hand/robot0_hand_mount", *KNUCKLES}),  # knuckles are inside of others
    ],
)
def test_each_link_is_named(task: str, hidden: set[str]) -> None:
    env = make_vec(task, 1, {"num_threads": 1})
    env.reset(seed=0)
    viewer = Viewer(env)
    engine: Any = env.task.engine
    model = engine.compiled.model
    data = mujoco.MjData(model)
    data.qpos[:] = engine.executor.field("qpos")[0]
    data.mocap_pos[:], data.mocap_quat[:] = (engine.executor.field(f"mocap_{part}")[0] for part in ("pos", "quat"))
    mujoco.mj_forward(model, data)
    viewer.scene.update()
    votes: dict[str, Counter] = defaultdict(Counter)
    seen = np.zeros(1, np.int32)
    geoms = np.flatnonzero((model.geom_bodyid > 0) & (model.geom_group < 3) & (model.geom_rgba[:, 3] == 1.0))
    for geom, way in itertools.product(geoms, DIRECTIONS):
        name, position = model.body(model.geom_bodyid[geom]).name, data.geom_xpos[geom] + DISTANCE * way
        distance = mujoco.mj_ray(model, data, position, -way, DRAWN, 1, -1, seen)
        if distance > 0 and model.geom_bodyid[seen[0]] == model.geom_bodyid[geom] and votes[name].total() < 3:
            votes[name][viewer.scene.pick(position + viewer.scene.shift, -way)] += 1
    viewer.close()
    env.close()
    names = {model.body(body).name for body in range(1, model.nbody)}
    assert set(votes) == names - hidden
    for name, picks in votes.items():  # at the border of two links, the drawn surface may be another one's
        assert picks.most_common(1)[0][0] == (0, name)
