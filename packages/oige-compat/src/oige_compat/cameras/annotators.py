"""``omni.replicator.core.AnnotatorRegistry``: images of one render product."""

from typing import Any

import numpy as np
import torch

from oige_compat.cameras.products import RenderProduct
from oige_compat.errors import CompatError, caller
from oige_compat.warp_arrays import to_warp

__all__ = ["Annotator", "AnnotatorRegistry"]

OUTPUTS = {
    "rgb": "rgb",
    "LdrColor": "rgb",
    "distance_to_image_plane": "depth",
    "distance_to_camera": "depth",
    "instance_segmentation": "segmentation",
    "semantic_segmentation": "segmentation",
}
"""Outputs of the engine's cameras by name of the annotator."""

BACKGROUND, UNLABELLED = 0, 1


class Annotator:
    """Reads one kind of image.

    Args:
        name: name in Replicator.
        device: where data are returned: ``cpu`` as NumPy arrays, or a device of Warp.
    """

    def __init__(self, name: str, device: str | None = None) -> None:
        self.name, self._device = name, device
        self._product: RenderProduct | None = None

    def attach(self, render_products: Any) -> "Annotator":
        """Read images of a render product.

        Raises:
            CompatError: several are given.
        """
        products = render_products if isinstance(render_products, list | tuple) else [render_products]
        if len(products) != 1:
            raise CompatError(
                f"annotator.attach of {len(products)} render products (used in {caller()}): expected one; make an "
                "annotator for each."
            )
        products[0].need(OUTPUTS[self.name])
        self._product = products[0]
        return self

    def detach(self, render_products: Any = None) -> None:
        """Forget the render product."""
        self._product = None

    def get_data(self, device: str | None = None, **further: Any) -> Any:
        """Return the image of the current state.

        Args:
            device: ``cpu`` for NumPy arrays, which is the default; otherwise a Warp array on the device of the
                simulation.
            further: without effect here.

        Returns:
            Colours ``(height, width, 4)`` uint8, distances ``(height, width)`` float32 in m, or for segmentation
            ``data`` ``(height, width)`` uint32 and ``info`` with ``idToLabels``.

        Raises:
            CompatError: there is no render product, or no image.
        """
        if self._product is None:
            raise CompatError(f"annotator '{self.name}' (used in {caller()}): attach it to a render product first.")
        image = self._product.read(OUTPUTS[self.name])
        on = device or self._device or "cpu"
        match self.name:
            case "rgb" | "LdrColor":
                return _given(torch.cat((image, torch.full_like(image[..., :1], 255)), dim=-1), on)
            case "distance_to_image_plane":
                return _given(image[..., 0], on)
            case "distance_to_camera":
                return _given(image[..., 0] * _per_depth(self._product, image), on)
            case _:
                return self._segmentation(self._product, image[..., 0], on)

    def _segmentation(self, product: RenderProduct, image: torch.Tensor, device: str) -> dict[str, Any]:
        """Return IDs of labelled prims: 0 is the background, 1 everything without a label."""
        by_class = self.name == "semantic_segmentation"
        numbers: dict[Any, int] = {}
        found = torch.where(image == 0, BACKGROUND, UNLABELLED).to(torch.int32)
        for engine_id, (path, label) in product.labels.items():
            number = numbers.setdefault(label if by_class else path, len(numbers) + 2)
            found = torch.where(image == engine_id, number, found)
        special = {str(BACKGROUND): "BACKGROUND", str(UNLABELLED): "UNLABELLED"}
        if by_class:
            labels = {key: {"class": text} for key, text in special.items()}
            labels |= {str(number): {"class": label} for label, number in numbers.items()}
        else:
            labels = {**special, **{str(number): path for path, number in numbers.items()}}
        return {"data": _given(found, device, unsigned=True), "info": {"idToLabels": labels}}


def _per_depth(product: RenderProduct, image: torch.Tensor) -> torch.Tensor:
    """Return the distance ``(height, width)`` per distance along the camera's axis, of each pixel."""
    height, width = image.shape[:2]
    half = torch.tan(product.view.get_horizontal_fovs(torch.tensor([product.world], device=image.device)) / 2)
    pixel = 2 * half / width
    x = (torch.arange(width, device=image.device) + 0.5 - width / 2) * pixel
    y = (torch.arange(height, device=image.device) + 0.5 - height / 2) * pixel
    return (1 + x**2 + y.unsqueeze(-1) ** 2).sqrt()


def _given(image: torch.Tensor, device: str, *, unsigned: bool = False) -> Any:
    """Return a NumPy array, or a Warp array on the device of the image."""
    if device == "cpu":
        array = image.cpu().numpy()
        return array.astype(np.uint32) if unsigned else array
    array = to_warp(image.contiguous(), indexed=False)
    if unsigned:
        import warp as wp

        array = array.view(wp.uint32)
    return array


class AnnotatorRegistry:
    """Annotators by name."""

    @staticmethod
    def get_annotator(
        name: str,
        init_params: dict[str, Any] | None = None,
        render_product_idxs: Any = None,
        device: str | None = None,
        do_array_copy: bool = True,
    ) -> Annotator:
        """Return an annotator.

        Args:
            name: name in Replicator.
            init_params: ``colorize`` must be False or missing.
            render_product_idxs: without effect.
            device: where data are returned unless ``get_data`` says it.
            do_array_copy: without effect; data are always copies.

        Raises:
            CompatError: it is not served.
        """
        if name not in OUTPUTS:
            raise CompatError(f"annotator '{name}' (used in {caller()}): expected one of {', '.join(OUTPUTS)}.")
        if (init_params or {}).get("colorize"):
            raise CompatError(f"annotator '{name}' with colorize=True (used in {caller()}): set it to False.")
        return Annotator(name, device)
