import json
import re
from dataclasses import replace

import numpy as np
import pytest

from pathopipe.grading.patients import PatientGrade
from pathopipe.reporting import cohort_page, pictures
from pathopipe.reporting.cohort_comparisons import marked
from pathopipe.reporting.cohort_entry import CohortEntry, shade
from pathopipe.reporting.cohort_page import CohortPage, render_cohort
from pathopipe.reporting.cohort_table import CohortRow
from pathopipe.reporting.slide_page import QualityWarning

ATTACK = "\"'><script>alert(1)</script>"
MODEL = ("research", f"non-commercial {ATTACK}")
STAIN = QualityWarning("not_he", f"The colors are not those of H&E {ATTACK}.", stops_grade=True)
PEN = QualityWarning("pen", "Pen marks cover 3% of the slide.")
WARNINGS = {"s1": (PEN,), "s2": (STAIN, PEN, PEN)}
THUMBNAIL = pictures.jpeg(np.full((8, 12, 3), 200, np.uint8)).uri
STATISTICS = ("nuclei_count", "nuclei_per_mm2", "area_um2_mean")


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
    STATISTICS,
)


def data_of(content: bytes) -> dict:
    """What the script reads, as a browser would find it: up to the first end of the element."""
    return json.loads(re.search(r'<script type="application/json" id="rows">(.*?)</script', content.decode())[1])


def test_all_slides_are_listed_with_their_fate(read_page):
    content = render_cohort(PAGE)
    page = read_page(content)
    for words in ("5 slides", "1,200", "40.5", "Rejected", "No mpp", "The disk is full.", "There is no result yet."):
        assert words in page.visible
    addresses = [f"../s{number}/report/report.html" for number in (1, 2, 3, 4)]
    assert [a.get("href") for a in page.all("a") if "report" in a["href"]] == addresses
    assert "earlier run" in page.visible
    rows = data_of(content)["rows"]
    assert [row.get("href") for row in rows] == [*addresses, None]
    assert [row["state"] for row in rows] == ["done", "done", "rejected", "fault", "missing"]
    assert rows[0]["numbers"] == ["1,200", "4,050", "40.5"]
    assert [row["picture"] == THUMBNAIL for row in rows[:2]] == [True, True]
    assert "numbers" not in rows[3]


def test_counts_of_states_and_grades():
    assert [(state, number) for state, _, number in PAGE.states] == [
        ("done", 2), ("rejected", 1), ("fault", 1), ("missing", 1),
    ]  # fmt: skip
    assert [(item.label, item.slides) for item in PAGE.grade_counts] == [("1", 0), ("2", 1), ("3", 0), ("No grade", 1)]
    assert sum(item.share for item in PAGE.grade_counts) == 1


def test_warnings_are_counted_and_in_the_rows(read_page):
    assert [(warning.code, number) for warning, number in PAGE.warning_counts] == [("not_he", 1), ("pen", 2)]
    content = render_cohort(PAGE)
    page = read_page(content)
    assert "Slides with warnings Not H&E 1 slide, no grade Pen marks 2 slides" in page.visible
    assert {a["href"] for a in page.all("a")} >= {"#warning=not_he", "#warning=pen"}
    rows = data_of(content)["rows"]
    assert [row.get("stopped", False) for row in rows] == [False, True, False, False, False]
    both = [["not_he", STAIN.message, True], ["pen", PEN.message, False]]
    assert [row.get("warnings") for row in rows] == [both[1:], both, None, None, None]
    assert {a["value"] for a in page.all("option")} >= {"not_he", "pen", "-"}


def test_stability_is_not_shown_as_certainty(read_page):
    assert "2 in 70% of resamples" in read_page(render_cohort(PAGE)).visible


def test_a_grade_out_of_scope_is_marked(read_page):
    row = CohortRow("s", "done", None, "2", False, {"2": 1.0}, outside_scope=True)
    content = render_cohort(CohortPage((CohortEntry(row),), ("1", "2")))
    assert "out of scope" in read_page(content).visible
    assert data_of(content)["rows"][0]["outside"] is True
    assert "out of scope" not in read_page(render_cohort(PAGE)).visible


def test_patients_are_named_by_their_slides(read_page):
    patient = PatientGrade((ATTACK, "s2"), ("2", None), "2", (f"Without a grade: s2 {ATTACK}.",))
    content = render_cohort(replace(PAGE, patients=(patient,), patient_rule="The worst counts."))
    shown = read_page(content)
    assert "The worst counts. A patient is named by the slides. Slides Grades of the slides" in shown.visible
    assert f"{ATTACK}, s2 2, – 2 Without a grade: s2 {ATTACK}." in shown.visible
    data = data_of(content)
    assert data["patients"] == [f"Patient of {ATTACK}, s2: grade 2. Without a grade: s2 {ATTACK}."]
    assert [row.get("patient") for row in data["rows"]] == [None, 1, None, None, None]
    assert "Patients with several slides" not in read_page(render_cohort(PAGE)).visible


