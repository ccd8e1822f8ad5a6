"""Crops of annotated fields with the types of their nuclei, for the teacher and for the types."""

from dataclasses import dataclass

import cv2
import numpy as np
import torch
from torch.nn import functional

from pathopipe.models.types.architecture import STRIDE_OUT
from pathopipe.ops.nucleus_types import TYPES, type_named
from pathopipe.training import augment
from pathopipe.training.augment import Augmentation, Field
from pathopipe.training.examples import Example, Teacher
from pathopipe.training.points import outlined_points
from pathopipe.training.targets import targets

MPP, SIZE, BATCH = 0.5, 192, 8
# The size of nuclei says what they are: fields with types are zoomed less than others.
CALM = Augmentation(zoom=1.2)


@dataclass(frozen=True)
class Typed:
    """A field, and on the pixels of its targets 1 and more for the type of a nucleus, 0 where none is known."""

    field: Field
    types: np.ndarray | None
    share: float


def of_points(example: Example, teacher: Teacher, share: float, *, typed: bool) -> Typed:
    """Outline points by a network; each outline has the type of its point."""
    fine = example.grid.refined(2)
    points = example.points / (fine.factor_x, fine.factor_y)
    labels, weight, places = outlined_points(teacher(example.working), points)
    field = Field(example.name, example.rgb, example.mpp, np.dstack([targets(labels), weight]), fine.mpp_x, share)
    if not typed:
        return Typed(field, None, share)
    kinds = [TYPES.index(type_named(example.types[place])) for place in places]
    return Typed(field, np.array([0, *(1 + kind for kind in kinds)], np.uint8)[labels], share)


def batch(fields: list[Typed], weights: np.ndarray, seed: list[int]) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Draw images (B, 3, S, S), targets (B, 3, 2 S, 2 S) from 0 to 1, and types (B, S / 4, S / 4), -1 for unknown."""
    rng = np.random.default_rng(seed)
    made = [_crop(fields[place], rng) for place in rng.choice(len(fields), BATCH, p=weights)]
    images, wanted, types = (torch.from_numpy(np.stack(part)) for part in zip(*made, strict=True))
    image = images.permute(0, 3, 1, 2).float().div_(255).contiguous(memory_format=torch.channels_last)
    return image, wanted.permute(0, 3, 1, 2).float().div_(255), types.long() - 1


def _crop(one: Typed, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    how = augment.DEFAULT if one.types is None else CALM
    pose = augment._pose(one.field, SIZE, MPP, how, rng)
    rgb = augment._change(augment._seen(one.field, pose, SIZE, rng), how, rng)
    finer = one.field.mpp / one.field.target_mpp
    wanted = _warped(one.field.targets, augment._between(pose, finer, 0.5), 2 * SIZE, cv2.INTER_LINEAR)
    if one.types is None:
        return rgb, wanted, np.zeros((SIZE // STRIDE_OUT, SIZE // STRIDE_OUT), np.uint8)
    place = augment._between(pose, finer, STRIDE_OUT)
    return rgb, wanted, _warped(one.types, place, SIZE // STRIDE_OUT, cv2.INTER_NEAREST)


def _warped(image: np.ndarray, place: np.ndarray, side: int, how: int) -> np.ndarray:
    flags = how | cv2.WARP_INVERSE_MAP
    return cv2.warpAffine(image, place, (side, side), flags=flags, borderMode=cv2.BORDER_CONSTANT)


def type_loss(logits: torch.Tensor, types: torch.Tensor, weights: torch.Tensor, at_least: float) -> torch.Tensor:
    """Cross-entropy of the types (B, H, W), -1 where nothing is known; a batch with few pixels counts less."""
    cost = functional.cross_entropy(
        logits.float(), types, weight=weights, ignore_index=-1, reduction="sum", label_smoothing=0.05
    )
    return cost / ((types >= 0).sum() + at_least)
