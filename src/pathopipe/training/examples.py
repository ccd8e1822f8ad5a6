"""Annotated images in memory, and what a network learns from each."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from math import ceil
from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray

from pathopipe.annotations import Annotated, Points, read_annotations
from pathopipe.errors import FaultError, RefusalError, SlideRejectedError
from pathopipe.models.architecture import UPSAMPLING
from pathopipe.ops.channels import Channels
from pathopipe.slide import open_slide
from pathopipe.training.augment import Field
from pathopipe.training.points import outline_points
from pathopipe.training.targets import targets
from pathopipe.units import MAX_MPP, MIN_MPP, Grid

_COARSEST: Final = 0.3
_LARGEST_SIDE: Final = 20_000

Teacher = Callable[[NDArray[np.uint8]], Channels]
"""Gives the channels that a network sees in an image (H, W, 3)."""


@dataclass(frozen=True)
class Example:
    """An annotated image.

    Attributes
    ----------
    group
        What must stay on one side of a split: the patient, or the image where none is named.
    share
        How often it is drawn, relative to others of its size.
    rgb, mpp
        uint8 (H, W, 3) and its micrometers per pixel.
    labels
        int32 (H, W), 0 background; None where only points are known.
    points
        (N, 2) x, y in pixels of ``rgb``; None where there are outlines.
    working, grid
        The image as the workflow reads it, and the grid of that.
    types
        What each point, or the nuclei 1, 2, … of ``labels``, were annotated as, "" for nothing; None where none was.
    """

    name: str
    group: str
    share: float
    rgb: NDArray[np.uint8]
    mpp: float
    labels: NDArray[np.int32] | None
    points: NDArray[np.float64] | None
    working: NDArray[np.uint8]
    grid: Grid
    types: tuple[str, ...] | None = None

    @property
    def nuclei(self) -> int:
        """Annotated nuclei."""
        if self.labels is not None:
            return len(np.unique(self.labels[self.labels > 0]))
        return 0 if self.points is None else len(self.points)


def read_examples(sheet: Sequence[Annotated], working_mpp: float) -> list[Example]:
    """Read images and their annotations.

    Raises
    ------
    RefusalError
        With all mistakes at once: what can't be read, annotations that don't fit their image or are empty, fewer than
        two images.
    """
    examples, problems = list[Example](), list[str]()
    for line in sheet:
        try:
            examples.append(_read(line, working_mpp))
        except (RefusalError, SlideRejectedError, FaultError) as error:
            problems.append(str(error) if line.labels and str(line.labels) in str(error) else f"{line.image}: {error}")
    if problems:
        raise RefusalError(*problems)
    if len(examples) < 2:
        raise RefusalError("training needs at least two annotated images: one to learn from, one to test on")
    if not any(example.nuclei for example in examples):
        raise RefusalError("none of the images has annotated nuclei: add some that do")
    return examples


def make_fields(examples: Iterable[Example], teacher: Teacher | None) -> list[Field]:
    """Turn examples into what a network learns from; ``teacher`` outlines nuclei annotated only as points.

    Raises
    ------
    RefusalError
        When there are points and no teacher.
    """
    return [_field(example, teacher) for example in examples]


def _read(line: Annotated, working_mpp: float) -> Example:
    with open_slide(line.image, (line.mpp, line.mpp)) as slide:
        if max(slide.width_px, slide.height_px) > _LARGEST_SIDE:
            raise RefusalError(f"is larger than {_LARGEST_SIDE} pixels: cut the annotated fields out of it")
        stated = slide.backend.mpp or ()
        # What is far from any microscope is the resolution of a printer.
        odd = [mpp for mpp in stated if MIN_MPP <= mpp <= MAX_MPP and not 0.8 < mpp / line.mpp < 1.25]
        if odd:
            raise RefusalError(f"states {odd[0]:g} micrometers per pixel, not {line.mpp:g}: correct the mpp")
        grid = slide.grid(working_mpp)
        rgb = slide.read(slide.grid(line.mpp), 0, 0, slide.width_px, slide.height_px)
        working = slide.read(grid, 0, 0, grid.width, grid.height)
        if slide.damage:
            raise RefusalError(slide.damage)
    found = read_annotations(line.labels, rgb.shape[:2])
    labels, points = (None, found.xy) if isinstance(found, Points) else (found.labels, None)
    group = line.patient or line.name
    example = Example(line.name, group, line.share, rgb, line.mpp, labels, points, working, grid, found.types)
    if line.labels and not example.nuclei:
        raise RefusalError(f"{line.labels}: has no nuclei: annotate some, or leave the image out")
    return example


def _field(example: Example, teacher: Teacher | None) -> Field:
    if example.labels is not None:
        finer = ceil(example.mpp / _COARSEST)
        size = (example.labels.shape[1] * finer, example.labels.shape[0] * finer)
        # Whole numbers up to 2^24 are exact in float32, which OpenCV can resize.
        labels = cv2.resize(example.labels.astype(np.float32), size, interpolation=cv2.INTER_NEAREST).astype(np.int32)
        learned = np.dstack([targets(labels), np.full(labels.shape, 255, np.uint8)])
        return Field(example.name, example.rgb, example.mpp, learned, example.mpp / finer, example.share)
    if teacher is None or example.points is None:
        raise RefusalError(f"{example.name}: only points are annotated: name a model that outlines them with --teacher")
    fine = example.grid.refined(UPSAMPLING)
    learned = outline_points(teacher(example.working), example.points / (fine.factor_x, fine.factor_y))
    return Field(example.name, example.rgb, example.mpp, learned, fine.mpp_x, example.share)
