"""Whether two checkouts of this repository make the same results: digests compared, and values where those differ.

    python benchmarks/same_bytes.py OTHER_CHECKOUT SLIDE...

Runs the slides, and a synthetic one, with the other checkout's code and with this one's, in this environment. Manifests
may differ in versions, fingerprints of the code, and the digests of files that hold those.
"""

import argparse
import hashlib
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq

HERE = Path(__file__).parents[1]
PASSING = {"versions", "code", "inputs"}
OWN = (".pathopipe", ".snakemake", "logs", "run.json")


def run(checkout: Path, slides: list[Path], results: Path, scratch: Path) -> None:
    sheet = scratch / "slides.tsv"
    sheet.write_text("slide\tpath\n" + "".join(f"{path.name.split('.')[0]}\t{path}\n" for path in slides))
    environment = {**os.environ, "PYTHONPATH": str(checkout / "src")}
    command = [sys.executable, "-m", "pathopipe", "run", "--slides", str(sheet), "--results", str(results)]
    subprocess.run(command, env=environment, cwd=scratch, check=True)


def files(results: Path) -> set[str]:
    found = (path.relative_to(results) for path in results.rglob("*") if path.is_file())
    return {str(path) for path in found if not set(path.parts) & set(OWN)}


def difference(name: str, before: Path, after: Path) -> str:
    """What differs in a file, in words; empty where nothing does."""
    one, two = before.read_bytes(), after.read_bytes()
    if one == two:
        return ""
    if name.endswith("manifest.json"):
        return _keys(json.loads(one), json.loads(two))
    if name.endswith(".parquet"):
        old, new = pq.read_table(before), pq.read_table(after)
        return "only the schema's metadata" if old.equals(new) else "VALUES"
    return f"{len(one):,} -> {len(two):,} bytes ({hashlib.sha256(two).hexdigest()[:8]})"


def _keys(one: dict[str, Any], two: dict[str, Any]) -> str:
    keys = sorted(key for key in one.keys() | two.keys() if one.get(key) != two.get(key) and key not in PASSING)
    return f"keys {', '.join(keys)}" if keys else ""


def compared(before: Path, after: Path) -> Iterator[str]:
    old, new = files(before), files(after)
    yield from (f"{name}: only before" for name in sorted(old - new))
    yield from (f"{name}: only now" for name in sorted(new - old))
    for name in sorted(old & new):
        if found := difference(name, before / name, after / name):
            yield f"{name}: {found}"
    yield f"{len(old & new)} files compared"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("other", type=Path)
    parser.add_argument("slides", type=Path, nargs="*")
    parser.add_argument("--keep", type=Path, help="folder of the other checkout's results, made when it is not there")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        scratch = Path(folder)
        synthetic = scratch / "synthetic.tiff"
        make = f"from pathlib import Path; write_slide(Scene(3000, 2000), Path({str(synthetic)!r}))"
        code = f"from pathopipe.synthetic import Scene, write_slide; {make}"
        subprocess.run([sys.executable, "-c", code], check=True)
        slides = [*(path.absolute() for path in arguments.slides), synthetic]
        before = (arguments.keep or scratch / "before").absolute()
        if not before.exists():
            run(arguments.other.absolute(), slides, before, scratch)
        run(HERE, slides, scratch / "after", scratch)
        print("\n".join(compared(before, scratch / "after")))


if __name__ == "__main__":
    main()
