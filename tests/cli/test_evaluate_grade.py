"""Grades of finished results against a column of the sample sheet."""

import json
import os
import re
from pathlib import Path
from typing import Any
from xml.etree import ElementTree as ET

import pytest
from click.testing import CliRunner, Result
from scipy.stats import spearmanr

from pathopipe.cli.app import app
from pathopipe.errors import RefusalError
from pathopipe.evaluation.grade_metrics import FIGURES
from pathopipe.pipeline import stages_up_to
from pathopipe.results.documents import write_json
from tests import made
from tests.stages.finished_slide import grade

SHARES = {"1": (0.7, 0.2, 0.1), "2": (0.2, 0.6, 0.2), "3": (0.03, 0.05, 0.92)}
HEADER = ("slide", "path", "patient", "grade", "second", "site", "histology")


def write_slide(results: Path, slide: str, given: str | None, **changes: Any) -> None:
    """A slide that was graded, or abstained on, as the stages leave it."""
    for stage in stages_up_to("grade"):
        write_json(results / slide / stage / "manifest.json", made.manifest(stage, slide))
    content = grade() | {"grade": given, "abstained": given is None}
    shares = dict(zip(SHARES, SHARES[given], strict=True)) if given else {}
    content |= {"probabilities": shares, "reason": None if given else "Too few nuclei can be graded."}
    write_json(results / slide / "grade" / "grade.json", content | changes)
    made.seal(results, slide)


def write_sheet(folder: Path, *rows: tuple[str, ...], header: tuple[str, ...] = HEADER) -> Path:
    sheet = folder / "slides.tsv"
    sheet.write_text("".join("\t".join(row) + "\n" for row in (header, *rows)))
    return sheet


def row(slide: str, label: str, second: str = "", site: str = "A", patient: str | None = None) -> tuple[str, ...]:
    return slide, f"{slide}.svs", f"Jane {slide}" if patient is None else patient, label, second, site, "ductal"


GIVEN = {"a": "1", "b": "2", "c": "3", "d": "2", "e": "3", "f": "1", "g": None}
"""What the slides of the cohort were graded as."""


@pytest.fixture
def cohort(tmp_path: Path) -> Path:
    """Seven graded slides, one of them abstained on, a folder with their sheet."""
    for slide, given in GIVEN.items():
        write_slide(tmp_path / "results", slide, given)
    labels = ("1", "2", "3", "3", "3", "1", "2")
    seconds = ("1", "1", "3", "3", "2", "", "2")
    rows = [
        row(slide, label, second, "B" if slide in "cde" else "A")
        for slide, label, second in zip(GIVEN, labels, seconds, strict=True)
    ]
    write_sheet(tmp_path, *rows)
    return tmp_path


def invoke(folder: Path, *arguments: str | Path) -> Result:
    given = ["--slides", folder / "slides.tsv", "--results", folder / "results", *arguments]
    return CliRunner().invoke(app, ["evaluate", "grade", *map(str, given)], catch_exceptions=False)


def call(folder: Path, *arguments: str | Path) -> tuple[str, dict[str, Any]]:
    """What is printed, and the content of the file."""
    done = invoke(folder, "--out", folder / "evaluation.json", *arguments)
    assert done.exit_code == 0, done.output
    return done.stdout, json.loads((folder / "evaluation.json").read_text())


def refusal(folder: Path, *arguments: str | Path) -> str:
    with pytest.raises(RefusalError) as refused:
        invoke(folder, *arguments)
    return str(refused.value)


def test_prediction_sets_count_also_where_no_slide_got_a_grade(tmp_path: Path) -> None:
    for slide, held in (("a", ["1", "2"]), ("b", ["1", "2"]), ("c", ["2", "3"])):
        write_slide(tmp_path / "results", slide, None, prediction_set=held)
    write_sheet(tmp_path, row("a", "1"), row("b", "3"), row("c", "3"))
    _, content = call(tmp_path)
    assert (content["graded"], content["set_size"]) == (0, 2)
    assert content["coverage"] == pytest.approx(2 / 3)
    assert content["quadratic_kappa"] is None


