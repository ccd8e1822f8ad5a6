"""What the XML of an OME-TIFF says: of the size of pixels, and of other files that belong to it."""

import xml.etree.ElementTree as ET
from typing import Any, Final

from pathopipe.errors import SlideRejectedError

_UM_PER_UNIT: Final = {"µm": 1.0, "\u03bcm": 1.0, "um": 1.0, "nm": 1e-3, "mm": 1e3, "cm": 1e4, "m": 1e6, "in": 25_400.0}


def check_files(xml: str) -> None:
    """Reject an OME-TIFF that is spread over several files, whether the others are there or not.

    A file names itself by a UUID, and the files that hold its planes by theirs; their names may have been changed.
    """
    try:
        root = ET.fromstring(xml)  # noqa: S314 (expat expands no external entities)
    except ET.ParseError:
        return
    named = {(node.text or "").strip() for node in root.iter() if node.tag.endswith("}UUID")}
    own = root.get("UUID")
    elsewhere = any(node.tag.endswith("}BinaryOnly") for node in root)
    if elsewhere or len(named | ({own} if own and named else set())) > 1:
        raise SlideRejectedError("the OME-TIFF is spread over several files: export it as one file")


def ome_mpp(xml: str, page: Any) -> tuple[float, float] | None:
    """Pixel size of the OME image of the page's size: a label or overview may stand before it."""
    for node in ET.fromstring(xml).iter():  # noqa: S314 (expat expands no external entities)
        if node.tag.endswith("Pixels") and (int(node.attrib["SizeX"]), int(node.attrib["SizeY"])) == (
            page.imagewidth,
            page.imagelength,
        ):
            x, y = (
                float(node.attrib[f"PhysicalSize{axis}"]) * _UM_PER_UNIT[node.get(f"PhysicalSize{axis}Unit", "µm")]
                for axis in "XY"
            )
            return x, y
    return None
