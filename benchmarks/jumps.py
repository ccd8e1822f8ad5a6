"""False alarms of the check for jumps (`slide/jpeg_jumps.py`) on intact images, compressed again in six ways.

python benchmarks/jumps.py IMAGE...
"""

import io
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import tifffile
from PIL import Image

from pathopipe.slide import jpeg
from pathopipe.slide.backend import RGB
from pathopipe.slide.jpeg_jumps import has_jump

QUALITIES, SUBSAMPLINGS, UNITS, SIDE = (30, 60, 85), (0, 2), (8, 16), 256


def pixels_of(path: Path) -> RGB:
    if path.suffix in {".svs", ".tif", ".tiff"}:
        return np.asarray(tifffile.imread(path, key=0)[..., :3], np.uint8)
    return np.asarray(Image.open(path).convert("RGB"))


def compressed(image: RGB) -> Iterator[RGB]:
    for quality in QUALITIES:
        for subsampling in SUBSAMPLINGS:
            file = io.BytesIO()
            Image.fromarray(image).save(file, "JPEG", quality=quality, subsampling=subsampling)
            stream, frame = jpeg.complete(file.getvalue())
            yield jpeg._decode(stream, frame.width, frame.height)


def parts(image: RGB) -> Iterator[RGB]:
    yield image
    for y in range(0, image.shape[0] - SIDE + 1, SIDE):
        for x in range(0, image.shape[1] - SIDE + 1, SIDE):
            yield image[y : y + SIDE, x : x + SIDE]


def main() -> None:
    looked_at = alarms = 0
    for name in sys.argv[1:]:
        found = [
            has_jump(part, unit) for px in compressed(pixels_of(Path(name))) for part in parts(px) for unit in UNITS
        ]
        looked_at, alarms = looked_at + len(found), alarms + sum(found)
    print(f"{alarms} of {looked_at} intact images and tiles are said to have a jump")


if __name__ == "__main__":
    main()
