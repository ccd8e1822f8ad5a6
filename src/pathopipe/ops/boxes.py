"""Where the nuclei of a label image lie, so that each is measured in a window of its own."""

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
