"""What a stage is expected to take: seconds, memory and disk, from the tissue that a slide's file must hold."""

from typing import Final

from pathopipe.pipeline import STAGES
from pathopipe.record import Demand

_BYTES_PER_PIXEL: Final = 0.25
_COARSEST_MPP: Final = 0.5
_SLOWER: Final = 4.0
_PIECE_MM2: Final = 0.262144  # 1024 x 1024 working pixels


def demand_of(stage: str) -> Demand:
    """What a stage that runs per slide takes."""
    demand = STAGES[stage].demand
    if demand is None:
        raise KeyError(f"{stage} does not state its demand")
    return demand


def tissue_mm2(file_bytes: int, mpp: float | None = None, area_mm2: float | None = None) -> float:
    """Estimate the tissue on a slide from the bytes of its file: glass takes hardly any.

    Parameters
    ----------
    mpp
        Micrometers per pixel; unknown it's taken to be coarse, which gives more tissue.
    area_mm2
        Area of the slide, the most that it can be.
    """
    pixels = file_bytes / _BYTES_PER_PIXEL
    found = pixels * (mpp or _COARSEST_MPP) ** 2 / 1e6
    return found if area_mm2 is None else min(found, area_mm2)


def seconds(mm2: float, slides: int, cores: int) -> float:
    """Expected duration of all stages over slides that hold so much tissue in all."""
    work = sum(rate.start_s * slides + rate.s_per_mm2 * mm2 for rate in map(demand_of, STAGES))
    return work / cores


def disk_mb(mm2: float) -> float:
    """Expected size of the results, and of the pieces that are kept while a stage runs."""
    rates = [*map(demand_of, STAGES)]
    return mm2 * (sum(rate.disk_mb_per_mm2 for rate in rates) + max(rate.disk_mb_per_mm2 for rate in rates))


def limit_minutes(stage: str, mm2: float, attempt: int) -> int:
    """Time that a scheduler should grant a stage, on a machine several times slower; more when it is tried again."""
    return attempt * (10 + round(_SLOWER * demand_of(stage).s_per_mm2 * mm2 / 60))


def limit_memory_mb(stage: str, attempt: int, held_mb: int = 0) -> int:
    """Memory that a scheduler should grant a stage, whatever the slide; more when it is tried again.

    Parameters
    ----------
    held_mb
        What of the slide the stage has to hold as a whole, as of a PNG.
    """
    return (demand_of(stage).memory_mb + held_mb) * attempt


def limit_threads(stage: str, mm2: float) -> int:
    """Threads that a stage can use: one for each piece of a slide, so that small ones are done side by side."""
    return max(1, min(demand_of(stage).threads, round(mm2 / _PIECE_MM2)))
