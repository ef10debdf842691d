"""One seed, many independent random streams."""

import zlib

import numpy as np

__all__ = ["derive_seed"]


def derive_seed(seed: int, stream: str) -> int:
    """Return the seed of a named stream, independent of the seeds of other streams.

    Args:
        seed: the run's seed; -1 draws one from the operating system.
        stream: name of the stream: ``task``, ``learner``, …
    """
    entropy = None if seed == -1 else (seed, zlib.crc32(stream.encode()))
    return int(np.random.SeedSequence(entropy).generate_state(1, np.uint64)[0]) >> 1
