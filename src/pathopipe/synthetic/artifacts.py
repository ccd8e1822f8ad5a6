"""Artifacts painted onto images of tissue: defocus, folds, ink, air bubbles and dust, each with where it lies.

They are what quality maps are trained and tested on: real slides with outlines of artifacts may rarely be shared.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray

from pathopipe.ops.quality.inks import INKS

WAVELENGTH_UM: Final = 0.55
APERTURES: Final = (0.5, 0.75, 0.8)
"""Numerical apertures of the objectives of usual scanners."""
SOUND, FOLD, PEN, RIM, BUBBLE, DEBRIS = range(6)
"""What a pixel is: of a bubble, its rim and what it encloses."""

_PUPIL: Final = 64
_WHITE: Final = 246.0

Floats = NDArray[np.float32]
Mask = NDArray[np.bool_]
Generator = np.random.Generator


@dataclass
class Painting:
    """An image that artifacts are painted on.

    Attributes
    ----------
    density
        Optical density, float32 (H, W, 3).
    mpp
        Micrometers per pixel.
    labels
        uint8 (H, W): what each pixel is.
    blur_um
        float32 (H, W): standard deviation of the Gaussian that blurs as much as what was painted.
    """

    density: Floats
    mpp: float
    labels: NDArray[np.uint8] = field(init=False)
    blur_um: Floats = field(init=False)

    def __post_init__(self) -> None:
        self.labels = np.zeros(self.density.shape[:2], np.uint8)
        self.blur_um = np.zeros(self.density.shape[:2], np.float32)

    @classmethod
    def of(cls, rgb: NDArray[np.uint8], mpp: float) -> "Painting":
        """Begin on an image, uint8 (H, W, 3)."""
        return cls(np.log10(_WHITE / np.maximum(rgb, 1)).astype(np.float32), mpp)

    @property
    def rgb(self) -> NDArray[np.uint8]:
        """The image as it is now."""
        return np.clip(np.rint(_WHITE * 10 ** -self.density.astype(np.float64)), 0, 255).astype(np.uint8)


def point_spread(defocus_um: float, aperture: float, mpp: float) -> Floats:
    """Return the incoherent point-spread function of a lens that is out of focus (Goodman 2005, chapter 6).

    Parameters
    ----------
    defocus_um
        Distance of the tissue from the plane of focus.

    Returns
    -------
    float32 (N, N), which sums to 1; N is odd.
    """
    frequencies = np.fft.fftfreq(_PUPIL * 4, mpp / 4)
    square = frequencies[:, None] ** 2 + frequencies[None] ** 2
    inside = square <= (aperture / WAVELENGTH_UM) ** 2
    phase = 2 * np.pi * defocus_um * np.sqrt(np.maximum(1 / WAVELENGTH_UM**2 - square, 0))
    spread = np.abs(np.fft.fftshift(np.fft.ifft2(inside * np.exp(1j * phase)))) ** 2
    # Four samples per pixel are gathered, the middle of the function in the middle of a pixel.
    gathered = spread[2:-2, 2:-2].reshape(_PUPIL - 1, 4, _PUPIL - 1, 4).sum(axis=(1, 3))
    return np.asarray(gathered / gathered.sum(), np.float32)


def equal_blur_um(defocus_um: float, aperture: float) -> float:
    """Return the standard deviation of the Gaussian that blurs as a lens out of focus does.

    By geometry the light of a point fills a disc of radius ``z tan(asin(NA))``; that of a disc is half its radius.
    """
    return defocus_um * float(np.tan(np.arcsin(aperture))) / 2


def defocus(painting: Painting, where: Floats, defocus_um: float, aperture: float) -> None:
    """Take the light of part of an image out of focus; ``where`` (H, W) goes from 0 to 1."""
    light = 10**-painting.density
    spread = point_spread(defocus_um, aperture, painting.mpp)
    blurred = cv2.filter2D(light, -1, spread, borderType=cv2.BORDER_REFLECT)
    mixed = light + where[..., None] * (blurred - light)
    painting.density = -np.log10(np.maximum(mixed, 1e-3)).astype(np.float32)
    own = equal_blur_um(defocus_um, aperture) * (where > 0.5)
    painting.blur_um = np.sqrt(painting.blur_um**2 + own**2).astype(np.float32)


def blob(shape: tuple[int, int], rng: Generator, share: float, size_px: float) -> Floats:
    """Return a smooth field (H, W) that is 1 in about this share of an image, and falls to 0 within a few pixels."""
    coarse = tuple(max(2, round(side / size_px) + 2) for side in shape)
    noise = cv2.resize(rng.standard_normal(coarse).astype(np.float32), shape[::-1], interpolation=cv2.INTER_CUBIC)
    level = np.quantile(noise, 1 - share)
    return np.asarray(np.clip((noise - level) * 10 + 0.5, 0, 1), np.float32)


def curve(shape: tuple[int, int], rng: Generator, width_px: float) -> Mask:
    """Return a random band (H, W) across an image, wider here and narrower there."""
    turns = rng.uniform(-0.6, 0.6, 12).cumsum() + rng.uniform(0, 2 * np.pi)
    step = max(shape) / 8
    steps = np.stack([np.cos(turns), np.sin(turns)], axis=1) * step
    points = steps.cumsum(axis=0) - steps.sum(axis=0) / 2 + rng.uniform(0.2, 0.8, 2) * shape[::-1]
    fine = np.linspace(0, len(points) - 1, 400)
    line = np.stack([np.interp(fine, np.arange(len(points)), axis) for axis in points.T], axis=1)
    line = cv2.blur(line.astype(np.float32), (1, 41), borderType=cv2.BORDER_REPLICATE)
    widths = width_px * (1 + 0.4 * np.sin(fine * rng.uniform(0.5, 2) + rng.uniform(0, 6)))
    band = np.zeros(shape, np.uint8)
    for (x0, y0), (x1, y1), width in zip(line[:-1], line[1:], widths, strict=False):
        ends = (round(float(x0)), round(float(y0))), (round(float(x1)), round(float(y1)))
        cv2.line(band, *ends, 1, max(1, round(float(width))))
    return band.astype(bool)


def _soft(mask: Mask, sigma_px: float) -> Floats:
    return np.asarray(cv2.GaussianBlur(mask.astype(np.float32), (0, 0), max(sigma_px, 0.3)), np.float32)


def fold(painting: Painting, rng: Generator) -> None:
    """Lay tissue over itself along a band: densities add up, and the upper layer is a little out of focus."""
    band = curve(painting.labels.shape, rng, rng.uniform(25, 120) / painting.mpp)
    shift = tuple(int(value) for value in rng.integers(20, 200, 2))
    layer = np.roll(painting.density[:: rng.choice([1, -1])], shift, (0, 1))[: band.shape[0], : band.shape[1]]
    layer = np.asarray(cv2.GaussianBlur(layer, (0, 0), rng.uniform(0.5, 3) / painting.mpp), np.float32)
    times = rng.uniform(0.9, 1.3) * (2 if rng.random() < 0.3 else 1)
    painting.density = painting.density + _soft(band, 2 / painting.mpp)[..., None] * times * layer
    # Where there is no tissue, there is nothing to fold.
    thick = cv2.blur(layer.sum(axis=2), (15, 15)) > 0.15
    painting.labels[band & thick] = FOLD


def pen(painting: Painting, rng: Generator, ink: str | None = None) -> None:
    """Draw a stroke on the cover glass: ink absorbs what light tissue let through, and its edge is out of focus."""
    color = np.array(INKS[ink or rng.choice(list(INKS))], np.float32) * rng.uniform(0.85, 1.15, 3).astype(np.float32)
    stroke = curve(painting.labels.shape, rng, rng.uniform(80, 500) / painting.mpp)
    uneven = cv2.resize(
        rng.uniform(0.75, 1.25, (8, 8)).astype(np.float32), stroke.shape[::-1], interpolation=cv2.INTER_CUBIC
    )
    strength = rng.uniform(0.35, 1.6) * _soft(stroke, rng.uniform(3, 12) / painting.mpp) * uneven
    painting.density = painting.density + strength[..., None] * color
    painting.labels[stroke] = PEN


def bubble(painting: Painting, rng: Generator) -> None:
    """Put air under the cover glass: a dark rim with a bright line where light is refracted, tissue out of focus."""
    height, width = painting.labels.shape
    radius = rng.uniform(60, 350) / painting.mpp
    center = rng.uniform(0.1, 0.9, 2) * (width, height)
    axes = max(4, round(radius * rng.uniform(0.7, 1))), max(4, round(radius))
    inside = np.zeros((height, width), np.uint8)
    cv2.ellipse(inside, tuple(int(v) for v in center), axes, float(rng.uniform(0, 180)), 0, 360, 1, -1)
    away = cv2.distanceTransform(inside, cv2.DIST_L2, 5) * painting.mpp
    rim_um = rng.uniform(8, 30)
    outside = cv2.distanceTransform(1 - inside, cv2.DIST_L2, 5) * painting.mpp
    rim = (outside < rim_um / 2) & (away < rim_um / 2)
    encloses = (inside > 0) & ~rim
    defocus(painting, _soft(encloses, 1), rng.uniform(3, 12), float(rng.choice(APERTURES)))
    dark = rng.uniform(0.35, 1.5) * _soft(rim, 2 / painting.mpp)
    line = rng.uniform(0.1, 0.6) * _soft((away > rim_um / 2) & (away < rim_um), 2 / painting.mpp)
    veil = rng.uniform(-0.3, 0.15) * encloses
    factor = (1 + veil - line)[..., None]
    painting.density = np.maximum(painting.density * factor, 0) + dark[..., None]
    painting.labels[encloses], painting.labels[rim] = BUBBLE, RIM


def dust(painting: Painting, rng: Generator) -> None:
    """Scatter specks and fibers that let no light through, of no color and out of focus."""
    specks = np.zeros(painting.labels.shape, np.uint8)
    for _ in range(int(rng.integers(1, 5))):
        center = tuple(int(v) for v in rng.uniform(0, 1, 2) * painting.labels.shape[::-1])
        axes = tuple(max(3, round(v / painting.mpp)) for v in rng.uniform(8, 40, 2))
        cv2.ellipse(specks, center, axes, float(rng.uniform(0, 180)), 0, 360, 1, -1)
    if rng.random() < 0.4:
        specks |= curve(painting.labels.shape, rng, rng.uniform(8, 16) / painting.mpp).astype(np.uint8)
    dark = rng.uniform(0.6, 1.6) * _soft(specks.astype(bool), rng.uniform(1.5, 5) / painting.mpp)
    tint = rng.uniform(0.92, 1.08, 3).astype(np.float32)
    painting.density = painting.density + dark[..., None] * tint
    painting.labels[specks.astype(bool)] = DEBRIS


PAINTERS: Final[Mapping[str, Callable[[Painting, Generator], None]]] = MappingProxyType(
    {"fold": fold, "pen": pen, "bubble": bubble, "debris": dust}
)
"""What paints each kind of artifact, defocus apart."""
