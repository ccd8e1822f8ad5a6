"""Measure the quality map on sources that nothing of it was learned from: the figures of docs/quality.md.

    python recipes/quality_test.py DATA OUT [painted | lost | blur | blocks]

Artifacts are painted onto MoNuSeg, GlaS and CMU-1-Small-Region, which are mirrored to squares; the map is made as the
stage makes it. `painted` prints Dice per kind, `lost` how much sound tissue of each image is left out, `blur` the
smallest blur that is found, and `blocks` which images show blocks of JPEG compression. Writes OUT/lost.tsv.
"""

import csv
import sys
from collections.abc import Iterator
from pathlib import Path

import cv2
import numpy as np
from painted import Field, canvas, features, load, truth

from pathopipe.evaluation.perturbation import compressed
from pathopipe.inspection.compression import STRONG
from pathopipe.inspection.quality_rules import Rules
from pathopipe.models.quality.card import QualityCard
from pathopipe.models.weights import read_weights_of
from pathopipe.ops.quality.areas import ARTIFACTS, NUMBERS, tidy
from pathopipe.ops.quality.blockiness import blockiness
from pathopipe.pipeline import QualitySettings
from pathopipe.slide import open_slide
from pathopipe.synthetic.artifacts import APERTURES, BUBBLE, DEBRIS, FOLD, PAINTERS, PEN, RIM, Painting, blob, defocus
from pathopipe.synthetic.artifacts import equal_blur_um as equal_blur

SIDE, IMAGES = 768, 60
# Of these sets every so many fields are looked at.
EVERY = {"tnbc": 3, "brca_m2c": 3, "nuinsseg": 6}
BIN_UM2 = 16.0
KINDS = {"fold": (FOLD,), "pen": (PEN,), "bubble": (RIM, BUBBLE), "debris": (DEBRIS,)}
QUALITIES = (85, 60, 40, 30, 20, 10)
BLURS = (0.75, 1.0, 1.25, 1.5, 2.0, 3.0, 5.0)
# Blur that is painted for the Dice of `out of focus`: what is well above the limit, up to what makes nuclei vanish.
PAINTED_UM = (2.0, 6.0)


def kept_apart(data: Path) -> list[Field]:
    """Return images of the sources that nothing was learned from."""
    found = [load(path, 0.25, "MoNuSeg") for path in sorted((data / "nuclei/monuseg_train/images").iterdir())]
    rows = csv.DictReader((data / "grade/glas_train/slides.tsv").open(), delimiter="\t")
    found += [load(data / "grade/glas_train" / row["path"], float(row["mpp"]), "GlaS") for row in rows]
    with open_slide(data / "slides/CMU-1-Small-Region.svs") as slide:
        grid = slide.grid(1.0)
        whole = slide.read(grid, 0, 0, grid.width, grid.height)
    # Of the slide, its tissue without keratin, ink and glass.
    return [*found, Field("CMU-1", "CMU-1", whole[400:, :550])]


