"""``pathopipe bench``: how fast every stage is on this machine, and how much memory it takes."""

import subprocess
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from math import sqrt
from pathlib import Path
from typing import TYPE_CHECKING

import click

from pathopipe.cli.options import PATH, Hinting, config_options, examples, find_config

if TYPE_CHECKING:
    from pathopipe.results.folder import SlideFolder
    from pathopipe.results.records import RunRecord

_ID = "bench"
_FIELD_PX = 4096
_MPP = 0.25
_FIELD_MM2 = (_FIELD_PX * _MPP / 1e3) ** 2


@click.command(
    cls=Hinting,
    hint="{0}: give the slide with --slide {0}".format,
    epilog=examples("pathopipe bench --mm2 16", "pathopipe bench --slide slide.svs --workers 4"),
)
@click.option("--slide", type=PATH, help="A slide to use instead of a synthetic one.")
@click.option("--mpp", type=float, help="Its micrometers per pixel, if the file does not state it.")
@click.option(
    "--mm2", type=click.FloatRange(1, 2000), default=4.0, show_default=True, help="Size of the synthetic slide."
)
@click.option("--workers", type=click.IntRange(1), default=2, show_default=True, help="Threads per stage.")
@click.option("--keep", type=PATH, help="Folder for slide and results; default: a temporary one.")
@config_options
def bench(
    slide: Path | None,
    mpp: float | None,
    mm2: float,
    workers: int,
    keep: Path | None,
    config_file: Path | None,
    changes: tuple[str, ...],
) -> None:
    """Run every stage on a slide, each in its own process, and print what it took.

    Seconds include the start of the process; 's/mm2' is per area of tissue, 'MP/s' counts working pixels of tissue,
    'network' is the share of its threads' time that a network's forward pass took.
    """
    from pathopipe.config import load_config
    from pathopipe.jobs.chosen_model import adopt_models
    from pathopipe.results.documents import write_json
    from pathopipe.results.folder import SlideFolder
    from pathopipe.results.links import files, of_results, refuse_links

    with tempfile.TemporaryDirectory(prefix="pathopipe-") as folder:
        place = (keep or Path(folder)).absolute()
        refuse_links(place, files("config.json", "slides.tsv", "field.tiff", _synthetic(mm2)))
        refuse_links(place / "results", of_results([_ID]))
        place.mkdir(parents=True, exist_ok=True)
        config = adopt_models(load_config(find_config(config_file), changes), place / "results")
        write_json(place / "config.json", config.model_dump(mode="json"))
        path = slide.absolute() if slide else synthetic_slide(place, mm2)
        rows = measure(path, mpp, place, workers)
        click.echo(_report(rows, SlideFolder(place / "results", _ID)))


@dataclass(frozen=True)
class Row:
    """A stage, the content of its ``run.json``, and the bytes that it wrote."""

    stage: str
    record: "RunRecord"
    size: int


def _side(mm2: float) -> int:
    """How many fields wide and high a synthetic slide is."""
    return max(1, round(sqrt(mm2 / _FIELD_MM2)))


def _synthetic(mm2: float) -> str:
    return f"synthetic_{_side(mm2)}x{_side(mm2)}.tiff"


def synthetic_slide(place: Path, mm2: float) -> Path:
    """Write a slide of about so many mm2, all tissue, at 0.25 um per pixel; one that is there is kept."""
    from pathopipe.synthetic import Scene, repeat_slide, write_slide

    path, side = place / _synthetic(mm2), _side(mm2)
    if not path.exists():
        field = place / "field.tiff"
        write_slide(Scene(_FIELD_PX, _FIELD_PX, mpp=_MPP, seed=7, pleomorphism=2, tissue="field"), field)
        repeat_slide(field, path, side, side)
    return path


