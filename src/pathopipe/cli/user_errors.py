"""Errors that are meant for the user, in their own words and without the program's."""

import contextlib
import errno
import os
import sys
from collections.abc import Iterator

import click

_REMEDIES = {
    errno.ENOSPC: "free some space, and start again",
    errno.EDQUOT: "free some space, and start again",
    errno.EROFS: "give another folder with --results, or make this one writable",
    errno.EACCES: "give another folder with --results, or make this one readable and writable",
    errno.EPERM: "give another folder with --results, or make this one readable and writable",
    errno.EMFILE: "allow more open files (ulimit -n 1024), and start again",
    errno.ENFILE: "close other programs, and start again",
    errno.EFBIG: "allow larger files (ulimit -f unlimited), and start again",
    errno.EAGAIN: "allow more processes (ulimit -u), and start again",
}
_MEMORY = "there is not enough memory: give it more (ulimit -v unlimited), or fewer --cores, and start again"
_SIGNS_OF_NO_MEMORY = ("failed to map segment", "cannot allocate memory", "can't start new thread", "bad_alloc")


@contextlib.contextmanager
def user_errors() -> Iterator[None]:
    """Say what goes wrong in the block, and end with exit code 2 after a refusal, 1 after a fault."""
    from pathopipe.errors import PathopipeError, RefusalError

    try:
        yield
    except PathopipeError as error:
        _end(str(error), 2 if isinstance(error, RefusalError) else 1)
    except BrokenPipeError:
        sys.exit(1)  # who listened has gone
    except (MemoryError, OSError, ImportError, RuntimeError) as error:
        if sentence := _sentence(error):
            _end(sentence, 1)
        raise


def _sentence(error: Exception) -> str | None:
    """Say what the machine or a limit kept the program from, if that is it."""
    from pathopipe.errors import cause

    if _lacks_memory(error):
        return _MEMORY
    if not isinstance(error, OSError) or error.errno not in {*_REMEDIES, errno.ENOTDIR}:
        return None
    about = "what is printed" if error.filename is None else error.filename
    return f"{about}: {cause(error)}: {_REMEDIES.get(error.errno, 'give another folder')}"


def _lacks_memory(error: Exception) -> bool:
    if isinstance(error, MemoryError) or (isinstance(error, OSError) and error.errno == errno.ENOMEM):
        return True
    return any(sign in str(error).lower() for sign in _SIGNS_OF_NO_MEMORY)


def _end(message: str, code: int) -> None:
    with contextlib.suppress(OSError):  # it may be the very stream that can't be written
        for line in message.splitlines():
            click.echo(f"pathopipe: {line}", err=True)
    _forget_output()
    sys.exit(code)


def _forget_output() -> None:
    """Keep the interpreter from complaining, at its end, of what it could not print, and from another exit code."""
    for stream in (sys.stdout, sys.stderr):
        try:
            stream.flush()
        except (OSError, ValueError):
            with contextlib.suppress(OSError, ValueError):
                os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())
