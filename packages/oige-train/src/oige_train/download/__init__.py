"""Checkpoints at addresses: ``http``, ``https``, ``hf`` (Hugging Face Hub) and ``omniverse`` (Nucleus).

A file is downloaded once, verified, and kept in the user's cache, from which it is played when the server cannot be
reached. Nothing in it is executed here or later: :func:`oige_train.checkpoint.load_checkpoint` reads tensors and plain
values only.
"""

from oige_train.download.address import Address, DownloadError, is_address
from oige_train.download.cache import content_hash
from oige_train.download.fetch import fetch

__all__ = ["Address", "DownloadError", "content_hash", "fetch", "is_address"]
