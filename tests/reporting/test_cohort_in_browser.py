"""The page of the cohort in a real browser: what its script does, on one page with one browser."""

from dataclasses import replace
from pathlib import Path

import pytest

from pathopipe.grading.patients import PatientGrade
from pathopipe.reporting.cohort_comparisons import marked
from pathopipe.reporting.cohort_entry import CohortEntry
from pathopipe.reporting.cohort_page import CohortPage, render_cohort
from pathopipe.reporting.cohort_table import CohortRow
from pathopipe.reporting.slide_page import QualityWarning

ATTACK = "\"'><img src=x onerror=alert(1)><script>alert(1)</script>"
STATISTICS = ("nuclei_count", "area_um2_mean")
PEN = QualityWarning("pen", f"Pen marks cover 3% {ATTACK}.")
NAMES = ".rows tbody tr:not(.group) th"


def entry(place: int) -> CohortEntry:
    name, extra = f"s{place:03}", {"site": ("North", ATTACK, "")[place % 3], "age": str(40 + place % 17)}
    if place == 7:
        return CohortEntry(CohortRow(name, "rejected", f"no tissue {ATTACK}", extra=extra), has_report=True)
    area = 2000.0 if place == 150 else 30.0 + place % 11
    grade = None if place == 8 else "12"[place % 2]
    numbers = {"nuclei_count": 1000 + place, "area_um2_mean": area}
    row = CohortRow(name, "done", "too few" if grade is None else None, grade, not grade, {}, numbers, extra)
    return CohortEntry(row, None, True, (PEN,) if place % 40 == 0 else ())


@pytest.fixture(scope="module")
def file(tmp_path_factory) -> Path:
    entries = tuple(marked([entry(place) for place in range(240)], STATISTICS))
    patients = (PatientGrade(("s003", "s004"), ("2", "1"), "2"),)
    page = CohortPage(entries, ("1", "2"), ("site", "age"), STATISTICS, patients, "The worst counts.")
    path = tmp_path_factory.mktemp("cohort") / "index.html"
    path.write_bytes(render_cohort(page))
    return path


def shown(page) -> list[str]:
    return page.locator(NAMES).all_inner_texts()


def test_rows_are_filtered_sorted_grouped_and_shown_as_one_scrolls(chromium, file):
    with chromium.page(file) as page:
        assert shown(page) == [f"s{place:03}" for place in range(100)]
        assert page.locator("#shown").inner_text() == "240 of 240 slides"
        page.locator(".rows").evaluate("rows => rows.scrollTop = rows.scrollHeight")
        page.locator(NAMES).nth(199).wait_for(state="attached")
        assert len(shown(page)) == 200
        top = page.locator(".rows thead th").nth(1).bounding_box()["y"]
        assert top == pytest.approx(page.locator(".rows").bounding_box()["y"], abs=3), "the header stays in sight"
        page.get_by_label("Search").fill("PEN MARKS")
        page.locator("#shown", has_text="6 of 240 slides").wait_for()
        assert shown(page) == ["s000", "s040", "s080", "s120", "s160", "s200"]
        page.get_by_role("button", name="Nuclear area, mean").click()
        assert page.locator("th[aria-sort=ascending]").inner_text().startswith("Nuclear area, mean")
        assert shown(page) == ["s000", "s200", "s080", "s160", "s040", "s120"]
        page.get_by_role("button", name="Nuclear area, mean").click()
        assert shown(page) == ["s120", "s040", "s160", "s080", "s200", "s000"]
        assert page.evaluate("location.hash") == "#sort=area_um2_mean&down=1&q=PEN+MARKS"
        page.get_by_role("button", name="Show all").click()
        assert (page.evaluate("location.hash"), len(shown(page))) == ("", 100)


