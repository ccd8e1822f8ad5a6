"""When Snakemake or its plugin is no longer what we patch."""

from importlib.metadata import requires, version
from typing import Final

from pathopipe.errors import RefusalError
from pathopipe.running.events import send_warning

GONE: Final = object()
"""In place of an attribute that is not there, for `getattr`."""


def go_on_without(package: str, name: str, consequence: str) -> None:
    """Warn that what a patch is for is not there, and what follows from going on without the patch."""
    send_warning(f"{_untried(package, name)}: the run continues without that patch, {consequence}")


def refuse_without(package: str, name: str, consequence: str) -> RefusalError:
    """Make the refusal of a run that would not be safe without a patch."""
    return RefusalError(f"{_untried(package, name)}, without which {consequence}: install {_tried(package)}")


def _untried(package: str, name: str) -> str:
    return f"{package} {version(package)} has no '{name}', which pathopipe patches"


def _tried(package: str) -> str:
    """What pathopipe asks for."""
    return next(text.partition(";")[0].strip() for text in requires("pathopipe") or () if text.startswith(package))
