"""The compiled loop of resampling, apart from what opens slides: that must not wait for numba."""

import numpy as np
from numpy.typing import NDArray

from pathopipe.jit import kernel
from pathopipe.slide.backend import RGB


@kernel
def weigh(
    source: RGB,
    rows: NDArray[np.int64],
    row_weights: NDArray[np.int32],
    columns: NDArray[np.int64],
    column_weights: NDArray[np.int32],
    bits: int,
) -> RGB:
    """Weighted sums of ``source`` (height, 3 * width): rows first, into one line, then along it.

    Weights sum to 2 to the power of ``bits``.
    """
    out = np.empty((rows.shape[0], columns.shape[0], 3), np.uint8)
    line = np.empty(source.shape[1], np.int32)
    half = np.int32(1 << (2 * bits - 1))
    for i in range(rows.shape[0]):
        line[:] = 0
        for k in range(row_weights.shape[1]):
            weight = row_weights[i, k]
            if weight != 0:
                row = source[rows[i] + k]
                for j in range(row.shape[0]):
                    # Casts keep the sums in 32 bits, which lets the compiler take eight at a time.
                    line[j] = np.int32(line[j] + np.int32(weight * np.int32(row[j])))
        for j in range(columns.shape[0]):
            red = green = blue = half
            at = 3 * columns[j]
            for k in range(column_weights.shape[1]):
                weight = column_weights[j, k]
                red = np.int32(red + np.int32(weight * line[at]))
                green = np.int32(green + np.int32(weight * line[at + 1]))
                blue = np.int32(blue + np.int32(weight * line[at + 2]))
                at += 3
            out[i, j, 0] = red >> (2 * bits)
            out[i, j, 1] = green >> (2 * bits)
            out[i, j, 2] = blue >> (2 * bits)
    return out
