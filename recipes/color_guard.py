"""How well the guards of stain and color tell H&E from what it is not: docs/guards.md holds the figures.

    python recipes/color_guard.py DATA [OTHER_STAIN.png ...]

DATA has the folders ``nuclei/<set>/images`` and ``grade/glas_train/images``. All fields are judged as they are. A part
of them is stained anew: amounts of hematoxylin and eosin are taken apart (`pathopipe.ops.stain`) and put together with
the vectors of other stains (Ruifrok and Johnston 2001, as in ImageJ's "Colour Deconvolution" by G. Landini and in
`skimage.color`), or their channels are mixed up. Other images are taken for other stains at 0.5 mpp.
"""

import sys
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path

import cv2
import numpy as np

from pathopipe.errors import SlideRejectedError
from pathopipe.inspection.guards import check_background, color_warnings
from pathopipe.ops.stain import densities, estimate_stains

MPP = {
    "nucls": 0.25, "tnbc": 0.25, "brca_m2c": 0.5, "nuinsseg": 0.25, "dsb2018_colour": 0.35, "dsb2018_test_colour": 0.35,
    "monuseg_train": 0.25, "glas_train": 0.62,
}  # fmt: skip
STAINED_ANEW = {"nucls": 3, "tnbc": 8, "brca_m2c": 8, "monuseg_train": 5, "glas_train": 10}
"""Every how many fields of a set."""
SIDE = 400
VECTORS = {
    "eosin": (0.07, 0.99, 0.11), "DAB": (0.268, 0.570, 0.776), "AEC": (0.274, 0.680, 0.680),
    "fast red": (0.214, 0.851, 0.478), "PAS": (0.175, 0.972, 0.155), "methyl blue": (0.800, 0.591, 0.105),
    "ponceau": (0.100, 0.737, 0.668), "methylene blue": (0.835, 0.514, 0.196), "Giemsa eosin": (0.093, 0.954, 0.283),
    "Alcian blue": (0.875, 0.458, 0.158), "light green": (0.947, 0.254, 0.197), "Feulgen": (0.464, 0.830, 0.308),
    "methyl green": (0.980, 0.144, 0.133), "aniline blue": (0.853, 0.509, 0.113), "orange G": (0.107, 0.368, 0.924),
    "azocarmine": (0.093, 0.866, 0.491), "iron": (0.75, 0.70, 0.55), "picric acid": (0.05, 0.30, 0.95),
}  # fmt: skip
ORDERS = {"BGR": (2, 1, 0), "RBG": (0, 2, 1), "GRB": (1, 0, 2), "GBR": (1, 2, 0), "BRG": (2, 0, 1)}


def main(data: Path, others: list[Path]) -> None:
    """Print how often each kind of image is rejected, warned of by code, or taken for H&E."""
    reported: dict[str, list[str]] = defaultdict(list)
    for name, mpp in MPP.items():
        for place, path in enumerate(fields(data, name)):
            rgb = read(path, mpp)
            reported[f"H&E {name}"].append(judge(rgb))
            if reported[f"H&E {name}"][-1] != "-":
                print("alarm:", name, path.name, reported[f"H&E {name}"][-1], file=sys.stderr)
            if name in STAINED_ANEW and place % STAINED_ANEW[name] == 0:
                for kind, image in (*stained_anew(rgb[:SIDE, :SIDE]), *mixed_up(rgb[:SIDE, :SIDE])):
                    reported[kind].append(judge(image))
    for path in others:
        reported[path.name].append(judge(read(path, 0.5)))
    print("kind\timages\trejected\tnot_he\timplausible_color\tnone")
    for kind, verdicts in reported.items():
        shares = (
            verdicts.count(verdict) / len(verdicts) for verdict in ("rejected", "not_he", "implausible_color", "-")
        )
        print(kind, len(verdicts), *(f"{100 * share:.1f}" for share in shares), sep="\t")


def fields(data: Path, name: str) -> list[Path]:
    """Images of a set, in order."""
    return sorted((data / ("grade" if name.startswith("glas") else "nuclei") / name / "images").iterdir())


def read(path: Path, mpp: float) -> np.ndarray:
    """Read an image in RGB (H, W, 3), at no more than 0.5 mpp."""
    rgb = cv2.imread(str(path))[..., ::-1]
    scale = min(1.0, mpp / 0.5)
    return np.ascontiguousarray(cv2.resize(rgb, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA))


def judge(rgb: np.ndarray) -> str:
    """``rejected``, the code of the warning, or ``-``: as `tissue` judges a field of 0.5 mpp."""
    try:
        check_background(cv2.resize(rgb, None, fx=1 / 16, fy=1 / 16, interpolation=cv2.INTER_AREA))
        found = color_warnings([rgb])
    except SlideRejectedError:
        return "rejected"
    return found[0]["code"] if found else "-"


