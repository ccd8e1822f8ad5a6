"""``pathopipe init``: from a folder of slides to a sample sheet and a configuration."""

import sys
from collections import defaultdict
from collections.abc import Mapping
from pathlib import Path
from typing import Final

import click

from pathopipe.cli.options import PATH, examples
from pathopipe.files import write_whole
from pathopipe.intake.folders import broken_links, count_images, find_slides, identical, key, look
from pathopipe.intake.names import Naming, name_after_files, name_neutrally, naming_of
from pathopipe.intake.sheet_file import Row, Sheet, append, read, write

_SHEET: Final = Path("slides.tsv")
_SETTINGS: Final = Path("config.yaml")
_KEY: Final = Path("slides_key.tsv")
_QUESTION: Final = (
    "Ids of slides go into every output, and file names may identify patients. Number the slides (slide_0001, …) "
    "instead?"
)
_UNASKED: Final = (
    f"slides are numbered, because their ids go into every output and file names may identify patients; {_KEY} says "
    "which file is which; if the file names identify nobody, 'init FOLDER --force --ids names' makes ids from them"
)


@click.command(
    epilog=examples(
        "pathopipe init /data/slides",
        "pathopipe init /data/public --ids names",
        "pathopipe init fields --images",
        "pathopipe init /data/new --add",
    )
)
@click.argument("folder", type=PATH)
@click.option(
    "--ids",
    type=click.Choice(["neutral", "names"]),
    help="Name slides slide_0001, …, with their file names in slides_key.tsv only, or after their files; "
    "default: as in the sheet; without a sheet, a terminal asks, and otherwise they are neutral.",
)
@click.option("--neutral-ids", is_flag=True, help="The same as --ids neutral.")
@click.option("--images", is_flag=True, help="Include PNG and JPEG fields of view.")
@click.option(
    "--force", is_flag=True, help="Write slides.tsv again; entries made by hand are kept, and so is config.yaml."
)
@click.option("--add", is_flag=True, help="Add the slides that slides.tsv does not list yet.")
def init(folder: Path, ids: Naming | None, neutral_ids: bool, images: bool, force: bool, add: bool) -> None:
    """Find the slides in FOLDER and write slides.tsv and config.yaml into the current folder."""
    asked = _asked(ids, neutral_ids)
    _check(asked, force, add)
    slides = _find(folder, images)
    old = read(_SHEET) if force or add else Sheet()
    found = {key(slide) for slide in slides}
    kept = [row for row in old.rows if add or old.key(row) in found]
    listed = {old.key(row) for row in kept}
    new = [{"slide": "", "path": str(slide)} for slide in slides if key(slide) not in listed]
    rows = new if add else [*kept, *new]
    naming = asked or naming_of(kept) or _choose()
    if naming == "neutral":
        name_neutrally(rows, [row["slide"] for row in (*read(_KEY, "name").rows, *old.rows)])
        _write_key(rows, old, folder.resolve())
    else:
        name_after_files(rows if asked else new, [*kept, *new], old.path, folder.resolve())
    (_add if add else _make)(old, kept, new)
    _advise(folder.resolve(), images, {old.path(row): row for row in rows}, [old.path(row) for row in kept])


def _asked(ids: Naming | None, neutral_ids: bool) -> Naming | None:
    from pathopipe.errors import RefusalError

    if neutral_ids and ids == "names":
        raise RefusalError("--neutral-ids and --ids names contradict each other: give one of them")
    return "neutral" if neutral_ids else ids


def _choose() -> Naming:
    """Ask where somebody can answer; else take what gives no patient away, and say so."""
    if sys.stdin.isatty() and sys.stdout.isatty():
        return "neutral" if click.confirm(_QUESTION, default=True) else "names"
    click.echo(_UNASKED)
    return "neutral"


