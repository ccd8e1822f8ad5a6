import json
from pathlib import Path
from typing import Any

import pytest

from pathopipe.errors import RefusalError
from pathopipe.grading import registry
from pathopipe.grading.criteria_card import CriteriaCard, Item, Limit, Statistic, parse_card, read_card, to_json
from pathopipe.grading.registry import make_grader
from pathopipe.pipeline import GradeSettings

SIZE = Statistic("epithelial", "area_um2_mean", whole=True)
STROMA = Statistic("stromal", "area_um2_mean", whole=True)
LIMITS = (Limit(1.5, 1.4, 1.6), Limit(2.0, 1.9, 2.2))
CARD = CriteriaCard(
    name="made-up",
    criteria="Somebody's criteria",
    grades=("1", "2", "3"),
    scope="Made for tests.",
    made_for={"tissue": ("breast",), "stain": ("H&E",)},
    items=(
        Item("size", "size of nuclei", "", SIZE, STROMA, 2.0, 0.5, LIMITS),
        Item("spread", "spread", "", Statistic("epithelial", "area_um2_cv", whole=True), None, 0.4, 0.1, LIMITS),
        Item("clumps", "chromatin", "", Statistic("epithelial", "clump_count_mean", "chromatin"), None, 3, 1, LIMITS),
    ),
    limits=(Limit(-1.0, -1.5, -0.5), Limit(0.25, 0.0, 0.5)),
    fewest_compared=5,
    fitted="By hand",
    data=("none",),
    licence="CC0",
    figures={"all cases": {"quadratic_kappa": 0.5, "quadratic_kappa_low": 0.3, "quadratic_kappa_high": 0.6}},
    not_assessed={"mitotic count": "mitoses are not counted"},
)


def test_a_card_is_what_was_written():
    assert parse_card(to_json(CARD), Path("card.json")) == CARD
    assert [f"{part.type} {part.column}" for part in CARD.statistics] == [
        "epithelial area_um2_mean",
        "stromal area_um2_mean",
        "epithelial area_um2_cv",
        "epithelial clump_count_mean",
    ]
    assert (SIZE.measure, SIZE.kind, CARD.graded_type) == ("area_um2", "mean", "epithelial")


def changed(*path: Any, value: Any) -> bytes:
    """A card with one entry changed, or left out where the value is None."""
    content = json.loads(to_json(CARD))
    inner = content
    for step in path[:-1]:
        inner = inner[step]
    if value is None:
        del inner[path[-1]]
    else:
        inner[path[-1]] = value
    return json.dumps(content).encode()


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", "Invalid JSON"),
        (b"[]", "should be an object"),
        (to_json(CARD)[:300], "Invalid JSON"),
        (changed("items", value=[]), "items: "),
        (changed("name", value="Made Up"), "name: "),
        (changed("licence", value=None), "licence: "),
        (changed("extra", value=1), "extra: "),
        (changed("items", 0, "scale", value=0.0), "items.0.scale: Input should be greater than 0"),
        (changed("items", 0, "center", value="2"), "items.0.center: "),
        (changed("items", 0, "of", "column", value="area_um2_p95"), "items.0.of.column: "),
        (changed("items", 0, "of", "type", value="tumor"), "there is no type 'tumor' of nuclei"),
        (changed("items", 0, "of", "type", value="other"), "items: should be of nuclei of one type"),
        (changed("items", 1, "name", value="size"), "items: should differ"),
        (changed("grades", 1, value="1"), "grades: should differ"),
        (changed("grades", value=["1", "2"]), "limits of the score: should be 1, ascending"),
        (changed("limits", 0, value={"value": 0.3, "low": 0.0, "high": 1.0}), "limits of the score: should be 2, asc"),
        (changed("items", 2, "limits", value=[{"value": 1.0, "low": 1.0, "high": 1.0}]), "limits of clumps: should be"),
        (changed("limits", 0, "low", value=-0.9), "limits.0: should lie in its interval"),
        (changed("limits", 0, "high", value=-1.1), "limits.0: should lie in its interval"),
        (changed("fewest_compared", value=1), "fewest_compared: "),
        (changed("made_for", "scanner", value=["A"]), "made_for: should be about stain and tissue"),
        (to_json(CARD).replace(b'"center": 3.0', b'"center": NaN'), "items.2.center: "),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_a_card_that_does_not_fit_is_refused_with_the_place(content, words):
    with pytest.raises(RefusalError, match=r"^card.json: is no sound card of a grader .*: install") as caught:
        parse_card(content, Path("card.json"))
    assert words in str(caught.value)


def test_the_shipped_card_is_sound_and_says_what_it_rests_on():
    card = make_grader(GradeSettings()).card
    assert card.name == "nottingham-pleomorphism"
    assert card.not_assessed.keys() >= {"tubule formation", "mitotic count", "overall Nottingham grade"}
    assert all({"quadratic_kappa_low", "spearman_low", "graded"} <= figures.keys() for figures in card.figures.values())
    assert any("ductal" in what for what in card.figures)
    assert "recipes/pleomorphism.py" in card.fitted
    assert len(card.items) in {3, 4, 5}


def test_an_edited_card_is_refused(tmp_path, monkeypatch):
    name = "nottingham-pleomorphism.json"
    content = (registry._SHIPPED / name).read_text(encoding="utf-8")
    (tmp_path / name).write_text(content.replace('"scale": 0.', '"scale": 1.', 1), encoding="utf-8")
    monkeypatch.setattr(registry, "_SHIPPED", tmp_path)
    with pytest.raises(RefusalError, match=r"pleomorphism.json: was changed since pathopipe was installed: install"):
        make_grader(GradeSettings())
    (tmp_path / name).unlink()
    with pytest.raises(RefusalError, match=r"cannot be read \(No such file or directory\): install"):
        make_grader(GradeSettings())


def test_a_sound_card_of_another_content_is_refused(tmp_path):
    path = tmp_path / "card.json"
    path.write_bytes(to_json(CARD))
    with pytest.raises(RefusalError, match="was changed"):
        read_card(path, "0" * 64)
