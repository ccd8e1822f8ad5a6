import os
import re
import subprocess
import sys
from dataclasses import replace

import numpy as np

from pathopipe.reporting import close_ups, grade_view, pictures, slide_page
from pathopipe.reporting.bins import Window
from pathopipe.reporting.cohort_figures import Spread
from pathopipe.reporting.distribution import distribution
from pathopipe.reporting.gallery import Rule
from pathopipe.reporting.overview import Overview
from pathopipe.reporting.references import Beside, References
from pathopipe.reporting.statistics_rows import OtherRow, OtherRows
from pathopipe.results.schemas.column import Term
from pathopipe.results.schemas.features import term_of

ATTACK = "\"'><script>alert(1)</script>"
PIXELS = pictures.jpeg(np.full((30, 40, 3), 200, np.uint8))
RING = np.array([(5, 5), (20, 5), (20.5, 18), (5, 5)])
TERM = Term(ATTACK, ATTACK, ATTACK)


def full_page(words: str = "words") -> slide_page.SlidePage:
    """A page with every section, and ``words`` wherever text may come from outside."""
    fact = slide_page.Fact(words, words, words)
    outline = close_ups.Outline(7, RING, 43.21)
    evidence = tuple(grade_view.Evidence(words, value, words, words) for value in (1.5, 3, None, words, True, 0.1, 9))
    windows = tuple(Window(kind, 10.0 * i, 0, 10, 10) for i, kind in enumerate(("densest", "typical")))
    heat = pictures.png(pictures.heat(np.ones((3, 4)), 1.0))
    row = slide_page.StatisticsRow(Term(words, words, words), (1.0,), words, words, (2.5,))
    record = slide_page.StageRecord(words, words, "done", "1", (fact,), (fact,), (fact,), (fact,))
    return slide_page.SlidePage(
        slide=words,
        facts=(fact,),
        methods=(fact,),
        warnings=(slide_page.QualityWarning(words, words),),
        grade=grade_view.Grade(words, words, words, (words, "2"), (0.9, 0.1), False, words, evidence),
        key_figures=(fact,),
        overview=Overview(PIXELS, 400, 300, 0.5, (RING * 10,), windows, heat, (400, 300), 3000.0),
        fields=tuple(close_ups.FieldOfView(window, PIXELS, 0.25, (outline,), (fact,)) for window in windows),
        galleries=(close_ups.Gallery(Rule(words, words), (close_ups.NucleusCrop(PIXELS, outline, words, words),)),),
        crop_um=24.0,
        histograms=(slide_page.Histogram(replace(term_of("area_um2"), label=words), distribution([1, 2, 3])),),
        statistics_columns=(words,),
        statistics=(slide_page.StatisticsGroup(words, (row,)),),
        singles=(slide_page.StatisticsGroup(words, (row,)),),
        other_rows=OtherRows((OtherRow(words, words),), (), 2),
        parts_columns=(Term(words, words, words),),
        parts=(slide_page.PartRow(words, words, (words, words)),),
        compared=(words,),
        records=(record,),
        versions=(fact,),
        identity=(fact,),
    )


def test_a_full_page_is_sound_and_shows_everything(read_page):
    page = read_page(slide_page.render_slide(full_page()))
    headings = page.visible
    for words in ("What the grade is based on", "Fields of view", "Densest region", "Distributions", "Provenance"):
        assert words in headings
    for words in ("Regions and types of nuclei", "Statistics of the slide", "Region and type of nuclei"):
        assert words in headings
    assert "43.2\u202fµm²" in page.text
    assert len(page.all("script")) == 1, "the search"
    assert len(page.all("h1")) == 1


def test_text_from_outside_is_text(read_page):
    content = slide_page.render_slide(full_page(ATTACK))
    page = read_page(content)
    assert content.count(b"<script") == 1, "ours"
    assert ATTACK in page.visible
    assert f"Histogram of {ATTACK.lower()}" in " ".join(a.get("aria-label") or "" for a in page.all("svg"))


