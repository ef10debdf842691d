"""Settings of Kit that a configuration sets: level 1 of docs/isaac_sim_mapping.md."""

from typing import Any

import pytest
from isaacsim_doubles import RELEASES, Model, install, members_in
from oige_core.config import PhysxConfig, SimConfig
from oige_core.engines.isaacsim.kit_settings import apply_kit_settings, kit_settings, rendering_interval
from oige_core.scene import Scene
from oige_core.testing import make_engine_on
from scene_helpers import LINKS, asset, new_scene

CONTACTS = "/physics/disableContactProcessing"


def scene_with(**sim: Any) -> Scene:
    _, scene = new_scene(**sim)
    scene.add_sphere("ball", radius=0.1)
    scene.add_articulation("robot", asset(LINKS))
    scene.add_link_view("root", "robot", ["root"])
    return scene


@pytest.mark.parametrize("release", RELEASES)
@pytest.mark.parametrize("use_fabric", [True, False])
@pytest.mark.parametrize("enabled", [True, False])
def test_settings_reach_the_application(
    monkeypatch: pytest.MonkeyPatch, release: str, use_fabric: bool, enabled: bool
) -> None:
    _, version, modules = RELEASES[release]
    model = Model(members_in(version))
    install(monkeypatch, model, modules(model))
    model.enabled_extensions = {"omni.physx.fabric"} if enabled else set()
    apply_kit_settings(
        scene_with(use_fabric=use_fabric, disable_contact_processing=True, physx=PhysxConfig(worker_thread_count=7))
    )
    assert model.settings["/persistent/physics/numThreads"] == 7
    assert model.settings[CONTACTS] is True
    assert model.settings["/physics/collisionCylinderCustomGeometry"] is False
    for name in ("updateToUsd", "updateParticlesToUsd", "updateVelocitiesToUsd", "updateForceSensorsToUsd"):
        assert model.settings[f"/physics/{name}"] is not use_fabric
    switched = [given["enabled"] for name, given in model.calls if name.endswith("set_extension_enabled_immediate")]
    assert switched == ([] if use_fabric == enabled else [use_fabric])


def test_contacts_are_processed_where_the_scene_measures_them() -> None:
    assert kit_settings(scene_with())[CONTACTS] is False
    for add in (
        lambda scene: scene.add_sphere("sensor", radius=0.1, track_contact_forces=True),
        lambda scene: scene.add_link_view("tips", "robot", ".2", track_contact_forces=True),
    ):
        scene = scene_with(disable_contact_processing=True)
        assert kit_settings(scene)[CONTACTS] is True
        add(scene)
        assert kit_settings(scene)[CONTACTS] is False


@pytest.mark.parametrize(
    ("rendering_dt", "dt", "steps"), [(-1.0, 0.01, 1), (1 / 60, 1 / 240, 4), (0.0166, 0.0083, 2), (0.001, 0.01, 1)]
)
def test_rendering_interval_in_physics_steps(rendering_dt: float, dt: float, steps: int) -> None:
    assert rendering_interval(rendering_dt, dt) == steps


def test_frames_are_rendered_at_the_rate_of_the_configuration(monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("ovphysx", reason="needs the group isaacsim")
    from oige_core.testing.physx import OvphysxHost

    simulate, events = OvphysxHost.simulate, []
    monkeypatch.setattr(OvphysxHost, "simulate", lambda *step: (simulate(*step), events.append("step")))
    monkeypatch.setattr(OvphysxHost, "render", lambda host: events.append("frame"))
    engine = make_engine_on("physx", 1)
    scene = Scene(engine, SimConfig(dt=0.01, rendering_dt=0.03))
    scene.add_sphere("ball", radius=0.1)
    engine.build(scene)
    events.clear()
    for _ in range(6):
        engine.step(2)
    engine.close()
    steps = [events[:index].count("step") for index, event in enumerate(events) if event == "frame"]
    assert steps == [4, 6, 10, 12]  # the first control steps after 3, 6, 9 and 12 physics steps
