"""The sheets of annotated images that the shipped weights were trained and tested on.

    python recipes/sheets.py DATA OUT

DATA holds CMU-1-Small-Region.svs (OpenSlide's test data, CC0) in slides/ and in nuclei/ the public sets under the names
below, each with images/ and labels/ (or points/): nucls (NuCLS, CC0),
dsb2018_colour and dsb2018_test_colour (BBBC038, CC0), tnbc (Naylor et al. 2018, CC BY 4.0), brca_m2c (BRCA-M2C,
BSD 3-Clause), nuinsseg (NuInsSeg, Mahbod et al. 2024, CC BY 4.0), monuseg_train (MoNuSeg, CC BY-NC-SA 4.0). What was
done with the sheets is in recipes/README.md.
"""

import csv
import dataclasses
import hashlib
import shutil
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np

from pathopipe.slide import open_slide

SUFFIXES = (".png", ".tif", ".jpg", ".tsv")
# BBBC038 does not state its resolution: it is taken to be such that the median nucleus has this area.
MEDIAN_UM2 = 24.0
MPP_RANGE = (0.12, 0.5)
# Patients of BRCA-M2C that are in MoNuSeg, too: MoNuSeg is a test for the weights `open`.
IN_MONUSEG = {"TCGA-A7-A13E", "TCGA-A7-A13F"}
TNBC_VALIDATION = {"03", "07", "10"}
# MoNuSeg's fields are few among those that `research` learns from, and drawn more often.
MONUSEG_SHARE = 15.0
# Patients of MoNuSeg whose nuclei are half as wide as those of others: `research` sees them at the stated scale and at
# this one, about as often. For tests they stay at the stated one.
DOUBTFUL = {"TCGA-HE-7128", "TCGA-HE-7129", "TCGA-HE-7130", "TCGA-KB-A93J", "TCGA-RD-A8N9"}
DOUBTFUL_MPP = 0.45
STATED_SHARE, DOUBTFUL_SHARE = 7.5, 4.5
# Labels of fewer pixels (2.5 um2 at 0.25 um per pixel) are fragments, left over where labels were made from colors.
FRAGMENT_PX = 40
FOLDS = 3
# NuInsSeg is split by organ, of human and mouse alike: every fourth organ in the order of the alphabet is one fold.
ORGAN_FOLDS = 4
KEPT_APART = 1
NUINSSEG_SHARE = 0.5
# Keratin, ink, debris and glass of the slide: x, y, width and height in pixels.
WITHOUT_NUCLEI = (
    (1225, 1260, 290, 290),
    (1450, 1040, 160, 250),
    (1640, 1040, 220, 220),
    (1230, 2030, 80, 70),
    (1840, 500, 380, 500),
)


@dataclass(frozen=True)
class Line:
    image: Path
    labels: Path | None
    mpp: float
    patient: str
    share: float = 1.0


def pairs(folder: Path, labels: str = "labels") -> Iterator[tuple[Path, Path]]:
    for image in sorted((folder / "images").iterdir()):
        yield image, next(p for s in SUFFIXES if (p := folder / labels / f"{image.stem}{s}").exists())


def estimated_mpp(labels: Path) -> float:
    areas = np.bincount(cv2.imread(str(labels), cv2.IMREAD_UNCHANGED).ravel())[1:]
    return float(np.clip(np.sqrt(MEDIAN_UM2 / np.median(areas[areas > 0])), *MPP_RANGE).round(3))


def outlines(data: Path) -> Iterator[Line]:
    """All sets with outlines whose licences allow any use."""
    for image, labels in pairs(data / "tnbc"):
        yield Line(image, labels, 0.25, f"tnbc-{image.stem.split('_')[0]}", 2.0)
    for image, labels in pairs(data / "nucls"):
        yield Line(image, labels, 0.25, f"nucls-{image.stem}", 2.0)
    for name in ("dsb2018_colour", "dsb2018_test_colour"):
        for image, labels in pairs(data / name):
            yield Line(image, labels, estimated_mpp(labels), f"dsb-{image.stem}")


def artifacts(data: Path, out: Path) -> Iterator[Line]:
    """Cut pieces without nuclei out of the slide."""
    path = data / "slides" / "CMU-1-Small-Region.svs"
    with open_slide(path) as slide:
        grid = slide.grid(slide.mpp.x)
        for number, place in enumerate(WITHOUT_NUCLEI):
            file = out / f"artifact_{number}.png"
            cv2.imwrite(str(file), cv2.cvtColor(slide.read(grid, *place), cv2.COLOR_RGB2BGR))
            yield Line(file, None, round(slide.mpp.x, 3), "cmu-1", 4.0)


def points(data: Path) -> Iterator[tuple[Line, str]]:
    """BRCA-M2C without the patients of MoNuSeg, and the part that its authors put each patient into."""
    with (data / "brca_m2c" / "images.tsv").open(newline="") as stream:
        rows = {row["image"]: row for row in csv.DictReader(stream, delimiter="\t")}
    held_out = {row["case"] for row in rows.values() if row["split"] == "val"}
    for image, labels in pairs(data / "brca_m2c", "points"):
        case = rows[image.stem]["case"]
        if case not in IN_MONUSEG:
            yield Line(image, labels, 0.5, case), "test" if case in held_out else "train"


