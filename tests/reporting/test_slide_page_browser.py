"""The slide's page around the viewer, in a real browser."""

import json
import re
from dataclasses import replace

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import shapely

from pathopipe.jobs.execution import execute, execute_cohort
from pathopipe.ops.regions import to_geojson
from pathopipe.pipeline import CohortSettings, ReportSettings
from pathopipe.reporting.fact import Fact
from pathopipe.reporting.relative import cohort_link
from pathopipe.reporting.slide_page import QualityWarning, StatisticsGroup, StatisticsRow, render_slide
from pathopipe.results.documents import write_json
from pathopipe.results.quality import picture_of
from pathopipe.results.schemas.column import Term
from pathopipe.results.schemas.statistics import STATISTICS
from pathopipe.text import number
from tests.made import seal
from tests.reporting.test_slide_page import graded_page
from tests.stages.finished_slide import finish

FOLD = {"classification": {"name": "fold", "color": [213, 94, 0]}, "left_out": False}
STATISTIC = {"row": "epithelial", "column": "area_um2_mean", "value": 52.1, "quantiles": [[1, 2, 3, 4, 5]] * 3}
GROUPS = [{"grade": grade, "slides": 12} for grade in "123"]
BESIDE = {"references": {"label": "grade", "groups": GROUPS, "statistics": [STATISTIC] * 8}}
LONG = "The slide is unlike those that the grader learned from: 38% of its statistics lie outside of their range. " * 3


@pytest.fixture(scope="module")
def report(tmp_path_factory):
    """The page of a slide with a quality map, and a grader that knows other slides."""
    folder = tmp_path_factory.mktemp("report")
    sample = finish(folder / "results", "s1", folder)
    home = folder / "results" / "s1"
    write_json(home / "quality" / "quality.geojson", to_geojson([shapely.box(640, 480, 1280, 960)], [FOLD], (0, 0)))
    (home / "quality" / "quality.png").write_bytes(picture_of(np.full((12, 16), 3, np.uint8)))
    shares = {"fold": 0.2, "pen": 0.1, "bubble": 0.1, "debris": 0.1, "out of focus": 0.1}
    for path, told in (
        (home / "quality" / "manifest.json", {"shares": shares}),
        (home / "grade" / "grade.json", BESIDE),
    ):
        write_json(path, json.loads(path.read_text()) | told)
    seal(folder / "results", "s1")
    execute("report", "s1", folder / "results", ReportSettings(), sample)
    return folder / "results" / "s1" / "report" / "report.html"


@pytest.mark.parametrize("abstained", [False, True])
def test_the_first_screen_fits_however_much_there_is_to_say(chromium, tmp_path, abstained):
    grades = ("low", "intermediate", "high", "very high", "unknown")
    known = {"grades": grades, "probabilities": (0.1, 0.5, 0.2, 0.1, 0.1), "limits": (0.5, 1.0, 1.5, 2.0)}
    figures = (Fact("Quadratic-weighted kappa", "0.55", "(0.35 to 0.68)"),)
    said = {"prediction_set": grades[:3], "not_assessed": ((LONG[:40], "why"),) * 9, "shares_of": LONG[:160]}
    decided = {"grade": None, "abstained": True, "reason": LONG} if abstained else {"grade": "high", "reason": None}
    page = graded_page(scope=LONG[:200], figures=figures, **known, **said, **decided)
    warnings = tuple(QualityWarning("pen", LONG[:120], number == 0) for number in range(9))
    tiles = tuple(Fact("Median circularity", "0.989", "1 is a circle") for _ in range(6))
    (tmp_path / "page.html").write_bytes(render_slide(replace(page, warnings=warnings, key_figures=tiles)))
    with chromium.page(tmp_path / "page.html") as shown:
        assert shown.locator(".first").bounding_box()["height"] > 400
        ends = [shown.locator(part).bounding_box() for part in (".verdict", ".worry", ".first .tiles")]
        assert max(box["y"] + box["height"] for box in ends) <= 900


def test_the_search_shows_the_measures_that_fit_and_nothing_else(chromium, tmp_path):
    def group(title, *labels):
        return StatisticsGroup(title, tuple(StatisticsRow(Term(words, "", f"of {words}"), (1.0,)) for words in labels))

    groups = (group("Size", "Area", "Perimeter"), group("Texture", "Contrast of texture", "Entropy"))
    (tmp_path / "page.html").write_bytes(render_slide(replace(graded_page(), statistics=groups, singles=())))
    with chromium.page(tmp_path / "page.html") as shown:
        rows, folded = shown.locator(".statistics tbody tr"), shown.locator(".statistics details:not([open])")
        assert (rows.count(), folded.count()) == (4, 1)
        shown.fill("#measure", "TEXTURE  contrast")
        assert [row.inner_text().split("\n")[0] for row in rows.all() if row.is_visible()] == ["Contrast of texture"]
        assert shown.inner_text("#measures-shown") == "1 of 4 measures"
        shown.fill("#measure", "of nothing")
        assert not any(part.is_visible() for part in shown.locator(".statistics details").all())
        shown.fill("#measure", "")
        assert (shown.inner_text("#measures-shown"), folded.count()) == ("", 1)