def _check(asked: Naming | None, force: bool, add: bool) -> None:
    from pathopipe.errors import RefusalError
    from pathopipe.results.links import files, refuse_links
    from pathopipe.samples import read_samples

    if force and add:
        raise RefusalError("--force rewrites the sheet, --add keeps it: give one of them")
    if add:
        read_samples(_SHEET)
    settings = () if _SETTINGS.exists() else (_SETTINGS.name,)
    refuse_links(Path(), files(_SHEET.name, f"{_SHEET}.bak", _KEY.name, *settings))
    targets = (_SHEET, _SETTINGS, *(() if asked == "names" else (_KEY,)))
    there = [str(target) for target in targets if target.exists()]
    if there and not (force or add):
        raise RefusalError(
            f"{', '.join(there)}: already there: go to another folder, add slides with --add, or rewrite the sheet "
            "with --force, which keeps what was entered by hand"
        )


def _find(folder: Path, images: bool) -> list[Path]:
    from pathopipe.errors import RefusalError

    if not folder.is_dir():
        raise RefusalError(f"{folder}: is not a folder: give the folder that contains the slides")
    slides = find_slides(folder.resolve(), images)
    if not slides:
        raise RefusalError(
            f"{folder}: contains no files with a known slide extension{'' if images else ' (--images?)'}"
        )
    return slides


def _write_key(rows: list[Row], sheet: Sheet, folder: Path) -> None:
    """Add to the key: what is in no sheet any more stays, so that its number is given to no other slide."""
    known = {row["slide"]: row["name"] for row in read(_KEY, "name").rows}
    added = [{"slide": row["slide"], "name": _relative(sheet.path(row), folder)} for row in rows]
    new = [row for row in added if row["slide"] not in known]
    if known:
        append(_KEY, ("slide", "name"), new)
    else:
        write(_KEY, ("slide", "name"), new)


def _relative(slide: Path, folder: Path) -> str:
    return str(slide.relative_to(folder) if slide.is_relative_to(folder) else slide)


def _add(old: Sheet, kept: list[Row], new: list[Row]) -> None:
    append(_SHEET, old.header, new)
    click.echo(f"{len(new)} slides added to {_SHEET}, which lists {len(kept) + len(new)} now; next: pathopipe run")


def _make(old: Sheet, kept: list[Row], new: list[Row]) -> None:
    header = [*old.header, *(() if "mpp" in old.header else ("mpp",))]
    if write(_SHEET, header, [*kept, *new]):
        gone = [row["slide"] for row in old.rows if row not in kept]
        left_out = f", with {len(gone)} that were not found: {', '.join(gone)}" if gone else ""
        click.echo(f"the previous sheet is in {_SHEET}.bak{left_out}")
    if not _SETTINGS.exists():
        write_whole(_SETTINGS, _CONFIG.encode())
    click.echo(f"{len(kept) + len(new)} slides in {_SHEET}; settings in {_SETTINGS}; next: pathopipe run")


def _advise(folder: Path, images: bool, rows: Mapping[Path, Row], before: list[Path]) -> None:
    """Report what needs attention: slides without mpp, ones that can't be analyzed, duplicates, broken links."""
    without_mpp, troubles = list[str](), defaultdict[str, list[str]](list)
    for slide, row in rows.items():
        lacks_mpp, trouble = look(slide)
        if trouble:
            troubles[trouble].append(row["slide"])
        elif lacks_mpp and not row.get("mpp"):
            without_mpp.append(row["slide"])
    for trouble, names in troubles.items():
        click.echo(f"will be rejected: {', '.join(names)}: {trouble}")
    for group in identical({**dict.fromkeys(before), **rows}):
        click.echo(f"duplicate content, keep one: {', '.join(_relative(slide, folder) for slide in group)}")
    for link in broken_links(folder, images):
        click.echo(f"left out a broken link: {_relative(link, folder)}")
    if not images and (left_out := count_images(folder)):
        click.echo(f"left out {left_out} PNG and JPEG images: --images includes them as fields of view")
    if without_mpp:
        click.echo(f"fill in the column mpp (micrometers per pixel) of: {', '.join(without_mpp)}")


_CONFIG = """\
# Settings of this analysis. All others have their defaults: see pathopipe's config/README.md.
slides: slides.tsv
results: results

# detect:
#   model: open
# segment:
#   min_area_um2: 12
# cohort:
#   columns: []   # additional columns of slides.tsv to show
"""
