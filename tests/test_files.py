"""Writing and removing does not follow symbolic links below the root, whenever they were put there."""

import ast
import errno
import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from pathopipe import files
from pathopipe.errors import FaultError
from pathopipe.files import checked, make_folder, open_file, remove, whole, write_whole
from pathopipe.jobs.ownership import Lock, adopt, claim, release
from tests.canary import KINDS, make_canary, put_link, state

SOURCE = Path(files.__file__).parent
CHANGES = {
    *("chmod", "copy", "copyfile", "copytree", "imwrite", "makedirs", "mkdir", "move", "removedirs", "rename", "rmdir"),
    *("rmtree", "symlink_to", "touch", "unlink", "utime", "write_bytes", "write_text"),
}
CHECKED = ("job.output(", "gathering.output(")
"""These look for links right before a library opens the file."""
ELSEWHERE = {
    ("cli/bench.py", "mkdir"): "the folder that is named",
    ("cli/demo.py", "mkdir"): "the folder that is named, and a folder in it, for files that are written whole",
    ("evaluation/scoring.py", "imwrite"): "a temporary folder",
    ("cli/options.py", "mkdir"): "the folder that is named",
    ("schemas.py", "write_text"): "a clone, for its developers",
    ("jobs/execution.py", "rmdir"): "directly below the root: a link is no folder",
    ("jobs/execution.py", "utime"): "directly below the root: not followed",
    ("stages/tissue.py", "write_bytes"): "given by job.output",
    ("training/session.py", "rmdir"): "directly below the root: a link is no folder",
    ("training/session.py", "unlink"): "directly below the root: the link itself",
    ("running/preparing.py", "mkdir"): "the folder that is named, and one in it right after the check",
}


@pytest.fixture
def canary(tmp_path: Path) -> Path:
    return make_canary(tmp_path / "somebody else's")


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A folder that is a link itself, in one that is."""
    (tmp_path / "disk" / "ours" / "a" / "b").mkdir(parents=True)
    (tmp_path / "disk" / "ours" / "a" / "b" / "old.txt").write_text("old")
    (tmp_path / "mounted").symlink_to("disk")
    (tmp_path / "root").symlink_to("mounted/ours")
    return tmp_path / "root"


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_a_folder_that_cannot_be_made_is_named(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object, **__: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device", "c")

    monkeypatch.setattr(os, "mkdir", full)
    with pytest.raises(OSError, match="No space left") as error:
        make_folder(root / "a" / "c", root)
    assert error.value.filename == str(root / "a" / "c")


def test_files_and_folders_come_and_go_below_a_root_that_is_a_link(root: Path) -> None:
    write_whole(root / "a" / "c" / "new.txt", b"new", root)
    with os.fdopen(open_file(root / "d" / "log", os.O_WRONLY | os.O_CREAT | os.O_APPEND, root), "w") as log:
        log.write("line")
    make_folder(root / "e" / "f", root)
    assert (root / "a" / "c" / "new.txt").read_bytes() == b"new"
    assert (root / "d" / "log").read_text() == "line"
    for place in ("a", "d", "e", "e", "not/there"):
        remove(root / place, root)
    assert names(root) == []


def test_a_failed_write_leaves_nothing(root: Path) -> None:
    path = root / "a" / "b" / "old.txt"

    def write() -> None:
        with whole(path, root) as stream:
            stream.write(b"half")
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        write()
    assert path.read_text() == "old"
    assert names(path.parent) == ["old.txt"]


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("place", ["a", "a/b", "a/b/old.txt"])
def test_no_way_leads_through_a_link(place: str, kind: str, root: Path, canary: Path) -> None:
    path = root / "a" / "b" / "old.txt"
    put_link(root / place, kind, canary)
    before = state(root.resolve()), state(canary)
    for act in (
        lambda: write_whole(path, b"new", root),
        lambda: open_file(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, root),
        lambda: open_file(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, root),
        lambda: make_folder(path, root),
        lambda: remove(path, root),
        lambda: remove(root / place, root),
        lambda: checked(path, root),
    ):
        with pytest.raises(FaultError, match=rf"^{root / place}: is a symbolic link") as reported:
            act()
        assert reported.value.reason == f"{place}: {files.LINK}"
    assert (state(root.resolve()), state(canary)) == before


def test_links_in_a_folder_go_with_it_and_not_what_they_lead_to(root: Path, canary: Path) -> None:
    (root / "a" / "b" / "link").symlink_to(canary)
    before = state(canary)
    remove(root / "a", root)
    assert names(root) == []
    assert state(canary) == before


def test_a_folder_that_becomes_a_link_while_a_file_is_written(root: Path, canary: Path) -> None:
    """The file ends up in the folder that there was."""
    before = state(canary)
    with whole(root / "a" / "b" / "owner.json", root) as stream:
        (root / "a").rename(root / "moved")
        (root / "a").symlink_to(canary)
        stream.write(b"new")
    assert (root / "moved" / "b" / "owner.json").read_bytes() == b"new"
    assert state(canary) == before


@pytest.mark.parametrize("place", ["a", "a/b"])
def test_a_link_that_comes_after_the_check(
    place: str, root: Path, canary: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Between the look at a folder and its removal."""
    refuse = files._refuse

    def slow(*arguments: object) -> None:
        refuse(*arguments)
        if not (root / place).is_symlink():
            (root / place).rename(root / "moved")
            (root / place).symlink_to(canary)

    monkeypatch.setattr(files, "_refuse", slow)
    before = state(canary)
    remove(root / "a" / "b", root)
    assert state(canary) == before


