import base64
import hashlib
import json
import re
import shutil
from unittest.mock import ANY

import cv2
import numpy as np
import pyarrow.parquet as pq
import pytest
import shapely

from pathopipe.errors import ArtifactError, FaultError
from pathopipe.jobs.execution import execute
from pathopipe.ops.regions import to_geojson
from pathopipe.pipeline import ReportSettings
from pathopipe.results.documents import write_json
from pathopipe.results.heat_map import Square, heat_map_of
from pathopipe.results.manifests import read_manifest
from pathopipe.samples import Sample
from pathopipe.slide.slide import Slide
from pathopipe.text import quantity
from tests.made import seal
from tests.stages.finished_slide import SIZE, finish, reject


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    """Results of a slide up to `grade`, the sample, and the manifest and page of `report`."""
    folder = tmp_path_factory.mktemp("finished")
    sample = finish(folder / "results", "s1", folder)
    manifest = execute("report", "s1", folder / "results", ReportSettings(), sample)
    return folder / "results", sample, manifest, page_of(folder / "results")


def page_of(results, slide="s1") -> str:
    return (results / slide / "report" / "report.html").read_text(encoding="utf-8")


def told(page: str) -> dict:
    """What the page tells its viewer."""
    return json.loads(base64.b64decode(re.search(r'id="v-manifest">([^<]+)<', page)[1]))


@pytest.fixture
def copied(finished, tmp_path):
    shutil.copytree(finished[0], tmp_path / "results")
    return tmp_path / "results"


def test_the_page_shows_what_the_stages_found(finished):
    _, _, manifest, page = finished
    assert (manifest["state"], manifest["reason"]) == ("done", None)
    assert manifest["counts"] == {"fields": 3, "gallery": 36, "outlines": 400}
    for words in ("Pen marks cover 3% of the slide.", "Size ratio", "70%", "800 µm", "given in the sample sheet"):
        assert words in page.replace("0.800 × 0.600\u202fmm", "800 µm")
    assert page.count('class="chart"') == 4, "a histogram each of area, circularity, hematoxylin, nearest neighbor"
    assert 'class="map density"' in page


def test_nothing_of_the_machine_or_the_file_is_in_the_page(finished):
    results, sample, _, page = finished
    assert str(results) not in page
    assert sample.path.name not in page
    assert str(sample.path.parent) not in page


def test_the_same_inputs_give_the_same_bytes(finished, copied):
    _, sample, _, page = finished
    shutil.rmtree(copied / "s1" / "report")
    execute("report", "s1", copied, ReportSettings(), sample)
    assert page_of(copied) == page


def outlines(figure: str) -> dict[int, np.ndarray]:
    """Points of the outlines of a figure by nucleus, in pixels of its picture."""
    found = {}
    for start, steps, number in re.findall(r'<path d="M(-?\d+ -?\d+)l([^"]*)z"><title>Nucleus (\d+):', figure):
        points = np.vstack([[start.split()], np.array(steps.split()).reshape(-1, 2)]).astype(int)
        found[int(number)] = np.cumsum(points, axis=0) / 10
    return found


def test_outlines_lie_on_the_nuclei(finished):
    """Inside an outline the picture is purple, just outside it is pink."""
    page = finished[3]
    figures = re.findall(r'<svg class="(?:field-image|crop)".*?</svg>', page, re.DOTALL)
    assert len(figures) == 3 + 36
    inside, around = [], []
    for figure in figures:
        data = re.search(r"data:image/jpeg;base64,([^\"]+)", figure)[1]
        picture = cv2.imdecode(np.frombuffer(base64.b64decode(data), np.uint8), cv2.IMREAD_COLOR)
        mask = np.zeros(picture.shape[:2], np.uint8)
        for points in outlines(figure).values():
            cv2.fillPoly(mask, [np.rint(points - 0.5).astype(np.int32)], 1)
        disc = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (5, 5))
        ring = cv2.dilate(mask, cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (9, 9))) - cv2.dilate(mask, disc)
        green = picture[..., 1].astype(float)
        inside.append(green[cv2.erode(mask, disc) > 0].mean())
        if (ring > 0).any() and "field-image" in figure:
            around.append(green[ring > 0].mean())
    assert max(inside) < 80, "drawn at 50"
    assert min(around) > 150, "drawn at 190"


def test_all_nuclei_of_a_field_are_outlined(finished):
    """The discs that were drawn, found again by color, are as many as the outlines that don't touch another."""
    page = finished[3]
    figure = re.search(r'<svg class="field-image".*?</svg>', page, re.DOTALL)[0]
    reported = int(re.search(r"<dt>Nuclei</dt><dd>(\d+)</dd></div>\n<div><dt>Density", page)[1])
    assert reported <= len(outlines(figure)) <= reported + 30
    width, height = map(float, re.search(r'viewBox="0 0 ([\d.]+) ([\d.]+)"', figure).groups())
    assert (width, height) == (640, 480), "320 x 240 µm at 0.5 mpp"


