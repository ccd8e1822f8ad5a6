"""A folder that is none of the program's business, and symbolic links that lead there."""

import os
from pathlib import Path
from typing import Any

NAMES = ("manifest.json", "run.json", "report.html", "tiles.parquet", "owner.json", "tissue.log", "notes.txt")
KINDS = ("outside", "inside", "dangling", "loop")


def make_canary(folder: Path) -> Path:
    """Files of names that the program uses, too, and folders in folders."""
    for place in (folder, folder / "tissue", folder / "draft", folder / "logs", folder / ".work" / "tissue"):
        place.mkdir(parents=True, exist_ok=True)
        for name in NAMES:
            (place / name).write_text(f"{name} of somebody else")
    return folder


def state(folder: Path) -> dict[str, Any]:
    """All that can be seen of a folder: names, times, kinds, and bytes."""
    places = [folder, *sorted(folder.rglob("*"))]
    return {str(place.relative_to(folder)): _state(place) for place in places}


def _state(place: Path) -> tuple[Any, ...]:
    seen = place.lstat()
    content = place.readlink() if place.is_symlink() else place.read_bytes() if place.is_file() else b""
    return seen.st_mode, seen.st_mtime_ns, seen.st_ino, seen.st_nlink, content


def put_link(place: Path, kind: str, canary: Path) -> None:
    """Put a link in the place of whatever is there; what was there goes on in another folder if it is to be inside."""
    is_file = bool(place.suffix) and not place.is_dir()
    place.parent.mkdir(parents=True, exist_ok=True)
    moved = place.with_name(f"{place.name} as it was")
    if place.exists():
        place.rename(moved)
    elif is_file:
        moved.write_text("{}")
    else:
        moved.mkdir()
    target = {
        "outside": canary / NAMES[0] if is_file else canary,
        "inside": moved,
        "dangling": canary / "gone",
        "loop": place,
    }[kind]
    place.symlink_to(os.path.relpath(target, place.parent) if kind == "inside" else target)