def test_many_patients_are_listed_in_part_and_all_in_the_table(read_page, monkeypatch):
    patients = tuple(PatientGrade((f"a{place}", f"b{place}"), ("2", "2"), "2") for place in range(5))
    monkeypatch.setattr(cohort_page, "LISTED", 3)
    content = render_cohort(replace(PAGE, patients=patients))
    page = read_page(content)
    assert "These are the first 3 of 5" in page.visible
    assert "a2, b2" in page.visible
    assert "a3, b3" not in page.visible
    assert len(data_of(content)["patients"]) == 5
    assert "#group=patient" in {a["href"] for a in page.all("a")}


def test_models_are_named_with_their_terms(read_page):
    assert f"Nuclei found by research (non-commercial {ATTACK}) on 2 slides." in read_page(render_cohort(PAGE)).visible


def test_text_from_outside_is_text(read_page):
    hostile = CohortPage(
        (entry(ATTACK, ATTACK, 3.0, **{ATTACK: ATTACK}), entry("b", "1", 4.0)), (ATTACK,), (ATTACK,), STATISTICS
    )
    content = render_cohort(hostile)
    page = read_page(content)
    assert [a.get("type") for a in page.all("script")] == ["application/json", None, None]
    assert "script>alert" not in content.decode()
    assert ATTACK in page.visible
    assert data_of(content)["rows"][0]["sheet"] == [ATTACK]
    assert "../%22%27%3E%3Cscript%3Ealert%281%29%3C%2Fscript%3E/report/report.html" in content.decode()


def test_only_the_page_s_own_scripts_may_run_and_only_its_own_pictures_are_shown():
    text = render_cohort(PAGE).decode()
    policy = re.search(r'Content-Security-Policy" content="([^"]*)"', text)[1].replace("&#39;", "'")
    assert re.search(r"script-src( 'sha256-[\w+/=]{44}'){2};", policy)
    assert "unsafe" not in policy
    assert "img-src data:;" in policy


def test_pictures_beside_the_page_may_be_loaded_from_there_alone():
    apart = replace(PAGE, entries=tuple(replace(one, thumbnail="../s1/tissue/thumbnail.jpg") for one in PAGE.entries))
    assert "img-src data: &#39;self&#39;;" in render_cohort(apart).decode()


def test_a_small_table_reads_without_script_of_a_large_one_it_is_said_where_it_is(read_page, monkeypatch):
    page = read_page(render_cohort(PAGE))
    assert all("hidden" in a for a in page.all("form"))
    assert len([a for a in page.all("th") if a.get("scope") == "row"]) == 5
    monkeypatch.setattr(cohort_page, "PLAIN", 4)
    page = read_page(render_cohort(PAGE))
    assert not [a for a in page.all("th") if a.get("scope") == "row"]
    assert "The table of 5 slides is shown by a script, which this browser does not run." in page.visible


def test_columns_of_few_values_are_chosen_from_others_searched(read_page, monkeypatch):
    names = {a.get("name") for a in read_page(render_cohort(PAGE)).all("select", "input")}
    assert names >= {"is.site", "from.area_um2_mean", "to.area_um2_mean", "group", "outlier", "grade", "state"}
    monkeypatch.setattr(cohort_page, "CHOICES", 2)
    names = {a.get("name") for a in read_page(render_cohort(PAGE)).all("select", "input")}
    assert "has.site" in names
    assert "is.site" not in names


def test_every_control_has_a_label(read_page):
    page = read_page(render_cohort(PAGE))
    labels = [name for name, _ in page.elements].count("label")
    controls = [a for a in page.all("select", "input") if a.get("type") != "hidden"]
    assert labels == len(controls) > 10
    assert all(a.get("aria-label") or a.get("aria-labelledby") for a in page.all("section", "div") if "tabindex" in a)


def test_outliers_are_counted_and_the_rule_is_stated(read_page):
    slides = [entry(f"s{place}", "1", 30 + place % 7) for place in range(40)]
    page = replace(PAGE, entries=tuple(marked([*slides, entry("far", "1", 300.0)], STATISTICS)))
    content = render_cohort(page)
    shown = read_page(content)
    assert "1 slide is an outlier in at least one of these statistics. A slide is an outlier" in shown.visible
    assert "more than 3.5 robust standard deviations" in shown.visible
    assert [row["slide"] for row in data_of(content)["rows"] if "far" in row] == ["far"]
    assert set(data_of(content)["rows"][-1]["far"]) == {"nuclei_per_mm2", "area_um2_mean"}


def test_strips_need_two_slides():
    assert ["Nuclei of" in strip for strip in PAGE.strips] == [True, False, False]
    assert CohortPage((entry("s1", "2", 40.5),), ("1", "2"), (), STATISTICS).strips == []


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
