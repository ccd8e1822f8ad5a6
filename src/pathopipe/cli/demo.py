"""``pathopipe demo``: the whole workflow on synthetic slides, or on a slide of the user's."""

import os
import shlex
from pathlib import Path
from typing import TYPE_CHECKING

import click

from pathopipe.cli.options import PATH, Hinting, examples

if TYPE_CHECKING:
    from pathopipe.synthetic.scene import Pleomorphism

_SIDE_PX = 4096
_SEED = 7
_COHORT_SIDE_PX, _COHORT_SEED = 1024, 1000
_LEVELS: "tuple[Pleomorphism, ...]" = (1, 2, 3)
_NAMES = tuple(f"demo_pleomorphism_{level}" for level in _LEVELS)
_NEUTRAL = "slide_0001"

Row = tuple[str, ...]


@click.command(
    cls=Hinting,
    hint="{0}: give the slide with --slide {0}".format,
    epilog=examples(
        "pathopipe demo",
        "pathopipe demo --cohort 60 --folder cohort",
        "pathopipe demo --slide field.png --mpp 0.5 --folder first-look",
    ),
)
@click.option("--slide", type=PATH, help="Run on this slide instead of synthetic ones.")
@click.option("--mpp", type=float, help="Micrometers per pixel of that slide, if its file does not state it.")
@click.option(
    "--cohort", type=click.IntRange(36, 999), help="Instead, so many small synthetic slides with patients and grades."
)
@click.option("--folder", type=PATH, default=Path("pathopipe-demo"), show_default=True, help="Where to write.")
@click.option("--cores", type=click.IntRange(1), help="Processor cores to use; default: all.")
def demo(slide: Path | None, mpp: float | None, cohort: int | None, folder: Path, cores: int | None) -> None:
    """Run the workflow on three synthetic H&E slides of increasing pleomorphism, and say where the pages are.

    With --cohort, it runs on many small ones, and says how to train a grader on a third of them and to test it on the
    rest.
    """
    from pathopipe.cli.run import execute
    from pathopipe.errors import RefusalError
    from pathopipe.files import write_whole
    from pathopipe.pipeline import Config
    from pathopipe.results.links import files, of_results, refuse_links

    if cohort and slide:
        raise RefusalError("--slide runs on a slide of your own, --cohort on synthetic ones: give one of them")
    _make(folder)
    names = [_own_slide(slide, mpp)[0]] if slide else _cohort_names(cohort) if cohort else _NAMES
    refuse_links(folder, files("slides.tsv", "train.tsv", "test.tsv") | {"slides": None})
    refuse_links(folder / "results", of_results(names, snakemake=True))
    for name, table in _sheets(folder, slide, mpp, cohort).items():
        write_whole(folder / name, "".join("\t".join(row) + "\n" for row in table).encode())
    execute(Config(slides=str(folder / "slides.tsv"), results=str(folder / "results")), cores, ())
    if cohort:
        click.echo("\n".join(_next(folder)))


def _sheets(folder: Path, slide: Path | None, mpp: float | None, cohort: int | None) -> dict[str, list[Row]]:
    """Sample sheets by name, each with its header; synthetic slides are drawn."""
    if not cohort:
        rows = [_own_slide(slide, mpp)] if slide else _synthetic_slides(folder)
        return {"slides.tsv": [("slide", "path", "mpp"), *rows]}
    header = ("slide", "path", "patient", "grade", "tissue", "stain")
    drawn, learned = _cohort(folder, cohort), cohort // 3
    parts = {"train.tsv": drawn[:learned], "test.tsv": drawn[learned:], "slides.tsv": drawn}
    return {name: [header, *rows] for name, rows in parts.items()}


def _next(folder: Path) -> list[str]:
    """What to type to train a grader, to grade with it, and to see how good it is."""
    place = shlex.quote(str(folder))
    train, trained = f"{place}/train.tsv --results {place}/results", shlex.quote(str(folder / "trained"))
    changes = {"slides": "test.tsv", "results": "results", "grade.grader": "trained/demo.safetensors"}
    options = " ".join(f"--set {shlex.quote(f'{key}={folder / value}')}" for key, value in changes.items())
    return [
        "to train a grader on a third of the slides, grade the others with it, and compare:",
        f"  pathopipe train grade --slides {train} --out {trained} --name demo",
        f"  pathopipe run {options}",
        f"  pathopipe evaluate grade --slides {place}/test.tsv --results {place}/results",
    ]


def _make(folder: Path) -> None:
    from pathopipe.errors import RefusalError

    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise RefusalError(f"{folder}: cannot be written to ({error.strerror}): give another with --folder") from error
    if not os.access(folder, os.W_OK):
        raise RefusalError(f"{folder}: cannot be written to: give another with --folder")


def _own_slide(slide: Path, mpp: float | None) -> Row:
    from pathopipe.errors import RefusalError

    if not slide.exists():
        raise RefusalError(f"{slide}: does not exist: give the path of a slide")
    return _NEUTRAL, str(slide.absolute()), "" if mpp is None else f"{mpp:g}"


def _cohort_names(count: int) -> list[str]:
    return [f"slide_{number:04}" for number in range(1, count + 1)]


def _cohort(folder: Path, count: int) -> list[Row]:
    """Write small slides of the three levels in turns, each of a patient of its own."""
    rows = list[Row]()
    for number, name in enumerate(_cohort_names(count)):
        level = _LEVELS[number % len(_LEVELS)]
        _draw(folder / "slides" / f"{name}.tiff", level, _COHORT_SIDE_PX, _COHORT_SEED + number, (number + 1, count))
        rows.append((name, f"slides/{name}.tiff", f"patient_{number + 1}", str(level), "breast", "H&E"))
    return rows


def _draw(path: Path, level: "Pleomorphism", side: int, seed: int, number: tuple[int, int]) -> None:
    """Write a slide and its truth, unless they are there."""
    from pathopipe.synthetic import Scene, write_slide, write_truth

    if path.exists():
        return
    click.echo(f"writing synthetic slide {number[0]} of {number[1]}: {path}")
    path.parent.mkdir(exist_ok=True)
    scene = Scene(side, side, mpp=0.5, seed=seed, pleomorphism=level)
    write_truth(scene, path.with_suffix(".geojson"))
    write_slide(scene, path)


def _synthetic_slides(folder: Path) -> list[Row]:
    """Write what is not there yet; the slides say their mpp themselves."""
    for level, name in zip(_LEVELS, _NAMES, strict=True):
        _draw(folder / "slides" / f"{name}.tiff", level, _SIDE_PX, _SEED + level, (level, len(_LEVELS)))
    return [(name, f"slides/{name}.tiff", "") for name in _NAMES]
