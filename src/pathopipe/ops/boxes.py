"""Where the nuclei of a label image lie, so that each is measured in a window of its own, run by run.

A run is a row's piece of a nucleus: its pixels lie side by side in memory. Loops over runs need not ask of each pixel
whose it is, and the processor takes many pixels of a run at a time.
"""

import numpy as np
from numpy.typing import NDArray

from pathopipe.jit import kernel


@kernel
def bounding_boxes(labels: NDArray[np.int32], count: int) -> NDArray[np.int64]:
    """Bounding boxes of the nuclei 1 to ``count``.

    Parameters
    ----------
    labels
        int32 (H, W), 0 is background.
    count
        Number of nuclei.

    Returns
    -------
    int64 (count, 4): first row, first column, and the row and column after the last. A number that no pixel carries
    has an empty box: 0, 0, 0, 0.
    """
    height, width = labels.shape
    boxes = np.zeros((count, 4), np.int64)
    for row in range(height):
        for column in range(width):
            label = labels[row, column]
            if label == 0:
                continue
            box = boxes[label - 1]
            if box[2] == 0:
                box[0], box[1], box[3] = row, column, column + 1
            box[1] = min(box[1], column)
            box[2] = row + 1
            box[3] = max(box[3], column + 1)
    return boxes


@kernel
def runs_of(labels: NDArray[np.int32], boxes: NDArray[np.int64]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Runs of the nuclei with these boxes, as `bounding_boxes` gives them.

    Returns
    -------
    tuple
        int64 (R, 3): row, first column, and the column after the last, in reading order within a nucleus; and int64
        (count + 1,): those of nucleus i + 1 are ``runs[ends[i]:ends[i + 1]]``.
    """
    runs, ends, n = np.empty((48 * len(boxes), 3), np.int64), np.zeros(len(boxes) + 1, np.int64), 0
    for i in range(len(boxes)):
        top, left, bottom, right = boxes[i]
        most = n + (bottom - top) * ((right - left + 1) // 2)
        if most > len(runs):
            larger = np.empty((2 * most, 3), np.int64)
            larger[:n] = runs[:n]
            runs = larger
        for row in range(top, bottom):
            line, inside = labels[row, left:right], False
            for k in range(line.size):
                if (line[k] == i + 1) != inside:
                    if inside:
                        runs[n, 2] = left + k
                        n += 1
                    else:
                        runs[n, 0], runs[n, 1] = row, left + k
                    inside = not inside
            if inside:
                runs[n, 2] = right
                n += 1
        ends[i + 1] = n
    return runs[:n], ends
