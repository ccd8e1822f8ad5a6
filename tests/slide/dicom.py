"""A DICOM slide: instances of tiled-full JPEG, or another compression, in one series."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import imagecodecs
import numpy as np
from pydicom import dcmwrite
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.encaps import encapsulate
from pydicom.uid import ExplicitVRLittleEndian, ImplicitVRLittleEndian, JPEGBaseline8Bit

from tests.slide.files import RGB, shrink

_WSI = "1.2.840.10008.5.1.4.1.1.77.1.6"
_TILE = 256
_NATIVE = {ExplicitVRLittleEndian, ImplicitVRLittleEndian}
Encode = Callable[[RGB], bytes]


def jpeg_frame(tile: RGB, colors: str = "YCBCR", subsampling: str = "422") -> bytes:
    """A frame as JPEG."""
    return bytes(
        imagecodecs.jpeg8_encode(tile, level=95, colorspace="RGB", outcolorspace=colors, subsampling=subsampling)
    )


def write_series(folder: Path, image: RGB, series: str, mpp: float = 0.5, prefix: str = "") -> list[Path]:
    """Two levels, a label and an overview; the label's name comes first."""
    parts = [
        ("a_label", image[:100, :100], 10.0, "LABEL"),
        ("b_level0", image, mpp, "VOLUME"),
        ("c_level1", shrink(image, 2), 2 * mpp, "VOLUME"),
        ("d_overview", image[:200, :200], 10.0, "OVERVIEW"),
    ]
    paths = []
    for number, (name, pixels, spacing, kind) in enumerate(parts, 1):
        paths.append(folder / f"{prefix}{name}.dcm")
        write(paths[-1], instance(pixels, spacing, kind, series, number))
    return paths


def write(path: Path, content: Dataset) -> None:
    """Write a file."""
    dcmwrite(path, content, enforce_file_format=True)


def instance(
    image: RGB,
    mpp: float = 0.5,
    kind: str = "VOLUME",
    series: str = "1.2.3.4",
    number: int = 2,
    *,
    encode: Encode = jpeg_frame,
    syntax: str = JPEGBaseline8Bit,
    tile: int = _TILE,
    **changes: Any,
) -> Dataset:
    """One file of a series: a level, or another image; ``changes`` are attributes, which None leaves out."""
    height, width = image.shape[:2]
    meta = FileMetaDataset()
    meta.MediaStorageSOPClassUID = _WSI
    meta.MediaStorageSOPInstanceUID = f"{series}.{number}"
    meta.TransferSyntaxUID = syntax
    meta.ImplementationClassUID = "1.2.3"
    data = Dataset()
    data.file_meta = meta
    frames = [encode(part) for part in tiles(image, tile)]
    derived = ["DERIVED", "PRIMARY", kind, "RESAMPLED"] if number == 3 else ["ORIGINAL", "PRIMARY", kind, "NONE"]
    entries = {
        "SOPClassUID": _WSI,
        "SOPInstanceUID": f"{series}.{number}",
        "Modality": "SM",
        "StudyInstanceUID": "1.2.3",
        "SeriesInstanceUID": series,
        "FrameOfReferenceUID": "1.2.3.9",
        "ImageType": derived,
        "SamplesPerPixel": 3,
        "PhotometricInterpretation": "YBR_FULL_422",
        "PlanarConfiguration": 0,
        "Rows": tile,
        "Columns": tile,
        "BitsAllocated": 8,
        "BitsStored": 8,
        "HighBit": 7,
        "PixelRepresentation": 0,
        "NumberOfFrames": len(frames),
        "TotalPixelMatrixColumns": width,
        "TotalPixelMatrixRows": height,
        "TotalPixelMatrixFocalPlanes": 1,
        "ImagedVolumeWidth": width * mpp / 1000,
        "ImagedVolumeHeight": height * mpp / 1000,
        "DimensionOrganizationType": "TILED_FULL",
        "NumberOfOpticalPaths": 1,
        "SharedFunctionalGroupsSequence": [
            dataset(PixelMeasuresSequence=[dataset(PixelSpacing=[mpp / 1000, mpp / 1000], SliceThickness=0.001)])
        ],
        "OpticalPathSequence": [dataset(OpticalPathIdentifier="0")],
    }
    for name, value in (entries | changes).items():
        if value is not None:
            setattr(data, name, value)
    data.PixelData = b"".join(frames) if syntax in _NATIVE else encapsulate(frames)
    data["PixelData"].VR = "OB"
    return data


def place(column: int, row: int) -> Dataset:
    """Where a frame of a sparse image lies: of its first pixel column and row, counted from 0."""
    position = dataset(ColumnPositionInTotalImagePixelMatrix=column + 1, RowPositionInTotalImagePixelMatrix=row + 1)
    return dataset(PlanePositionSlideSequence=[position])


def dataset(**entries: object) -> Dataset:
    """A dataset of these attributes."""
    data = Dataset()
    for name, value in entries.items():
        setattr(data, name, value)
    return data


def tiles(image: RGB, side: int = _TILE) -> list[RGB]:
    """Cut an image into squares, row by row, the last ones filled up with white."""
    down, across = -(-image.shape[0] // side), -(-image.shape[1] // side)
    padded = np.full((down * side, across * side, 3), 255, np.uint8)
    padded[: image.shape[0], : image.shape[1]] = image
    cut = padded.reshape(down, side, across, side, 3).swapaxes(1, 2).reshape(-1, side, side, 3)
    return [np.ascontiguousarray(part) for part in cut]
