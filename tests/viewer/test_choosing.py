"""Nuclei that are chosen one after another, and by links, in a real browser; and what the page says that it holds."""

import functools

import pytest

from pathopipe.viewer import nuclei, quadtree
from tests.viewer.made import Plain, made, page_of

SPY = """
    window.uploads = [];
    const own = WebGL2RenderingContext.prototype.bufferData;
    WebGL2RenderingContext.prototype.bufferData = function (target, values, use) {
      if (values instanceof Uint32Array && values.length === %d) window.uploads.push(new Set(values));
      own.call(this, target, values, use);
    };
    let now = 0;
    performance.now = () => now += 100;"""
RAMP = tuple(f"#{shade:02x}4080" for shade in range(256))
SLOW = """number => {
    const leaf = Viewer.told.leaves[number], own = leaf.measure;
    leaf.measure = (place) => new Promise((done) => setTimeout(done, 700)).then(() => own.call(leaf, place));
}"""


@pytest.fixture
def small_leaves(monkeypatch):
    monkeypatch.setattr(nuclei, "leaves", functools.partial(quadtree.leaves, most=100))


def written(folder, *args, **known):
    one, path = made(*args, **known), folder / "report.html"
    path.write_bytes(page_of(one.document))
    return one, path


def test_links_lead_to_nuclei_far_from_the_middle_and_the_last_choice_counts(chromium, tmp_path, small_leaves):
    one, path = written(tmp_path, 600)
    first, last = (one.nuclei.leaves()[place] for place in (0, -1))
    ids = [int(leaf.rows[0]) for leaf in (first, last)]
    heading, link = ".viewer-chosen h3", '.viewer-link[href="#view={}"]'
    with chromium.page(path, address=f"#view=4000,3000,9000&nucleus={ids[0]}") as page:
        page.locator(heading, has_text=f"Nucleus {ids[0]}").wait_for()
        page.locator(link.format(f"4000,3000,9000&nucleus={ids[0]}")).wait_for()
        page.evaluate(SLOW, 0)
        for number in ids:
            page.evaluate("address => { location.hash = address }", f"#view=4000,3000,8000&nucleus={number}")
            page.wait_for_timeout(100)
        page.locator(heading, has_text=f"Nucleus {ids[1]}").wait_for()
        page.wait_for_timeout(1000)
        assert page.inner_text(heading) == f"Nucleus {ids[1]}", "the slow one came later"
        page.evaluate("location.hash = '#view=10,10,200'")
        page.locator(link.format("10,10,200")).wait_for()  # the nucleus is out of sight


def test_the_nucleus_in_the_middle_of_the_whole_slide_unpacks_few_outlines(chromium, tmp_path, small_leaves):
    one, path = written(tmp_path, 2000)
    away = (one.x - one.slide.width_px / 2) ** 2 + (one.y - one.slide.height_px / 2) ** 2
    with chromium.page(path) as page:
        page.click("[data-do=middle]")
        page.locator(".viewer-chosen h3", has_text=f"Nucleus {away.argmin()}").wait_for()
        assert page.evaluate("Viewer.told.leaves.filter((leaf) => leaf.points).length") < len(one.nuclei.leaves()) / 2


def test_what_is_drawn_while_the_view_moves_gets_its_colors(chromium, tmp_path, small_leaves):
    one, path = written(tmp_path, 6000, colors=RAMP)
    assert len(one.nuclei.leaves()) > 40
    with chromium.page(path, before=SPY % 6000) as page:
        for _ in range(20):
            page.locator(".viewer-stage").press("ArrowRight")
            page.locator(".viewer-stage").press("ArrowLeft")
        page.wait_for_timeout(400)
        before = page.evaluate("uploads.length")
        page.select_option(".viewer-by", label="Nuclear area")
        page.wait_for_function("before => uploads.length > before && !uploads.at(-1).has(0xffdddddd)", arg=before)


@pytest.mark.parametrize(
    ("count", "outlines", "words"),
    [
        (1, "auto", "This page holds 1 nucleus. Outlines are drawn within 0.3 µm"),
        (300, "none", "This page holds 300 nuclei. Nuclei are points: there is no outline in it. The settings"),
    ],
)
def test_what_the_page_holds_is_said(chromium, tmp_path, count, outlines, words):
    _, path = written(tmp_path, count, 1e5, outlines, Plain(400_000, 300_000))
    with chromium.page(path, size=(390, 800)) as page:
        assert page.inner_text(".viewer-holds").startswith(words)
        for _ in range(8):
            page.click("[data-do=wider]")
        page.wait_for_timeout(300)
        um, *others = page.inner_text(".viewer-note").split()
        assert int(um) > 500
        assert not [word for word in others if "e+" in word]
