"""Images that are hard on segmentation, for Hypothesis."""

import numpy as np
from hypothesis import strategies as st
from scipy import ndimage

from pathopipe.ops.assign import AssignSettings
from pathopipe.ops.channels import BARRIER, FOREGROUND, Channels
from pathopipe.ops.outline import Outlines, boxes_of, outline
from pathopipe.ops.runs import Runs

# Few distinct values and constant maps, so that ties and plateaus abound.
FOREGROUNDS = [[255], [0, 255], [127, 128, 255], [0, 160, 200, 255]]
BARRIERS = [[0], [0, 255], [0, 32, 64, 255]]


def named(maps: np.ndarray) -> Channels:
    """Foreground and barrier by their names, from one array (2, H, W)."""
    return dict(zip((FOREGROUND, BARRIER), maps, strict=True))


def outlines(labels: np.ndarray, wanted: np.ndarray | None = None, origin: tuple[int, int] = (0, 0)) -> Outlines:
    """Outline the labels of an image as they are, each in one piece and without holes."""
    padded = np.pad(labels, 1)
    present, firsts = np.unique(padded, return_index=True)
    starts = np.zeros(labels.max(initial=0), np.int64)
    starts[present[present > 0] - 1] = firsts[present > 0]
    chosen = np.ones(len(starts), bool) if wanted is None else wanted
    rest = {"smooth": False, "smallest": 1, "largest": padded.size, "origin": origin}
    return outline(padded, boxes_of(padded), starts, np.ones_like(labels, np.uint8), chosen, ~chosen, **rest)


@st.composite
def scenes(draw, largest=24):
    """Seeds and maps of a small image, and settings with a short reach."""
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    shape = draw(st.tuples(st.integers(1, largest), st.integers(1, largest)))
    fore = rng.choice(np.array(draw(st.sampled_from(FOREGROUNDS)), np.uint8), shape)
    barrier = rng.choice(np.array(draw(st.sampled_from(BARRIERS)), np.uint8), shape)
    count = draw(st.integers(0, 12))
    seeds = np.stack([rng.integers(0, size, count) for size in shape], 1).astype(np.int32)
    options = AssignSettings(
        radius_px=draw(st.integers(1, 6)),
        barrier_weight=draw(st.integers(0, 4)),
        foreground_weight=draw(st.integers(0, 3)),
        min_area_px=draw(st.integers(0, 4)),
        max_area_px=draw(st.sampled_from([None, 8])),
        smooth=draw(st.booleans()),
    )
    return seeds[np.lexsort((seeds[:, 1], seeds[:, 0]))], np.stack([fore, barrier]), options


@st.composite
def label_images(draw, largest=20):
    """4-connected labels without holes that touch each other and the border."""
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    shape = draw(st.tuples(st.integers(1, largest), st.integers(1, largest)))
    values = rng.integers(0, draw(st.integers(2, 5)), shape)
    labels, count = np.zeros(shape, np.int32), 0
    for value in range(1, values.max() + 1):
        parts, found = ndimage.label(values == value)
        for part in range(1, found + 1):
            filled = ndimage.binary_fill_holes(parts == part, np.ones((3, 3)))
            if not (labels[filled] > 0).any():
                count += 1
                labels[filled] = count
    return labels


def runs_of_labels(labels: np.ndarray, count: int) -> Runs:
    """Runs of the nuclei 1 to ``count`` of a label image."""
    spans, framed = [np.empty((0, 3), np.int64)], np.pad(labels, ((0, 0), (1, 1)))
    for label in range(1, count + 1):
        steps = np.diff((framed == label).astype(np.int8), axis=1)
        (rows, firsts), (_, afters) = np.nonzero(steps > 0), np.nonzero(steps < 0)
        spans.append(np.stack([rows, firsts, afters], axis=1))
    return Runs(np.concatenate(spans), np.cumsum([len(part) for part in spans]))
