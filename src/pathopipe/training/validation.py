"""What a network in training makes of whole images: scores, and a picture of the worst."""

from dataclasses import dataclass
from functools import reduce
from operator import add
from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray

from pathopipe.evaluation.metrics import MATCH_UM, Counts, Scores, compare, match, scores
from pathopipe.models.architecture import UPSAMPLING, Architecture
from pathopipe.models.engine import Engine, any_size
from pathopipe.models.seeds import SeedRule, named, pick, with_barrier
from pathopipe.ops.channels import Channels
from pathopipe.ops.instances import Nuclei, segment_block, solid
from pathopipe.ops.raster import rasterize
from pathopipe.pipeline import SegmentSettings
from pathopipe.stages.segment import assign_settings
from pathopipe.training.examples import Example

_PICTURE_SIDE: Final = 512
_TRUTH, _FOUND = (255, 255, 0), (0, 200, 0)
SETTINGS: Final = SegmentSettings()


@dataclass(frozen=True)
class Seen:
    """An example and the network's maps of it."""

    example: Example
    maps: Channels


def look(engine: Engine, architecture: Architecture, examples: list[Example]) -> list[Seen]:
    """Run a network on examples."""
    see = any_size(engine, architecture)
    return [Seen(example, named(see(example.working), architecture)) for example in examples]


def outlined(seen: Seen, rule: SeedRule, settings: SegmentSettings = SETTINGS) -> Nuclei:
    """Outline the nuclei of an example, as the workflow does where all is tissue; in pixels of the maps."""
    seeds, strengths = pick(seen.maps, rule)
    fine = seen.example.grid.refined(UPSAMPLING)
    core, rules = (0, 0, fine.height, fine.width), assign_settings(settings, fine)
    nuclei = segment_block(with_barrier(seen.maps), seeds, strengths, core, rules)
    return solid(nuclei, settings.min_solidity)


def count(seen: Seen, rule: SeedRule, settings: SegmentSettings = SETTINGS) -> Counts:
    """Compare what is found in an example with its outlines, at the image's own resolution, or with its points."""
    example, nuclei = seen.example, outlined(seen, rule, settings)
    if example.labels is not None:
        return compare(_labels(seen, nuclei), example.labels, example.mpp)
    fine = example.grid.refined(UPSAMPLING)
    points = np.empty((0, 2)) if example.points is None else example.points * example.mpp
    found = match(nuclei.centroid * (fine.mpp_x, fine.mpp_y), points, MATCH_UM)
    return Counts(found=len(found), predicted=len(nuclei), labelled=len(points))


def pooled(seen: list[Seen], rule: SeedRule, settings: SegmentSettings = SETTINGS) -> Scores:
    """Score examples together."""
    return scores(reduce(add, (count(one, rule, settings) for one in seen)))


def quality(result: Scores) -> float:
    """What weights are chosen by: the AJI, or where only points are known, the F1 of detection."""
    return result.aji or result.detection_f1


def picture(seen: Seen, rule: SeedRule) -> NDArray[np.uint8]:
    """Draw the outlines that are known (yellow) and found (green) on an example, as far as 512 pixels go."""
    example, fine = seen.example, seen.example.grid.refined(UPSAMPLING)
    height, width = min(_PICTURE_SIDE, example.rgb.shape[0]), min(_PICTURE_SIDE, example.rgb.shape[1])
    image = np.array(example.rgb[:height, :width], order="C")
    if example.labels is not None:
        known = example.labels[:height, :width]
        image[_borders(known)] = _TRUTH
    nuclei = outlined(seen, rule)
    scaled = np.rint(nuclei.coords * (fine.factor_x, fine.factor_y) * 16 - 8).astype(np.int32)
    for start, stop in zip(nuclei.offsets[:-1], nuclei.offsets[1:], strict=True):
        cv2.polylines(image, [scaled[start:stop]], isClosed=True, color=_FOUND, lineType=cv2.LINE_AA, shift=4)
    return image


def _labels(seen: Seen, nuclei: Nuclei) -> NDArray[np.int32]:
    fine = seen.example.grid.refined(UPSAMPLING)
    height, width = seen.example.rgb.shape[:2]
    return rasterize(nuclei.coords * (fine.factor_x, fine.factor_y), nuclei.offsets, (height, width))


def _borders(labels: NDArray[np.int32]) -> NDArray[np.bool_]:
    """Pixels of a nucleus with a neighbor, to the right or below, left or above, that is not part of it."""
    padded = np.pad(labels, 1, mode="edge")
    inner = padded[1:-1, 1:-1]
    others = (padded[:-2, 1:-1], padded[2:, 1:-1], padded[1:-1, :-2], padded[1:-1, 2:])
    return np.asarray((inner > 0) & np.any([other != inner for other in others], axis=0))
