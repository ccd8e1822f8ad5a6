"""Crops of annotated fields, each seen through another microscope: scale, stain, color, focus and compression change.

Stains vary most from one laboratory to the next, so colors are changed where stains add up, in optical density
(Tellez et al. 2018), along stain vectors that are themselves turned a little.
"""

from dataclasses import dataclass
from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray

from pathopipe.evaluation.perturbation import compressed

Image = NDArray[np.float32]
Generator = np.random.Generator

# Hematoxylin, eosin and what is left, in optical density (Ruifrok and Johnston 2001).
_STAINS: Final = np.array([[0.65, 0.70, 0.29], [0.07, 0.99, 0.11], [0.27, 0.57, 0.78]], np.float32)
_SUPERSAMPLED: Final = 1.4
# Share of the crops that are close-ups.
_CLOSE: Final = 0.25


@dataclass(frozen=True)
class Field:
    """An annotated image.

    Attributes
    ----------
    rgb
        uint8 (H, W, 3), of ``mpp`` micrometers per pixel.
    targets
        uint8 (H', W', 3) of ``target_mpp``: those of :func:`pathopipe.training.targets.targets`, and the weight.
    share
        How often it is drawn, relative to others of its size.
    """

    name: str
    rgb: NDArray[np.uint8]
    mpp: float
    targets: NDArray[np.uint8]
    target_mpp: float
    share: float = 1.0

    @property
    def area_um2(self) -> float:
        """Area of the field."""
        return float(self.rgb.shape[0] * self.rgb.shape[1] * self.mpp**2)


@dataclass(frozen=True)
class Augmentation:
    """How strongly crops are changed.

    Attributes
    ----------
    zoom
        Largest factor by which nuclei get larger or smaller.
    close_up
        Largest further factor by which they get larger in a quarter of the crops: very large nuclei are rare.
    stain
        Largest change of a stain's strength (as a factor) and of its vector (each component, in optical density).
    color
        Largest change of brightness, contrast and of single channels, as a share.
    chance
        Of blur, of sharpening, of noise, and of JPEG compression, each.
    """

    zoom: float = 1.5
    close_up: float = 1.0
    stain: float = 0.45
    color: float = 0.15
    chance: float = 0.2


DEFAULT: Final = Augmentation()


def crop(field: Field, size: int, mpp: float, how: Augmentation, rng: Generator) -> tuple[NDArray[np.uint8], Image]:
    """Cut a random square.

    Returns
    -------
    uint8 (size, size, 3) at ``mpp``, and float32 (2 size, 2 size, 3) targets from 0 to 1.
    """
    pose = _pose(field, size, mpp, how, rng)
    rgb = _change(_seen(field, pose, size, rng), how, rng)
    wanted = cv2.warpAffine(
        field.targets,
        _between(pose, field.mpp / field.target_mpp, 0.5),
        (2 * size, 2 * size),
        flags=cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP,
        borderMode=cv2.BORDER_CONSTANT,
    )
    return rgb, wanted.astype(np.float32) / np.float32(255)


def _pose(field: Field, size: int, mpp: float, how: Augmentation, rng: Generator) -> NDArray[np.float64]:
    """Affine map (2, 3) from a crop's pixel coordinates (first pixel from 0 to 1) to those of the image."""
    if how.close_up > 1 and rng.random() < _CLOSE:
        mpp = mpp / np.exp(rng.uniform(0, np.log(how.close_up)))
    zoom = np.exp(rng.uniform(-1, 1, 2) * 0.12 + rng.uniform(-1, 1) * (np.log(how.zoom) - 0.12))
    angle = rng.uniform(0, 2 * np.pi)
    turn = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    flip = np.diag([rng.choice([-1.0, 1.0]), 1.0])
    matrix = turn @ np.diag(zoom) @ flip * (mpp / field.mpp)
    height, width = field.rgb.shape[:2]
    # The middle of the crop lies so that most of it is filled, where the image is large enough.
    margin = 0.45 * size * mpp / field.mpp
    middle = np.array([_within(width, margin, rng), _within(height, margin, rng)])
    return np.hstack([matrix, (middle - matrix @ [size / 2, size / 2])[:, None]])


def _within(length: float, margin: float, rng: Generator) -> float:
    return float(rng.uniform(margin, length - margin)) if length > 2 * margin else length / 2