def graded_page(words: str = "words", **changes) -> slide_page.SlidePage:
    """A page whose grade has all that a grader may say."""
    page = full_page(words)
    fact = slide_page.Fact(words, words, words)
    heat = pictures.png(pictures.two_sided(np.array([[0.5, -0.5]]), 1.0))
    assert page.grade is not None
    assert page.overview is not None
    grade = replace(
        page.grade,
        evidence=(grade_view.Evidence(words, 1.7, words, words, (1.5, 2.0), 0.3),),
        calibrated=True,
        score=1.7,
        limits=(1.5,),
        prediction_set=(words,),
        coverage=0.9,
        not_assessed=((words, words),),
        figures=(fact,),
        card=words,
        regions=(
            grade_view.RegionGrade(words, words, 1.0, (words,), words),
            grade_view.RegionGrade(words, None, None, None, words),
        ),
        drivers=grade_view.Drivers(
            (grade_view.Driver(words, words, words, words, "#view=5,6,7"),), (7, 9), 250.0, 0.67, (words,)
        ),
        references=References(
            words, (Beside(Term(words, words, words), words, 1.0, (Spread(words, 7, 1.0, 2.0, 3.0, 4.0, 5.0),)),)
        ),
    )
    overview = replace(page.overview, influence=heat, influence_limit=0.5)
    return replace(page, grade=replace(grade, **changes), overview=overview)


def test_all_that_a_grader_says_is_shown(read_page):
    page = read_page(slide_page.render_slide(graded_page()))
    for words in (
        "Possible grade: words. 9 of 10 such sets hold the pathologist's grade.",
        "Probability 90%.",
        "Probability of each grade",
        "Not assessed",
        "Grades of regions",
        "Beside slides of known grades",
        "What drives the grade",
        "The strongest nuclei, by number: 7, 9.",
        "covers 67% of what the score depends on",
        "0.300 words below the limit of 2.00 words.",
    ):
        assert words in page.visible
    labels = [a.get("aria-label") or "" for a in page.all("svg")]
    assert sum("limits" in label for label in labels) == 2, "the score and a number"
    assert sum("where nuclei raise the score" in label for label in labels) == 1


def test_all_that_a_grader_says_is_text(read_page):
    content = slide_page.render_slide(graded_page(ATTACK))
    read_page(content)
    assert content.count(b"<script") == 1, "ours"


def test_the_reason_of_an_abstention_comes_before_all_else(read_page):
    content = slide_page.render_slide(graded_page(grade=None, abstained=True, reason="Two grades fit equally well."))
    shown = read_page(content).visible
    places = [
        shown.index(words) for words in ("No grade", "Two grades fit equally well.", "Possible grade", "Score 1.70")
    ]
    assert places == sorted(places)
    assert "Probability 90%" not in shown


def test_regions_that_nobody_grades_are_told_in_a_sentence(read_page):
    region = grade_view.RegionGrade("tumor", None, None, None, "Regions are not graded by themselves.")
    shown = read_page(slide_page.render_slide(graded_page(regions=(region, region)))).visible
    assert "No region has a grade of its own. Regions are not graded by themselves." in shown
    assert "Remark" not in shown


def test_the_policy_allows_the_style_and_nothing_else():
    text = slide_page.render_slide(full_page()).decode()
    policy = re.search(r'Content-Security-Policy" content="([^"]*)"', text)[1].replace("&#39;", "'")
    assert "default-src 'none'" in policy
    assert re.search(r"script-src 'sha256-[\w+/=]{44}';", policy)
    rejected = slide_page.render_slide(slide_page.SlidePage("s1")).decode()
    assert "script-src 'none'" in rejected.replace("&#39;", "'")
    assert re.search(r"style-src 'sha256-[\w+/=]{44}'", policy)
    assert "unsafe" not in policy


def test_every_nucleus_of_a_field_is_drawn_once_and_can_be_hidden(read_page):
    text = slide_page.render_slide(full_page()).decode()
    drawn = re.findall(r'<path d="([^"]*)"><title>Nucleus 7: 43.2\u202fµm²</title></path>', text)
    assert drawn == ["M50 50l150 0 5 130z"] * 3, "two fields and a crop"
    assert 'id="outlines" checked' in text
    assert "#outlines:not(:checked) ~ section .outline { display: none; }" in text
    page = read_page(text.encode())
    boxes = [a for a in page.all("input") if a["type"] == "radio"]
    assert [("checked" in a) for a in boxes] == [True, False]
    labels = {a["for"] for a in page.all("label")}
    assert labels == {a["id"] for a in (*page.all("input"), *page.all("select"))}