def test_figures_are_printed_and_written_with_their_intervals(cohort: Path) -> None:
    text, content = call(cohort)
    assert (content["n_patients"], content["n_slides"], content["unit"]) == (7, 7, "patient")
    assert content["accuracy"] == pytest.approx(5 / 6)
    assert content["graded"] == pytest.approx(6 / 7)
    assert content["confusion"] == [[2, 0, 0], [0, 1, 0], [0, 1, 2]]
    assert all({name, f"{name}_low", f"{name}_high"} <= set(content) for name in FIGURES)
    assert (content["grader"], content["label"], content["left_out"]) == ("nottingham-pleomorphism", "grade", {})
    assert content["abstained"] == {"Too few nuclei can be graded.": 1}
    first, *lines = text.splitlines()
    assert first.startswith("nottingham-pleomorphism against the column 'grade': 7 slides of 7 patients")
    (kappa,) = [line for line in lines if line.startswith("quadratic_kappa ")]
    low, high = content["quadratic_kappa_low"], content["quadratic_kappa_high"]
    assert kappa.endswith(f"{content['quadratic_kappa']:.3f} [{low:.3f}-{high:.3f}]")
    start = next(place for place, line in enumerate(lines) if line.startswith("True grades"))
    assert [line.split() for line in lines[start + 1 : start + 5]] == [
        ["1", "2", "3"],
        ["1", "2", "0", "0"],
        ["2", "0", "1", "0"],
        ["3", "0", "1", "2"],
    ]
    assert "  1: Too few nuclei can be graded." in lines


def test_no_patient_is_named(cohort: Path) -> None:
    text, _ = call(cohort, "--by", "site", "--reader", "second", "--plot", cohort / "plot.svg")
    written = [cohort / "evaluation.json", cohort / "plot.svg"]
    assert not any("Jane" in part for part in (text, *(path.read_text() for path in written)))


def test_the_same_results_give_the_same_bytes(cohort: Path) -> None:
    files = (cohort / "evaluation.json", cohort / "plot.svg")
    call(cohort, "--plot", files[1])
    before = [path.read_bytes() for path in files]
    call(cohort, "--plot", files[1])
    assert [path.read_bytes() for path in files] == before


def test_the_score_of_older_results_is_the_expected_grade(cohort: Path) -> None:
    """By place: 0.4, 1.0 and 1.89 for grades 1 to 3; a score of the grader's own comes first."""
    _, content = call(cohort)
    assert content["spearman"] == pytest.approx(spearmanr((1, 2, 3, 3, 3, 1), (0.4, 1, 1.89, 1, 1.89, 0.4)).statistic)
    for slide, score in zip("abcdef", (0.1, 1.2, 2.0, 1.1, 2.2, 0.0), strict=True):
        write_slide(cohort / "results", slide, GIVEN[slide], score=score)
    _, content = call(cohort)
    assert content["spearman"] == pytest.approx(spearmanr((1, 2, 3, 3, 3, 1), (0.1, 1.2, 2.0, 1.1, 2.2, 0.0)).statistic)


def test_prediction_sets(cohort: Path) -> None:
    sets = {"a": ["1"], "b": ["1", "2"], "c": ["3"], "d": ["2"], "g": ["1", "2", "3"]}
    for slide, prediction_set in sets.items():
        write_slide(cohort / "results", slide, GIVEN[slide], prediction_set=prediction_set)
    _, content = call(cohort)
    # Those of two slides are not known.
    assert (content["coverage"], content["set_size"]) == (0.8, pytest.approx(8 / 5))


def test_slides_of_a_patient_are_one(cohort: Path) -> None:
    write_sheet(cohort, row("a", "1", patient="x"), row("f", "1", patient="x"), row("c", "3", patient="y"))
    _, content = call(cohort)
    assert (content["unit"], content["n_patients"], content["n_slides"]) == ("patient", 2, 3)
    _, content = call(cohort, "--group", "site")
    assert (content["unit"], content["n_patients"]) == ("slide", 1)


def test_what_is_not_judged_is_counted(cohort: Path) -> None:
    results = cohort / "results"
    write_slide(results, "r", None, reason="The slide was rejected: no tissue", outside_scope=None)
    write_slide(results, "u", "1")
    (results / "u" / "grade" / "manifest.json").unlink()
    write_slide(results, "o", "1")
    changed = results / "o" / "features" / "manifest.json"
    write_json(changed, made.manifest("features", "o", counts={"nuclei": 7}))
    later = (results / "o" / "grade" / "manifest.json").stat().st_mtime + 10
    os.utime(changed, (later, later))
    rows = [row("a", "1"), row("c", "3"), row("b", ""), row("r", "2"), row("u", "1"), row("o", "1"), row("x", "1")]
    write_sheet(cohort, *rows)
    text, content = call(cohort)
    assert content["left_out"] == {"no label": 1, "not finished": 2, "not in the results": 1}
    assert content["abstained"] == {"The slide was rejected: no tissue": 1}
    assert (content["n_slides"], content["graded"]) == (3, pytest.approx(2 / 3))
    assert "Slides left out: no label: 1; not finished: 2; not in the results: 1" in text.splitlines()


