"""The viewer in a real browser."""

import io
import json
import re
import shutil
from dataclasses import replace

import numpy as np
import pyarrow.parquet as pq
import pytest
from PIL import Image
from scipy import ndimage

from pathopipe import text
from pathopipe.jobs.execution import execute
from pathopipe.pipeline import ReportSettings
from pathopipe.viewer.links import nucleus_link, view_link
from tests.stages.finished_slide import MPP, finish

SHOWN = {
    "Nuclear area": ("area_um2", "µm²"),
    "Circularity": ("circularity", ""),
    "Nearest neighbor": ("nearest_um", "µm"),
}
LAYERS = ["Nuclei", "Nuclei also from afar", "Tissue that was analyzed", "Tiles of the analysis", "Nuclear density"]
NO_WEBGL = """
    const made = HTMLCanvasElement.prototype.getContext;
    HTMLCanvasElement.prototype.getContext = function (kind, ...more) {
      return kind.startsWith("webgl") ? null : made.call(this, kind, ...more);
    };"""
HOSTILE = "<img src=x onerror=alert(1)></script>"


def report(folder, **known):
    sample = finish(folder / "results", "s1", folder, **known)
    execute("report", "s1", folder / "results", ReportSettings(), sample)
    return folder / "results" / "s1" / "report" / "report.html"


@pytest.fixture(scope="module")
def path(tmp_path_factory):
    return report(tmp_path_factory.mktemp("viewed"))


def table(path, name):
    return pq.read_table(path.parents[1] / f"{name}.parquet").to_pydict()


def picture(page) -> bytes:
    page.wait_for_timeout(250)
    return page.locator(".viewer-stage").screenshot()


def chosen(page) -> tuple[int, dict[str, str]]:
    """Number of the nucleus in the panel, and what is said of it."""
    page.wait_for_selector(".viewer-chosen dd")
    page.wait_for_timeout(100)
    number = int(page.inner_text(".viewer-chosen h3").removeprefix("Nucleus "))
    labels, values = (page.locator(f".viewer-chosen {tag}").all_inner_texts() for tag in ("dt", "dd"))
    return number, dict(zip(labels, values, strict=True))


def view(page) -> list[int]:
    page.wait_for_timeout(150)
    return [int(part) for part in re.findall(r"\d+", page.get_attribute(".viewer-link", "href"))]


def check_numbers(path, number: int, said: dict[str, str]) -> None:
    measured = table(path, "features/features")
    for label, (name, unit) in SHOWN.items():
        assert said[label] == text.quantity(measured[name][number], unit)
    assert said["Type"] == (table(path, "types/types")["type"][number] or "not known")


@pytest.mark.parametrize("before", ["", NO_WEBGL], ids=["webgl", "no webgl"])
def test_a_click_gives_the_numbers_of_the_table(chromium, path, before):
    nuclei = table(path, "segment/nuclei")
    with chromium.page(path, before=before) as page:
        box = page.locator(".viewer-stage").bounding_box()
        for row in (3, 250):
            page.evaluate("link => { location.hash = link }", view_link(nuclei["x_px"][row], nuclei["y_px"][row], 120))
            page.wait_for_timeout(300)
            page.mouse.click(
                box["x"] + box["width"] / 2, page.locator(".viewer-stage").bounding_box()["y"] + box["height"] / 2
            )
            number, said = chosen(page)
            assert number == row
            check_numbers(path, number, said)
        assert page.evaluate("document.activeElement.className") == "viewer-stage"
        drawn = picture(page)
        page.evaluate("document.querySelector('.viewer-layers input').click()")
        assert picture(page) != drawn, "nuclei are drawn"


def test_links_layers_colors_and_keys(chromium, path):
    nuclei = table(path, "segment/nuclei")
    link = nucleus_link(nuclei["x_px"][7], nuclei["y_px"][7], MPP, 7)
    with chromium.page(path, address=link) as page:
        number, said = chosen(page)
        assert number == 7
        check_numbers(path, number, said)
        assert view(page)[:4] == [round(nuclei["x_px"][7]), round(nuclei["y_px"][7]), 120, 7]
        assert page.evaluate("document.getElementById('viewer').getBoundingClientRect().top") == pytest.approx(
            0, abs=40
        )
        page.click("[data-do=all]")
        page.evaluate(
            """link => { const a = document.createElement("a"); a.href = link; document.body.append(a); a.click() }""",
            link,
        )
        assert view(page)[2] == 120, "a link leads back to where the address is already"
        page.locator(".viewer-stage").focus()
        seen = [picture(page)]
        for key, moved in (("ArrowRight", (1, 0)), ("ArrowDown", (0, 1)), ("ArrowLeft", (-1, 0)), ("ArrowUp", (0, -1))):
            before = view(page)
            page.keyboard.press(key)
            after = view(page)
            assert [(b > a) - (b < a) for a, b in zip(before[:2], after[:2], strict=True)] == list(moved)
        for key, wider in (("+", False), ("-", True), ("0", True)):
            before = view(page)
            page.keyboard.press(key)
            assert (view(page)[2] > before[2]) == wider
        page.keyboard.press("Enter")
        page.wait_for_timeout(200)
        middle = chosen(page)[0]
        page.keyboard.press("Shift+ArrowRight")
        page.wait_for_timeout(200)
        right = chosen(page)[0]
        assert nuclei["x_px"][right] > nuclei["x_px"][middle]
        check_numbers(path, *chosen(page))
        seen.append(picture(page))
        names = page.locator(".viewer-layers label").all_inner_texts()
        assert [name.strip() for name in names] == LAYERS
        for name in (LAYERS[0], *LAYERS[2:]):
            page.get_by_label(name, exact=True).click()
            seen.append(picture(page))
        page.select_option(".viewer-by", label="Nuclear area")
        page.get_by_label(LAYERS[0], exact=True).click()
        seen.append(picture(page))
        assert len(set(seen)) == len(seen), "each layer and each coloring is to be seen"
        assert "µm²" in page.inner_text(".viewer-legend")
        page.evaluate("link => { location.hash = link }", view_link(800, 600, 20000))
        afar = picture(page)
        page.get_by_label(LAYERS[1], exact=True).click()
        assert picture(page) != afar


