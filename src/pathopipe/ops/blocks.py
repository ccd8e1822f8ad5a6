"""Points by the blocks of a fixed grid, so that nothing depends on how work is cut up."""

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray


def by_block(points: NDArray[np.float64], side: int) -> Iterator[NDArray[np.int64]]:
    """Group points (N, 2) by the block of a grid of this side that they lie in; yields their rows, block by block."""
    blocks = np.floor(points / side).astype(np.int64)
    order = np.lexsort((blocks[:, 0], blocks[:, 1]))
    changes = np.flatnonzero(np.any(np.diff(blocks[order], axis=0), axis=1)) + 1
    yield from (group for group in np.split(order, changes) if len(group))
