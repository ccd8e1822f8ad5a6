"""``pathopipe demo --cohort``: what it writes and says; the workflow itself is not run."""

import pytest
from click.testing import CliRunner

from pathopipe.cli.app import app
from pathopipe.errors import RefusalError
from pathopipe.samples import read_samples


@pytest.fixture
def runs(monkeypatch):
    """Configurations that would have been run."""
    found = []
    monkeypatch.setattr("pathopipe.cli.run.execute", lambda config, *_: found.append(config))
    monkeypatch.setattr("pathopipe.cli.demo._draw", lambda path, *_: None)
    return found


def demo(*arguments):
    return CliRunner().invoke(app, ["demo", *map(str, arguments)], catch_exceptions=False)


def test_a_third_of_the_slides_is_to_be_learned_from(tmp_path, runs):
    place = tmp_path / "my cohort"
    done = demo("--cohort", 60, "--folder", place)
    assert done.exit_code == 0, done.output
    train, test, every = (read_samples(place / f"{name}.tsv") for name in ("train", "test", "slides"))
    assert (len(train), len(test)) == (20, 40)
    assert train + test == every
    assert [runs[0].slides, runs[0].results] == [str(place / "slides.tsv"), str(place / "results")]
    assert len({sample.patient for sample in every}) == 60
    assert sorted(sample.grade for sample in train) == ["1"] * 7 + ["2"] * 7 + ["3"] * 6
    for words in ("train grade --slides '", "my cohort'/train.tsv", "--set 'grade.grader=", "evaluate grade --slides"):
        assert words in done.output


def test_a_cohort_is_large_enough_and_not_of_an_own_slide(tmp_path, runs):
    assert "35 is not in the range" in demo("--cohort", 35, "--folder", tmp_path).output
    with pytest.raises(RefusalError, match="give one of them"):
        demo("--cohort", 36, "--slide", tmp_path / "a.svs", "--folder", tmp_path / "b")
    assert not (tmp_path / "b").exists()
    assert not runs
