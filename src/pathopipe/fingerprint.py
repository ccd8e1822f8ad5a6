"""The fingerprint of the code that a stage runs, which makes it run again when that code has changed."""

import ast
import functools
import hashlib
from collections.abc import Iterator
from pathlib import Path
from types import MappingProxyType
from typing import Final

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


@functools.cache
def fingerprint(stage: str) -> str:
    """Fingerprint of the code that a stage runs: its module and all of this package that it imports, directly or not.

    Taken from the syntax trees without docstrings, so that comments and layout don't count, and from the text of
    templates. Weights don't count: their digests are in the manifests.
    """
    digest = hashlib.sha256()
    for file in counted(stage):
        digest.update(f"{file.relative_to(_ROOT)}\n".encode())
        digest.update(_essence(file).encode())
    return digest.hexdigest()[:16]


def counted(stage: str) -> list[Path]:
    """Files that count for a stage, in order."""
    found, waiting = set[Path](), [_ROOT / "stages" / f"{stage}.py"]
    while waiting:
        file = waiting.pop()
        if file not in found:
            found.add(file)
            waiting.extend(_read(file)[1])
    data = (folder.rglob("*") for folder in {file.parent / _DATA for file in found})
    return sorted([*found, *(file for files in data for file in files if file.is_file())])


def _essence(file: Path) -> str:
    return _read(file)[0] if file.suffix == ".py" else file.read_text(encoding="utf-8")


@functools.cache
def _read(file: Path) -> tuple[str, tuple[Path, ...]]:
    """Return a module's syntax tree as text, without docstrings, and the counted modules that it imports."""
    tree = ast.parse(file.read_bytes())
    imported = tuple(path for name in _imports(tree) for path in _files(_ROOT, name))
    return ast.dump(_bare(tree), annotate_fields=False), imported


def _bare(tree: ast.Module) -> ast.Module:
    """The same tree without docstrings."""
    waiting: list[ast.AST] = [tree]
    for node in waiting:
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
            node.body = [item for item in node.body if not _is_text(item)] or [ast.Pass()]
        waiting.extend(_statements(node))
    return tree


def _statements(node: ast.AST) -> Iterator[ast.AST]:
    """Statements directly in a node: imports and docstrings are statements, so expressions are not looked at."""
    for name in ("body", "orelse", "handlers", "finalbody", "cases"):
        yield from getattr(node, name, ())


def _imports(tree: ast.AST) -> Iterator[str]:
    """Names that are imported anywhere in a module, but not for the type checker alone."""
    for node in _statements(tree):
        if isinstance(node, ast.ImportFrom) and node.module:
            yield node.module
            yield from (f"{node.module}.{alias.name}" for alias in node.names)
        elif isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.If) and isinstance(node.test, ast.Name) and node.test.id == "TYPE_CHECKING":
            for item in node.orelse:
                yield from _imports(ast.Module([item], []))
        else:
            yield from _imports(node)


def _is_text(item: ast.stmt) -> bool:
    """Whether a statement is a docstring: of a module, class, function or attribute."""
    return isinstance(item, ast.Expr) and isinstance(item.value, ast.Constant) and isinstance(item.value.value, str)


@functools.cache
def _files(root: Path, name: str) -> tuple[Path, ...]:
    """Files that are run when a module of this package is imported: its own, and those of the folders around it."""
    package, *parts = name.split(".")
    if package != "pathopipe":
        return ()
    found = list[Path]()
    for length in range(1, len(parts) + 1):
        place = root.joinpath(*parts[:length])
        if ".".join(parts[:length]) not in UNCOUNTED:
            found += [file for file in (place.with_suffix(".py"), place / "__init__.py") if file.is_file()]
    return tuple(found)
