"""``pathopipe demo``: the whole workflow on synthetic slides, or on a slide of the user's."""

import os
from pathlib import Path
from typing import TYPE_CHECKING

import click

from pathopipe.cli.options import PATH, Hinting, examples

if TYPE_CHECKING:
    from pathopipe.synthetic.scene import Pleomorphism

_SIDE_PX = 4096
_SEED = 7
_NAMES = tuple(f"demo_pleomorphism_{level}" for level in (1, 2, 3))
_NEUTRAL = "slide_0001"


@click.command(
    cls=Hinting,
    hint="{0}: give the slide with --slide {0}".format,
    epilog=examples("pathopipe demo", "pathopipe demo --slide field.png --mpp 0.5 --folder first-look"),
)
@click.option("--slide", type=PATH, help="Run on this slide instead of synthetic ones.")
@click.option("--mpp", type=float, help="Micrometers per pixel of that slide, if its file does not state it.")
@click.option("--folder", type=PATH, default=Path("pathopipe-demo"), show_default=True, help="Where to write.")
@click.option("--cores", type=click.IntRange(1), help="Processor cores to use; default: all.")
def demo(slide: Path | None, mpp: float | None, folder: Path, cores: int | None) -> None:
    """Run the workflow on three synthetic H&E slides of increasing pleomorphism, and say where the pages are."""
    from pathopipe.cli.run import execute
    from pathopipe.files import write_whole
    from pathopipe.pipeline import Config
    from pathopipe.results.links import files, of_results, refuse_links

    _make(folder)
    refuse_links(folder, files("slides.tsv") | {"slides": None})
    refuse_links(folder / "results", of_results([_own_slide(slide, mpp)[0]] if slide else _NAMES, snakemake=True))
    sheet = folder / "slides.tsv"
    rows = [_own_slide(slide, mpp)] if slide else _synthetic_slides(folder)
    table = "".join("\t".join(row) + "\n" for row in [("slide", "path", "mpp"), *rows])
    write_whole(sheet, table.encode())
    execute(Config(slides=str(sheet), results=str(folder / "results")), cores, ())


def _make(folder: Path) -> None:
    from pathopipe.errors import RefusalError

    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise RefusalError(f"{folder}: cannot be written to ({error.strerror}): give another with --folder") from error
    if not os.access(folder, os.W_OK):
        raise RefusalError(f"{folder}: cannot be written to: give another with --folder")


def _own_slide(slide: Path, mpp: float | None) -> tuple[str, str, str]:
    from pathopipe.errors import RefusalError

    if not slide.exists():
        raise RefusalError(f"{slide}: does not exist: give the path of a slide")
    return _NEUTRAL, str(slide.absolute()), "" if mpp is None else f"{mpp:g}"


def _synthetic_slides(folder: Path) -> list[tuple[str, str, str]]:
    """Write what is not there yet; the slides say their mpp themselves."""
    from pathopipe.synthetic import Scene, write_slide, write_truth

    rows = []
    levels: tuple[Pleomorphism, ...] = (1, 2, 3)
    for level, name in zip(levels, _NAMES, strict=True):
        path = folder / "slides" / f"{name}.tiff"
        if not path.exists():
            click.echo(f"writing synthetic slide {level} of {len(levels)}: {path}")
            path.parent.mkdir(exist_ok=True)
            scene = Scene(_SIDE_PX, _SIDE_PX, mpp=0.5, seed=_SEED + level, pleomorphism=level)
            write_truth(scene, path.with_suffix(".geojson"))
            write_slide(scene, path)
        rows.append((name, f"slides/{path.name}", ""))
    return rows