def test_errors_name_the_whole_path(root: Path) -> None:
    with pytest.raises(NotADirectoryError) as reported:
        write_whole(root / "a" / "b" / "old.txt" / "c", b"", root)
    assert reported.value.filename == str(root / "a" / "b" / "old.txt")
    with pytest.raises(FileNotFoundError) as missing:
        checked(root / "x" / "y", root)
    assert missing.value.filename == str(root / "x")


def test_an_owner_behind_a_link_is_left_alone(root: Path, canary: Path) -> None:
    """Whether the link was there before, or came while the folder was owned."""
    claim(root)
    (root / ".pathopipe").rename(canary / ".pathopipe")
    (root / ".pathopipe").symlink_to(canary / ".pathopipe")
    before = state(canary)
    with pytest.raises(FaultError, match="is a symbolic link"):
        adopt(root, os.getpid())
    release(root)
    with pytest.raises(FaultError, match="is a symbolic link"):
        claim(root)
    assert state(canary) == before


def test_a_dead_owner_behind_a_link_is_left_alone(root: Path, canary: Path) -> None:
    (canary / "owner.json").write_text('{"host": "elsewhere", "processes": {}}')
    os.utime(canary / "owner.json", (1, 1))
    (root / "work").symlink_to(canary)
    before = state(canary)
    with pytest.raises(FaultError, match="is a symbolic link"):
        Lock(root / "work" / "owner.json", root).take()
    assert state(canary) == before


def changes(file: Path) -> Iterator[str]:
    """Calls that change files by their paths."""
    for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr in CHANGES:
            by_descriptor = any(key.arg and key.arg.endswith("dir_fd") for key in node.keywords)
            of_an_array = node.func.attr == "copy" and not node.args
            if not (by_descriptor or of_an_array or any(way in ast.unparse(node) for way in CHECKED)):
                yield node.func.attr


def test_nothing_else_writes_or_removes() -> None:
    """A new way would have to be told of here."""
    found = {
        (file.relative_to(SOURCE).as_posix(), name)
        for file in SOURCE.rglob("*.py")
        if file.name != "files.py"
        for name in changes(file)
    }
    assert found == set(ELSEWHERE)
