"""Cards come with weights, from anybody: only one that is right is read, anything else is refused in a sentence."""

import copy
import json
import math
import os
import re
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from safetensors.numpy import save

from pathopipe.errors import RefusalError
from pathopipe.models.card import Card
from pathopipe.models.weights import read_card, read_weights, save_weights
from tests.models.weights_files import SMALL, card, tensors

DEEP = "@deep@"
HUGE = {"widths": [1024] * 6, "blocks": [16] * 6, "up_blocks": [16] * 5}
FAR = {"widths": [4] * 6, "blocks": [16] * 6, "up_blocks": [0] * 5}
UNSEEN = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028-\u202e]")
SEEDS = dict(tensors())


def content(values: object) -> bytes:
    """A file of our tensors whose card holds these values, or this text."""
    text = values if isinstance(values, str) else json.dumps(values)
    return save(dict(sorted(SEEDS.items())), metadata={"pathopipe": text})


def with_header(values: object) -> bytes:
    """A file of our tensors with this header."""
    text = (values if isinstance(values, str) else json.dumps(values)).replace(f'"{DEEP}"', "[" * 9999 + "]" * 9999)
    header, data = text.encode("utf-8", "surrogatepass"), content(good())
    return len(header).to_bytes(8, "little") + header + data[8 + int.from_bytes(data[:8], "little") :]


def good() -> dict[str, Any]:
    return json.loads(json.dumps(asdict(card()) | {"format": 1}))


def header() -> dict[str, Any]:
    data = content(good())
    return json.loads(data[8 : 8 + int.from_bytes(data[:8], "little")])


def is_right(found: Card) -> bool:
    """By other means than those that check it."""
    shown = [found.name, found.licence, *found.data, *found.training, *found.figures]
    entries = [value for value in found.training.values() if isinstance(value, str)]  # these may be empty
    numbers = [found.mpp, found.rule.smoothing, found.rule.valley, found.rule.least]
    numbers += [value for value in found.training.values() if isinstance(value, int | float)]
    numbers += [value for row in found.figures.values() for value in row.values()]
    whole = [found.rule.reach, *found.architecture.widths, *found.architecture.blocks, *found.architecture.up_blocks]
    return (
        re.fullmatch(r"[\w-]+", found.name, re.ASCII) is not None
        and all(isinstance(text, str) and text for text in shown)
        and not any(UNSEEN.search(text) for text in [*shown, *entries])
        and all(isinstance(number, int) or math.isfinite(number) for number in numbers)
        and all(type(number) is int and 0 <= number <= 1024 for number in whole)
        and all(re.fullmatch("[a-z][a-z0-9_]*", name) for name in found.architecture.channels)
        and 0.1 <= found.mpp <= 2
        and 0 < found.traits.radius <= 512
    )


def refused(path: Path, read: Callable[[Path], object]) -> str:
    with pytest.raises(RefusalError) as refusal:
        read(path)
    reported = str(refusal.value)
    assert reported.startswith(f"{path}: ")
    assert reported.isprintable()
    assert len(reported) < len(str(path)) + 400
    assert str(path) not in refusal.value.reason
    return reported


