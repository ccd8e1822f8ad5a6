"""Links into the viewer of a slide's page."""

from typing import Final

_ROOM: Final = 1.3
"""A field is shown with some of what lies around it."""


def view_link(x_px: float, y_px: float, width_px: float, nucleus: int | None = None) -> str:
    """Return the address, within the page, of a place in the viewer.

    Parameters
    ----------
    x_px, y_px
        The middle of the view, in level-0 pixels as tables count them.
    width_px
        Level-0 pixels from the left to the right end of the view.
    nucleus
        Number of a nucleus to select.
    """
    chosen = "" if nucleus is None else f"&nucleus={nucleus}"
    return f"#view={x_px:.0f},{y_px:.0f},{max(1.0, width_px):.0f}{chosen}"


def field_link(x_px: float, y_px: float, width_px: float, height_px: float) -> str:
    """Return the address of a rectangle whose upper left corner is ``(x_px, y_px)``; the viewer is about square."""
    return view_link(x_px + width_px / 2, y_px + height_px / 2, _ROOM * max(width_px, height_px))


def nucleus_link(x_px: float, y_px: float, mpp: float, nucleus: int) -> str:
    """Return the address of a nucleus, with its surroundings of 60 µm; ``mpp`` is µm per level-0 pixel."""
    return view_link(x_px, y_px, 60.0 / mpp, nucleus)
