"""The configuration as people give it: files and changes, checked against the sections of `pipeline`."""

import json
from pathlib import Path
from typing import Any

import yaml
from pydantic import BaseModel, ValidationError

from pathopipe.errors import RefusalError
from pathopipe.pipeline import Config

_LONG = 100
_FATES = {"missing": "missing", "unexpected_keyword_argument": "unknown"}


def parse_config(values: dict[str, Any], source: str) -> Config:
    """Check a configuration.

    Raises
    ------
    RefusalError
        With one sentence per mistake, each naming ``source`` and the key.
    """
    try:
        return Config.model_validate(values)
    except ValidationError as error:
        raise RefusalError(*(_sentence(problem, source) for problem in error.errors())) from None


def load_config(path: Path | None, changes: tuple[str, ...] = ()) -> Config:
    """Read a YAML configuration and apply ``KEY=VALUE`` changes; without a file, the defaults.

    Raises
    ------
    RefusalError
        When the file is missing, is not a YAML mapping, or has mistakes.
    """
    values = _read_yaml(path) if path else {}
    for change in changes:
        _apply(values, change)
    return parse_config(values, str(path) if path and not changes else f"{path or 'defaults'} with --set")


def settings_of(stage: str, text: str) -> BaseModel:
    """Read one section from JSON, as a rule passes it."""
    return parse_config({stage: json.loads(text)}, "--settings").__getattribute__(stage)  # type: ignore[no-any-return]


def _read_yaml(path: Path) -> dict[str, Any]:
    try:
        values = yaml.safe_load(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise RefusalError(f"{path}: cannot be read ({error.strerror}): give the config with --config") from error
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise RefusalError(f"{path}: is not valid YAML: {' '.join(str(error).split())}") from error
    if values is None:
        return {}
    if not isinstance(values, dict):
        raise RefusalError(f"{path}: has no 'key: value' lines: see config/README.md")
    # A section whose keys are all commented out is empty, not wrong.
    return {key: value for key, value in values.items() if value is not None}


def _apply(values: dict[str, Any], change: str) -> None:
    key, equals, value = change.partition("=")
    if not equals or not key:
        raise RefusalError(f"--set {change}: expected KEY=VALUE, such as tiles.size=1024")
    *path, last = key.strip().split(".")
    for name in path:
        values = values.setdefault(name, {})
        if not isinstance(values, dict):
            raise RefusalError(f"--set {change}: there is no such key")
    try:
        values[last] = yaml.safe_load(value)
    except yaml.YAMLError:
        values[last] = value


def _sentence(problem: Any, source: str) -> str:
    if problem["type"] == "extra_forbidden":
        return f"{source}: unknown key '{_key(problem)}'{_hint(problem['loc'])}"
    return f"{source}: {reported(problem)}"


def reported(problem: Any) -> str:
    """Say in words what pydantic found: which key, what it should be, and what it is."""
    if (fate := _FATES.get(problem["type"])) is not None:
        return f"{_key(problem)} is {fate}"
    words = problem["msg"].removeprefix("Value error, ").removeprefix("Input ").replace("a valid tuple", "a list")
    message = f"{_key(problem)} {words[:1].lower()}{words[1:]}".strip()
    return message if isinstance(problem["input"], dict) else f"{message}, got {_brief(problem['input'])}"


def _key(problem: Any) -> str:
    key = ".".join(str(part) for part in problem["loc"])
    return key if key.isprintable() and len(key) < _LONG else _brief(key)


def _brief(value: object) -> str:
    text = repr(value)
    return text if len(text) < _LONG else f"{text[:_LONG]}…"


def _hint(location: tuple[Any, ...]) -> str:
    import difflib

    model: Any = Config
    for part in location[:-1]:
        model = model.model_fields[part].annotation
    close = difflib.get_close_matches(str(location[-1]), list(model.model_fields), n=1)
    return f", did you mean '{close[0]}'?" if close else f"; known keys: {', '.join(model.model_fields)}"


def container_image(config: Config) -> str:
    """Image that the rules run in, empty where none is asked for; the path of a file becomes absolute."""
    if not config.container or "://" in config.container:
        return config.container
    return str(Path(config.container).absolute())