WRONG = [
    ("mpp", "0.5", "mpp should be a valid number, got '0.5'"),
    ("mpp", 0, "mpp should be greater than or equal to 0.1, got 0"),
    ("mpp", -0.5, "mpp should be greater than"),
    ("mpp", [0.5], r"mpp should be a valid number, got \[0.5\]"),
    ("mpp", True, "mpp should be a valid number, got True"),
    ("mpp", None, "mpp should be a valid number, got None"),
    ("mpp", 10**400, "mpp should be a finite number, got 1000"),
    ("rule", None, "rule should be an object, got None"),
    ("rule", {}, None),
    ("rule", {"reach": 24.5}, "rule.reach should be a valid integer"),
    ("rule", {"reach": None}, "rule.reach should be a valid integer, got None"),
    ("rule", {"reach": 10**9}, "rule.reach should be less than or equal to 128"),
    ("rule", {"smoothing": 1e9}, "rule.smoothing should be less than or equal to 16"),
    ("rule", {"smoothing": 0}, "rule.smoothing should be greater than 0"),
    ("rule", {"least": 0}, "rule.least should be greater than 0"),
    ("rule", {"valley": -1}, "rule.valley should be greater than or equal to 0"),
    ("rule", {"sigma": 1}, "rule.sigma is unknown"),
    ("architecture", [1, 2], "architecture should be an object"),
    ("architecture", {"widths": [8, 12.5, 16]}, r"architecture.widths.1 should be a valid integer"),
    ("architecture", {"widths": [8] * 40}, "architecture.widths tuple should have at most 6 items"),
    ("architecture", HUGE, "100,000,000 parameters at most"),
    ("architecture", FAR, "should have a radius of at most 512 pixels"),
    ("architecture", {"channels": []}, "architecture.channels tuple should have at least 1 item"),
    ("architecture", {"channels": ["foreground", "distance", "Type 1"]}, "channels.2 string should match"),
    ("architecture", {"channels": ["foreground", "distance", "x\n"]}, "channels.2 string should match"),
    ("architecture", {"channels": ["foreground", "distance", "distance"]}, "should have channels of different names"),
    (
        "architecture",
        {"channels": ["foreground", "mitosis"]},
        "should have a channel 'distance', not only foreground, m",
    ),
    ("architecture", {"channels": ["distance"]}, "should have a channel 'foreground', not only distance"),
    ("architecture", {"channels": ["foreground", "distance", "barrier"]}, "should have no channel 'barrier'"),
    ("architecture", {"channels": ["foreground", "distance", "third"]}, "do not fit their card, .* is 'head.bias'"),
    ("architecture", {"widths": [8, 12, 17]}, "do not fit their card, the first that differs is 'down"),
    ("name", "a b", "name should be 1 to 60 letters, digits, '_' and '-', not starting with '-', got 'a b'"),
    ("name", "../x", "name should be"),
    ("name", "x\n", r"name should be .*, got 'x\\n'"),
    ("name", "", "name should be"),
    ("licence", 5, "licence should be a valid string, got 5"),
    ("licence", None, "licence should be a valid string, got None"),
    ("licence", "\x1b]0;x\x07", r"licence should be text of one line, without control characters, got '\\x1b\]0;x"),
    ("licence", "CC0\nMIT", "licence should be text of one line"),
    ("licence", "\u202eevil", "licence should be text of one line"),
    ("licence", "\x9b31m", "licence should be text of one line"),
    ("licence", "\ud800", "is not a weights file of pathopipe"),
    ("licence", "x" * 10_001, "licence string should have at most 10000 characters"),
    ("data", "CC0", "data should be a valid array"),
    ("data", ["\x1b[2J"], "data.0 should be text of one line"),
    ("training", {"seed": []}, r"training.seed should be text, a finite number, true, false or null, got \[\]"),
    ("training", {"\x1b": 1}, r"'training.\\x1b.\[key\]' should be text of one line"),
    ("figures", {"on": {"f1": "0.7"}}, "figures.on.f1 should be a valid number"),
    ("figures", [], "figures should be an object"),
    ("stride", 4, "stride is unknown"),
    ("format", 2, "newer version of pathopipe: update it"),
    ("format", "1", "is not a weights file of pathopipe"),
    ("format", None, "is not a weights file of pathopipe"),
]


@pytest.mark.parametrize(("key", "value", "words"), WRONG)
def test_a_value_of_a_wrong_kind_is_told_by_its_key(key: str, value: Any, words: str | None, tmp_path: Path) -> None:
    path, values = tmp_path / "w.safetensors", good()
    values[key] = values[key] | value if isinstance(value, dict) and key in {"architecture", "rule"} else value
    path.write_bytes(content(values))
    if words is None:
        assert is_right(read_card(path))
        return
    assert re.search(words, refused(path, read_card))


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ('"mpp": 0.5', '"mpp": NaN', "is not a weights file"),
        ('"mpp": 0.5', '"mpp": Infinity', "is not a weights file"),
        ('"mpp": 0.5', '"mpp": 1e999', "mpp should be a finite number, got inf"),
        ('"mpp": 0.5', '"mpp": 0.5, "mpp": 0.25', "is not a weights file"),
        ('"seed": 0', '"seed": 1e999', "training.seed should be text, a finite number"),
        ('"seed": 0', '"seed": ' + "9" * 5000, "is not a weights file"),
        ('"seed": 0', '"seed": ' + '{"a": ' * 20_000 + "1" + "}" * 20_000, "is not a weights file"),
        ('"mpp"', '"mpp', "is not a weights file"),
    ],
)
def test_text_that_readers_take_differently_is_refused(old: str, new: str, words: str, tmp_path: Path) -> None:
    path, text = tmp_path / "w.safetensors", json.dumps(good())
    assert text.count(old) == 1
    path.write_bytes(content(text.replace(old, new)))
    assert words in refused(path, read_card)


def _other_type(made: dict[str, Any]) -> None:
    made["head.bias"] = made["head.bias"].astype(np.float16)


def _other_order(made: dict[str, Any]) -> None:
    made["head.bias"] = made["head.bias"].view(np.int32)


def _one_more(made: dict[str, Any]) -> None:
    made["\x1b[31m"] = np.zeros(1 << 20, np.float32)


def _one_less(made: dict[str, Any]) -> None:
    del made["stem.1.bias"]