def measure(path: Path, mpp: float | None, place: Path, workers: int) -> list[Row]:
    """Run all stages on a slide, with the configuration ``config.json`` of a folder if there is one.

    Raises
    ------
    FaultError
        When a stage fails, or the slide is rejected.
    """
    from pathopipe.files import write_whole
    from pathopipe.pipeline import STAGES

    write_whole(place / "slides.tsv", f"slide\tpath\tmpp\n{_ID}\t{path}\t{mpp or ''}\n".encode())
    return [_run(stage, place, workers) for stage in STAGES]


def _run(stage: str, place: Path, workers: int) -> Row:
    from pathopipe.demand import demand_of
    from pathopipe.errors import FaultError
    from pathopipe.results.folder import SlideFolder
    from pathopipe.results.records import read_run_record

    results = place / "results"
    command = [sys.executable, "-m", "pathopipe", stage, _ID, "--results", str(results)]
    command += ["--slides", str(place / "slides.tsv")]
    command += ["--config", str(place / "config.json")] if (place / "config.json").exists() else []
    command += ["--workers", str(workers if demand_of(stage).threads > 1 else 1)]
    done = subprocess.run(command, check=False, capture_output=True, text=True)
    if done.returncode:
        raise FaultError(done.stderr.strip().removeprefix("pathopipe: ") or f"the stage '{stage}' failed")
    made = SlideFolder(results, _ID)
    if reason := made.manifest(stage)["reason"]:
        raise FaultError(f"the slide was rejected: {reason}")
    folder = made.file(stage).parent
    return Row(stage, read_run_record(folder), sum(file.stat().st_size for file in folder.iterdir()))


def _report(rows: list[Row], made: "SlideFolder") -> str:
    tissue, tiles, segment = (made.manifest(stage) for stage in ("tissue", "tiles", "segment"))
    nuclei = int(segment["counts"]["nuclei"])
    mm2 = tissue["tissue_mm2"]
    pixels = mm2 / tiles["grid"]["mpp_x"] / tiles["grid"]["mpp_y"]
    lines = [f"{mm2:.2f} mm2 of tissue, {nuclei} nuclei, {pixels:.1f} working megapixels"]
    lines += [f"{'stage':<10}{'s':>8}{'s/mm2':>8}{'MP/s':>8}{'peak MB':>9}{'MB/mm2':>8}{'network':>9}"]
    lines += [_line(row, mm2, pixels) for row in rows]
    total = sum(row.record["seconds"] for row in rows)
    peak, size = max(row.record["peak_memory_mb"] for row in rows), sum(row.size for row in rows)
    lines.append(
        f"{'all':<10}{total:>8.1f}{total / mm2:>8.2f}{pixels / total:>8.2f}{peak:>9.0f}{size / 1e6 / mm2:>8.2f}"
    )
    return "\n".join([*lines, *_remarks(rows, mm2, nuclei)])


def _line(row: Row, mm2: float, pixels: float) -> str:
    record = row.record
    network = record["spent"].get("network")
    share = "" if network is None else f"{network / record['seconds'] / record['workers']:>9.0%}"
    numbers = (record["seconds"], record["seconds"] / mm2, pixels / record["seconds"])
    first = f"{row.stage:<10}{numbers[0]:>8.1f}{numbers[1]:>8.2f}{numbers[2]:>8.1f}"
    return f"{first}{record['peak_memory_mb']:>9.0f}{row.size / 1e6 / mm2:>8.2f}{share}"


def _remarks(rows: list[Row], mm2: float, nuclei: int) -> Iterator[str]:
    """What the columns don't say: what is left without the network, and nuclei per second."""
    records = {row.stage: row.record for row in rows}
    detect, segment = records["detect"], records["segment"]
    both = detect["seconds"] + segment["seconds"]
    network = detect["spent"].get("network", 0.0) / detect["workers"]
    yield f"detect and segment {both / mm2:.2f} s/mm2, of that without the network {(both - network) / mm2:.2f}"
    outlining = segment["spent"].get("outlining", 0.0)
    if outlining:
        yield f"segment: {nuclei / outlining:.0f} nuclei/s and thread"
