"""Generated forms of the configuration are in step with it."""

import json
from pathlib import Path
from typing import Any

import pytest

from pathopipe import schemas
from pathopipe.pipeline import Config
from pathopipe.samples import COLUMNS

ROOT = Path(__file__).parents[1]


@pytest.mark.parametrize("number", range(8))
def test_files_are_in_step(number: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT)
    files = schemas.files()
    assert len(files) == 8
    path, text = list(files.items())[number]
    assert path.read_text(encoding="utf-8") == text, "stale: run python -m pathopipe.schemas"


def keys(model: Any = Config, prefix: str = "") -> list[str]:
    found = []
    for name, field in model.model_fields.items():
        inner = field.annotation
        found += keys(inner, f"{prefix}{name}.") if hasattr(inner, "model_fields") else [prefix + name]
    return found


def test_the_readme_lists_every_key_and_column() -> None:
    text = (ROOT / "config" / "README.md").read_text(encoding="utf-8")
    assert [key for key in keys() if f"| `{key}` |" not in text] == []
    assert [name for name in COLUMNS if f"| `{name}` |" not in text] == []


def test_every_key_is_described() -> None:
    assert "None" not in schemas.settings_table()


def test_schemas_are_plain_json_schema() -> None:
    config = json.loads(json.dumps(schemas.config_schema()))
    assert config["additionalProperties"] is False
    assert config["$defs"]["TilesSettings"]["properties"]["size"]["minimum"] == 256
    assert schemas.slides_schema()["required"] == ["slide", "path"]
