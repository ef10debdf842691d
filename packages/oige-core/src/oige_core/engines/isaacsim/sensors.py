"""Images of cameras of all worlds, from the renderer of Isaac Sim."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import torch

from oige_core.engines.isaacsim.releases import kit_module
from oige_core.errors import OigeError
from oige_core.views import CameraOutput

__all__ = ["ANNOTATORS", "TiledCameras"]

ANNOTATORS: Mapping[CameraOutput, tuple[str, int]] = {"rgb": ("rgb", 3), "depth": ("distance_to_image_plane", 1)}
"""The renderer's name of each output, and its number of channels."""

_MOST_FRAMES = 20  # until the renderer must have delivered a first image


class TiledCameras:
    """Cameras that the renderer draws side by side into one image.

    It is ``CameraView`` of ``isaacsim.sensors.camera``, asked for whole images: its own division into images of cameras
    confuses width and height in 5.0 and 5.1.
    """

    def __init__(
        self, paths: Sequence[str], size: tuple[int, int], outputs: Sequence[CameraOutput], render: Callable[[], None]
    ) -> None:
        """Create the sensor.

        Args:
            paths: prims of the cameras.
            size: width and height of the image of a camera, in pixels.
            outputs: what is rendered.
            render: draws once.
        """
        self._width, self._height = size
        self._render = render
        self._view: Any = kit_module("isaacsim.sensors.camera").CameraView(
            prim_paths_expr=list(paths),
            camera_resolution=size,
            output_annotators=[ANNOTATORS[output][0] for output in outputs],
            reset_xform_properties=False,
        )
        found = list(self._view.prim_paths)
        if sorted(found) != sorted(paths):
            raise OigeError(f"Isaac Sim renders the cameras {', '.join(found)}: expected {', '.join(paths)}.")
        self._order = torch.tensor([found.index(path) for path in paths])

    def read(self, output: CameraOutput, device: torch.device) -> torch.Tensor:
        """Return the last image of each camera ``(n, height, width, channels)``, in the order of ``paths``.

        Raises:
            OigeError: the renderer delivers none.
        """
        name, channels = ANNOTATORS[output]
        for _ in range(_MOST_FRAMES):
            data, _ = self._view.get_data(name, tiled=True)
            image: torch.Tensor = kit_module("warp").to_torch(data)
            if image.numel():
                return self._divide(image, channels).to(device)
            self._render()
        raise OigeError(f"Isaac Sim has rendered no {output} in {_MOST_FRAMES} frames; see its log.")

    def _divide(self, image: torch.Tensor, channels: int) -> torch.Tensor:
        """Divide the whole image, whose tiles are in rows, into images of cameras."""
        count = len(self._order)
        rows = round(count**0.5)
        columns = (count + rows - 1) // rows
        tiles = image.reshape(rows, self._height, columns, self._width, channels).permute(0, 2, 1, 3, 4)
        return tiles.reshape(rows * columns, self._height, self._width, channels)[self._order.to(image.device)]
