"""A DICOM slide: instances of tiled-full JPEG in one series."""

from pathlib import Path

import imagecodecs
import numpy as np
from pydicom import dcmwrite
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.encaps import encapsulate
from pydicom.uid import JPEGBaseline8Bit

from tests.slide.files import RGB, shrink

_WSI = "1.2.840.10008.5.1.4.1.1.77.1.6"
_TILE = 256


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
        dcmwrite(paths[-1], _instance(pixels, spacing, kind, series, number), enforce_file_format=True)
    return paths


def _instance(image: RGB, mpp: float, kind: str, series: str, number: int) -> Dataset:
    height, width = image.shape[:2]
    meta = FileMetaDataset()
    meta.MediaStorageSOPClassUID = _WSI
    meta.MediaStorageSOPInstanceUID = f"{series}.{number}"
    meta.TransferSyntaxUID = JPEGBaseline8Bit
    meta.ImplementationClassUID = "1.2.3"
    data = Dataset()
    data.file_meta = meta
    frames = _frames(image)
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
        "Rows": _TILE,
        "Columns": _TILE,
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
            _dataset(PixelMeasuresSequence=[_dataset(PixelSpacing=[mpp / 1000, mpp / 1000], SliceThickness=0.001)])
        ],
        "OpticalPathSequence": [_dataset(OpticalPathIdentifier="0")],
    }
    for name, value in entries.items():
        setattr(data, name, value)
    data.PixelData = encapsulate(frames)
    data["PixelData"].VR = "OB"
    return data


def _dataset(**entries: object) -> Dataset:
    data = Dataset()
    for name, value in entries.items():
        setattr(data, name, value)
    return data


def _frames(image: RGB) -> list[bytes]:
    down, across = -(-image.shape[0] // _TILE), -(-image.shape[1] // _TILE)
    padded = np.full((down * _TILE, across * _TILE, 3), 255, np.uint8)
    padded[: image.shape[0], : image.shape[1]] = image
    tiles = padded.reshape(down, _TILE, across, _TILE, 3).swapaxes(1, 2).reshape(-1, _TILE, _TILE, 3)
    return [
        imagecodecs.jpeg8_encode(
            np.ascontiguousarray(tile), level=95, colorspace="RGB", outcolorspace="YCBCR", subsampling="422"
        )
        for tile in tiles
    ]
