"""Features of a GeoJSON of any size, one at a time: QuPath writes a million of them into a single line."""

import gzip
import json
import re
from collections.abc import Iterator
from json.decoder import JSONDecodeError
from pathlib import Path
from typing import IO, Any, Final

_PIECE: Final = 2**22
"""Letters that are read at once."""
_LONGEST: Final = 2**26
"""Letters of a feature."""
_CUT: Final = 16
"""Letters before the end of what was read in which an error may come from that end: within a word or an escape."""
_DECODER: Final = json.JSONDecoder()
_SPACE: Final = re.compile(r"[ \t\n\r]*")
_GZIP: Final = b"\x1f\x8b"


class TruncatedError(ValueError):
    """The text ends before its last bracket is closed."""


def iter_features(path: Path) -> Iterator[Any]:
    """Read the features of a collection, of a list as QuPath writes it, or a single feature or geometry.

    Memory is taken for a few MB of text and one feature, however long the file is. It may be packed by gzip.

    Raises
    ------
    TruncatedError
        When the file ends too early.
    ValueError
        When it is not JSON in UTF-8; features before that have been given out.
    OSError
        When it can't be read.
    """
    with path.open("rb") as stream:
        packed = stream.read(len(_GZIP)) == _GZIP
    with (gzip.open if packed else open)(path, "rt", encoding="utf-8-sig") as stream:
        try:
            yield from _features(_Text(stream))
        except EOFError as error:
            raise TruncatedError("the packed file ends too early") from error
        except (gzip.BadGzipFile, RecursionError) as error:
            raise ValueError(str(error)) from error


def class_of(feature: Any) -> str:
    """Name of the class that QuPath gave, with its subclasses; "" where there is none."""
    properties = feature.get("properties") if isinstance(feature, dict) else None
    classification = properties.get("classification") if isinstance(properties, dict) else None
    if not isinstance(classification, dict):
        return classification if isinstance(classification, str) else ""
    names = classification.get("names")
    return ": ".join(map(str, names)) if isinstance(names, list) else str(classification.get("name") or "")


class _Text:
    """What is left of a text, of which a piece is in memory."""

    def __init__(self, stream: IO[str]) -> None:
        self._stream, self._text, self._place = stream, "", 0

    def peek(self) -> str:
        """Return the next letter that is no space; "" at the end."""
        while True:
            found = _SPACE.match(self._text, self._place)
            self._place = found.end() if found else self._place
            if self._place < len(self._text):
                return self._text[self._place]
            if not self._read():
                return ""

    def take(self, letters: str) -> str:
        """Go past the next letter that is no space, which is one of these."""
        if not (found := self.peek()):
            raise TruncatedError("the text ends too early")
        if found not in letters:
            raise ValueError(f"found {found!r} where one of {letters!r} should be")
        self._place += 1
        return found

    def value(self) -> Any:
        """Go past the next value, and return it."""
        self.peek()
        while True:
            try:
                value, end = _DECODER.raw_decode(self._text, self._place)
            except JSONDecodeError as error:
                self._extend(error)
                continue
            # A number may go on after what was read.
            if end < len(self._text) or isinstance(value, dict | list | str) or not self._read():
                self._place = min(end, len(self._text))
                return value

    def _extend(self, error: JSONDecodeError) -> None:
        """Read on, if that can help."""
        incomplete = error.pos >= len(self._text) - _CUT or error.msg.startswith("Unterminated")
        if not incomplete or len(self._text) - self._place > _LONGEST:
            raise ValueError(error.msg) from error
        if not self._read():
            raise TruncatedError("the text ends too early") from error

    def _read(self) -> bool:
        rest = self._text[self._place :]
        more = self._stream.read(max(_PIECE, len(rest)))  # twice as much each time: a long feature is parsed anew
        if more:
            self._text, self._place = rest + more, 0
        return bool(more)


def _features(text: _Text) -> Iterator[Any]:
    if text.peek() == "[":
        yield from _items(text)
    else:
        text.take("{")
        yield from _collection(text)
    if text.peek():
        raise ValueError("there is more text after the end")


def _items(text: _Text) -> Iterator[Any]:
    text.take("[")
    if text.peek() == "]":
        text.take("]")
        return
    yield text.value()
    while text.take(",]") == ",":
        yield text.value()


def _collection(text: _Text) -> Iterator[Any]:
    """Features of an object that has some; else the object itself."""
    members, has_features = dict[str, Any](), False
    after = text.take("}") if text.peek() == "}" else ","
    while after == ",":
        name = text.value()
        text.take(":")
        if name == "features" and text.peek() == "[":
            has_features = True
            yield from _items(text)
        else:
            members[str(name)] = text.value()
        after = text.take(",}")
    if not has_features:
        yield members