def test_a_slide_that_failed_is_counted_as_such(cohort: Path) -> None:
    folder = cohort / "results" / "b"
    (folder / "grade" / "manifest.json").unlink()
    write_json(folder / ".work" / "grade" / "fault.json", {"reason": "No space left on device"})
    _, content = call(cohort)
    assert (content["left_out"], content["n_slides"]) == ({"failed": 1}, 6)


def test_a_run_that_stopped_after_the_grades_is_enough(cohort: Path) -> None:
    assert not (cohort / "results" / "a" / "report").exists()
    assert call(cohort)[1]["graded"] > 0.8


def test_subgroups(cohort: Path) -> None:
    sheet = cohort / "slides.tsv"
    sheet.write_text(sheet.read_text().replace("Jane g\t2\t2\tA", "Jane g\t2\t2\t"))
    text, content = call(cohort, "--by", "site", "--by", "histology")
    assert {name: part["n_slides"] for name, part in content["by"]["site"].items()} == {"A": 3, "B": 3, "not stated": 1}
    assert content["by"]["site"]["B"]["confusion"] == [[0, 0, 0], [0, 0, 0], [0, 1, 2]]
    assert content["by"]["site"]["not stated"]["accuracy"] is None
    assert content["by"]["histology"]["ductal"] == {name: content[name] for name in content["by"]["site"]["A"]}
    lines = text.splitlines()
    start = lines.index("By site")
    assert [line.split()[:3] for line in lines[start + 1 : start + 4]] == [
        ["site", "slides", "graded"],
        ["A", "3", "1.000"],
        ["B", "3", "1.000"],
    ]


def test_two_readers_and_the_grader_on_the_same_slides(cohort: Path) -> None:
    text, content = call(cohort, "--reader", "second")
    pairs = content["readers"]["pairs"]
    assert content["readers"]["columns"] == ["grade", "second"]
    assert [(pair["true"], pair["given"]) for pair in pairs] == [
        ("grade", "second"),
        ("grade", "nottingham-pleomorphism"),
        ("second", "nottingham-pleomorphism"),
    ]
    # Neither f, which has one reader, nor g, which has no grade.
    assert [pair["n_slides"] for pair in pairs] == [5, 5, 5]
    assert [pair["accuracy"] for pair in pairs] == [3 / 5, 4 / 5, 2 / 5]
    assert pairs[0]["confusion"] == [[1, 0, 0], [1, 0, 0], [0, 1, 2]]
    assert "Readers and grader on the 5 slides that all three graded" in text.splitlines()


def test_the_plot_can_be_read_and_shows_each_bin(cohort: Path) -> None:
    _, content = call(cohort, "--plot", cohort / "plot.svg")
    root = ET.fromstring((cohort / "plot.svg").read_bytes())  # noqa: S314 (our own)
    name = "{http://www.w3.org/2000/svg}"
    assert len(root.findall(f".//{name}circle")) == sum(entry["count"] > 0 for entry in content["reliability"]) == 3
    words = [text.text for text in root.iter(f"{name}text")]
    assert {"Reliability of nottingham-pleomorphism", "probability of the likeliest grade", "share that is right"} <= {
        *words
    }
    assert f"6 patients; expected calibration error {content['ece']:.3f}" in " ".join(filter(None, words))
    dots = {(float(dot.get("cx", "")), float(dot.get("cy", ""))) for dot in root.iter(f"{name}circle")}
    # Of the two at 0.6 one is right; axes from 60 to 440 and from 390 up to 60.
    assert dots == {(60 + 0.6 * 380, 390 - 0.5 * 330), (60 + 0.7 * 380, 60), (60 + 0.92 * 380, 60)}


def test_a_plot_without_probabilities_is_refused_before_anything_is_written(cohort: Path) -> None:
    for slide, given in GIVEN.items():
        write_slide(cohort / "results", slide, given, probabilities={}, score=1.0)
    assert "nothing to draw" in refusal(cohort, "--plot", cohort / "plot.svg", "--out", cohort / "out.json")
    assert not (cohort / "plot.svg").exists()
    assert not (cohort / "out.json").exists()