def written(value: float | None) -> str:
    """To three significant digits, as the page's script writes what it unpacks."""
    return number(value if value is None else float(f"{value:.3g}"))


def test_every_number_of_another_row_can_be_looked_up(chromium, tmp_path):
    sample = finish(tmp_path / "results", "s1", tmp_path)
    path = tmp_path / "results" / "s1" / "statistics" / "statistics.parquet"
    first = pq.read_table(path).to_pylist()[0]
    numbers = {name: value for name, value in first.items() if isinstance(value, float)}
    other = {name: value * 1.37 for name, value in numbers.items() if name != "area_um2_mean"}
    known = {"region": "</script>", "type": "stromal", "nuclei_count": 123_456, "spatial_clark_evans": -0.000123}
    pq.write_table(pa.Table.from_pylist([first | {"spatial_clark_evans": None}, known | other]), path)
    seal(tmp_path / "results", "s1", "statistics")
    execute("report", "s1", tmp_path / "results", ReportSettings(), sample)
    with chromium.page(tmp_path / "results" / "s1" / "report" / "report.html") as shown:

        def cells(name: str) -> list[str]:
            row = shown.locator(".statistics tr", has=shown.locator(f"code:text-is('{name}')"))
            return row.locator("td").all_text_contents()

        before = shown.locator(".statistics").inner_text()
        assert cells("spatial_clark_evans") == ["–"]
        shown.select_option("#statistics-row", label="</script>, stromal")
        shown.locator(".row-name", has_text="</script>").first.wait_for()
        for measure in ("area_um2", "circularity", "solidity", "hematoxylin_mean"):
            wanted = [written(other.get(f"{measure}_{statistic}")) for statistic in STATISTICS]
            assert cells(measure)[: len(wanted)] == wanted
        assert cells("nuclei_count") == ["123,456"]
        assert cells("spatial_clark_evans") == ["\u22120.000123"]
        shown.select_option("#statistics-row", value="")
        assert shown.locator(".statistics").inner_text() == before


def test_a_report_fits_a_phone_and_four_sheets_of_paper(chromium, report):
    with chromium.page(report, (360, 800)) as shown:
        assert shown.evaluate("document.documentElement.scrollWidth") == 360
    with chromium.page(report) as shown:
        for paper in ("A4", "Letter"):
            assert 1 <= len(re.findall(rb"/Type\s*/Page\b", shown.pdf(format=paper))) <= 4
        shown.emulate_media(media="print")
        assert not any(shown.locator(part).is_visible() for part in (".viewer", ".statistics", ".files"))
        fields = shown.locator(".field")
        assert [field.is_visible() for field in fields.all()] == [True] * 4


def test_signs_in_a_legend_are_as_small_as_its_words(chromium, report):
    with chromium.page(report) as shown:
        boxes = [sign.bounding_box() for sign in shown.locator(".swatch").all()]
        assert [(box["width"], box["height"]) for box in boxes] == [(12, 12)] * 5


def test_a_slide_stands_beside_slides_of_known_grades(chromium, report):
    with chromium.page(report) as shown:
        assert shown.locator(".references figure").count() == 8
        line, box = (shown.locator(f".references {part}").first.bounding_box() for part in (".this-slide", ".iqr"))
        assert line["x"] > box["x"] + box["width"], "52.1 is more than 4"


def test_a_nucleus_of_a_gallery_is_a_click_away_from_its_place(chromium, report):
    with chromium.page(report) as shown:
        link = shown.locator(".gallery a").first
        number = re.search(r"nucleus=(\d+)", link.get_attribute("href"))[1]
        link.click()
        shown.wait_for_timeout(600)
        assert number in shown.inner_text(".viewer-chosen h3")
        box = shown.locator(".viewer-stage").bounding_box()
        assert -box["height"] < box["y"] < 900, "the viewer is on the screen"


def test_the_link_to_the_cohort_opens_with_the_slides_row(chromium, tmp_path):
    samples = [
        finish(tmp_path / "results", name, tmp_path, size=(256, 200), count=3) for name in ("s 1+a", "s 2+a", "s 2+ab")
    ]
    for sample in samples:
        execute("report", sample.slide, tmp_path / "results", ReportSettings(), sample)
    execute_cohort(tmp_path / "results", samples, CohortSettings())
    page, _, found = cohort_link("s 2+a").partition("#")
    with chromium.page((tmp_path / "results" / "s 2+a" / "report" / page).resolve(), address=f"#{found}") as shown:
        names = [row.inner_text() for row in shown.locator("table.slides tbody th").all()]
        assert [name.split("\n")[0] for name in names] == ["s 2+a"]
