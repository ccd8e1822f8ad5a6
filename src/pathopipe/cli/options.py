"""Options that several commands share."""

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

if TYPE_CHECKING:
    from pathopipe.annotations import Annotated

F = TypeVar("F", bound=Callable[..., Any])
PATH = click.Path(path_type=Path)
CONFIG_NAMES = (Path("config.yaml"), Path("config/config.yaml"))


def config_options(function: F) -> F:
    """Add ``--config`` and ``--set``."""
    function = click.option(
        "--set", "changes", multiple=True, metavar="KEY=VALUE", help="Set any config key, e.g. tiles.size=1024."
    )(function)
    return click.option(
        "--config", "config_file", type=PATH, help="Configuration; default: config.yaml, if it is there."
    )(function)


def annotated_images(
    images: Path | None, labels: Path | None, mpp: float | None, sheet: Path | None
) -> "list[Annotated]":
    """Annotated images as they were given: by a sheet, or by two folders and a resolution.

    Raises
    ------
    RefusalError
        When something is missing or given twice, or the images and labels don't fit.
    """
    from pathopipe.annotations import match, read_sheet
    from pathopipe.errors import RefusalError

    if sheet is not None:
        if labels or mpp:
            raise RefusalError("--sheet gives labels and mpp of each image: leave --labels and --mpp out")
        return read_sheet(sheet)
    if mpp is None:
        raise RefusalError("--images needs --mpp: how many micrometers does a pixel of these images span?")
    if images is None or labels is None:
        raise RefusalError("--images needs --labels: a folder with labels named like the images")
    return match(images, labels, mpp)


def spoken(counts: dict[str, int | float]) -> str:
    """Say counts in words, without those that are zero."""
    return ", ".join(f"{count:,} {what}" for what, count in counts.items() if count)


def find_config(given: Path | None) -> Path | None:
    """The configuration given, else the one in the current folder, else none."""
    return given or next((name for name in CONFIG_NAMES if name.is_file()), None)
