from collections.abc import Mapping, Sequence

import torch

class TensorDict:
    def __init__(
        self, source: Mapping[str, torch.Tensor], batch_size: Sequence[int], device: torch.device | str | None = None
    ) -> None: ...
    def __getitem__(self, key: str) -> torch.Tensor: ...
