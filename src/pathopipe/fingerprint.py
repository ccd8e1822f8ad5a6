"""The fingerprint of the code that a stage runs, which makes it run again when that code has changed."""

import ast
import functools
import gc
import hashlib
import json
import os
import sys
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import MappingProxyType
from typing import Any, Final

_ROOT = Path(__file__).parent
UNCOUNTED: Final = MappingProxyType(
    {
        "pipeline": "settings and contract make a stage run again by themselves, and each for its own stage only",
        "record": "only describes what a record holds",
        "fingerprint": "a change in how it is computed changes it anyway",
        "provenance": "describes a result and changes none: versions, time, memory",
        "jobs.ownership": "keeps other processes away from a stage's work",
        "jobs.owners": "says who that is, and whether they live",
        "jobs.progress": "reports how far a stage is",
    }
)
"""Modules that don't count, and why. All others that a stage imports do, whatever folder they are in."""
_DATA: Final = "templates"
"""Folder of files that the modules beside it read."""


_HANDED_DOWN: Final = "PATHOPIPE_CODE"
_TITLED: Final = (ast.Module, ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)
"""What has a docstring, and in whose body a text alone is one."""
_BLOCKS: Final = ("body", "orelse", "finalbody", "handlers", "cases")
"""Fields of statements that hold statements."""


@functools.cache
def fingerprint(stage: str) -> str:
    """Fingerprint of the code that a stage runs: its module and all of this package that it imports, directly or not.

    Taken from the syntax trees without docstrings, so that comments and layout don't count, and from the text of
    templates. Weights don't count: their digests are in the manifests. What a process that started this one has
    computed is taken from it, if no file has changed since: all of them together take as long as to import.
    """
    before = _state()  # of the files before they are read
    given = _given()
    return str(given["code"][stage]) if given.get("of") == before and stage in given["code"] else computed(stage)


def handed_down(stages: Iterable[str]) -> dict[str, str]:
    """Variable of the environment from which a process that is started with it takes these stages' fingerprints."""
    return {_HANDED_DOWN: json.dumps({"of": _state(), "code": {stage: fingerprint(stage) for stage in stages}})}


def _given() -> dict[str, Any]:
    try:
        given = json.loads(os.environ.get(_HANDED_DOWN, ""))
    except ValueError:
        return {}
    return given if isinstance(given, dict) and isinstance(given.get("code"), dict) else {}


@functools.cache
def _state() -> str:
    """Digest of what changes when a file of the package does: place, time and size of all, as Python itself looks."""
    files = sorted(file for file in _ROOT.rglob("*.*") if file.parent.name != "__pycache__")
    known = [(str(file), file.stat().st_mtime_ns, file.stat().st_size) for file in files]
    return _digest(repr((sys.version_info[:2], known)))


def computed(stage: str) -> str:
    """Compute a fingerprint from the files."""
    digest = hashlib.sha256()
    for file in counted(stage):
        digest.update(f"{file.relative_to(_ROOT)}\n{_essence(file)}\n".encode())
    return digest.hexdigest()[:16]


def counted(stage: str) -> list[Path]:
    """Files that count for a stage, in order."""
    found, waiting = set[Path](), [_ROOT / "stages" / f"{stage}.py"]
    while waiting:
        file = waiting.pop()
        if file not in found:
            found.add(file)
            waiting.extend(_read(file)[1])
    data = (_data(folder) for folder in {file.parent / _DATA for file in found})
    return sorted([*found, *(file for files in data for file in files)])


@functools.cache
def _data(folder: Path) -> tuple[Path, ...]:
    return tuple(file for file in folder.rglob("*") if file.is_file())


def _essence(file: Path) -> str:
    """Digest of what counts in a file."""
    return _read(file)[0] if file.suffix == ".py" else _digest(file.read_text(encoding="utf-8"))


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()


@functools.cache
def _read(file: Path) -> tuple[str, tuple[Path, ...]]:
    """Return the digest of a module's syntax tree without docstrings, and the counted modules that it imports."""
    with _uncollected():
        tree = ast.parse(file.read_bytes())
        imported = tuple(path for name in _imports(tree) for path in _files(_ROOT, name))
        return _digest(text_of(_bare(tree))), imported


def text_of(tree: ast.AST) -> str:
    """Syntax tree as text, another one for each other tree: what `ast.dump` says, in half of the time."""
    parts = list[str]()
    _write(tree, parts.append)
    return "".join(parts)


def _write(node: ast.AST, write: Callable[[str], None]) -> None:
    kind = node.__class__
    write(f"{kind.__name__}(")
    for value in map(node.__dict__.get, kind._fields):
        if isinstance(value, ast.AST):
            _write(value, write)
        elif isinstance(value, list):
            write("[")
            for item in value:
                _write(item, write) if isinstance(item, ast.AST) else write(f"{item!r},")
            write("]")
        else:
            write(f"{value!r},")
    write(")")


@contextmanager
def _uncollected() -> Iterator[None]:
    """Don't look for garbage meanwhile: trees have no circles, and to look at all nodes takes half of the time."""
    enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if enabled:
            gc.enable()


def _bare(tree: ast.Module) -> ast.Module:
    """The same tree without docstrings."""
    for node in _statements(tree):
        if isinstance(node, _TITLED):
            node.body = [item for item in node.body if not _is_text(item)] or [ast.Pass()]
    return tree


def _statements(node: ast.AST) -> Iterator[ast.AST]:
    """The node and all statements in it, with handlers and cases."""
    yield node
    for block in _BLOCKS:
        for item in getattr(node, block, ()):
            yield from _statements(item)


def _imports(node: ast.AST) -> Iterator[str]:
    """Names that are imported anywhere in a module, but not for the type checker alone."""
    if isinstance(node, ast.ImportFrom) and node.module:
        yield node.module
        yield from (f"{node.module}.{alias.name}" for alias in node.names)
    elif isinstance(node, ast.Import):
        yield from (alias.name for alias in node.names)
    checked = isinstance(node, ast.If) and isinstance(node.test, ast.Name) and node.test.id == "TYPE_CHECKING"
    for block in _BLOCKS[1:] if checked else _BLOCKS:
        for item in getattr(node, block, ()):
            yield from _imports(item)


def _is_text(item: ast.stmt) -> bool:
    """Whether a statement is a docstring: of a module, class, function or attribute."""
    return isinstance(item, ast.Expr) and isinstance(item.value, ast.Constant) and isinstance(item.value.value, str)


@functools.cache
def _files(root: Path, name: str) -> tuple[Path, ...]:
    """Files that are run when a module of this package is imported: its own, and those of the folders around it."""
    package, *parts = name.split(".")
    found = list[Path]()
    for length in range(1, len(parts) + 1) if package == "pathopipe" else ():
        place = root.joinpath(*parts[:length])
        if ".".join(parts[:length]) not in UNCOUNTED:
            found += [file for file in (place.with_suffix(".py"), place / "__init__.py") if file.is_file()]
    return tuple(found)