def test_both_ways_of_drawing_show_the_same_outlines(chromium, path):
    """The plain canvas smooths edges, WebGL does not: nearly all that one colors lies within a pixel of the other."""
    drawn = []
    for before in ("", NO_WEBGL):
        with chromium.page(path, before=before, address=view_link(800, 600, 120)) as page:
            page.evaluate("() => { for (const name of ['pixels', 'over']) Viewer.find(name).style.display = 'none'; }")
            page.wait_for_timeout(400)
            drawn.append(np.array(Image.open(io.BytesIO(picture(page))).convert("RGB"), int))
    colored = [shown.max(2) - shown.min(2) > 60 for shown in drawn]
    assert min(inked.mean() for inked in colored) > 0.002
    for one, other in (colored, colored[::-1]):
        assert (one & ndimage.binary_dilation(other)).sum() > 0.99 * one.sum()
    shared = colored[0] & colored[1]
    assert np.median(np.abs(drawn[0] - drawn[1])[shared]) < 10


def test_the_viewer_fills_the_screen(chromium, path):
    with chromium.page(path, address="#view=800,600,120") as page:
        small = page.locator(".viewer-stage").bounding_box()
        page.click(".viewer-full")
        page.wait_for_function("() => document.fullscreenElement")
        page.wait_for_timeout(300)
        large = page.locator(".viewer-stage").bounding_box()
        assert large["width"] > 1.2 * small["width"]
        assert view(page)[2] == 120, "the same place, larger"
        assert page.locator(".viewer-note").is_visible()
        assert page.locator(".viewer-by").is_visible()
        page.click("[data-do=middle]")
        assert chosen(page)[0] >= 0
        page.get_by_role("button", name="Leave full screen").click()
        page.wait_for_function("() => !document.fullscreenElement")
        page.wait_for_timeout(300)
        assert page.locator(".viewer-stage").bounding_box()["width"] == small["width"]
    with chromium.page(path, before="Object.defineProperty(document, 'fullscreenEnabled', { value: false })") as page:
        assert not page.locator(".viewer-full").is_visible()


def test_names_that_people_give_stay_text(chromium, path, tmp_path):
    results = shutil.copytree(path.parents[2], tmp_path / "results")
    left, right = ([[[x, 0], [x + 800, 0], [x + 800, 1200], [x, 1200], [x, 0]]] for x in (0, 800))
    features = [
        {"type": "Feature", "geometry": {"type": "Polygon", "coordinates": ring}, "properties": known}
        for ring, known in ((left, {"name": HOSTILE}), (right, {"classification": {"name": "Ignore*"}}))
    ]
    (tmp_path / "roi.geojson").write_text(json.dumps({"type": "FeatureCollection", "features": features}))
    sample = replace(finish(results, "s1", tmp_path), roi=tmp_path / "roi.geojson")
    execute("report", "s1", results, ReportSettings(), sample)
    with chromium.page(results / "s1" / "report" / "report.html", address="#view=400,600,40") as page:
        page.click(".viewer-stage")
        page.wait_for_timeout(300)
        assert f"Regions that were drawn: {HOSTILE}" in page.inner_text(".viewer-chosen")
        assert page.locator("#viewer img").count() == 0
        page.evaluate("location.hash = '#view=1200,600,40'")
        page.click(".viewer-stage")
        page.wait_for_timeout(300)
        assert "Areas that were left out by hand: Ignore*" in page.inner_text(".viewer-chosen")


def test_an_old_browser_is_told_so(chromium, path):
    with chromium.page(path, before="delete window.DecompressionStream") as page:
        assert "this browser is too old" in page.inner_text(".viewer-problem")
        assert not page.locator(".viewer-body").is_visible()
        assert page.locator("#distributions").is_visible()


def test_a_page_that_lacks_a_part_says_so(chromium, path, tmp_path):
    cut = tmp_path / "cut.html"
    cut.write_bytes(path.read_bytes().replace(b'id="v-n0"', b'id="gone"'))
    with chromium.page(cut) as page:
        page.wait_for_selector(".viewer-problem:visible")
        assert "the page lacks its part v-n0" in page.inner_text(".viewer-problem")


def test_one_nucleus(chromium, tmp_path):
    path = report(tmp_path, size=(256, 200), count=1)
    with chromium.page(path, size=(390, 844)) as page:
        page.click("[data-do=middle]")
        number, said = chosen(page)
        assert (number, said["Nearest neighbor"]) == (0, "–")
        page.click("[data-do=next]")
        assert chosen(page)[0] == 0
        assert page.evaluate("document.getElementById('viewer').scrollWidth <= innerWidth")
