"""How long the network waits for a slow disk.

    python benchmarks/slow_disk.py [MB_PER_S]

Runs `detect` on a synthetic slide with reads as they are, and with reads that come at most at the given rate (default
50), one at a time as from one disk. Prints the share of its threads' time in which the network is idle.
"""

import sys
import tempfile
import threading
import time
from pathlib import Path

from pathopipe.cli.bench import synthetic_slide
from pathopipe.jobs.execution import execute
from pathopipe.pipeline import Config
from pathopipe.results.documents import read_json
from pathopipe.results.names import RUN
from pathopipe.samples import Sample
from pathopipe.slide.pieces import Layout

WORKERS = 2
_read, _disk = Layout.bytes_of, threading.Lock()


def throttle(bytes_per_s: float) -> None:
    """Let every read of a tile of the slide take its time."""

    def slow(layout: Layout, file: int, number: int) -> bytes:
        found = _read(layout, file, number)
        with _disk:
            time.sleep(len(found) / bytes_per_s)
        return found

    Layout.bytes_of = slow


def main() -> None:
    rate = float(sys.argv[1]) if len(sys.argv) > 1 else 50.0
    with tempfile.TemporaryDirectory() as folder:
        slide, config = synthetic_slide(Path(folder), 9), Config()
        sample = Sample("s", slide)
        for stage in ("tissue", "quality", "tiles", "detect"):
            execute(stage, "s", Path(folder) / "results", getattr(config, stage), sample, WORKERS)
        for name, limit in (("as it is", None), (f"{rate:g} MB/s", rate * 1e6)):
            if limit:
                throttle(limit)
            execute("detect", "s", Path(folder) / "results", config.detect, sample, WORKERS)
            record = read_json(Path(folder) / "results" / "s" / "detect" / RUN)
            spent, whole = record["spent"], record["seconds"] * WORKERS
            print(
                f"disk {name}: {record['seconds']:.1f} s, reading {spent['reading']:.1f} s, "
                f"network idle {1 - spent['network'] / whole:.0%}"
            )


if __name__ == "__main__":
    main()
