"""Weights whose card is not right are refused by every command that takes weights: one sentence, exit code 2."""

import json
from dataclasses import asdict
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from safetensors.numpy import save_file

from pathopipe.cli import main
from tests.models.weights_files import card, tensors
from tests.training.fields import discs

CARDS: dict[str, tuple[dict[str, Any], str]] = {
    "text": ({"mpp": "0.5"}, "mpp should be a valid number, got '0.5'"),
    "zero": ({"mpp": 0}, "mpp should be greater than or equal to 0.1, got 0"),
    "rule": ({"rule": None}, "rule should be an object, got None"),
    "licence": ({"licence": 5}, "licence should be a valid string, got 5"),
    "escape": ({"licence": "\x1b[31mfree"}, "licence should be text of one line, without control characters"),
    "blank": ({"name": "a b"}, "name should be 1 to 60 letters, digits, '_' and '-'"),
    "size": ({"architecture": {"widths": [10**9] * 6}}, "architecture.widths.0 should be less than or equal to 1024"),
}
IMAGES = ("--images", "images", "--labels", "labels", "--mpp", "0.5")
COMMANDS = {
    "run": ("run", "--set", "detect.model=w.safetensors"),
    "detect": ("detect", "a", "--set", "detect.model=w.safetensors"),
    "evaluate": ("evaluate", "nuclei", *IMAGES, "--model", "open", "--model", "w.safetensors"),
    "from": ("train", "nuclei", *IMAGES, "--from", "w.safetensors"),
    "teacher": ("train", "nuclei", *IMAGES, "--teacher", "w.safetensors"),
    "bench": ("bench", "--set", "detect.model=w.safetensors"),
}


@pytest.fixture
def folder(tmp_path: Path, small_slide: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The current folder, with a sheet, annotated images, and nothing else."""
    (tmp_path / "slides.tsv").write_text(f"slide\tpath\na\t{small_slide}\n")
    for name in ("images", "labels"):
        (tmp_path / name).mkdir()
    for seed in range(2):
        rgb, labels = discs(seed)
        cv2.imwrite(str(tmp_path / "images" / f"{seed}.png"), rgb)
        cv2.imwrite(str(tmp_path / "labels" / f"{seed}.png"), labels.astype(np.uint16))
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.mark.parametrize("command", COMMANDS)
@pytest.mark.parametrize("kind", CARDS)
def test_every_command_refuses_it_in_one_sentence(
    folder: Path, capsys: pytest.CaptureFixture, kind: str, command: str
) -> None:
    values, words = CARDS[kind]
    text = json.dumps(asdict(card()) | {"format": 1} | values)
    save_file(dict(tensors()), folder / "w.safetensors", metadata={"pathopipe": text})
    with pytest.raises(SystemExit) as stop:
        main(list(COMMANDS[command]))
    reported = capsys.readouterr().err.splitlines()
    assert stop.value.code == 2, reported
    (line,) = reported
    assert line.startswith(f"pathopipe: w.safetensors: has an invalid card: {words}")
    assert line.isprintable()
    assert not [file for file in folder.rglob("*") if file.name in {"tissue", "trained"}]
