"""Errors that are meant for the user, in their own words and without the program's."""

import contextlib
import sys
from collections.abc import Iterator

import click


@contextlib.contextmanager
def user_errors() -> Iterator[None]:
    """Say what goes wrong in the block, and end with exit code 2 after a refusal, 1 after a fault."""
    from pathopipe.errors import PathopipeError, RefusalError

    try:
        yield
    except PathopipeError as error:
        for line in str(error).splitlines():
            click.echo(f"pathopipe: {line}", err=True)
        sys.exit(2 if isinstance(error, RefusalError) else 1)