@pytest.mark.parametrize(
    ("arguments", "wanted"),
    [
        (
            ["--label", "grades"],
            r"the column 'grades' is missing or empty; columns that can be used: grade, patient, se",
        ),
        (["--reader", "third"], r"the column 'third' is missing or empty"),
        (["--by", "scanner", "--group", "case"], r"'case' is missing or empty.*\n.*'scanner' is missing or empty"),
        (["--by", "patient"], r"--by patient: names patients"),
        (["--label", "patient"], r"--label patient: names patients"),
        (["--reader", "patient"], r"--reader patient: names patients"),
        (["--by", "site", "--group", "site"], r"--by site: names patients"),
        (["--label", "site"], r"the column 'site' has 'A', 'B', but the grader's grades are 1, 2, 3"),
        (["--reader", "histology"], r"the column 'histology' has 'ductal', but the grader's grades"),
        (["--out", "nowhere/out.json"], r"--out: the folder nowhere does not exist"),
        (["--out", "/proc/out.json"], r"--out /proc/out.json: cannot be written \(.*\): name a file in another folder"),
        (["--plot", "nowhere/plot.svg"], r"--plot: the folder nowhere does not exist"),
        (["--results", "nowhere"], r"nowhere: this folder does not exist"),
        (["--slides", "nowhere.tsv"], r"nowhere.tsv: the sample sheet cannot be read"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_what_cannot_be_done_is_said(cohort: Path, arguments: list[str], wanted: str) -> None:
    assert re.search(wanted, refusal(cohort, *arguments))


def test_numbers_that_spreadsheets_write_are_refused_and_not_guessed(cohort: Path) -> None:
    write_sheet(cohort, row("a", "1"), row("b", "2.0"), row("c", "III"))
    assert "has '2.0', 'III', but the grader's grades are 1, 2, 3: write them" in refusal(cohort)


def test_no_graded_slide_at_all(cohort: Path) -> None:
    write_slide(cohort / "results", "h", None, reason="The slide was rejected: no tissue")
    write_sheet(cohort, row("g", "1"), row("h", "2"), row("a", ""), row("x", "3"))
    assert refusal(cohort).endswith(
        "no slide that has a label in the column 'grade' was graded: 1 no label; 1 not in the results; "
        "1 without a grade (Too few nuclei can be graded); 1 without a grade (The slide was rejected: no tissue)"
    )


def test_grades_of_several_graders_are_not_thrown_together(cohort: Path) -> None:
    write_slide(cohort / "results", "b", "2", grader="mine")
    assert "not all graded by the same grader" in refusal(cohort)
    assert "mine (1, 2, 3): 1 slide, such as b" in refusal(cohort)


@pytest.mark.parametrize(
    "changes",
    [
        {"prediction_set": ["4"]},
        {"score": "high"},
        {"probabilities": {"4": 1.0}},
        {"grade": "4"},
        {"grades": ["1"], "probabilities": {"1": 1.0}},
    ],
    ids=lambda changes: next(iter(changes)),
)
def test_damaged_grades_are_named_all_at_once(cohort: Path, changes: dict[str, Any]) -> None:
    for slide in ("a", "c"):
        write_slide(cohort / "results", slide, "1", **changes)
    lines = refusal(cohort).splitlines()
    assert [line.split(": ", 1)[1] for line in lines] == ["is damaged: delete it and run again"] * 2
    assert [Path(line.split(": ")[0]).parts[-3] for line in lines] == ["a", "c"]


def test_nothing_is_written_through_a_link(cohort: Path) -> None:
    (cohort / "precious").write_text("precious")
    (cohort / "out.json").symlink_to("precious")
    for option in ("--out", "--plot"):
        assert "is a symbolic link" in refusal(cohort, option, cohort / "out.json")
    assert (cohort / "precious").read_text() == "precious"


def test_the_sheet_of_the_last_run_is_taken(cohort: Path) -> None:
    results = cohort / "results"
    arguments = ["evaluate", "grade", "--results", str(results)]
    with pytest.raises(RefusalError, match="give it with --slides"):
        CliRunner().invoke(app, arguments, catch_exceptions=False)
    write_json(results / ".pathopipe" / "config.json", {"slides": str(cohort / "slides.tsv")})
    done = CliRunner().invoke(app, arguments, catch_exceptions=False)
    assert done.exit_code == 0
    assert done.stdout.startswith("nottingham-pleomorphism against the column 'grade': 7 slides")
