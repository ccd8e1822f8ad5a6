"""``pathopipe init``: from a folder of slides to a sample sheet and a configuration."""

import csv
import io
import re
import unicodedata
from collections.abc import Iterable, Iterator
from pathlib import Path

import click

from pathopipe.cli.options import PATH

_SLIDES = {".svs", ".ndpi", ".mrxs", ".scn", ".vms", ".vmu", ".bif", ".svslide", ".tif", ".tiff", ".btf", ".dcm"}
_IMAGES = {".png", ".jpg", ".jpeg"}
_MAX_ID = 80


@click.command()
@click.argument("folder", type=PATH)
@click.option("--neutral-ids", is_flag=True, help="Name slides slide_0001, …; their names go to slides_key.tsv only.")
@click.option("--images", is_flag=True, help="Take PNG and JPEG fields of view too.")
@click.option("--force", is_flag=True, help="Overwrite slides.tsv and config.yaml.")
def init(folder: Path, neutral_ids: bool, images: bool, force: bool) -> None:
    """Find the slides in FOLDER and write slides.tsv and config.yaml into the current folder."""
    from pathopipe.errors import RefusalError

    if not folder.is_dir():
        raise RefusalError(f"{folder}: is no folder: give the folder that holds the slides")
    targets = [Path("slides.tsv"), Path("config.yaml"), *([Path("slides_key.tsv")] if neutral_ids else [])]
    there = [str(target) for target in targets if target.exists()]
    if there and not force:
        raise RefusalError(f"{', '.join(there)}: is there already: go to another folder, or overwrite with --force")
    folder = folder.resolve()
    slides = find_slides(folder, images)
    if not slides:
        raise RefusalError(
            f"{folder}: holds no slides that are known by their ending{'' if images else ' (--images?)'}"
        )
    ids = [f"slide_{number:04}" for number in range(1, len(slides) + 1)] if neutral_ids else make_ids(slides, folder)
    without_mpp = _write(slides, ids, folder if neutral_ids else None)
    click.echo(f"{len(slides)} slides in slides.tsv; settings in config.yaml; next: pathopipe run")
    if not images and (left_out := _count_images(folder)):
        click.echo(f"left out {left_out} PNG and JPEG images: --images takes them as fields of view")
    if without_mpp:
        click.echo(f"fill in the column mpp (micrometers per pixel) of: {', '.join(without_mpp)}")


def find_slides(folder: Path, images: bool = False) -> list[Path]:
    """Slides below a folder, sorted, hidden ones not; a DICOM series is one slide, the data folder of an MRXS none."""
    endings = _SLIDES | (_IMAGES if images else set())
    files = sorted(file for file in folder.rglob("*") if file.suffix.lower() in endings and file.is_file())
    data_folders = {file.with_suffix("") for file in files if file.suffix.lower() == ".mrxs"}
    files = [file for file in files if not data_folders & set(file.parents) and not _is_hidden(file, folder)]
    series = set[tuple[Path, str]]()
    return [file for file in files if file.suffix.lower() != ".dcm" or _is_new(file, series)]


def _count_images(folder: Path) -> int:
    return sum(file.suffix.lower() in _IMAGES and not _is_hidden(file, folder) for file in folder.rglob("*"))


def _is_hidden(file: Path, folder: Path) -> bool:
    return any(part.startswith(".") for part in file.relative_to(folder).parts)


def _is_new(file: Path, series: set[tuple[Path, str]]) -> bool:
    """Whether a DICOM file is the first of a series that OpenSlide reads."""
    import openslide

    try:
        with openslide.OpenSlide(file) as slide:
            key = (file.parent, str(slide.properties.get("dicom.SeriesInstanceUID", "")))
    except openslide.OpenSlideError:
        return False
    new = key not in series
    series.add(key)
    return new


def make_ids(slides: list[Path], folder: Path) -> list[str]:
    """Ids from file names; where two are alike, from their paths; where these are alike too, numbered."""
    names = [_clean(_stem(slide)) for slide in slides]
    folded = [name.lower() for name in names]
    ids, taken = list[str](), set[str]()
    for slide, name in zip(slides, names, strict=True):
        path = _clean("_".join((*slide.relative_to(folder).parent.parts, _stem(slide))))
        for candidate in _candidates(name if folded.count(name.lower()) == 1 else path):
            if candidate.lower() not in taken:
                break
        taken.add(candidate.lower())
        ids.append(candidate)
    return ids


def _candidates(name: str) -> Iterator[str]:
    yield name
    number = 2
    while True:
        yield f"{name}_{number}"
        number += 1


def _stem(slide: Path) -> str:
    return re.sub(r"\.ome$", "", slide.stem, flags=re.IGNORECASE)


def _clean(name: str) -> str:
    plain = "".join(letter for letter in unicodedata.normalize("NFKD", name) if not unicodedata.combining(letter))
    cleaned = re.sub(r"[^A-Za-z0-9_-]+", "_", plain).lstrip("_-").rstrip("_")[:_MAX_ID] or "slide"
    return f"{cleaned}_1" if cleaned.lower() == "cohort" else cleaned


def _write(slides: list[Path], ids: list[str], key_folder: Path | None) -> list[str]:
    """Write the files, with a key to the ids where a folder is given; return the ids of slides that lack an mpp."""
    rows = [(name, str(slide), "") for slide, name in zip(slides, ids, strict=True)]
    Path("slides.tsv").write_text(_table([("slide", "path", "mpp"), *rows]), encoding="utf-8")
    Path("config.yaml").write_text(_CONFIG, encoding="utf-8")
    if key_folder:
        names = [(name, str(slide.relative_to(key_folder))) for slide, name in zip(slides, ids, strict=True)]
        Path("slides_key.tsv").write_text(_table([("slide", "name"), *names]), encoding="utf-8")
    return [name for slide, name in zip(slides, ids, strict=True) if _lacks_mpp(slide)]


def _table(rows: Iterable[tuple[str, ...]]) -> str:
    """Tab-separated text; a cell with a tab or a line end in it is put in quotes."""
    text = io.StringIO()
    csv.writer(text, delimiter="\t", lineterminator="\n").writerows(rows)
    return text.getvalue()


def _lacks_mpp(slide: Path) -> bool:
    from pathopipe.errors import PathopipeError
    from pathopipe.slide import open_slide

    try:
        with open_slide(slide) as opened:
            return opened.backend.mpp is None
    except PathopipeError:
        return False


_CONFIG = """\
# Settings of this analysis. What is not here has its default: see config/README.md of pathopipe.
slides: slides.tsv
results: results

# detect:
#   model: open
# segment:
#   min_area_um2: 12
# cohort:
#   columns: []   # further columns of slides.tsv to show
"""
