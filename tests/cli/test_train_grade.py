"""``pathopipe train grade`` on results written by hand."""

import json

import numpy as np
import pytest
from click.testing import CliRunner

from pathopipe.cli.app import app
from pathopipe.errors import RefusalError
from pathopipe.evaluation.grade_metrics import FIGURES
from pathopipe.grading.registry import make_grader, trained
from pathopipe.pipeline import GradeSettings
from pathopipe.results.described import described_slide
from pathopipe.training.grade.cohort import read_cohort
from tests import made
from tests.training.grade.graded_slides import NAMES, numbers, write_cohort, write_statistics

WRITTEN = ["evaluation.json", "mine.md", "mine.safetensors", "reliability.svg"]


def call(folder, *arguments):
    given = ["--slides", folder / "slides.tsv", "--results", folder / "results", "--out", folder / "out", *arguments]
    return CliRunner().invoke(app, ["train", "grade", *map(str, given)], catch_exceptions=False)


def refusal(folder, *arguments):
    with pytest.raises(RefusalError) as refused:
        call(folder, *arguments)
    assert not (folder / "out" / "evaluation.json").exists()
    return str(refused.value)


@pytest.fixture
def folder(tmp_path):
    place = tmp_path / "my slides"
    place.mkdir()
    write_cohort(place, site=lambda number: "xyz"[number % 3], scan=lambda number: "ab"[number % 2])
    return place


def test_a_grader_its_card_and_its_figures_are_written(folder):
    done = call(folder, "--license", "CC BY 4.0", "--data", "36 slides of ours")
    assert done.exit_code == 0, done.output
    assert sorted(path.name for path in (folder / "out").iterdir()) == WRITTEN
    content = json.loads((folder / "out" / "evaluation.json").read_text())
    assert {name + end for name in FIGURES for end in ("", "_low", "_high")} <= set(content)
    assert (content["n_patients"], content["label"], content["kind"]) == (36, "grade", "linear")
    assert content["quadratic_kappa"] > 0.8
    assert content["chance"]["p"] <= 0.01
    weights = trained(str(folder / "out" / "mine.safetensors"))
    assert weights.card.figures["patients kept apart"]["quadratic_kappa"] == content["quadratic_kappa"]
    assert weights.card.licence == "CC BY 4.0"
    page = (folder / "out" / "mine.md").read_text()
    for text in (
        "36 slides of ours",
        "goes with 'site'",
        "not for diagnosis",
        weights.sha256,
        "The sheet named no tissue",
    ):
        assert text in page
    assert "goes with 'scan'" not in page
    for text in ("grades, from best to worst: 1, 2, 3", "goes with 'site'", "use it: pathopipe run --set "):
        assert text in done.output


def test_nothing_that_is_written_names_a_patient_or_a_slide(folder):
    call(folder)
    for path in (folder / "out").iterdir():
        content = path.read_bytes()
        assert b"Doe" not in content
        assert b'"s1"' not in content


def test_the_same_slides_give_the_same_bytes(folder):
    call(folder)
    first = {name: (folder / "out" / name).read_bytes() for name in WRITTEN}
    call(folder)
    assert {name: (folder / "out" / name).read_bytes() for name in WRITTEN} == first


def test_other_kinds_are_tested_beside_the_first(folder):
    done = call(folder, "--kind", "linear", "--kind", "nominal", "--no-more")
    assert done.exit_code == 0
    card = trained(str(folder / "out" / "mine.safetensors")).card
    assert card.architecture.kind == "linear"
    assert list(card.figures) == ["patients kept apart", "patients kept apart, nominal instead"]
    assert "linear                    nominal" in done.output


def test_a_copy_of_the_label_in_the_sheet_is_refused(tmp_path):
    write_cohort(tmp_path, diagnosis=lambda number: "123"[number % 3])
    assert "column 'diagnosis' of the sheet equals the label 'grade' on every slide" in refusal(tmp_path)


def test_a_statistic_that_is_the_label_is_refused(tmp_path, monkeypatch):
    write_cohort(tmp_path)
    sheet, results = tmp_path / "slides.tsv", tmp_path / "results"
    known = read_cohort(sheet, results, "grade", "patient")
    known.values[:, 1] = 10.0 * known.truth
    monkeypatch.setattr("pathopipe.training.grade.session.read_cohort", lambda *_, **__: known)
    assert "the statistic area_um2_sd (all size) has one value in each grade" in refusal(tmp_path)


