"""The configuration: what is accepted, and one sentence for each mistake."""

import json
from pathlib import Path

import pytest

from pathopipe.config import load_config, parse_config, settings_of
from pathopipe.errors import RefusalError
from pathopipe.pipeline import Config, SegmentSettings


def problems(text: str, tmp_path: Path, *changes: str) -> tuple[str, ...]:
    (tmp_path / "config.yaml").write_text(text, encoding="utf-8")
    with pytest.raises(RefusalError) as caught:
        load_config(tmp_path / "config.yaml", changes)
    return caught.value.problems


def test_defaults_are_valid_and_frozen() -> None:
    config = load_config(None)
    assert config == Config()
    with pytest.raises(ValueError, match="frozen"):
        config.slides = "x"  # type: ignore[misc]


def test_a_file_and_changes(tmp_path: Path) -> None:
    (tmp_path / "config.yaml").write_text("slides: a.tsv\ntiles:\n  size: 1024\ngrade:\n# all commented out\n")
    config = load_config(tmp_path / "config.yaml", ("tiles.size=256", "cohort.columns=[site]", "tissue.margin_um=1e1"))
    assert (config.slides, config.tiles.size, config.cohort.columns) == ("a.tsv", 256, ("site",))
    assert config.tissue.margin_um == 10
    assert config.grade == Config().grade


def test_an_empty_file_means_the_defaults(tmp_path: Path) -> None:
    (tmp_path / "config.yaml").write_text("# nothing\n")
    assert load_config(tmp_path / "config.yaml") == Config()


def test_all_mistakes_are_told_at_once(tmp_path: Path) -> None:
    text = "tiles:\n  size: 500\n  sise: 3\ndetekt: {}\nsegment:\n  foreground: high\n"
    reported = problems(text, tmp_path)
    assert len(reported) == 4
    assert all(str(tmp_path / "config.yaml") in problem for problem in reported)
    assert any("tiles.size should be a multiple of 256, got 500" in problem for problem in reported)
    assert any("unknown key 'tiles.sise', did you mean 'size'?" in problem for problem in reported)
    assert any("unknown key 'detekt', did you mean 'detect'?" in problem for problem in reported)
    assert any("segment.foreground should be a valid number" in problem for problem in reported)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("tiles: 3\n", "tiles"),
        ("- a\n- b\n", "no 'key: value' lines"),
        ("tiles: {size: [\n", "not valid YAML"),
        ("tissue:\n  min_area_mm2: .inf\n", "finite"),
        ("tiles:\n  mpp: .nan\n", "mpp"),
        ("features:\n  x: 1\n", "unknown key 'features.x'"),
        ("1: 2\n", "1"),
    ],
)
def test_mistakes_in_words(text: str, words: str, tmp_path: Path) -> None:
    reported = problems(text, tmp_path)
    assert any(words in problem for problem in reported)
    assert all("\n" not in problem for problem in reported)


@pytest.mark.parametrize("change", ["tiles.size", "=3", "slides.x=3", "tiles.size.x=1"])
def test_changes_must_be_keys_with_values(change: str) -> None:
    with pytest.raises(RefusalError, match="--set"):
        load_config(None, ("tiles.size=512", change))


def test_a_missing_or_binary_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(RefusalError, match="cannot be read"):
        load_config(tmp_path / "none.yaml")
    (tmp_path / "binary.yaml").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(RefusalError, match="not valid YAML"):
        load_config(tmp_path / "binary.yaml")


def test_a_section_travels_as_json() -> None:
    settings = SegmentSettings(min_area_um2=7.5)
    assert settings_of("segment", json.dumps(settings.model_dump(mode="json"))) == settings
    with pytest.raises(RefusalError, match="--settings"):
        settings_of("segment", '{"x": 1}')


def test_the_source_is_named() -> None:
    with pytest.raises(RefusalError, match=r"here: unknown key 'x'; known keys: slides, results"):
        parse_config({"x": 1}, "here")