@pytest.mark.parametrize(
    ("change", "name"),
    [(_other_type, "head.bias"), (_other_order, "head.bias"), (_one_more, r"\\x1b\[31m"), (_one_less, "stem.1.bias")],
)
def test_other_tensors_than_the_card_tells_of_are_refused_unread(
    change: Callable[[dict[str, Any]], None], name: str, tmp_path: Path
) -> None:
    path, made = tmp_path / "w.safetensors", dict(SEEDS)
    change(made)
    path.write_bytes(save(made, metadata={"pathopipe": json.dumps(good())}))
    assert re.search(f"do not fit their card, the first that differs is '{name}'", refused(path, read_card))


def test_a_file_longer_or_shorter_than_its_tensors_is_damaged(tmp_path: Path) -> None:
    path, data = tmp_path / "w.safetensors", content(good())
    for length in (len(data) - 1, len(data) + 1):
        path.write_bytes((data + b"\0")[:length])
        assert f"is damaged ({length:,} bytes, not {len(data):,})" in refused(path, read_card)
    with path.open("wb") as stream:  # 64 GB without content
        stream.write(data)
        stream.truncate(1 << 36)
    assert "is damaged" in refused(path, read_weights)


def test_a_variance_below_zero_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "w.safetensors"
    save_weights(path, card(), SEEDS | {"stem.1.running_var": -SEEDS["stem.1.running_var"]})
    assert "holds a variance below zero" in refused(path, read_weights)


@pytest.mark.parametrize("kind", ["pipe", "folder", "device", "long", "zero"])
def test_what_is_no_file_is_refused_at_once(kind: str, tmp_path: Path) -> None:
    path = tmp_path / "w.safetensors"
    if kind == "pipe":
        os.mkfifo(path)
    elif kind == "folder":
        path.mkdir()
    else:
        path = {"device": Path("/dev/zero"), "long": tmp_path / ("x" * 300), "zero": tmp_path / "a\0b"}[kind]
    with pytest.raises(RefusalError, match=r"is not a file: give the path|cannot be read"):
        read_weights(path)


def places(tree: Any, start: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """Where in a tree of JSON something can be changed."""
    inner = tree.items() if isinstance(tree, dict) else enumerate(tree) if isinstance(tree, list) else ()
    return [start] * bool(start) + [place for key, value in inner for place in places(value, (*start, key))]


ODD = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.sampled_from(
        [0, -1, 1 << 40, 10**400, DEEP, [], {}, [[]], "", "\x1b[2J", "\ud800", "F16", "I64", 1e308, 5e-324]
    ),
    st.floats(),
    st.text(max_size=5),
    st.recursive(st.integers() | st.text(max_size=2), lambda inner: st.lists(inner, max_size=3), max_leaves=5),
)


def change(tree: dict[str, Any], draw: st.DrawFn) -> None:
    place = draw(st.sampled_from(places(tree)))
    parent: Any = tree
    for key in place[:-1]:
        parent = parent[key]
    how = draw(st.sampled_from(["put", "drop", "wrap", "add"]))
    if how == "drop":
        del parent[place[-1]]
    elif how == "add" and isinstance(parent, dict):
        parent[draw(st.text(max_size=3))] = draw(ODD)
    else:
        parent[place[-1]] = [parent[place[-1]]] if how == "wrap" else draw(ODD)


class File(bytes):
    """Shows its header alone: Hypothesis prints what fails, and warns of 160 kB instead of telling what failed."""

    def __repr__(self) -> str:
        return repr(self[:2_000])


@st.composite
def changed_files(draw: st.DrawFn) -> File:
    """Files whose header or card was changed in up to three places, or in a byte of its text."""
    tree, values = header(), good()
    tree["__metadata__"]["pathopipe"] = values
    for _ in range(draw(st.integers(1, 3))):
        change(draw(st.sampled_from([tree, values, values, values])), draw)
    if isinstance(tree.get("__metadata__"), dict) and draw(st.integers(0, 30)):
        tree["__metadata__"]["pathopipe"] = json.dumps(tree["__metadata__"].get("pathopipe"))
    data = bytearray(with_header(tree))
    if not draw(st.integers(0, 3)):
        data[draw(st.integers(0, min(len(data), 12_000) - 1))] = draw(st.integers(0, 255))
    return File(data)


@settings(max_examples=400, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(changed_files())
def test_of_changed_headers_only_a_right_card_or_a_refusal_comes(tmp_path: Path, data: bytes) -> None:
    path = tmp_path / "w.safetensors"
    path.write_bytes(data)
    for read in (read_card, read_weights):
        try:
            found = read(path)
        except RefusalError:
            refused(path, read)
        else:
            assert is_right(found if isinstance(found, Card) else found.card)


def test_the_card_of_the_fuzz_is_right_before_it_is_changed(tmp_path: Path) -> None:
    path = tmp_path / "w.safetensors"
    path.write_bytes(with_header(header()))
    assert read_weights(path).card == card()
    assert is_right(read_card(path))
    assert copy.deepcopy(card()).architecture == SMALL
