"""Options that several commands share."""

from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import click

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


def spoken(counts: dict[str, int | float]) -> str:
    """Say counts in words, without those that are zero."""
    return ", ".join(f"{count:,} {what}" for what, count in counts.items() if count)


def find_config(given: Path | None) -> Path | None:
    """The configuration given, else the one in the current folder, else none."""
    return given or next((name for name in CONFIG_NAMES if name.is_file()), None)
