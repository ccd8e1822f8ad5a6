"""What is made from the stages' records and settings: schemas, tables, names for the command line, groups of profiles.

All is made by ``python -m pathopipe.schemas`` at the root of the repository; a test
fails when they are stale.
"""

import json
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, Literal, get_args, get_origin

from pydantic import BaseModel
from pydantic.fields import FieldInfo

from pathopipe.pipeline import STAGES, Config
from pathopipe.results.schemas.column import Column
from pathopipe.results.schemas.counts import SLIDE
from pathopipe.results.schemas.features import GROUPS
from pathopipe.results.schemas.quality import QUALITY
from pathopipe.results.schemas.spatial import SPATIAL
from pathopipe.results.schemas.statistics import DEFINITIONS
from pathopipe.samples import COLUMNS, ID_PATTERN

README = Path("config/README.md")
MEASURES = Path("docs/measures.md")
NAMES = Path("src/pathopipe/cli/stage_names.py")
PROFILES = tuple(Path(f"profiles/{name}/profile.yaml") for name in ("kubernetes", "slurm", "slurm-no-accounting"))
_DIALECT = "https://json-schema.org/draft/2020-12/schema"
_LIMITS = {"ge": "from {}", "gt": "above {}", "le": "to {}", "lt": "below {}"}


def config_schema() -> dict[str, Any]:
    """JSON schema of ``config.yaml``."""
    return {"$schema": _DIALECT} | Config.model_json_schema()


def slides_schema() -> dict[str, Any]:
    """JSON schema of a line of the sample sheet; columns beyond those named are allowed."""
    columns: dict[str, dict[str, Any]] = {
        name: {"type": "string", "description": text.replace("`", "")} for name, text in COLUMNS.items()
    }
    columns["slide"] |= {"pattern": f"^{ID_PATTERN}$", "maxLength": 100}
    columns["path"] |= {"minLength": 1}
    columns["mpp"] |= {"type": ["string", "number"]}
    return {
        "$schema": _DIALECT,
        "title": "Line of the sample sheet",
        "type": "object",
        "properties": columns,
        "required": ["slide", "path"],
    }


def settings_table() -> str:
    """All keys of the configuration as a Markdown table."""
    return "\n".join(["| key | default | values | meaning |", "|---|---|---|---|", *_rows(Config)])


def _rows(section: type[BaseModel], prefix: str = "") -> Iterator[str]:
    for name, field in section.model_fields.items():
        inner = field.annotation
        if isinstance(inner, type) and issubclass(inner, BaseModel):
            yield from _rows(inner, f"{prefix}{name}.")
        else:
            yield _row(f"{prefix}{name}", field)


def columns_table() -> str:
    """The columns of the sample sheet as a Markdown table."""
    return "\n".join(
        ["| column | meaning |", "|---|---|", *(f"| `{name}` | {text} |" for name, text in COLUMNS.items())]
    )


def _row(key: str, field: FieldInfo) -> str:
    default = json.dumps(field.get_default(), ensure_ascii=False)
    return f"| `{key}` | `{default}` | {_values(field)} | {field.description} |"


def _values(field: FieldInfo) -> str:
    if get_origin(field.annotation) is Literal:
        return " or ".join(f"`{value}`" for value in get_args(field.annotation))
    kind = getattr(field.annotation, "__name__", "str")
    words = {"float": "number", "int": "whole number", "bool": "`true` or `false`", "str": "text", "tuple": "list"}
    limits = [
        text.format(f"{getattr(limit, name):g}")
        for limit in field.metadata
        for name, text in _LIMITS.items()
        if hasattr(limit, name)
    ]
    return " ".join([words[kind], *limits])


def dictionary() -> dict[str, str]:
    """The measures of nuclei by group, what is counted, and how nuclei lie, as Markdown tables."""
    tables = {name: _measures(columns) for name, columns in GROUPS.items()}
    lines = [f"| `{name}` | {text} |" for name, text in DEFINITIONS.items()]
    tables["statistics"] = "\n".join(["| statistic | definition |", "|---|---|", *lines])
    return tables | {"counts": _measures(SLIDE), "quality": _measures(QUALITY), "spatial": _measures(SPATIAL)}


def _measures(columns: Iterable[Column]) -> str:
    """Columns of a table of results as a Markdown table."""
    lines = ["| column | unit | meaning | definition | source | range |", "|---|---|---|---|---|---|"]
    for column in columns:
        cells = (f"`{column.name}`", column.unit, column.meaning, column.formula, column.source, column.range)
        lines.append(f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in cells)} |")
    return "\n".join(lines)


def fill(text: str, tables: Mapping[str, str]) -> str:
    """Put tables between their marks in the text of a page."""
    for name, table in tables.items():
        start, end = f"<!-- {name} -->\n", f"<!-- end of {name} -->\n"
        before, rest = text.split(start)
        text = f"{before}{start}\n{table}\n\n{end}{rest.split(end)[1]}"
    return text


def stage_names() -> str:
    """Module that holds what the command line needs of the stages, without what importing the records takes."""
    entries = "".join(f'    "{stage.name}": "{stage.help}",\n' for stage in STAGES.values())
    return (
        '"""Stages and what they do, in order, without what importing the records takes.\n\n'
        'Made by ``python -m pathopipe.schemas``.\n"""\n\n'
        f"STAGES = {{\n{entries}}}\n"
    )


def group(text: str) -> str:
    """Put the groups of stages that are submitted together between the marks of a profile."""
    grouped = [stage for stage in STAGES.values() if stage.group]
    parts = {
        "groups": [f"  {stage.name}: {stage.group}" for stage in grouped],
        "turns": [f"  {stage.name}: {{turn: 1}}" for stage in grouped],
    }
    for name, lines in parts.items():
        start, end = f"  # {name}, made by python -m pathopipe.schemas\n", f"  # end of {name}\n"
        before, rest = text.split(start)
        text = "".join([before, start, *(f"{line}\n" for line in lines), end, rest.split(end)[1]])
    return text


def files() -> dict[Path, str]:
    """The generated files, relative to the root of the repository, and what they should hold."""
    schemas = {"config": config_schema(), "slides": slides_schema()}
    texts = {
        Path(f"workflow/schemas/{name}.schema.json"): json.dumps(schema, indent=2, ensure_ascii=False) + "\n"
        for name, schema in schemas.items()
    }
    texts |= {profile: group(profile.read_text(encoding="utf-8")) for profile in PROFILES}
    texts |= {
        README: fill(README.read_text(encoding="utf-8"), {"settings": settings_table(), "columns": columns_table()})
    }
    return texts | {MEASURES: fill(MEASURES.read_text(encoding="utf-8"), dictionary()), NAMES: stage_names()}


if __name__ == "__main__":
    for path, text in files().items():
        path.write_text(text, encoding="utf-8")
