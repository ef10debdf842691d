"""``omni.replicator.core.WriterRegistry``, and the writer and listener with which tasks observe images."""

from collections.abc import Sequence
from typing import Any

import torch

from oige_compat.cameras.products import RenderProduct
from oige_compat.errors import CompatError, caller

__all__ = ["PytorchListener", "PytorchWriter", "WriterRegistry"]


class PytorchListener:
    """Returns images of the render products to which its writer is attached."""

    def __init__(self) -> None:
        self._products: Sequence[RenderProduct] = ()

    def listen(self, products: Sequence[RenderProduct]) -> None:
        """Take the render products."""
        self._products = products

    def get_rgb_data(self) -> torch.Tensor | None:
        """Return colours ``(n, 3, height, width)``, uint8, of the current state; None before the worlds exist."""
        if not self._products or self._products[0].view is None:
            return None
        first = self._products[0].view
        in_order = all(product.view is first and product.world == i for i, product in enumerate(self._products))
        if in_order and len(self._products) == first.count:
            images = first.get_rgb()
        else:
            images = torch.stack([product.read("rgb") for product in self._products])
        return images.permute(0, 3, 1, 2)


class PytorchWriter:
    """Gives images of render products to a listener.

    Args:
        listener: gets them; :meth:`initialize` takes it, too.
        further: see :meth:`initialize`.
    """

    def __init__(self, listener: PytorchListener | None = None, **further: Any) -> None:
        self._listener = listener

    def initialize(
        self,
        listener: PytorchListener,
        output_dir: str | None = None,
        tiled_sensor: bool = False,
        device: str = "cuda",
    ) -> None:
        """Take the listener.

        Args:
            listener: gets the images.
            output_dir: a folder for files, which is not served.
            tiled_sensor: whether one render product shows all worlds, which is not served.
            device: without effect; images are on the device of the simulation.

        Raises:
            CompatError: images are to be written or tiled.
        """
        if output_dir or tiled_sensor:
            raise CompatError(
                f"PytorchWriter(output_dir='{output_dir or ''}', tiled_sensor={tiled_sensor}) (used in {caller()}): "
                "files and tiled sensors are not served."
            )
        self._listener = listener

    def attach(self, render_products: Any, trigger: Any = None) -> None:
        """Let the listener see render products.

        Raises:
            CompatError: there is no listener yet.
        """
        products = render_products if isinstance(render_products, list | tuple) else [render_products]
        if self._listener is None:
            raise CompatError(f"PytorchWriter.attach (used in {caller()}): call initialize(listener=…) first.")
        for product in products:
            product.need("rgb")
        self._listener.listen(products)

    def detach(self) -> None:
        """Let the listener see nothing."""
        if self._listener is not None:
            self._listener.listen(())


class WriterRegistry:
    """Writers by name."""

    @staticmethod
    def get(name: str, init_params: Any = None) -> PytorchWriter:
        """Return a writer.

        Raises:
            CompatError: it is another one than ``PytorchWriter``.
        """
        if name != "PytorchWriter":
            raise CompatError(f"writer '{name}' (used in {caller()}): expected PytorchWriter.")
        return PytorchWriter()
