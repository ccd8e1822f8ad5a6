"""The reliability plot: how often grades are right, by how probable they were said to be."""

from collections.abc import Mapping
from typing import Any, Final

from markupsafe import Markup

from pathopipe.reporting import svg
from pathopipe.reporting.figures import Axis, axes, shorten
from pathopipe.wording import counted

_WIDTH, _HEIGHT = 460.0, 440.0
_X, _Y = Axis(0.0, 1.0, 60.0, 440.0), Axis(0.0, 1.0, 390.0, 60.0)
_LARGEST: Final = 13.0
_STYLE: Final = """
text { font-family: system-ui, sans-serif; font-size: 12px; fill: #1b2430; }
.tick, .note { fill: #566072; }
.title { font-size: 13px; font-weight: 600; }
.heading { font-size: 15px; font-weight: 600; }
.axis { stroke: #566072; } .grid { stroke: #e8ebf0; }
.ideal { stroke: #b84500; stroke-width: 1.5; stroke-dasharray: 5 4; }
.range { stroke: #4a86b8; stroke-width: 1.5; } .dot { fill: #4a86b8; fill-opacity: .85; stroke: #fff; }
"""


def reliability_plot(content: Mapping[str, Any]) -> bytes | None:
    """Draw the reliability diagram of an evaluation as SVG (DeGroot and Fienberg 1983).

    A dot for each bin that has units, its area in proportion to their number, at their mean probability and the share
    that is right, with the 95% interval of that share by Wilson (1927).

    Parameters
    ----------
    content
        As of ``evaluation.json``.

    Returns
    -------
    The file, the same bytes for the same content; None where no unit has probabilities.
    """
    bins = [entry for entry in content["reliability"] if entry["count"]]
    if not bins:
        return None
    units = sum(entry["count"] for entry in bins)
    words = f"{counted(units, content['unit'])}; expected calibration error {content['ece']:.3f}"
    if content["ece_low"] is not None:
        words += f" [{content['ece_low']:.3f}–{content['ece_high']:.3f}]"
    heading = f"Reliability of {shorten(content['grader'], 36)}"
    ideal = svg.element("line", x1=_X(0), y1=_Y(0), x2=_X(1), y2=_Y(1), class_="ideal")
    drawn = svg.element(
        "svg",
        svg.element("title", f"{heading}: {words}"),
        svg.element("style", Markup(_STYLE)),  # noqa: S704 (our own)
        svg.element("rect", width=_WIDTH, height=_HEIGHT, fill="#fff"),
        svg.element("text", heading, x=_X(0), y=24.0, class_="heading"),
        svg.element("text", words, x=_X(0), y=43.0, class_="note"),
        *axes(_X, _Y, "probability of the likeliest grade", "share that is right"),
        ideal,
        *(_dot(entry, units) for entry in bins),
        xmlns="http://www.w3.org/2000/svg",
        viewBox=f"0 0 {_WIDTH:g} {_HEIGHT:g}",
        width=_WIDTH,
        height=_HEIGHT,
        role="img",
    )
    return f"{drawn}\n".encode()


def _dot(entry: Mapping[str, Any], units: int) -> Markup:
    number, x, right = entry["count"], _X(entry["probability"]), entry["right"]
    low, high = _wilson(right, number)
    words = f"{entry['from']:g} to {entry['to']:g}: {number:,}, {right:.0%} right"
    return svg.group(
        [
            svg.element("line", x1=x, x2=x, y1=_Y(low), y2=_Y(high), class_="range"),
            svg.element(
                "circle",
                svg.element("title", words),
                cx=x,
                cy=_Y(right),
                r=max(2.5, _LARGEST * (number / units) ** 0.5),
                class_="dot",
            ),
        ]
    )


def _wilson(share: float, number: int, z: float = 1.96) -> tuple[float, float]:
    """95% interval of a share of so many things (Wilson 1927)."""
    middle = (share + z**2 / (2 * number)) / (1 + z**2 / number)
    half = z / (1 + z**2 / number) * (share * (1 - share) / number + z**2 / (4 * number**2)) ** 0.5
    return middle - half, middle + half
