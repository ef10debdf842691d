"""Protocol of cameras."""

from typing import Literal, Protocol

import torch

from oige_core.views.selections import Indices

__all__ = ["CameraOutput", "CameraView"]

CameraOutput = Literal["rgb", "depth", "segmentation"]
"""What a camera renders."""


class CameraView(Protocol):
    """A camera in every world, which renders only its own world.

    Images ``(n, height, width, channels)`` show the current state, rows from top to bottom and columns from left to
    right. A world is rendered when its image is read and its state has changed. Reading an output that the camera does
    not have raises an error.
    """

    name: str
    count: int

    @property
    def resolution(self) -> tuple[int, int]:
        """Width and height of images, in pixels."""
        ...

    @property
    def horizontal_fov(self) -> float:
        """Initial angle between the left and the right edge of images, in rad; see :meth:`get_horizontal_fovs`."""
        ...

    @property
    def segmentation_ids(self) -> dict[str, int]:
        """ID in segmentation images of each element of the scene and each link ``<articulation>/<link>``.

        The background is 0.
        """
        ...

    def get_world_poses(self, indices: Indices = None, clone: bool = True) -> tuple[torch.Tensor, torch.Tensor]:
        """Return positions ``(n, 3)`` in m and orientations ``(n, 4)``: x is forward, y to the left, z up."""
        ...

    def get_local_poses(self, indices: Indices = None) -> tuple[torch.Tensor, torch.Tensor]:
        """Return positions ``(n, 3)`` in m and orientations ``(n, 4)`` in the frame of the camera's parent."""
        ...

    def set_local_poses(
        self,
        translations: torch.Tensor | None = None,
        orientations: torch.Tensor | None = None,
        indices: Indices = None,
    ) -> None:
        """Set positions ``(n, 3)`` in m and orientations ``(n, 4)`` in the frame of the camera's parent; None: keep.

        A reset does not change them.
        """
        ...

    def get_horizontal_fovs(self, indices: Indices = None) -> torch.Tensor:
        """Return the angles ``(n,)`` between the left and the right edge of images, in rad."""
        ...

    def set_horizontal_fovs(self, values: torch.Tensor, indices: Indices = None) -> None:
        """Set the angles ``(n,)`` between the left and the right edge of images, in rad; pixels remain square.

        A reset does not change them.
        """
        ...

    def get_rgb(self, indices: Indices = None, clone: bool = True) -> torch.Tensor:
        """Return red, green and blue ``(n, height, width, 3)``, uint8."""
        ...

    def get_depth(self, indices: Indices = None, clone: bool = True) -> torch.Tensor:
        """Return distances along the camera's axis ``(n, height, width, 1)`` in m; infinite in the background."""
        ...

    def get_segmentation(self, indices: Indices = None, clone: bool = True) -> torch.Tensor:
        """Return the ID of the body in each pixel, ``(n, height, width, 1)`` int32; see :attr:`segmentation_ids`."""
        ...
