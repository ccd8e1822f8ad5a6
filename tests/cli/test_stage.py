"""The command of a stage: which results folder and which sheet it takes."""

from pathlib import Path

import pytest

from pathopipe.cli import main


@pytest.fixture
def folder(tmp_path: Path, small_slide: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The current folder, with a sheet and a configuration that names both places."""
    (tmp_path / "my slides.tsv").write_text(f"slide\tpath\ns\t{small_slide}\n")
    (tmp_path / "c.yaml").write_text("slides: my slides.tsv\nresults: other\n")
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.mark.parametrize(
    ("options", "place"), [(["--config", "c.yaml"], "other"), (["--config", "c.yaml", "--results", "given"], "given")]
)
def test_the_configuration_says_where_results_are(options: list[str], place: str, folder: Path) -> None:
    for command in (["tissue", "s"], ["cohort"]):
        with pytest.raises(SystemExit) as end:
            main([*command, *options])
        assert end.value.code == 0
    assert (folder / place / "s" / "tissue" / "manifest.json").exists()
    assert (folder / place / "cohort" / "index.html").exists()
    assert not (folder / "results").exists()
