"""``omni.replicator.core.create.render_product``."""

from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch

from oige_compat.errors import CompatError, caller
from oige_compat.session import session

__all__ = ["RenderProduct", "render_product"]


@dataclass(eq=False)
class RenderProduct:
    """Images of a camera of one world.

    Attributes:
        camera: path of the camera's prim.
        resolution: width and height of images, in pixels.
        outputs: outputs of the engine's camera that annotators and writers read.
        view: the engine's camera; None before the worlds exist.
        world: number of the world.
        labels: path and label of what segmentation shows, by the engine's ID.
    """

    camera: str
    resolution: tuple[int, int]
    outputs: set[str] = field(default_factory=set)
    view: Any = None
    world: int = 0
    labels: dict[int, tuple[str, str]] = field(default_factory=dict)

    @property
    def path(self) -> str:
        """Path of the render product's prim."""
        return f"/Render/RenderProduct_{session().products.index(self)}"

    def read(self, output: str) -> torch.Tensor:
        """Return an image ``(height, width, channels)`` of the current state.

        Raises:
            CompatError: the worlds do not exist, or were built without this output.
        """
        if self.view is None or output not in self.outputs:
            raise CompatError(
                f"image of {self.camera} (used in {caller()}): create the render product and attach what reads it in "
                "set_up_scene, and read it after a reset."
            )
        if output == "depth":
            return self.view.get_depth(self._index())[0]
        return (self.view.get_rgb if output == "rgb" else self.view.get_segmentation)(self._index())[0]

    def _index(self) -> torch.Tensor:
        return torch.tensor([self.world], device=session().device)

    def destroy(self) -> None:
        """Do nothing: the camera costs nothing unless it is read."""

    def need(self, output: str) -> None:
        """State that an output will be read.

        Raises:
            CompatError: the worlds exist, and their camera does not have it.
        """
        if self.view is not None and output not in self.outputs:
            raise CompatError(f"{self.camera} (used in {caller()}): attach writers and annotators in set_up_scene.")
        self.outputs.add(output)


def render_product(camera: Any, resolution: Any, force_new: bool = False, name: Any = None) -> RenderProduct:
    """Let a camera render.

    Args:
        camera: path of a camera's prim, or the prim.
        resolution: width and height of images, in pixels.
        force_new: without effect; each call makes a render product.
        name: without effect.

    Raises:
        CompatError: several cameras are given.
    """
    if isinstance(camera, list | tuple | np.ndarray):
        raise CompatError(f"render_product(camera=[…]) (used in {caller()}): expected one camera per call.")
    path = str(camera.GetPath()) if hasattr(camera, "GetPath") else str(camera)
    width, height = (int(size) for size in resolution)
    product = RenderProduct(path, (width, height))
    session().products.append(product)
    return product
