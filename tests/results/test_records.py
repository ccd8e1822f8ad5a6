"""What runs leave beside results: read as it is, or told to be damaged."""

from pathlib import Path

import pytest

from pathopipe.errors import ArtifactError
from pathopipe.results.documents import write_json
from pathopipe.results.names import KNOWN_SLIDES, RUN_CONFIG
from pathopipe.results.records import known_slides, last_sheet, read_run_record


def test_what_a_stage_took_is_read(made_results: Path) -> None:
    record = read_run_record(made_results / "good" / "detect")
    assert record["seconds"] > 0
    assert record["workers"] == 1


@pytest.mark.parametrize("content", [{}, {"seconds": "3"}, {"seconds": 3.0, "spent": []}])
def test_a_damaged_record_is_told(content: dict[str, object], tmp_path: Path) -> None:
    write_json(tmp_path / "run.json", content)
    with pytest.raises(ArtifactError, match="is damaged"):
        read_run_record(tmp_path)


def test_where_nothing_ran_nothing_is_known(tmp_path: Path) -> None:
    assert known_slides(tmp_path) == {}
    assert last_sheet(tmp_path) is None


def test_slides_and_sheet_of_the_last_run(tmp_path: Path) -> None:
    write_json(tmp_path / KNOWN_SLIDES, {"s": {"identity": "12-ab"}})
    write_json(tmp_path / RUN_CONFIG, {"slides": "/data/slides.tsv"})
    assert known_slides(tmp_path) == {"s": {"identity": "12-ab"}}
    assert last_sheet(tmp_path) == Path("/data/slides.tsv")
    write_json(tmp_path / RUN_CONFIG, {})
    with pytest.raises(ArtifactError, match="is damaged: give the sheet with --slides"):
        last_sheet(tmp_path)
