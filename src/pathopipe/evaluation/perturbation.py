"""Fixed changes of an image that another laboratory, scanner or export might make; nothing here is random."""

from dataclasses import dataclass
from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray

from pathopipe.ops.stain import optical_density


@dataclass(frozen=True)
class Perturbation:
    """A change of an image, its steps in the order of the attributes.

    Attributes
    ----------
    strength
        Factor of the optical density: of both stains together.
    turn_deg
        Angle by which both stain vectors turn about the gray axis of optical density, from blue towards red.
    blur
        Standard deviation of a Gaussian, in working pixels; 0 for none.
    quality
        Of a JPEG that the image is saved as, in between; None for none.
    scale
        Factor of width and height, at unchanged micrometers per pixel: nuclei seem smaller or larger.
    """

    name: str
    strength: float = 1.0
    turn_deg: float = 0.0
    blur: float = 0.0
    quality: int | None = None
    scale: float = 1.0


PERTURBATIONS: Final = (
    Perturbation("pale and bluer", strength=0.6, turn_deg=-8),
    Perturbation("dark and redder", strength=1.5, turn_deg=8),
    Perturbation("blurred", blur=1.0),
    Perturbation("JPEG 30", quality=30),
    Perturbation("0.8 x as large", scale=0.8),
    Perturbation("1.25 x as large", scale=1.25),
)


def perturb(rgb: NDArray[np.uint8], how: Perturbation, working_px: float) -> NDArray[np.uint8]:
    """Change an image.

    Parameters
    ----------
    rgb
        uint8 (H, W, 3).
    working_px
        Side of a working pixel in pixels of the image.

    Returns
    -------
    uint8 (H', W', 3): ``round(scale * side)`` pixels a side, at least one.
    """
    if how.strength != 1 or how.turn_deg:
        rgb = _restained(rgb, how.strength, how.turn_deg)
    if how.blur:
        rgb = np.asarray(cv2.GaussianBlur(rgb, (0, 0), how.blur * working_px), np.uint8)
    if how.quality is not None:
        rgb = compressed(rgb, how.quality)
    return rgb if how.scale == 1 else _resized(rgb, how.scale)


def perturb_labels(labels: NDArray[np.int32], how: Perturbation) -> NDArray[np.int32]:
    """Bring a label image (H, W) to the changed image's pixels, each taking the label of the nearest one."""
    height, width = labels.shape
    rows, columns = _nearest(height, _scaled(height, how.scale)), _nearest(width, _scaled(width, how.scale))
    return labels[rows[:, None], columns]


def perturb_points(xy: NDArray[np.float64], how: Perturbation, size: tuple[int, int]) -> NDArray[np.float64]:
    """Bring points (n, 2) x, y of an image of this (height, width) to the changed image's pixels."""
    height, width = size
    return xy * (_scaled(width, how.scale) / width, _scaled(height, how.scale) / height)


def _restained(rgb: NDArray[np.uint8], strength: float, turn_deg: float) -> NDArray[np.uint8]:
    """Stains add up in optical density, so turning and stretching every density does it to both stain vectors."""
    density = optical_density(rgb) @ (strength * _turn(np.deg2rad(turn_deg))).astype(np.float32)
    light = np.power(np.float32(10), -np.maximum(density, 0))
    return np.asarray(np.rint(255 * light), np.uint8)


def _turn(angle: float) -> NDArray[np.float64]:
    """Matrix (3, 3) that turns row vectors about (1, 1, 1) by ``angle``, from the first axis towards the second."""
    axis = np.full(3, 1 / np.sqrt(3))
    cross = np.array([[0, -axis[2], axis[1]], [axis[2], 0, -axis[0]], [-axis[1], axis[0], 0]])
    # Rodrigues' formula, transposed because densities are rows.
    return np.asarray((np.eye(3) + np.sin(angle) * cross + (1 - np.cos(angle)) * cross @ cross).T)


def compressed(rgb: NDArray[np.uint8], quality: int) -> NDArray[np.uint8]:
    """Save an image (H, W, 3) as a JPEG of this quality, 0 to 100, and read it again."""
    _, code = cv2.imencode(".jpg", rgb[..., ::-1], [cv2.IMWRITE_JPEG_QUALITY, quality])
    return np.ascontiguousarray(np.asarray(cv2.imdecode(code, cv2.IMREAD_COLOR), np.uint8)[..., ::-1])


def _resized(rgb: NDArray[np.uint8], scale: float) -> NDArray[np.uint8]:
    size = (_scaled(rgb.shape[1], scale), _scaled(rgb.shape[0], scale))
    return np.asarray(cv2.resize(rgb, size, interpolation=cv2.INTER_AREA if scale < 1 else cv2.INTER_CUBIC), np.uint8)


def _scaled(length: int, scale: float) -> int:
    return max(1, round(length * scale))


def _nearest(length: int, wanted: int) -> NDArray[np.intp]:
    """For each of ``wanted`` pixels, the one of ``length`` pixels over the same extent that its middle lies in."""
    return ((np.arange(wanted) + 0.5) * length / wanted).astype(np.intp)
