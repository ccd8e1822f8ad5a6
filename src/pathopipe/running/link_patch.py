"""What Snakemake (9.20 to 9.27) deletes and makes around a job, through any symbolic link."""

import sys
from collections.abc import Callable
from functools import wraps
from inspect import iscoroutinefunction
from pathlib import Path
from typing import Any, Final

from pathopipe.errors import FaultError
from pathopipe.files import checked
from pathopipe.running.patching import refuse_without

_IO: Final = "snakemake.io"
_METHODS: Final = ("prepare", "touch_or_create")


def spare_links(results: Path) -> None:
    """Let Snakemake leave alone what lies behind a link in a results folder, named as Snakemake names its files.

    Links that are there when a run starts are refused. One that is put there later is reported by the stage that comes
    to it: after Snakemake has deleted the stage's files to make room for new ones, and made its folders.

    Raises
    ------
    RefusalError
        When this Snakemake deletes and makes in another way.
    """
    io: Any = sys.modules.get(_IO)
    file: Any = getattr(io, "_IOFile", None)
    found = [(owner, name) for owner, names in ((io, ("remove",)), (file, _METHODS)) for name in names]
    for owner, name in found:
        if not hasattr(owner, name):
            raise refuse_without("snakemake", name, "files behind symbolic links would not be safe")
    for owner, name in found:
        setattr(owner, name, _sparing(getattr(owner, name), results))


def _sparing(act: Callable[..., Any], results: Path) -> Callable[..., Any]:
    @wraps(act)
    def spare(file: str, *arguments: Any, **options: Any) -> Any:
        if not _is_behind_link(Path(file), results):
            return act(file, *arguments, **options)
        return _nothing() if iscoroutinefunction(act) else None

    return spare


async def _nothing() -> None:
    pass


def _is_behind_link(file: Path, results: Path) -> bool:
    try:
        checked(file, results)
    except FaultError:
        return True
    except (OSError, ValueError):  # its folder is not there, or it is not of the results
        return False
    return False
