"""Hosts of Isaac Sim's releases: level 1 of docs/isaac_sim_mapping.md."""

import logging
import re
from typing import Any

import numpy as np
import pytest
import torch
from isaacsim_doubles import API, RELEASES, Model, install, members_in
from oige_core.capabilities import CAPABILITIES
from oige_core.engines.isaacsim import application
from oige_core.engines.isaacsim.application import Application, ApplicationOptions
from oige_core.engines.isaacsim.host_60 import ExperimentalHost
from oige_core.engines.isaacsim.host_core import CoreHost
from oige_core.engines.isaacsim.host_kit import KitHost, Viewpoint
from oige_core.engines.isaacsim.host_omni import OmniHost
from oige_core.engines.isaacsim.releases import Release
from oige_core.errors import OigeError
from pxr import UsdGeom, UsdPhysics

WORLDS = [f"/World/envs/env_{i}" for i in range(3)]
SCENE = "/World/physics_scene"


class Running:
    """A host on doubles of a release."""

    def __init__(
        self, monkeypatch: pytest.MonkeyPatch, name: str, device: str = "cpu", renders: bool = False, **model: Any
    ) -> None:
        release, version, modules = RELEASES[name]
        changes, has_loop = model.pop("changes", None), model.pop("has_loop", False)
        self.model = Model(members_in(version, changes), **model)
        install(monkeypatch, self.model, modules(self.model))
        monkeypatch.setattr(application, "has_module", lambda module: module.startswith("isaacsim.core.experimental"))
        running = Application(release, None, renders)
        running.has_loop = has_loop
        self.host = application.create_host(running, device)

    def write_world(self) -> None:
        stage = self.host.new_stage()
        UsdPhysics.Scene.Define(stage, SCENE)
        UsdGeom.Xform.Define(stage, WORLDS[0])

    def play(self) -> None:
        self.write_world()
        self.host.play()


