"""Options that several commands share."""

import os
import re
import sys
import tempfile
from collections.abc import Callable
from difflib import get_close_matches
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

if TYPE_CHECKING:
    from pathopipe.annotations import Annotated
    from pathopipe.pipeline import Config

F = TypeVar("F", bound=Callable[..., Any])
PATH = click.Path(path_type=Path)
CONFIG_NAMES = (Path("config.yaml"), Path("config/config.yaml"))


def config_options(function: F) -> F:
    """Add ``--config`` and ``--set``."""
    function = click.option(
        "--set", "changes", multiple=True, metavar="KEY=VALUE", help="Set any config key, e.g. tiles.size=1024."
    )(function)
    return click.option(
        "--config", "config_file", type=PATH, help="Configuration; default: config.yaml, if it exists."
    )(function)


def training_options(labels: str) -> Callable[[F], F]:
    """Add what all trainings ask for; ``labels`` is the help of ``--labels``."""
    folder = click.Path(path_type=Path, exists=True, file_okay=False)
    sheet = "Alternatively, a table with the columns image, labels, mpp and, if known, patient."
    out = Path("trained")
    options = (
        click.option("--images", type=folder, help="Annotated images."),
        click.option("--labels", type=folder, help=labels),
        click.option("--mpp", type=float, help="Micrometers per pixel of the images."),
        click.option("--sheet", type=PATH, help=sheet),
        click.option("--out", type=PATH, default=out, show_default=True, help="Folder to write to."),
        click.option("--name", default="mine", show_default=True, help="Name of the weights."),
    )

    def add(function: F) -> F:
        for option in reversed(options):
            function = option(function)
        return function

    return add


def examples(*lines: str) -> str:
    """Write examples for the end of a command's help, as they stand."""
    return "\n".join(["\b", "Examples:" if len(lines) > 1 else "Example:", *(f"  {line}" for line in lines)])


class Suggesting(click.Group):
    """A group of commands that says which one was probably meant."""

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Refuse an unknown command."""
        if self.get_command(ctx, args[0]) is None:
            commands = self.list_commands(ctx)
            close = get_close_matches(args[0], commands, n=1)
            meant = f"did you mean '{close[0]}'?" if close else f"the commands are {', '.join(commands)}"
            ctx.fail(f"there is no command '{args[0]}': {meant}")
        return super().resolve_command(ctx, args)


class Hinting(click.Command):
    """A command without arguments; if one is given anyway, it says where that belongs.

    What follows two dashes is kept for another program.
    """

    def __init__(self, *args: Any, hint: Callable[[str], str], **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._hint = hint

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Refuse arguments before two dashes."""
        end = args.index("--") if "--" in args else len(args)
        ctx.meta[__name__], ctx.allow_extra_args = tuple(args[end + 1 :]), True
        rest = super().parse_args(ctx, args[:end])
        if ctx.args:
            ctx.fail(self._hint(ctx.args[0]))
        return rest

    @staticmethod
    def behind_dashes(ctx: click.Context) -> tuple[str, ...]:
        """Arguments for the other program."""
        found: tuple[str, ...] = ctx.meta[__name__]
        return found


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


def check_name(name: str) -> None:
    """Refuse a name that weights can't have."""
    from pathopipe.errors import RefusalError
    from pathopipe.models.base import NAME

    if not re.fullmatch(NAME, name):
        raise RefusalError(f"--name {name}: use 1 to 60 letters, digits, '_' and '-', no '-' at the start")


def check_card(make: Callable[[], object]) -> None:
    """See now that the card can be made, which is written after the training."""
    from pydantic import ValidationError

    from pathopipe.config import reported
    from pathopipe.errors import RefusalError

    try:
        make()
    except ValidationError as error:
        raise RefusalError(f"--license, --data: {reported(error.errors()[0])}") from None


def check_folder(out: Path) -> None:
    """See that a folder can be written to, and make it."""
    from pathopipe.errors import RefusalError

    try:
        out.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=out):
            pass
    except OSError as error:
        raise RefusalError(f"--out {out}: cannot be written to ({error.strerror}): give another folder") from error


def check_file(option: str, path: Path | None) -> None:
    """Refuse a file to write that is a link, or whose folder is not there or can't be written to."""
    from pathopipe.errors import RefusalError
    from pathopipe.results.links import files, refuse_links

    if path is not None and not path.absolute().parent.is_dir():
        raise RefusalError(f"{option}: the folder {path.parent} does not exist: create it first")
    if path is not None:
        refuse_links(path.parent, files(path.name))
        _check_writable(option, path)


def _check_writable(option: str, path: Path) -> None:
    """Before the work, and not after it; a pipe or a device stands for itself."""
    from pathopipe.errors import RefusalError

    if path.exists() and not path.is_file():
        return
    try:
        with tempfile.TemporaryFile(dir=path.absolute().parent):
            pass
    except OSError as error:
        raise RefusalError(
            f"{option} {path}: cannot be written ({error.strerror}): name a file in another folder"
        ) from error


def check_torch() -> None:
    """Refuse a training that needs torch where that is not installed."""
    import importlib.util

    from pathopipe.errors import RefusalError

    if importlib.util.find_spec("torch") is None:
        raise RefusalError("training needs torch, which is not installed: pip install 'pathopipe[train]'")


def write_file(path: Path, content: bytes) -> None:
    """Write a file that was named, which may be a pipe or a device: not as a whole."""
    from pathopipe.files import open_file

    with os.fdopen(open_file(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC), "wb") as stream:
        stream.write(content)


def show_step(done: int, total: int, name: str) -> None:
    """Show what is being worked on, on a terminal; a log gets the result only."""
    if sys.stderr.isatty():
        click.echo("\r\033[K" + (f"{done + 1}/{total} {name}" if done < total else ""), nl=False, err=True)


def find_config(given: Path | None) -> Path | None:
    """The configuration given, else the one in the current folder, else none."""
    return given or next((name for name in CONFIG_NAMES if name.is_file()), None)


def find_results(
    results: Path | None, sheet: Path | None, config_file: Path | None, changes: tuple[str, ...]
) -> tuple[Path, Path, "Config | None"]:
    """Return a results folder, its sheet and its configuration; of a folder that is given alone, those of its last run.

    That configuration is None where this version can't read it.

    Raises
    ------
    RefusalError
        When the results folder is not there.
    """
    from pathopipe.config import load_config
    from pathopipe.errors import RefusalError
    from pathopipe.results.names import RUN_CONFIG
    from pathopipe.results.records import last_sheet

    if results and not (sheet or config_file) and (listed := last_sheet(results)):
        try:
            return results, listed, load_config(results / RUN_CONFIG, changes)
        except RefusalError:
            return results, listed, None
    config = load_config(find_config(config_file), changes)
    folder = results or Path(config.results)
    if not folder.is_dir():
        raise RefusalError(
            f"{folder}: this results folder does not exist: give it with --results, or start 'pathopipe run'"
        )
    return folder, sheet or Path(config.slides), config
