"""What a stage may take is asked for by the size of the slide's file."""

import pytest

from pathopipe.demand import demand_of, disk_mb, limit_memory_mb, limit_minutes, limit_threads, seconds, tissue_mm2
from pathopipe.pipeline import STAGES


def test_every_stage_has_a_rate() -> None:
    assert all(demand_of(stage).memory_mb for stage in STAGES)


def test_tissue_follows_from_bytes_and_never_exceeds_the_slide() -> None:
    assert tissue_mm2(1_000_000, mpp=0.25) == pytest.approx(tissue_mm2(1_000_000) / 4)
    assert tissue_mm2(10**9, mpp=0.25, area_mm2=3.0) == 3.0


def test_time_grows_with_tissue_slides_and_fewer_cores() -> None:
    assert seconds(100, 1, 2) > seconds(10, 1, 2) > seconds(10, 1, 4)
    assert seconds(10, 5, 2) > seconds(10, 1, 2)
    assert disk_mb(20) == pytest.approx(2 * disk_mb(10))


@pytest.mark.parametrize("stage", list(STAGES))
def test_a_second_attempt_gets_more(stage: str) -> None:
    assert limit_memory_mb(stage, 2) > limit_memory_mb(stage, 1)
    assert limit_minutes(stage, 100, 2) > limit_minutes(stage, 100, 1) >= limit_minutes(stage, 0, 1)


def test_a_slide_of_one_piece_is_given_one_thread_and_a_large_one_what_the_stage_can_use() -> None:
    assert [limit_threads(stage, 0.2) for stage in STAGES] == [1] * len(STAGES)
    assert limit_threads("detect", 1.0) == 4
    most = {"detect": 8, "segment": 2, "features": 2, "types": 2, "statistics": 2, "grade": 1}
    assert {stage: limit_threads(stage, 100) for stage in most} == most
