"""Writing and removing below a folder of ours, without following a symbolic link there.

The folder itself, the ``root``, may be a link, and so may those above it. What lies below is opened step by step, each
from the one before, so that a link that was put there a moment ago is not followed either.
"""

import contextlib
import os
import shutil
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO, Final

from pathopipe.errors import FaultError

LINK: Final = (
    "is a symbolic link, and nothing is written or deleted through one: "
    "delete the link, or put what it points to in its place"
)
_FOLDER: Final = os.O_RDONLY | os.O_DIRECTORY


@contextlib.contextmanager
def opened(folder: Path, root: Path, *, make: bool = False) -> Iterator[int]:
    """Open a folder below another one, and ``make`` what is not there; yields its descriptor.

    Raises
    ------
    FaultError
        When there is a link on the way.
    """
    if make:
        root.mkdir(parents=True, exist_ok=True)
    reached, place = root, os.open(root, _FOLDER)
    try:
        for part in folder.relative_to(root).parts:
            reached /= part
            inner = _enter(reached, place, root, make)
            os.close(place)
            place = inner
        yield place
    finally:
        os.close(place)


@contextlib.contextmanager
def whole(path: Path, root: Path | None = None) -> Iterator[BinaryIO]:
    """Write a file that appears, with its folder, when the block ends without an error.

    Parameters
    ----------
    root
        Below it no link is followed; the file's own folder by default.
    """
    root = root or path.parent
    with opened(path.parent, root, make=True) as place:
        _refuse(path, place, root)
        draft = path.with_name(f"{path.name}.{os.urandom(4).hex()}.tmp")  # another process may write the same file
        try:
            with open(draft, "x+b", opener=lambda _, flags: _open(draft, flags, place, root)) as stream:
                yield stream
            os.replace(draft.name, path.name, src_dir_fd=place, dst_dir_fd=place)
        except BaseException:
            with contextlib.suppress(OSError):
                os.unlink(draft.name, dir_fd=place)
            raise


def write_whole(path: Path, content: bytes, root: Path | None = None) -> None:
    """Write a file, and its folder; a half-written one never shows."""
    with whole(path, root) as stream:
        stream.write(content)


def write_new(path: Path, content: bytes, root: Path | None = None) -> None:
    """As `write_whole`, for a file that must not be there yet: if several write it at once, one succeeds.

    Raises
    ------
    FileExistsError
        When it is there.
    """
    root = root or path.parent
    with opened(path.parent, root, make=True) as place:
        _refuse(path, place, root)
        draft = path.with_name(f"{path.name}.{os.urandom(4).hex()}.tmp")
        try:
            with open(draft, "xb", opener=lambda _, flags: _open(draft, flags, place, root)) as stream:
                stream.write(content)
            try:
                os.link(draft.name, path.name, src_dir_fd=place, dst_dir_fd=place, follow_symlinks=False)
            except FileExistsError:
                raise
            except OSError:  # a file system without hard links: there a kill in between leaves an empty file
                with open(path, "xb", opener=lambda _, flags: _open(path, flags, place, root)) as stream:
                    stream.write(content)
        finally:
            with contextlib.suppress(OSError):
                os.unlink(draft.name, dir_fd=place)


def open_file(path: Path, flags: int, root: Path | None = None) -> int:
    """Open a file as `os.open` does, and make its folder; returns its descriptor."""
    root = root or path.parent
    with opened(path.parent, root, make=True) as place:
        return _open(path, flags, place, root)


def make_folder(folder: Path, root: Path) -> None:
    """Make a folder with those above it."""
    with opened(folder, root, make=True):
        pass


def move(source: Path, target: Path, root: Path) -> None:
    """Move a file to where another may lie, in one step; makes the folder that it goes to."""
    with opened(source.parent, root) as before, opened(target.parent, root, make=True) as after:
        os.replace(source.name, target.name, src_dir_fd=before, dst_dir_fd=after)


def remove(path: Path, root: Path) -> None:
    """Remove a file, or a folder with all that is in it; what is not there need not be removed."""
    with contextlib.suppress(FileNotFoundError), opened(path.parent, root) as place:
        _refuse(path, place, root)
        try:
            if stat.S_ISDIR(os.stat(path.name, dir_fd=place, follow_symlinks=False).st_mode):
                shutil.rmtree(path.name, dir_fd=place)
            else:
                os.unlink(path.name, dir_fd=place)
        except OSError as error:
            error.filename = str(path)
            raise


def checked(path: Path, root: Path) -> Path:
    """Return a path with no link below the root: for a library that wants to open a file itself."""
    with opened(path.parent, root) as place:
        _refuse(path, place, root)
    return path


def _enter(folder: Path, place: int, root: Path, make: bool) -> int:
    try:
        return _open(folder, _FOLDER, place, root)
    except FileNotFoundError:
        if not make:
            raise
    try:
        os.mkdir(folder.name, dir_fd=place)
    except FileExistsError:  # another process may just have made it
        pass
    except OSError as error:
        error.filename = str(folder)
        raise
    return _open(folder, _FOLDER, place, root)


def _open(path: Path, flags: int, place: int, root: Path) -> int:
    """Open what lies in a folder that is open; errors name the whole path."""
    try:
        return os.open(path.name, flags | os.O_NOFOLLOW, 0o666, dir_fd=place)
    except OSError as error:
        _refuse(path, place, root)
        error.filename = str(path)
        raise


def _refuse(path: Path, place: int, root: Path) -> None:
    with contextlib.suppress(FileNotFoundError):
        if stat.S_ISLNK(os.stat(path.name, dir_fd=place, follow_symlinks=False).st_mode):
            raise FaultError(LINK, path, str(path.relative_to(root)))