def stained_anew(rgb: np.ndarray) -> Iterator[tuple[str, np.ndarray]]:
    """What other stains would make of a field."""
    stains = estimate_stains(rgb.reshape(-1, 3)[::7])
    nuclei, rest = densities(rgb, stains)
    nuclei, rest = np.minimum(nuclei / stains.hematoxylin_max, 1.5), np.minimum(rest / stains.eosin_max, 1.5)
    known = VECTORS | {"hematoxylin": stains.hematoxylin}

    def mix(**amounts: np.ndarray) -> np.ndarray:
        vectors = {name: np.array(known[name.replace("_", " ")]) for name in amounts}
        density = sum(
            amount[..., None] * vectors[name] / np.linalg.norm(vectors[name]) for name, amount in amounts.items()
        )
        return np.clip(np.rint(255 * 10.0**-density), 0, 255).astype(np.uint8)

    half = patches(nuclei.shape, 0.5)
    for share in (0.1, 0.3, 0.6, 0.9):
        here = patches(nuclei.shape, share)
        counter = 0.7 * nuclei * (1 - here) + 0.12 * rest
        yield f"DAB in {share:.0%} of nuclei", mix(hematoxylin=counter, DAB=0.9 * nuclei * here)
        counter = 0.7 * nuclei + 0.12 * rest
        yield f"DAB in {share:.0%} of cytoplasm", mix(hematoxylin=counter, DAB=0.8 * rest * here)
    yield "immunohistochemistry, negative", mix(hematoxylin=0.7 * nuclei + 0.12 * rest)
    yield "AEC in 50% of nuclei", mix(hematoxylin=0.7 * nuclei * (1 - half) + 0.12 * rest, AEC=0.8 * nuclei * half)
    yield "fast red in 50% of cytoplasm", mix(hematoxylin=0.7 * nuclei + 0.12 * rest, fast_red=0.8 * rest * half)
    yield "PAS", mix(hematoxylin=nuclei, PAS=0.7 * rest)
    yield "PAS and Alcian blue", mix(hematoxylin=nuclei, PAS=0.6 * rest * (1 - half), Alcian_blue=0.6 * rest * half)
    two = {"ponceau": 0.7 * rest * half}
    yield "Masson, blue", mix(iron=0.9 * nuclei, methyl_blue=0.7 * rest * (1 - half), **two)
    yield "Masson, green", mix(iron=0.9 * nuclei, light_green=0.7 * rest * (1 - half), **two)
    yield "van Gieson", mix(iron=0.9 * nuclei, picric_acid=0.7 * rest * (1 - half), **two)
    yield "Giemsa", mix(methylene_blue=nuclei, Giemsa_eosin=0.5 * rest)
    yield "Feulgen, light green", mix(Feulgen=nuclei, light_green=0.6 * rest)
    azan = {"aniline_blue": 0.6 * rest * half, "orange_G": 0.6 * rest * (1 - half)}
    yield "AZAN", mix(azocarmine=nuclei, **azan)
    yield "methyl green and DAB", mix(methyl_green=0.7 * nuclei * (1 - half) + 0.1 * rest, DAB=0.8 * nuclei * half)
    for name, light in (("DAPI", 0 * rest), ("DAPI and green", 0.8 * rest)):
        yield f"fluorescence, {name}", glowing(0.03 * rest, 0.03 + light, 0.05 + 0.9 * nuclei)
    yield "fluorescence, DAPI and red", glowing(0.05 + 0.9 * rest, 0.05 + 0.1 * rest, 0.1 + 0.9 * nuclei)
    yield "fluorescence, three bright colors", glowing(0.1 + 0.8 * rest * half, 0.1 + 0.8 * rest, 0.2 + 0.9 * nuclei)


def glowing(*channels: np.ndarray) -> np.ndarray:
    """Red, green and blue light, 0 to 1."""
    return np.clip(255 * np.stack(channels, axis=-1), 0, 255).astype(np.uint8)


def patches(shape: tuple[int, ...], share: float) -> np.ndarray:
    """Where a marker is positive: smooth patches of about 25 µm that cover a share of a field, 0 to 1."""
    noise = cv2.GaussianBlur(np.random.default_rng(0).normal(size=shape).astype(np.float32), (0, 0), 24)
    return 1 / (1 + np.exp(-(noise - np.quantile(noise, 1 - share)) / (0.15 * noise.std())))


def mixed_up(rgb: np.ndarray) -> Iterator[tuple[str, np.ndarray]]:
    """What readers and exports make of a field."""
    for name, order in ORDERS.items():
        yield name, np.ascontiguousarray(rgb[..., order])
    yield "negative", 255 - rgb
    yield "YCbCr taken for RGB", np.ascontiguousarray(cv2.cvtColor(rgb, cv2.COLOR_RGB2YCrCb)[..., [0, 2, 1]])
    yield "RGB taken for YCbCr", cv2.cvtColor(np.ascontiguousarray(rgb[..., [0, 2, 1]]), cv2.COLOR_YCrCb2RGB)
    yield "gray", np.repeat(cv2.cvtColor(rgb, cv2.COLOR_RGB2GRAY)[..., None], 3, axis=2)


if __name__ == "__main__":
    main(Path(sys.argv[1]), [Path(name) for name in sys.argv[2:]])
