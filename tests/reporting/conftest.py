"""Reading the pages that the tests make."""

from dataclasses import dataclass, field
from html.parser import HTMLParser

import pytest

VOID = {"meta", "link", "br", "img", "input", "hr"}


@dataclass
class Page(HTMLParser):
    """A parsed page: every element with its attributes, the text, and mistakes in nesting."""

    text: str
    elements: list[tuple[str, dict[str, str | None]]] = field(default_factory=list)
    words: list[str] = field(default_factory=list)
    open_elements: list[str] = field(default_factory=list)
    mistakes: list[str] = field(default_factory=list)

    def __post_init__(self):
        super().__init__()
        self.feed(self.text)
        self.mistakes += [f"{name} is never closed" for name in self.open_elements]

    def handle_starttag(self, tag, attrs):
        self.elements.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open_elements.append(tag)

    def handle_startendtag(self, tag, attrs):
        self.elements.append((tag, dict(attrs)))

    def handle_endtag(self, tag):
        if not self.open_elements or self.open_elements.pop() != tag:
            self.mistakes.append(f"{tag} is closed out of order")

    def handle_data(self, data):
        if not self.open_elements or self.open_elements[-1] not in {"style", "script"}:
            self.words.append(data)

    @property
    def visible(self) -> str:
        return " ".join(" ".join(self.words).split())

    def all(self, *tags: str) -> list[dict[str, str | None]]:
        return [attributes for tag, attributes in self.elements if tag in tags]


@pytest.fixture
def read_page():
    """Parse a page; what holds for every page is checked on the way."""

    def read(content: bytes) -> Page:
        page = Page(content.decode("utf-8"))
        assert page.mistakes == []
        ids = [attributes["id"] for _, attributes in page.elements if "id" in attributes]
        assert len(ids) == len(set(ids)), "ids are unique"
        for attributes in page.all("img", "image", "script", "link", "use", "iframe"):
            address = attributes.get("src") or attributes.get("href") or "data:"
            assert address.startswith(("data:", "#")), "nothing is loaded from elsewhere"
        assert all(attributes.get("alt") for attributes in page.all("img"))
        assert all(a.get("aria-label") or a.get("aria-hidden") for a in page.all("svg"))
        assert not any(name == "style" or name.startswith("on") for _, a in page.elements for name in a)
        assert "research use only" in page.visible
        return page

    return read