def test_a_rejected_slide_says_why_and_shows_no_empty_charts(read_page):
    rejection = slide_page.Rejection("Tissue detection", f"No mpp: add the column 'mpp' {ATTACK}")
    page = read_page(slide_page.render_slide(slide_page.SlidePage("s1", rejection=rejection)))
    assert "This slide was not analyzed" in page.visible
    assert "add the column 'mpp'" in page.visible
    assert "Rejected" in page.visible
    assert "Distributions" not in page.visible
    assert "No grade" not in page.visible
    assert not [a for a in page.all("svg") if a.get("role") == "img"]


def test_an_abstention_is_told_with_its_reason(read_page):
    page = full_page()
    grade = replace(page.grade, grade=None, abstained=True, reason="Only 3 nuclei.")
    shown = read_page(slide_page.render_slide(replace(page, grade=grade))).visible
    assert "No grade" in shown
    assert "The grader abstained. Only 3 nuclei." in shown


def test_the_same_page_has_the_same_bytes_in_another_process():
    code = (
        "import hashlib, sys; sys.path.insert(0, sys.argv[1]); import test_slide_page as t;"
        "print(hashlib.sha256(t.slide_page.render_slide(t.full_page())).hexdigest())"
    )
    digests = set()
    for seed in ("1", "2"):
        environment = os.environ | {"PYTHONHASHSEED": seed, "TZ": f"UTC{seed}", "LC_ALL": "C"}
        command = [sys.executable, "-c", code, os.path.dirname(__file__)]  # noqa: PTH120
        digests.add(subprocess.run(command, env=environment, capture_output=True, text=True, check=True).stdout)
    assert len(digests) == 1


def test_the_first_screen_says_which_slide_which_grade_how_sure_and_what_to_worry_about(read_page):
    page = replace(graded_page(), warnings=tuple(slide_page.QualityWarning("pen", f"Warning {n}.") for n in range(6)))
    shown = read_page(slide_page.render_slide(page)).visible
    first = shown[: shown.index("What the grade is based on")]
    told = (
        "Grade words",
        "How sure Probability 90%.",
        "Read the numbers of this slide with care",
        "Warning 3.",
        "2 more",
    )
    places = [first.index(words) for words in told]
    assert places == sorted(places)
    assert "Not assessed: words. Why" in first
    calm = read_page(slide_page.render_slide(replace(graded_page(), warnings=()))).visible
    assert "The checks of the image found nothing. They look for some faults only." in calm
    assert "with care" not in calm


def links(page) -> list[str]:
    return [attributes["href"] for attributes in page.all("a")]


def test_what_is_shown_leads_to_its_place_in_the_viewer_where_there_is_one(read_page):
    crop = close_ups.NucleusCrop(PIXELS, close_ups.Outline(7, RING, 43.21), "43", "#view=1,2,3&nucleus=7")
    page = replace(graded_page(), galleries=(close_ups.Gallery(Rule("Largest", "why"), (crop,)),))
    without = read_page(slide_page.render_slide(page))
    assert not [link for link in links(without) if link.startswith("#view=")]
    shown = read_page(slide_page.render_slide(replace(page, viewer=True)))
    leading = [link for link in links(shown) if link.startswith("#view=")]
    driver, fields, nucleus = "#view=5,6,7", ["#view=5,5,13", "#view=15,5,13"], "#view=1,2,3&nucleus=7"
    assert leading == [driver, driver, *fields, nucleus], "the grade, its strongest fields, the fields, the gallery"


def test_the_files_are_named_in_words_of_where_they_are(read_page):
    shown = read_page(slide_page.render_slide(full_page("s1")))
    assert "These links work where this page lies in its results folder." in shown.visible
    assert {"../statistics/statistics.parquet", "../../cohort/index.html#q=%22s1%22"} <= {*links(shown)}
    rejected = read_page(slide_page.render_slide(slide_page.SlidePage("s1")))
    assert "../../cohort/index.html#q=%22s1%22" in links(rejected)


def test_a_measure_is_shown_with_its_unit_definition_name_and_medians(read_page):
    row = slide_page.StatisticsRow(Term("Area", "µm²", "how large"), (1.0,), "area_um2", "Definition: pixels.", (2.5,))
    page = replace(full_page(), statistics=(slide_page.StatisticsGroup("Size", (row,)),), compared=("Field, all",))
    shown = read_page(slide_page.render_slide(page)).visible
    assert "Median of other regions and types of nuclei Measure words Field, all" in shown
    assert "Area µm² How large. Definition: pixels. area_um2 1.00 2.50" in shown
