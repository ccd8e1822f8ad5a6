"""From templates to bytes: pages that need no other file, run no foreign script and are the same every time."""

import base64
import functools
import hashlib
from collections.abc import Sequence
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from pathopipe import text

_POLICY = (
    "default-src 'none'; img-src {images}; style-src {style}; script-src {script}; base-uri 'none'; form-action 'none'"
)


@functools.cache
def environment() -> Environment:
    """Build the template environment: escaping is on for every template, an unknown name is an error."""
    env = Environment(
        loader=PackageLoader("pathopipe.reporting"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    for name in ("number", "count", "percent", "quantity", "sentence"):
        env.filters[name] = getattr(text, name)
    return env


def render(
    template: str, scripts: Sequence[str] = (), styles: Sequence[str] = (), images: str = "data:", **values: Any
) -> bytes:
    """Render a page with the common style sheet, and the ``styles`` and ``scripts`` that are named, inside it.

    The content security policy names each by its hash: text from a sample sheet could not run even unescaped.
    ``images`` are the sources that it lets pictures come from.
    """
    sheets, codes = (list(map(source, names)) for names in (("style.css", *styles), scripts))
    policy = _POLICY.format(images=images, style=_hashes(sheets), script=_hashes(codes) or "'none'")
    page = (
        environment()
        .get_template(template)
        .render(
            styles=[Markup(sheet) for sheet in sheets],  # noqa: S704 - our own files
            scripts=[Markup(code) for code in codes],  # noqa: S704
            policy=policy,
            **values,
        )
    )
    return page.encode("utf-8")


def source(name: str) -> str:
    """Return the text of one of the package's template files."""
    env = environment()
    assert env.loader is not None  # noqa: S101 - set above
    return env.loader.get_source(env, name)[0]


def _hashes(codes: Sequence[str]) -> str:
    digests = (base64.b64encode(hashlib.sha256(code.encode("utf-8")).digest()).decode("ascii") for code in codes)
    return " ".join(f"'sha256-{digest}'" for digest in digests)