ADDRESSES = {
    "#state=rejected": ["s007"],
    "#grade=%3D": ["s008"],
    "#outlier=any": ["s150"],
    "#outlier=nuclei_count": [],
    "#from.nuclei_count=1,237": ["s237", "s238", "s239"],
    "#to.area_um2_mean=30&q=s00": ["s000"],
    "#is.site=%3D&q=s00": ["s002", "s005", "s008"],
    "#q=s003&is.site=%3DNowhere": ["s003"],
    '#q="S00"': [],
    '#q="S003"': ["s003"],
    "#warning=pen&sort=slide&down=1&q=s0": ["s080", "s040", "s000"],
    # What is missing stands last, whichever way.
    "#q=s00&sort=nuclei_count": [*(f"s00{place}" for place in (0, 1, 2, 3, 4, 5, 6, 8, 9)), "s007"],
    "#q=s00&sort=nuclei_count&down=1": [*(f"s00{place}" for place in (9, 8, 6, 5, 4, 3, 2, 1, 0)), "s007"],
    "#q=s00&sort=sheet.site&down=1": [f"s00{place}" for place in (0, 3, 6, 9, 1, 4, 7, 2, 5, 8)],
    "#is.age=%3D41&sort=nuclei_count&from.nuclei_count=1200&unknown=1": ["s205", "s222", "s239"],
}


def test_the_address_holds_the_filters(chromium, file):
    first, names = next(iter(ADDRESSES.items()))
    with chromium.page(file, address=first) as page:
        assert shown(page) == names
        for address, names in ADDRESSES.items():
            page.evaluate("hash => new Promise(done => { onhashchange = done; location.hash = hash + '&' })", address)
            assert shown(page) == names, address
            assert page.locator("#shown").inner_text().startswith(f"{len(names)} of 240 slides")


def test_numbers_sort_by_size_grades_in_their_order_and_a_decimal_comma_is_told(chromium, tmp_path):
    doses, grades = ("0.5", "0.12", "-1", "1e1", "9", "n/a", ""), ("mild", "2", "1")
    rows = [
        CohortRow(f"s{k}", "done", None, grades[k % 3], False, {}, {"nuclei_count": 1000 + k}, {"dose": dose})
        for k, dose in enumerate(doses)
    ]
    path = tmp_path / "index.html"
    path.write_bytes(render_cohort(CohortPage(tuple(map(CohortEntry, rows)), grades, ("dose",), STATISTICS)))
    with chromium.page(path, address="#sort=sheet.dose") as page:
        assert shown(page) == ["s2", "s1", "s0", "s4", "s3", "s5", "s6"]
        page.get_by_role("button", name="Grade").click()
        assert shown(page) == ["s0", "s3", "s6", "s1", "s4", "s2", "s5"]
        page.get_by_text("Filter by column").click()
        limit = page.locator("[name='from.nuclei_count']")
        limit.fill("1,004")
        page.locator("#shown", has_text="3 of 7 slides").wait_for()
        limit.fill("1004,5")
        page.locator("#shown", has_text="7 of 7 slides. “1004,5” is not a number").wait_for()
        assert limit.get_attribute("aria-invalid") == "true"


def test_groups_are_named_counted_and_closed(chromium, file):
    with chromium.page(file, address="#group=sheet.site&q=s00") as page:
        groups = page.locator(".group th")
        assert [text.split("\n")[0] for text in groups.all_inner_texts()] == [
            f"site: {ATTACK} 2 analyzed, 1 rejected",
            "site: North 4 analyzed",
            "site: (empty) 3 analyzed",
        ]
        assert len(shown(page)) == 10
        button = page.get_by_role("button", name="site: North")
        button.press("Enter")
        assert (button.get_attribute("aria-expanded"), len(shown(page))) == ("false", 6)
        assert page.evaluate("document.activeElement.textContent") == "site: North", "the keyboard stays where it was"
    with chromium.page(file, address="#group=patient&q=s00") as page:
        assert page.locator(".group button").first.inner_text() == "Patient of s003, s004: grade 2."
        assert shown(page)[:2] == ["s003", "s004"]


