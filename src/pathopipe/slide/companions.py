"""Slides of several files: whether all that one of them names are there."""

from pathlib import Path

from pathopipe.errors import SlideRejectedError
from pathopipe.identity import named_files

_SHOWN = 3


def check_companions(path: Path) -> None:
    """Reject a slide some of whose files are missing: what is left could be read, but would be only a part of it.

    Raises
    ------
    SlideRejectedError
        With the first of their names, as the slide itself gives them.
    """
    missing = [file.name for file in named_files(path) if not file.is_file()]
    if missing:
        more = f" and {len(missing) - _SHOWN} more" if len(missing) > _SHOWN else ""
        raise SlideRejectedError(
            f"the slide lacks files that belong to it ({', '.join(missing[:_SHOWN])}{more}): copy all of its files"
        )