def mapped(rules: Rules, rgb: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the map of an image of 1 µm per pixel, all of it tissue, and the blur in micrometers."""
    values = features(rgb)
    labels, blur = rules(np.ascontiguousarray(values.reshape(len(values), -1)), np.zeros(values[0].size, np.float32))
    shape, tissue = values.shape[1:], np.ones(values.shape[1:], bool)
    found = tidy(labels.reshape(shape), tissue, rules.settings.min_area_um2 / BIN_UM2)
    return found, blur.reshape(shape) * 0.05


def painted(chosen: list[Field], rules: Rules) -> Iterator[tuple[str, str, float, float, float]]:
    """Yield source, kind, and areas of each image in bins: what both say, what was painted, what was found."""
    for number in range(IMAGES):
        rng = np.random.default_rng((77, number))
        sources = sorted({field.source for field in chosen})
        among = [field for field in chosen if field.source == sources[number % len(sources)]]
        rgb = canvas(among[rng.integers(len(among))], rng, SIDE)
        for kind in ("out of focus", *KINDS):
            painting = Painting.of(rgb, 1.0)
            if kind == "out of focus":
                where = blob(painting.labels.shape, rng, rng.uniform(0.2, 0.6), 400)
                aperture, sigma = float(rng.choice(APERTURES)), rng.uniform(*PAINTED_UM)
                defocus(painting, where, sigma / equal_blur(1.0, aperture), aperture)
                wanted = truth(painting)[2] > rules.settings.max_blur_um
            else:
                for _ in range(2):
                    PAINTERS[kind](painting, rng)
                wanted = np.isin(truth(painting)[0], KINDS[kind])
            found = mapped(rules, painting.rgb)[0]
            # A bubble's tissue is out of focus, too; any name for what is left out there is right.
            own = found == NUMBERS[kind]
            yield (
                sources[number % len(sources)],
                kind,
                float((own & wanted).sum()),
                float(wanted.sum()),
                float(own.sum()),
            )


def dice(rows: list[tuple[str, str, float, float, float]], kind: str) -> str:
    """Dice over all images, with its 95% interval (bootstrap over images), recall, precision, and Dice by source."""
    areas = np.array([row[2:] for row in rows if row[1] == kind])
    draws = np.random.default_rng(0).integers(len(areas), size=(2000, len(areas)))
    ends = np.quantile([_dice(areas[draw].sum(axis=0)) for draw in draws], (0.025, 0.975))
    both, wanted, own = areas.sum(axis=0)
    parts = [f"{_dice(areas.sum(axis=0)):.3f} [{ends[0]:.2f}, {ends[1]:.2f}]"]
    parts.append(f"recall {both / wanted:.2f}, precision {both / own:.2f}")
    for source in sorted({row[0] for row in rows}):
        taken = np.array([row[2:] for row in rows if row[1] == kind and source == row[0]]).sum(axis=0)
        parts.append(f"{source} {_dice(taken):.3f}")
    return ", ".join(parts)


def _dice(areas: np.ndarray) -> float:
    return float(2 * areas[0] / (areas[1] + areas[2]))


def all_images(data: Path) -> Iterator[tuple[str, str, np.ndarray]]:
    """Yield set, name and pixels at 1 µm per pixel of all real images at hand."""
    for name, mpp in (("tnbc", 0.25), ("brca_m2c", 0.5), ("monuseg_train", 0.25), ("nuinsseg", 0.25)):
        for path in sorted((data / f"nuclei/{name}/images").iterdir())[:: EVERY.get(name, 1)]:
            yield name, path.stem, load(path, mpp, name).rgb
    for row in csv.DictReader((data / "grade/glas_train/slides.tsv").open(), delimiter="\t"):
        yield "glas_train", row["slide"], load(data / "grade/glas_train" / row["path"], float(row["mpp"]), "").rgb
    # Of the slides, tissue without keratin, ink and glass.
    for name, part in (("CMU-1-Small-Region.svs", np.s_[400:, :550]), ("OS-1-detail.ome.tif", np.s_[:])):
        with open_slide(data / "slides" / name) as slide:
            grid = slide.grid(1.0)
            yield name, name, slide.read(grid, 0, 0, grid.width, grid.height)[part]


def lost(data: Path, out: Path, rules: Rules) -> None:
    """Print and write how much of each image is left out, small ones included, which the stage gives no map."""
    shares = dict[str, list[float]]()
    with (out / "lost.tsv").open("w", newline="") as stream:
        table = csv.writer(stream, delimiter="\t")
        for name, image, rgb in all_images(data):
            found, blur = mapped(rules, rgb[: len(rgb) // 16 * 16, : rgb.shape[1] // 16 * 16])
            bad = np.isin(found, [NUMBERS[kind] for kind in rules.settings.exclude])
            shares.setdefault(name, []).append(float(bad.mean()))
            kinds = {kind: round(float((found == number).mean()), 3) for kind, number in NUMBERS.items()}
            table.writerow([name, image, round(float(bad.mean()), 4), round(float(np.median(blur)), 2), kinds])
    for name, values in shares.items():
        over = sum(value > 0.01 for value in values)
        print(f"{name}: {np.mean(values):.2%} left out, {over} of {len(values)} images lose more than 1%")


def blocks(data: Path) -> None:
    """Print how many fields show blocks of JPEG compression, as they are and saved with some qualities."""
    for name in ("tnbc", "brca_m2c", "monuseg_train", "nuinsseg"):
        shown = dict[str, list[bool]]()
        for path in sorted((data / f"nuclei/{name}/images").iterdir())[:: EVERY.get(name, 1)]:
            # Beside the grid of blocks that they may have had before.
            rgb = cv2.imread(str(path))[..., ::-1]
            changed = {str(quality): compressed(rgb[3:, 5:], quality) for quality in QUALITIES}
            for change, image in {"as it is": rgb, **changed}.items():
                green = np.ascontiguousarray(image[:512, :512, 1])
                shown.setdefault(change, []).append(blockiness(green) > STRONG)
        print(name, ", ".join(f"{change}: {sum(values)} of {len(values)}" for change, values in shown.items()))


def blurred(chosen: list[Field], rules: Rules) -> None:
    """Print the share of tissue that is called out of focus, by how much it is blurred."""
    for sigma in (0.0, *BLURS):
        shares, medians = [], []
        for number in range(24):
            rng = np.random.default_rng((5, number))
            painting = Painting.of(canvas(chosen[rng.integers(len(chosen))], rng, 512), 1.0)
            if sigma:
                defocus(painting, np.ones(painting.labels.shape, np.float32), sigma / equal_blur(1.0, 0.75), 0.75)
            found, blur = mapped(rules, painting.rgb)
            shares.append(float((found == NUMBERS["out of focus"]).mean()))
            medians.append(float(np.median(blur)))
        print(f"{sigma:g} µm: {np.mean(shares):.1%} out of focus, estimated at {np.median(medians):.2f} µm")


def main() -> None:
    """Measure what is asked for, or all."""
    data, out = Path(sys.argv[1]), Path(sys.argv[2])
    wanted = sys.argv[3:] or ["painted", "lost", "blur", "blocks"]
    rules = Rules(
        read_weights_of(out / "quality.safetensors", QualityCard).tensors, QualitySettings(exclude=ARTIFACTS[:5]), True
    )
    chosen = kept_apart(data)
    if "blur" in wanted:
        blurred(chosen, rules)
    if "painted" in wanted:
        rows = list(painted(chosen, rules))
        for kind in ("out of focus", *KINDS):
            print(kind, dice(rows, kind))
    if "lost" in wanted:
        lost(data, out, rules)
    if "blocks" in wanted:
        blocks(data)


if __name__ == "__main__":
    main()