def galleries(page: str) -> dict[str, list[tuple[int, str]]]:
    """Nuclei and captions of the galleries, by title."""
    parts = re.findall(r'<div class="one-rule">\n<h3>([^<]*)</h3>(.*?)</div>', page, re.DOTALL)
    found = r"<title>Nucleus (\d+):[^<]*</title>.*?<span>([^<]*)</span>"
    return {title: [(int(n), words) for n, words in re.findall(found, part, re.DOTALL)] for title, part in parts}


def test_galleries_show_the_nuclei_of_their_rules_and_are_of_one_scale(finished):
    """A larger disc was given a lower solidity; scores are all 1, so that none is more certain than others."""
    results, _, _, page = finished
    area = pq.read_table(results / "s1" / "segment" / "nuclei.parquet")["area_um2"].to_numpy()
    found = galleries(page)
    assert [*found] == ["Typical", "Largest", "Most irregular"]
    largest = np.argsort(-area, kind="stable")[:12]
    assert [nucleus for nucleus, _ in found["Largest"]] == largest.tolist()
    assert [words for _, words in found["Largest"]] == [quantity(area[nucleus], "µm²") for nucleus in largest]
    assert {nucleus for nucleus, _ in found["Most irregular"]} <= {*np.flatnonzero(area >= area[largest[-1]]).tolist()}
    assert {area[nucleus] for nucleus, _ in found["Typical"]} == {np.sort(area)[len(area) // 2]}
    assert len(set(re.findall(r'<svg class="crop" viewBox="([^"]*)"', page))) == 1


def test_settings_choose_how_much_is_shown(finished, copied):
    _, sample, *_ = finished
    manifest = execute("report", "s1", copied, ReportSettings(gallery=0, fields=4), sample)
    assert manifest["counts"] == {"fields": 4, "gallery": 0, "outlines": 400}
    manifest = execute("report", "s1", copied, ReportSettings(gallery=3, fields=0), sample)
    assert manifest["counts"] == {"fields": 0, "gallery": 9, "outlines": 400}


def test_a_small_image_is_shown_as_a_whole(tmp_path):
    sample = finish(tmp_path / "results", "s1", tmp_path, size=(256, 200), count=12)
    manifest = execute("report", "s1", tmp_path / "results", ReportSettings(), sample)
    assert manifest["counts"] == {"fields": 1, "gallery": 12, "outlines": 12}
    page = page_of(tmp_path / "results")
    assert "The whole image" in page
    assert [*galleries(page)] == ["All nuclei of the slide"]


def test_a_slide_of_one_nucleus_has_a_page(tmp_path):
    sample = finish(tmp_path / "results", "s1", tmp_path, count=1)
    manifest = execute("report", "s1", tmp_path / "results", ReportSettings(), sample)
    assert manifest["counts"] == {"fields": 1, "gallery": 1, "outlines": 1}
    assert galleries(page_of(tmp_path / "results")) == {"All nuclei of the slide": [(0, ANY)]}


@pytest.mark.parametrize("stage", ["tissue", "detect", "features"])
def test_warnings_of_all_stages_are_shown(finished, copied, stage):
    _, sample, *_ = finished
    path = copied / "s1" / stage / "manifest.json"
    warning = {"code": "odd", "message": "something is odd about <it>", "value": 1.0, "threshold": 0.5}
    path.write_text(json.dumps(json.loads(path.read_text()) | {"quality": [warning]}))
    execute("report", "s1", copied, ReportSettings(), sample)
    assert "Something is odd about &lt;it&gt;." in page_of(copied)


def test_no_more_of_the_slide_is_read_than_is_shown(finished, copied, monkeypatch):
    _, sample, *_ = finished
    pixels, read = [], Slide.read

    def counted(self, grid, x, y, width, height):
        pixels.append(width * height)
        return read(self, grid, x, y, width, height)

    monkeypatch.setattr(Slide, "read", counted)
    execute("report", "s1", copied, ReportSettings(), sample)
    assert max(pixels) == 640 * 480
    assert sum(pixels) <= 3 * 640 * 480 + 36 * 80 * 80 + SIZE[0] * SIZE[1], "the viewer shows all of it, once"
    assert max(pixels) < SIZE[0] * SIZE[1]


@pytest.mark.parametrize("stage", ["tissue", "segment"])
def test_a_rejected_slide_gets_a_page_that_says_why(copied, stage):
    reject(copied, "s1", stage, "the file does not say how many micrometers: add the column 'mpp' <script>")
    manifest = execute("report", "s1", copied, ReportSettings(), Sample("s1", copied / "gone.png"))
    page = page_of(copied)
    assert manifest["state"] == "rejected"
    assert manifest["reason"].startswith("the file does not say")
    assert "add the column &#39;mpp&#39; &lt;script&gt;" in page
    assert "<script" not in page
    assert 'class="chart"' not in page
    assert ('class="map"' in page) == (stage == "segment"), "the thumbnail is shown where there is one"


def test_a_file_that_vanished_is_a_fault_and_keeps_the_page(finished, copied):
    sample = finished[1]
    before = hashlib.sha256(page_of(copied).encode()).hexdigest()
    with pytest.raises(FaultError):
        execute("report", "s1", copied, ReportSettings(), Sample("s1", sample.path.with_name("gone.png"), sample.mpp))
    assert hashlib.sha256(page_of(copied).encode()).hexdigest() == before


def test_the_viewer_has_each_measure_that_is_asked_for_once(finished, copied):
    execute(
        "report", "s1", copied, ReportSettings(measures=("area_um2", "at_border", "solidity", "area_um2")), finished[1]
    )
    assert [measure["name"] for measure in told(page_of(copied))["measures"]] == ["area_um2", "solidity"]


def test_the_manifest_names_its_inputs(finished):
    results, _, manifest, _ = finished
    content = (results / "s1" / "grade" / "grade.json").read_bytes()
    assert manifest["inputs"]["grade/grade.json"] == hashlib.sha256(content).hexdigest()


def test_the_field_of_the_worst_quality_is_shown_and_leads_to_its_place(finished, copied):
    _, sample, _, before = finished
    folds = [{"classification": {"name": "fold", "color": [213, 94, 0]}, "left_out": False}]
    areas = to_geojson([shapely.box(640, 480, 1280, 960)], folds, (0, 0))
    write_json(copied / "s1" / "quality" / "quality.geojson", areas)
    seal(copied, "s1", "quality")
    manifest = execute("report", "s1", copied, ReportSettings(), sample)
    page = page_of(copied)
    for words in ("Worst quality</h3>", "<dt>Not to be trusted</dt><dd>fold 100%</dd>", 'href="#view=960,720,'):
        assert (words in page, words in before) == (True, False), words
    assert manifest["counts"]["fields"] == 4
    execute("report", "s1", copied, ReportSettings(fields=0), sample)
    assert "Worst quality</h3>" not in page_of(copied)


def test_what_drives_the_grade_is_drawn_and_shown_close_up(finished, copied):
    _, sample, _, before = finished
    tissue = read_manifest(copied / "s1" / "tissue" / "manifest.json", "tissue")
    influence = ((20, 0.2), (1, -0.4), (20, 0.1))
    squares = [Square(500.0 * place, 0.0, 500.0, 500.0, *known) for place, known in enumerate(influence)]
    write_json(copied / "s1" / "grade" / "heatmap.geojson", heat_map_of(squares, tissue))
    path = copied / "s1" / "grade" / "grade.json"
    fields = [vars(square) for square in squares]
    nuclei = [{"nucleus_id": 7, "influence": 0.5}, {"nucleus_id": 3, "influence": -0.25}]
    drivers = {"side_um": 250.0, "covered": 1.0, "left_out": [], "fields": fields, "nuclei": nuclei}
    write_json(path, json.loads(path.read_text()) | {"drivers": drivers})
    seal(copied, "s1", "grade")
    execute("report", "s1", copied, ReportSettings(), sample)
    page = page_of(copied)
    for words in ("What drives the grade", "Raises the score</h3>", "Lowers the score</h3>", "\u22120.40"):
        assert (words in page, words in before) == (True, False)
    assert galleries(page)["Drive the grade"] == [(7, "+0.50"), (3, "\u22120.25")]
    assert [page.count(f"<dd>{corner} px</dd>") for corner in ("0, 0", "500, 0")] == [1, 1]
    assert [shape["label"] for shape in told(page)["layers"][-1]["shapes"]] == [
        "raises the score by 0.20, 20 nuclei",
        "lowers the score by 0.40, 1 nucleus",
        "raises the score by 0.10, 20 nuclei",
    ]
    execute("report", "s1", copied, ReportSettings(fields=0), sample)
    assert "Raises the score</h3>" not in page_of(copied)
    assert "What drives the grade" in page_of(copied)
    nuclei[0]["nucleus_id"] = 400
    write_json(path, json.loads(path.read_text()) | {"drivers": drivers})
    seal(copied, "s1", "grade")
    with pytest.raises(ArtifactError, match=r"grade\.json"):
        execute("report", "s1", copied, ReportSettings(), sample)