def _between(pose: NDArray[np.float64], source: float, target: float) -> NDArray[np.float64]:
    """Map for OpenCV, which has pixel centers on whole numbers: of ``target`` crop pixels, ``source`` image pixels."""
    matrix = pose[:, :2] * (source * target)
    shift = pose[:, 2] * source + matrix @ [0.5, 0.5] - 0.5
    return np.hstack([matrix, shift[:, None]])


def _seen(field: Field, pose: NDArray[np.float64], size: int, rng: Generator) -> NDArray[np.uint8]:
    """Resample as the workflow does: by averaging where the image is finer than the crop."""
    finer = 2 if np.sqrt(abs(np.linalg.det(pose[:, :2]))) > _SUPERSAMPLED else 1
    smooth = cv2.INTER_LINEAR if rng.random() < 0.5 else cv2.INTER_CUBIC
    image = cv2.warpAffine(
        field.rgb,
        _between(pose, 1, 1 / finer),
        (size * finer, size * finer),
        flags=smooth | cv2.WARP_INVERSE_MAP,
        borderMode=cv2.BORDER_REFLECT,
    )
    return np.asarray(image if finer == 1 else cv2.resize(image, (size, size), interpolation=cv2.INTER_AREA))


def _change(rgb: NDArray[np.uint8], how: Augmentation, rng: Generator) -> NDArray[np.uint8]:
    image: Image = rgb.astype(np.float32) / np.float32(255)
    if rng.random() < 0.9:
        image = _restained(image, how, rng)
    if rng.random() < 0.7:
        image = _recolored(image, how, rng)
    if rng.random() < how.chance:
        image = _blurred(image, rng.uniform(0.4, 1.3))
    elif rng.random() < how.chance:
        image = image + np.float32(rng.uniform(0.2, 1.0)) * (image - _blurred(image, 1.0))
    if rng.random() < how.chance:
        image = image + rng.normal(0, rng.uniform(0.005, 0.04), image.shape).astype(np.float32)
    result = np.rint(np.clip(image, 0, 1) * 255).astype(np.uint8)
    return compressed(result, int(rng.integers(30, 90))) if rng.random() < how.chance else result


def _blurred(image: Image, sigma: float) -> Image:
    return np.asarray(cv2.GaussianBlur(image, (0, 0), sigma), np.float32)


def _restained(image: Image, how: Augmentation, rng: Generator) -> Image:
    """Take stains apart, change how strong each is and what color it has, and put them together again."""
    density = -np.log(np.maximum(image, np.float32(1 / 255)))
    vectors = _STAINS / np.linalg.norm(_STAINS, axis=1, keepdims=True)
    amounts = density @ np.linalg.inv(vectors).astype(np.float32)
    strength = np.exp(rng.uniform(-how.stain, how.stain, 3) + rng.uniform(-how.stain, how.stain) / 2)
    turned = np.maximum(vectors + rng.uniform(-1, 1, (3, 3)) * how.stain / 3, 0.01)
    turned *= np.linalg.norm(vectors, axis=1, keepdims=True) / np.linalg.norm(turned, axis=1, keepdims=True)
    offset = rng.normal(0, how.stain / 15, 3)
    changed = (amounts * strength.astype(np.float32) + offset.astype(np.float32)) @ turned.astype(np.float32)
    return np.asarray(np.exp(-np.maximum(changed, 0)), np.float32)


def _recolored(image: Image, how: Augmentation, rng: Generator) -> Image:
    """Change brightness, contrast and gamma, each channel a little for itself, and saturation."""
    gain = 1 + rng.uniform(-how.color, how.color) + rng.uniform(-how.color, how.color, 3) / 3
    offset = rng.uniform(-how.color, how.color) / 2 + rng.uniform(-how.color, how.color, 3) / 6
    changed = (image - 0.5) * gain.astype(np.float32) + np.float32(0.5) + offset.astype(np.float32)
    gray = changed.mean(axis=2, keepdims=True)
    changed = gray + np.float32(1 + rng.uniform(-3, 3) * how.color) * (changed - gray)
    return np.asarray(np.clip(changed, 0, 1) ** np.float32(np.exp(rng.uniform(-2, 2) * how.color)), np.float32)
