"""Tensors of several types in one buffer."""

import torch
from oige_core.tasks.packing import Packing


def test_packed_tensors_return_in_order_with_their_shapes_and_types() -> None:
    tensors = [
        torch.tensor([True, False, True]),
        torch.tensor([[1.5, -2.0], [torch.nan, torch.inf]]),
        torch.tensor(7),
        torch.zeros(3, 0),
        torch.arange(6, dtype=torch.int32).view(2, 3).t(),
        torch.tensor(0.25),
        torch.tensor([[9]], dtype=torch.uint8),
    ]
    packing = Packing(tensors)
    buffer = packing.pack(tensors)
    assert buffer.shape == (3 + 16 + 8 + 24 + 4 + 1,)
    kept = buffer.clone()
    for tensor, unpacked in zip(tensors, packing.unpack(kept), strict=True):
        assert unpacked.dtype == tensor.dtype
        torch.testing.assert_close(unpacked, tensor, rtol=0, atol=0, equal_nan=True)
    assert {each.untyped_storage().data_ptr() for each in packing.unpack(kept) if each.numel()} == {kept.data_ptr()}
