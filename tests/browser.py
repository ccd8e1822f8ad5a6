"""Pages in a real browser: the system's Chromium, headless, which never gets to a network.

A test asks for the fixture ``chromium``, and is skipped where there is no Chromium or no playwright.
"""

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

NAMES = ("chromium", "chromium-browser", "google-chrome")
FLAGS = (
    *("--headless", "--no-sandbox", "--disable-gpu", "--enable-unsafe-swiftshader", "--disable-quic", "--no-first-run"),
    *("--disable-background-networking", "--disable-component-update", "--disable-sync"),
)


class Chromium:
    """A browser that is open, with a new empty profile."""

    def __init__(self, context: Any) -> None:
        self._context = context

    @contextmanager
    def page(
        self, path: Path, size: tuple[int, int] = (1440, 900), before: str = "", address: str = "", quiet: bool = True
    ) -> Iterator[Any]:
        """Open a file as a playwright page; at the end nothing was requested but that, and no error was shown.

        Parameters
        ----------
        before
            A script that runs before any of the page.
        address
            What follows the file's name: ``#…``.
        quiet
            Whether errors on the console are a failure.
        """
        page, asked, errors = self._context.new_page(), [], []
        page.set_viewport_size({"width": size[0], "height": size[1]})
        page.on("request", lambda request: asked.append(request.url))
        page.on("console", lambda message: errors.append(message.text) if message.type == "error" else None)
        page.on("pageerror", lambda error: errors.append(str(error)))
        if before:
            page.add_init_script(before)
        try:
            page.goto(path.absolute().as_uri() + address)
            yield page
            assert {url.partition("#")[0] for url in asked if not url.startswith("data:")} == {path.absolute().as_uri()}
            assert not (quiet and errors), errors
        finally:
            page.close()


@pytest.fixture(scope="module")
def chromium(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Chromium]:
    """A browser for the tests of a module.

    Not of a session: while playwright is open, no other test can run an event loop of its own.
    """
    found = next(filter(None, map(shutil.which, NAMES)), None)
    if found is None:
        pytest.skip("there is no Chromium here: install Debian's package chromium")
    api = pytest.importorskip(
        "playwright.sync_api", reason="playwright is not installed: pip install 'pathopipe[test]'"
    )
    profile = tmp_path_factory.mktemp("profile")
    with api.sync_playwright() as driver:
        context = driver.chromium.launch_persistent_context(
            profile, executable_path=found, headless=True, args=[*FLAGS]
        )
        yield Chromium(context)
        context.close()