def test_a_slide_that_is_searched_for_is_marked_among_the_others(chromium, file):
    with chromium.page(file) as page:
        line, words = page.locator(".strip .this-slide"), page.locator(".strip + figcaption")
        assert (line.count(), words.count()) == (0, 0)
        page.goto(f"{file.as_uri()}#q=s100")
        line.nth(1).wait_for(state="attached")
        assert words.all_inner_texts() == [
            "s100: 1,100, more than 99 of 238 others.",
            "s100: 31.0, more than 22 of 238 others.",
        ]
        dot = page.locator(".strip circle", has_text="s100: 1,100")
        assert float(line.first.get_attribute("x1")) == pytest.approx(float(dot.get_attribute("cx")), abs=0.01)
        page.goto(f"{file.as_uri()}#q=s10")
        page.locator("#shown", has_text="10 of 240 slides").wait_for()
        assert (line.count(), words.count()) == (0, 0)


def test_text_from_outside_stays_text(chromium, file):
    with chromium.page(file, before="window.alert = () => { window.hit = true }") as page:
        assert page.evaluate("window.hit === undefined")
        assert page.locator("td", has_text=ATTACK).count() > 30
        assert page.locator(".rows img").count() == 0
        page.get_by_label("Warnings in full").check()
        page.locator("td.marks .note").first.wait_for()
        assert page.locator("td.marks .note").first.inner_text() == f"Pen marks cover 3% {ATTACK}."


def test_the_page_is_never_wider_than_the_screen(chromium, file):
    with chromium.page(file) as page:
        page.evaluate(
            "document.querySelectorAll('details').forEach(one => { one.removeAttribute('name'); one.open = true })"
        )
        for width in (390, 1440, 3840):
            page.set_viewport_size({"width": width, "height": 900})
            assert page.evaluate("document.documentElement.scrollWidth") == width


def test_the_link_past_the_header_leads_to_the_content_and_keeps_the_filters(chromium, file):
    with chromium.page(file, address="#q=s00") as page:
        page.keyboard.press("Tab")
        page.keyboard.press("Enter")
        page.wait_for_function("location.hash === '#content'")
        page.wait_for_timeout(200)
        assert page.locator("#shown").inner_text() == "10 of 240 slides"
        assert page.evaluate("document.getElementById('content').getBoundingClientRect().top") > -1


def test_printed_the_table_is_whole_and_its_header_has_words_and_no_arrows(chromium, file):
    with chromium.page(file) as page:
        page.evaluate("dispatchEvent(new Event('beforeprint'))")
        assert len(shown(page)) == 240
        page.emulate_media(media="print")
        heading = page.locator("th[data-key=slide] button")
        assert heading.evaluate("button => getComputedStyle(button).display") == "contents"
        assert heading.evaluate("button => getComputedStyle(button, '::after').display") == "none"
        assert page.locator(".rows").evaluate("rows => rows.scrollHeight - rows.clientHeight") == 0


def test_the_keyboard_reaches_filters_headings_rows_and_plots(chromium, file):
    with chromium.page(file, address="#q=s003") as page:
        reached = set()
        for _ in range(60):
            page.keyboard.press("Tab")
            reached.add(
                page.evaluate("(e => e.name || e.textContent.slice(0, 9) || e.className)(document.activeElement)")
            )
        assert reached >= {"q", "state", "group", "Slide", "s003", "All slide", "By site", "Filter by"}


def test_a_cohort_without_slides_to_show_has_a_table_without_rows(chromium, tmp_path):
    path = tmp_path / "index.html"
    path.write_bytes(render_cohort(CohortPage(())))
    with chromium.page(path) as page:
        assert page.locator("#shown").inner_text() == "0 of 0 slides: no slide is like this"
    one = replace(CohortPage((entry(7),)), statistics=("a_name_that_no_slide_has",))
    path.write_bytes(render_cohort(one))
    with chromium.page(path) as page:
        assert shown(page) == ["s007"]
