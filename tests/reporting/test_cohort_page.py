import re
from dataclasses import replace

import numpy as np
import pytest

from pathopipe.grading.patients import PatientGrade
from pathopipe.reporting import pictures
from pathopipe.reporting.cohort_page import CohortEntry, CohortPage, render_cohort, shade
from pathopipe.reporting.cohort_table import CohortRow
from pathopipe.reporting.slide_page import QualityWarning

ATTACK = "\"'><script>alert(1)</script>"
MODEL = ("research", f"non-commercial {ATTACK}")
STAIN = QualityWarning("not_he", f"The colors are not those of H&E {ATTACK}.", stops_grade=True)
PEN = QualityWarning("pen", "Pen marks cover 3% of the slide.")
WARNINGS = {"s1": (PEN,), "s2": (STAIN, PEN, PEN)}
THUMBNAIL = pictures.jpeg(np.full((8, 12, 3), 200, np.uint8))


def entry(slide: str, grade: str | None, area: float, **more) -> CohortEntry:
    statistics = {"nuclei_count": 1200, "nuclei_per_mm2": 100 * area, "area_um2_mean": area}
    row = CohortRow(slide, "done", None, grade, grade is None, {"1": 0.3, "2": 0.7}, statistics, more, *MODEL)
    return CohortEntry(row, THUMBNAIL, True, WARNINGS.get(slide, ()))


PAGE = CohortPage(
    (
        entry("s1", "2", 40.5, site="B1"),
        entry("s2", None, 30.0, site=ATTACK),
        CohortEntry(CohortRow("s3", "rejected", f"no mpp {ATTACK}"), has_report=True),
        CohortEntry(CohortRow("s4", "fault", "the disk is full"), has_report=True),
        CohortEntry(CohortRow("s5", "missing", "there is no result yet")),
    ),
    ("1", "2", "3"),
    ("site",),
)


def test_all_slides_are_listed_with_their_fate(read_page):
    page = read_page(render_cohort(PAGE))
    for words in ("5 slides", "1,200", "40.5", "Rejected", "No mpp", "The disk is full.", "There is no result yet."):
        assert words in page.visible
    assert [a.get("href") for a in page.all("a") if "report" in a["href"]] == [
        f"../s{number}/report/report.html" for number in (1, 2, 3, 4)
    ]
    assert "earlier run" in page.visible


def test_counts_of_states_and_grades():
    assert [(state, number) for state, _, number in PAGE.states] == [
        ("done", 2), ("rejected", 1), ("fault", 1), ("missing", 1),
    ]  # fmt: skip
    assert [(item.label, item.slides) for item in PAGE.grade_counts] == [("1", 0), ("2", 1), ("3", 0), ("No grade", 1)]
    assert sum(item.share for item in PAGE.grade_counts) == 1


def test_warnings_are_counted_and_mark_the_rows(read_page):
    assert [(warning.code, number) for warning, number in PAGE.warning_counts] == [("not_he", 1), ("pen", 2)]
    assert [entry.stopped for entry in PAGE.entries] == [False, True, False, False, False]
    page = read_page(render_cohort(PAGE))
    assert "Slides with warnings Not H&E 1 slide, no grade Pen marks 2 slides" in page.visible
    assert [a.get("class") for a in page.all("tr") if "data-slide" in a] == [None, "stopped", None, None, None]
    titles = [a["title"] for a in page.all("span") if "badge" in (a.get("class") or "") and "title" in a]
    assert titles == [PEN.message, STAIN.message, PEN.message]
    assert {a["value"] for a in page.all("option")} >= {"not_he", "pen", "-"}


def test_stability_is_not_shown_as_certainty(read_page):
    assert "2 in 70% of resamples" in read_page(render_cohort(PAGE)).visible


def test_a_grade_out_of_scope_is_marked(read_page):
    row = CohortRow("s", "done", None, "2", False, {"2": 1.0}, outside_scope=True)
    assert "out of scope" in read_page(render_cohort(CohortPage((CohortEntry(row),), ("1", "2")))).visible
    assert "out of scope" not in read_page(render_cohort(PAGE)).visible


def test_patients_are_named_by_their_slides(read_page):
    patient = PatientGrade((ATTACK, "s2"), ("2", None), "2", (f"Without a grade: s2 {ATTACK}.",))
    shown = read_page(render_cohort(replace(PAGE, patients=(patient,), patient_rule="The worst counts.")))
    assert "The worst counts. A patient is named by the slides. Slides Grades of the slides" in shown.visible
    assert f"{ATTACK}, s2 2, – 2 Without a grade: s2 {ATTACK}." in shown.visible
    assert len(shown.all("script")) == 1
    assert "Patients with several slides" not in read_page(render_cohort(PAGE)).visible


def test_models_are_named_with_their_terms(read_page):
    assert f"Nuclei found by research (non-commercial {ATTACK}) on 2 slides." in read_page(render_cohort(PAGE)).visible


def test_text_from_outside_is_text(read_page):
    content = render_cohort(
        CohortPage((entry(ATTACK, ATTACK, 3.0, **{ATTACK: ATTACK}), entry("b", "1", 4.0)), (ATTACK,), (ATTACK,))
    )
    page = read_page(content)
    assert len(page.all("script")) == 1
    assert "script>alert" not in content.decode()
    assert ATTACK in page.visible
    assert "../%22%27%3E%3Cscript%3Ealert%281%29%3C%2Fscript%3E/report/report.html" in content.decode()


def test_only_the_page_s_own_script_may_run():
    text = render_cohort(PAGE).decode()
    policy = re.search(r'Content-Security-Policy" content="([^"]*)"', text)[1].replace("&#39;", "'")
    assert re.search(r"script-src 'sha256-[\w+/=]{44}'", policy)
    assert "unsafe" not in policy


def test_the_page_reads_without_script(read_page):
    page = read_page(render_cohort(PAGE))
    assert all("hidden" in a for a in page.all("form"))
    assert not [a for a in page.all("tr") if "hidden" in a]


def test_strips_need_two_slides():
    assert [term.label for term, _ in PAGE.strips] == ["Nuclear density", "Nuclear area, mean"]
    assert CohortPage((entry("s1", "2", 40.5),), ("1", "2")).strips == []


def test_a_cohort_without_results(read_page):
    page = read_page(render_cohort(CohortPage((CohortEntry(CohortRow("s1", "missing", "none")),))))
    assert "1 slide" in page.visible
    assert "Across the cohort" not in page.visible
    assert "Grades" not in page.visible


@pytest.mark.parametrize(
    ("grade", "grades", "color"),
    [
        ("1", "123", "g0"),
        ("3", "123", "g3"),
        (None, "123", "gx"),
        ("9", "12", "gx"),
        ("1", "1", "g0"),
        ("5", "12345", "g3"),
    ],
)
def test_the_worst_grade_is_the_darkest(grade, grades, color):
    assert shade(grade, tuple(grades)) == color
