"""Names in a text, however it writes them: both are compared as words without accents, case and punctuation."""

import functools
import html
import re
import unicodedata
from collections import defaultdict
from collections.abc import Mapping
from pathlib import Path
from typing import Final
from urllib.parse import unquote

_WORD: Final = re.compile(r"\d+(?:\.\d+)+|[^\W_]+")
_JSON: Final = re.compile(r"\\(?:u([0-9a-fA-F]{4})|[bfnrt])")
_OURS: Final = {".py", ".html", ".css", ".md"}
_PACKAGE: Final = Path(__file__).parents[1]


def words(text: str) -> str:
    r"""Return the words of a text, with a blank before and after each; ``&#39;``, ``%20`` and ``\u00fc`` are read."""
    if "\\" in text:
        text = _JSON.sub(lambda found: chr(int(found[1], 16)) if found[1] else " ", text)
    if "&" in text:
        text = html.unescape(text)
    if "%" in text:
        text = unquote(text)
    if not text.isascii():
        letters = unicodedata.normalize("NFKD", text)
        text = "".join(letter for letter in letters if not unicodedata.combining(letter))
    return f" {' '.join(_WORD.findall(text.casefold()))} "


def is_common(name: str) -> bool:
    """Whether the program itself writes these words, so that to find them says nothing."""
    ours, known = _own_words()
    return set(name.split()) <= known and name in ours


@functools.cache
def _own_words() -> tuple[str, frozenset[str]]:
    files = sorted(file for file in _PACKAGE.rglob("*") if file.suffix in _OURS)
    ours = "".join(words(file.read_text(encoding="utf-8")) for file in files)
    return ours, frozenset(ours.split())


class Search:
    """Looks for names in texts.

    Parameters
    ----------
    names
        What each is, by its `words`.
    """

    def __init__(self, names: Mapping[str, str]) -> None:
        self._names = names
        self._by_first = defaultdict[str, list[str]](list)
        for name in names:
            self._by_first[name.split()[0]].append(name)

    def find(self, text: str) -> str | None:
        """Return what the first name is that a text holds; None where it holds none."""
        plain = words(text)
        for first in self._by_first.keys() & set(plain.split()):
            for name in self._by_first[first]:
                if name in plain:
                    return self._names[name]
        return None
