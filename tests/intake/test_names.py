"""Ids from the names of files."""

from pathlib import Path

import pytest

from pathopipe.intake.names import make_ids


@pytest.mark.parametrize(
    ("name", "slide"),
    [("-x.svs", "x"), ("--help.svs", "help"), ("_-1.svs", "1"), ("(-) a-.svs", "a-"), ("-.svs", "slide")],
)
def test_no_id_begins_like_an_option(name: str, slide: str, tmp_path: Path) -> None:
    assert make_ids([tmp_path / name], tmp_path) == [slide]
    assert make_ids([tmp_path / "-a" / "s.svs", tmp_path / "-b" / "s.svs"], tmp_path) == ["a_s", "b_s"]