def organ(kind: str) -> str:
    """Human and mouse muscle are one organ, and so are all others that both have."""
    name = kind.partition("_")[2]
    return "muscle" if name.startswith("muscle") else name


def nuinsseg(data: Path) -> Iterator[tuple[Line, int]]:
    """NuInsSeg, and the fold that an organ is in; fields without nuclei are left out."""
    with (data / "nuinsseg" / "images.tsv").open(newline="") as stream:
        rows = [row for row in csv.DictReader(stream, delimiter="\t") if int(row["nuclei"])]
    organs = sorted({organ(row["organ"]) for row in rows})
    for row in rows:
        image, labels = (
            data / "nuinsseg" / kind / row[name] for kind, name in (("images", "image"), ("labels", "labels"))
        )
        yield Line(image, labels, 0.25, row["organ"], NUINSSEG_SHARE), organs.index(organ(row["organ"])) % ORGAN_FOLDS


def monuseg(data: Path) -> Iterator[Line]:
    """MoNuSeg: a test for `open`, learned from by `research`."""
    for image, labels in pairs(data / "monuseg_train"):
        yield Line(image, labels, 0.25, "-".join(image.stem.split("-")[:3]))


def learned_monuseg(data: Path, out: Path) -> Iterator[Line]:
    """MoNuSeg as `research` learns from it: without fragments, and those of doubtful scale at two scales."""
    for line in monuseg(data):
        labels = out / f"{line.image.stem}_labels.png"
        cv2.imwrite(str(labels), without_fragments(cv2.imread(str(line.labels), cv2.IMREAD_UNCHANGED)))
        if line.patient not in DOUBTFUL:
            yield dataclasses.replace(line, labels=labels, share=MONUSEG_SHARE)
            continue
        copy = out / f"{line.image.stem}_half.png"
        shutil.copyfile(line.image, copy)
        yield dataclasses.replace(line, labels=labels, share=STATED_SHARE)
        yield dataclasses.replace(line, image=copy, labels=labels, mpp=DOUBTFUL_MPP, share=DOUBTFUL_SHARE)


def without_fragments(labels: np.ndarray) -> np.ndarray:
    """Give fragments to the nucleus that a quarter of their border touches, or to the background."""
    areas = np.bincount(labels.ravel())
    small = [label for label in np.flatnonzero(areas) if label and areas[label] < FRAGMENT_PX]
    result = labels.copy()
    for label in sorted(small, key=lambda label: areas[label]):
        y, x = np.nonzero(labels == label)
        place = np.s_[max(y.min() - 1, 0) : y.max() + 2, max(x.min() - 1, 0) : x.max() + 2]
        own = labels[place] == label
        border = (cv2.dilate(own.astype(np.uint8), np.ones((3, 3), np.uint8)) > 0) & ~own
        around = result[place][border]
        around = around[(around > 0) & ~np.isin(around, small)]
        result[place][own] = np.bincount(around).argmax() if 0 < len(around) >= border.sum() / 4 else 0
    return result


def is_validation(line: Line) -> bool:
    """What the network and its training were chosen on."""
    name = line.image.stem
    if line.patient.startswith("tnbc-"):
        return line.patient.removeprefix("tnbc-") in TNBC_VALIDATION
    if line.patient.startswith("nucls-"):
        return "nucls_test" in name
    return line.image.parent.parent.name == "dsb2018_colour" and int(name[:2], 16) % 5 == 0


def fold(line: Line) -> int:
    """In which part of a cross-validation a patient is tested on."""
    return int(hashlib.sha256(line.patient.encode()).hexdigest(), 16) % FOLDS


def write(path: Path, lines: list[Line]) -> None:
    with path.open("w", newline="") as stream:
        table = csv.writer(stream, delimiter="\t")
        table.writerow(("image", "labels", "mpp", "patient", "share"))
        for line in lines:
            labels = line.labels.resolve() if line.labels else "none"
            table.writerow((line.image.resolve(), labels, line.mpp, line.patient, line.share))
    print(f"{path}: {len(lines)} images")


def main() -> None:
    slides, out = Path(sys.argv[1]), Path(sys.argv[2])
    data = slides / "nuclei"
    out.mkdir(parents=True, exist_ok=True)
    known, marked = list(outlines(data)), list(points(data))
    train = [line for line in known if not is_validation(line)]
    empty = list(artifacts(slides, out))
    write(out / "teacher.tsv", train)
    write(out / "open.tsv", [*train, *(line for line, part in marked if part == "train"), *empty])
    write(out / "validation.tsv", [line for line in known if is_validation(line)])
    write(out / "points_test.tsv", [line for line, part in marked if part == "test"])
    write(out / "monuseg.tsv", list(monuseg(data)))
    organs = list(nuinsseg(data))
    write(out / "organs.tsv", [line for line, number in organs if number != KEPT_APART])
    write(out / "organs_test.tsv", [line for line, number in organs if number == KEPT_APART])
    added = list(learned_monuseg(data, out))
    write(out / "research.tsv", [*train, *empty, *added])
    for number in range(FOLDS):
        write(out / f"research_{number}.tsv", [*train, *empty, *(line for line in added if fold(line) != number)])
        write(out / f"monuseg_{number}.tsv", [line for line in monuseg(data) if fold(line) == number])


if __name__ == "__main__":
    main()