@pytest.fixture(params=list(RELEASES))
def running(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Running:
    return Running(monkeypatch, request.param)


@pytest.mark.parametrize(
    ("version", "host_class"),
    [
        ("2023.1.1", OmniHost),
        ("4.2.0", OmniHost),
        ("4.5.0", CoreHost),
        ("5.1.0", CoreHost),
        ("6.0.1", ExperimentalHost),
        ("6.2.0", ExperimentalHost),
    ],
)
def test_release_selects_the_host(monkeypatch: pytest.MonkeyPatch, version: str, host_class: type[KitHost]) -> None:
    monkeypatch.setattr(application, "has_module", lambda module: True)
    assert application._host_class(Release.parse(version)) is host_class


def test_release_6_without_experimental_packages_uses_those_of_5(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(application, "has_module", lambda module: False)
    assert application._host_class(Release(6, 0)) is CoreHost


def test_unknown_newer_release_is_tried_with_a_warning(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setitem(RELEASES, "7.1", (Release(7, 1), *RELEASES["6.0"][1:]))
    with caplog.at_level(logging.WARNING):
        running = Running(monkeypatch, "7.1")
    assert isinstance(running.host, ExperimentalHost)
    assert caplog.messages == ["Isaac Sim 7.1.0 is newer than OIGE knows; it is used like Isaac Sim 6.2.0."]


def test_stage_is_empty_z_up_in_metres_and_kilograms(running: Running) -> None:
    stage = running.host.new_stage()
    assert list(stage.Traverse()) == []
    assert UsdGeom.GetStageUpAxis(stage) == UsdGeom.Tokens.z
    assert UsdGeom.GetStageMetersPerUnit(stage) == 1.0
    assert UsdPhysics.GetStageKilogramsPerUnit(stage) == 1.0


def test_new_stage_ends_physics_of_the_last_one(running: Running) -> None:
    running.play()
    running.host.new_stage()
    assert not running.model.playing


def test_clone_names_worlds_as_the_replicator_does(running: Running) -> None:
    running.write_world()
    positions = np.arange(9.0).reshape(3, 3)
    running.host.clone(WORLDS[0], WORLDS, positions)
    arguments = running.model.arguments_of("Cloner.clone")
    # The replicator of PhysX appends a number to root_path, and leaves base_env_path out when it parses the stage.
    assert [f"{arguments['root_path']}{i}" for i in range(3)] == WORLDS
    assert arguments["base_env_path"] == "/World/envs"
    assert (arguments["source_prim_path"], arguments["prim_paths"]) == (WORLDS[0], WORLDS)
    assert arguments["positions"].tolist() == positions.tolist()
    assert arguments["replicate_physics"] is True


@pytest.mark.parametrize("name", ["5.0", "5.1", "6.0"])
def test_worlds_on_a_gpu_are_kept_apart_by_their_numbers(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    for device, by_number in (("cuda:1", True), ("cpu", False)):
        running = Running(monkeypatch, name, device)
        running.write_world()
        running.host.clone(WORLDS[0], WORLDS, np.zeros((3, 3)))
        running.host.filter_collisions(SCENE, "/World/collisions", WORLDS, ["/World/ground"])
        assert running.model.arguments_of("Cloner.clone").get("enable_env_ids", False) is by_number
        assert ("Cloner.filter_collisions" in running.model.names()) is not by_number


def test_worlds_on_a_gpu_are_kept_apart_by_groups_without_numbers(monkeypatch: pytest.MonkeyPatch) -> None:
    """As in releases before 5.0, whose cloner has no ``enable_env_ids``."""
    own = API["isaac_sim"]["5.0.0"]["classes"]["isaacsim.core.cloner.Cloner"]["clone"]
    older = {"clone": [each for each in own if each not in ("enable_env_ids=", "clone_in_fabric=")]}
    running = Running(monkeypatch, "4.2", "cuda:0", changes={"isaacsim.core.cloner.Cloner": older})
    running.write_world()
    running.host.clone(WORLDS[0], WORLDS, np.zeros((3, 3)))
    running.host.filter_collisions(SCENE, "/World/collisions", WORLDS, ["/World/ground"])
    arguments = running.model.arguments_of("Cloner.filter_collisions")
    assert arguments == {
        "physicsscene_path": SCENE,
        "collision_root_path": "/World/collisions",
        "prim_paths": WORLDS,
        "global_paths": ["/World/ground"],
    }


def test_physics_starts_on_the_device_with_tensors_of_torch(running: Running) -> None:
    running.play()
    assert running.model.running
    assert running.model.device == "cpu"
    assert running.model.backend == "torch"
    assert running.host.simulation_view() is running.host.simulation_view()


def test_updates_of_the_application_advance_no_physics(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in RELEASES:
        running = Running(monkeypatch, name, renders=True)
        running.play()
        before = running.model.updates
        running.host.render()
        assert running.model.updates == before + 1
        assert running.model.app_steps == 0
        assert running.model.settings["/app/player/playSimulations"] is True


def test_nothing_is_drawn_where_nobody_looks(running: Running) -> None:
    running.play()
    before = running.model.updates
    running.host.render()
    assert running.model.updates == before


def test_poses_reach_fabric_before_they_are_drawn(monkeypatch: pytest.MonkeyPatch) -> None:
    running = Running(monkeypatch, "5.1", renders=True)
    running.model.enabled_extensions.add("omni.physx.fabric")
    running.play()
    running.host.simulate(0.25, 1.0)
    running.host.render()
    names = running.model.names()
    kinematic, fabric, drawn = (
        max(i for i, name in enumerate(names) if name == wanted)
        for wanted in ("SimulationView.update_articulations_kinematic", "IPhysxFabric.force_update", "IApp.update")
    )
    assert kinematic < fabric < drawn
    assert running.model.arguments_of("IPhysxFabric.force_update") == {"current_time": 1.25, "elapsed_secs": 0.25}


@pytest.mark.parametrize("name", list(RELEASES))
def test_application_with_its_own_loop_is_not_updated_and_steps_no_physics(
    monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    running = Running(monkeypatch, name, renders=True, has_loop=True)
    running.play()
    running.host.simulate(0.25, 0.0)
    running.host.render()
    assert running.model.updates == 0
    assert "SimulationView.update_articulations_kinematic" in running.model.names()
    running.model.iapp_update()  # by its loop, between two steps
    assert running.model.app_steps == 0
    running.host.close()
    running.model.playing = True  # for somebody else
    running.model.iapp_update()
    assert running.model.app_steps == 1


def test_steps_have_exactly_the_time_asked_for(running: Running) -> None:
    running.play()
    for number in range(3):
        running.host.simulate(0.0083, number * 0.0083)
    assert running.model.steps == [(0.0083, 0.0), (0.0083, 0.0083), (0.0083, 2 * 0.0083)]
    assert running.model.fetched


def test_only_errors_of_the_log_are_returned_once(running: Running) -> None:
    [log] = running.model.loggers.values()
    log("omni.physx", 0, "file.cpp", 1, "a warning")
    log("omni.physx", 1, "file.cpp", 2, "PhysX error: the buffer\n  is too small")
    assert running.host.errors() == ["[omni.physx] PhysX error: the buffer is too small"]
    assert running.host.errors() == []


@pytest.mark.parametrize("kind", ["articulation", "rigid", "geometry", "xform"])
def test_host_view_is_that_of_the_release(running: Running, kind: Any) -> None:
    running.play()
    view = running.host.host_view(kind, "/World/envs/env_*/Ant")
    geometry = "GeomPrim|GeometryPrim"
    own = {"articulation": "Articulation", "rigid": "RigidPrim", "geometry": geometry, "xform": "X[fF]ormPrim"}
    [(name, arguments)] = [call for call in running.model.calls if re.fullmatch(own[kind], call[0])]
    expression = re.compile(arguments.get("prim_paths_expr") or arguments["paths"])
    assert all(expression.fullmatch(f"{world}/Ant") for world in WORLDS)
    assert view._name == name


def test_physics_that_does_not_start_is_an_error_with_the_log(monkeypatch: pytest.MonkeyPatch) -> None:
    running = Running(monkeypatch, "6.0")
    running.write_world()
    [log] = running.model.loggers.values()

    def fail() -> None:
        log("newton", 1, "stage.py", 3, "Failed to initialize Newton")

    running.model.simulationmanager_initialize_physics = fail  # type: ignore[method-assign]
    message = r"^Isaac Sim 6\.0\.1 did not start physics: \[newton\] Failed to initialize Newton\.$"
    with pytest.raises(OigeError, match=message):
        running.host.play()


def test_views_before_physics_runs_are_an_error(running: Running) -> None:
    with pytest.raises(OigeError, match="call play"):
        running.host.simulation_view()


def test_close_ends_physics_and_leaves_an_empty_stage(running: Running) -> None:
    running.play()
    stage, view = running.model.stage, running.host.simulation_view()
    running.host.close()
    assert not running.model.playing
    assert running.model.stage is not stage
    assert ("SimulationView.invalidate", {}) in running.model.calls
    assert running.model.loggers == {}
    assert view is not None
    running.host.close()


def test_newton_is_named_and_gets_no_replication(monkeypatch: pytest.MonkeyPatch) -> None:
    running = Running(monkeypatch, "6.0", "cuda:0", physics="newton")
    running.write_world()
    running.host.clone(WORLDS[0], WORLDS, np.zeros((3, 3)))
    arguments = running.model.arguments_of("Cloner.clone")
    assert arguments["replicate_physics"] is False
    assert not arguments.get("enable_env_ids")
    running.host.play()
    assert running.model.arguments_of("create_simulation_view")["backend"] == "newton"
    assert running.host.release == "Isaac Sim 6.0.1 with newton"


@pytest.mark.parametrize("name", list(RELEASES))
@pytest.mark.parametrize("headless", [True, False])
def test_camera_of_the_viewport(monkeypatch: pytest.MonkeyPatch, name: str, headless: bool) -> None:
    running = Running(monkeypatch, name)
    release = RELEASES[name][0]
    shown = Application(release, None, True, options=ApplicationOptions(headless=headless, cameras=True))
    running.host = application.create_host(shown, "cpu", Viewpoint((3.0, 2.0, 1.0), (0.0, 0.0, 0.5)))
    running.play()
    if headless:
        assert "set_camera_view" not in " ".join(running.model.names())
        return
    [arguments] = [arguments for name, arguments in running.model.calls if name.endswith("set_camera_view")]
    assert arguments.get("camera_prim_path", arguments.get("camera")) == "/OmniverseKit_Persp"
    assert list(arguments["eye"]) == [3.0, 2.0, 1.0]
    assert list(arguments["target"]) == [0.0, 0.0, 0.5]


@pytest.mark.parametrize(
    ("name", "physics", "lacks"),
    [
        ("4.2", "physx", {"cameras", "joint_friction_force"}),
        ("5.0", "physx", set()),
        ("6.0", "physx", set()),
        ("6.0", "newton", {"floating_bases", "jacobians", "joint_forces", "joint_friction_force"}),
    ],
)
def test_capabilities(monkeypatch: pytest.MonkeyPatch, name: str, physics: str, lacks: set[str]) -> None:
    host = Running(monkeypatch, name, physics=physics).host
    assert CAPABILITIES["Isaac Sim"] - host.capabilities == lacks


def test_device_of_states(monkeypatch: pytest.MonkeyPatch) -> None:
    assert Running(monkeypatch, "5.1", "cuda:1").host.device == torch.device("cuda:1")


def test_doubles_refuse_what_a_release_does_not_have(monkeypatch: pytest.MonkeyPatch) -> None:
    running = Running(monkeypatch, "5.1")
    cloner = running.model.make("isaacsim.core.cloner.Cloner")
    with pytest.raises(AttributeError, match="Cloner has no clones"):
        _ = cloner.clones
    with pytest.raises(TypeError, match="source_path"):
        cloner.clone("/World/envs/env_0", [], source_path="/World/envs/env_0")
    with pytest.raises(TypeError, match="prim_paths"):
        cloner.clone("/World/envs/env_0")