def test_too_few_patients_are_refused(tmp_path):
    sheet, _ = write_cohort(tmp_path, block=lambda number: f"b{number % 4}", lot=lambda number: f"l{number // 6}")
    assert "the slides are of 4 patients, at least 5 are needed" in refusal(tmp_path, "--group", "block")
    lines = sheet.read_text().splitlines()
    sheet.write_text(
        "\n".join([*lines[:1], *(line for line in lines[1:] if line.split("\t")[3] != "3"), lines[3]]) + "\n"
    )
    assert "grade '3' in column 'grade' is that of one patient alone" in refusal(tmp_path)


def test_slides_without_a_patient_are_told(tmp_path):
    sheet, _ = write_cohort(tmp_path)
    sheet.write_text("\n".join(line.replace("Doe 4\t", "\t") for line in sheet.read_text().splitlines()) + "\n")
    words = "1 of the 36 slides name no patient, and each of them counts as a patient of its own"
    assert words in call(tmp_path, "--no-more").output
    assert words in (tmp_path / "out" / "mine.md").read_text()


def test_figures_that_need_an_order_are_told_where_there_is_none(tmp_path):
    write_cohort(tmp_path, kind=lambda number: ("lobular", "ductal", "other")[number % 3])
    words = "No order of the grades is known, and they go by the alphabet: quadratic_kappa"
    asked = ("--label", "kind", "--kind", "nominal", "--no-more")
    assert words in call(tmp_path, *asked).output
    assert words in (tmp_path / "out" / "mine.md").read_text()
    assert words not in call(tmp_path, *asked, "--order", "lobular,other,ductal").output


def test_what_the_card_cannot_hold_is_refused_before_the_tests(folder, monkeypatch):
    monkeypatch.setattr("pathopipe.training.grade.session.test", None)
    assert "the card of the grader cannot be written: licence string should have" in refusal(folder, "--license", "")
    assert "data.0 should be text of one line" in refusal(folder, "--data", "a\tb")
    write_cohort(folder, 44, age=lambda number: str(40 + number // 2))
    assert "grades" in refusal(folder, "--label", "age")


def test_the_command_that_uses_it_asks_for_the_coverage_that_was_tested(folder):
    assert call(folder, "--no-more", "--coverage", "0.7").output.endswith("--set grade.coverage=0.7\n")


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--coverage", "1"], "--coverage 1: expected a number from 0.5 to below 1"),
        (["--name", "-x"], "--name -x: use 1 to 60 letters"),
        (["--label", "patient", "--group", "site"], "--label patient: names patients"),
        (["--label", "gleason"], "has no column 'gleason'"),
        (["--order", "3,1"], "--order 3,1: the grades in column 'grade' are 1, 2, 3"),
    ],
)
def test_bad_options_are_refused_in_a_sentence(folder, arguments, words):
    assert words in refusal(folder, *arguments)


def test_what_only_a_region_tells_is_learned_where_it_is_asked_for(tmp_path):
    """The whole slides of a grade differ by chance alone; their largest fields by the grade."""
    _, results = write_cohort(tmp_path)
    _, telling = numbers(36, 4.0)
    chance = np.random.default_rng(1).normal(size=telling.shape)
    for place in range(36):
        rows = (dict(zip(NAMES, values[place].tolist(), strict=True)) for values in (chance, telling))
        write_statistics(results, f"s{place}", *rows, regions=("slide", "largest_field"))
        made.seal(results, f"s{place}")
    done = call(tmp_path, "--no-more", "--region", "largest_field")
    assert done.exit_code == 0, done.output
    assert json.loads((tmp_path / "out" / "evaluation.json").read_text())["quadratic_kappa"] > 0.8
    assert "* regions beside the whole slide: largest_field\n" in (tmp_path / "out" / "mine.md").read_text()
    grader = make_grader(GradeSettings(grader=str(tmp_path / "out" / "mine.safetensors")))
    assert grader.regions == ("largest_field",)
    tables = [results / f"s{place}" / "statistics" / "statistics.parquet" for place in (0, 1, 2)]
    probable = [grader.grade(None, described_slide(table, grader.regions)[0]).probabilities for table in tables]
    assert [max(shares, key=shares.get) for shares in probable] == ["1", "2", "3"]
    without = grader.grade(None, described_slide(tables[2])[0])
    assert without.grade is None
    assert "the region 'largest_field' of each slide, too: there is no such region" in without.reason
    assert call(tmp_path, "--no-more").exit_code == 0
    assert json.loads((tmp_path / "out" / "evaluation.json").read_text())["quadratic_kappa"] < 0.5


def test_regions_are_refused_where_squares_are_learned_from(folder):
    words = "--region goes with the statistics of slides, and --kind fields learns from squares: leave one out"
    assert refusal(folder, "--region", "largest_field", "--kind", "fields") == words
