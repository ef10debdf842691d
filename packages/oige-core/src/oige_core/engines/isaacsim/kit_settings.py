"""Settings of Kit that ``task.sim`` stands for; attributes of the stage are written by ``usd``."""

from oige_core.engines.isaacsim.releases import kit_module
from oige_core.scene.elements import BodyElement
from oige_core.scene.scene import Scene

__all__ = ["apply_kit_settings", "kit_settings", "rendering_interval"]

_FABRIC = "omni.physx.fabric"


def kit_settings(scene: Scene) -> dict[str, bool | int]:
    """Return values by path of Kit's setting.

    Contacts are processed, whatever ``task.sim.disable_contact_processing`` is, if the scene measures contact forces.
    Before 5.0, exact cylinders are custom geometry, which has no contact reports; there they become convex hulls. Later
    releases ignore that setting: their cylinders are exact and have contact reports.
    """
    sim = scene.sim
    bodies = [*(e for e in scene.elements.values() if isinstance(e, BodyElement)), *scene.link_sets]
    measured = any(body.track_contact_forces for body in bodies)
    to_usd = ("updateToUsd", "updateParticlesToUsd", "updateVelocitiesToUsd", "updateForceSensorsToUsd")
    return {
        "/persistent/physics/numThreads": sim.physx.worker_thread_count,
        "/physics/disableContactProcessing": sim.disable_contact_processing and not measured,
        "/physics/collisionCylinderCustomGeometry": False,
        **{f"/physics/{name}": not sim.use_fabric for name in to_usd},
    }


def apply_kit_settings(scene: Scene) -> None:
    """Set the settings of the running application for a scene, and switch Fabric on or off."""
    settings = kit_module("carb.settings").get_settings()
    for path, value in kit_settings(scene).items():
        settings.set(path, value)
    extensions = kit_module("omni.kit.app").get_app().get_extension_manager()
    if extensions.is_extension_enabled(_FABRIC) != scene.sim.use_fabric:
        extensions.set_extension_enabled_immediate(_FABRIC, scene.sim.use_fabric)


def rendering_interval(rendering_dt: float, dt: float) -> int:
    """Return the number of physics steps from one rendered frame to the next.

    Args:
        rendering_dt: time between frames in seconds; -1: each control step is rendered.
        dt: time of a physics step in seconds.
    """
    return 1 if rendering_dt == -1 else max(round(rendering_dt / dt), 1)
