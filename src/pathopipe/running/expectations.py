"""What a run is expected to take, said before it begins."""

import shutil
from collections.abc import Iterator
from typing import Final

from pathopipe.demand import disk_mb, seconds, tissue_mm2
from pathopipe.running.plan import Plan
from pathopipe.samples import Sample
from pathopipe.wording import counted, duration

_MUCH_DISK_GB: Final = 1.0
_OPENED: Final = 20
"""Slides to open at most."""


def expectations(plan: Plan, slides: tuple[str, ...], cores: int | None) -> Iterator[str]:
    """Time and disk, from some of the slides that are still to be done; where cores aren't known, hours of work."""
    pending = plan.pending(slides)
    some = pending[:: max(1, len(pending) // _OPENED)]
    known = [mm2 for sample in some if (mm2 := _tissue_mm2(sample, plan.file_bytes(sample.slide))) is not None]
    if not known:
        return
    mm2 = sum(known) / len(known) * len(pending)
    expected, needed = seconds(mm2, len(pending), cores or 1), disk_mb(mm2) / 1e3
    free = shutil.disk_usage(plan.results).free / 1e9
    time = f"{duration(expected)} on {cores} cores" if cores else f"{duration(expected)} of processor time"
    disk = f", and up to {needed:,.0f} GB of disk ({free:,.0f} GB are free)" if needed > _MUCH_DISK_GB else ""
    yield f"{counted(len(pending))} to do, about {mm2:,.1f} mm2 of tissue: expect {time} without a GPU{disk}"
    if needed > free:
        yield f"warning: {plan.results} may run out of space: free some, or give another folder with --results"


def _tissue_mm2(sample: Sample, file_bytes: int) -> float | None:
    """Roughly how much tissue a slide holds, by its header; None where it can't be said: its own job will explain.

    Nothing that goes wrong here is a fault of the run.
    """
    from pathopipe.slide import open_slide

    try:
        with open_slide(sample.path, sample.mpp) as slide:
            area = slide.width_px * slide.height_px * slide.mpp.x * slide.mpp.y / 1e6
            return tissue_mm2(file_bytes, slide.mpp.x, area)
    except Exception:  # noqa: BLE001 (see above: of memory, of a library, anything)
        return None
