"""Accuracy of `classical` beside a plain Otsu-and-watershed script, on the same images and by the same measures.

    python benchmarks/baseline.py --images DIR --labels DIR --mpp 0.25

Needs scikit-image (in the extra 'test').
"""

import argparse
from functools import reduce
from operator import add
from pathlib import Path

import cv2
import numpy as np
from scipy import ndimage
from skimage.color import rgb2hed
from skimage.feature import peak_local_max
from skimage.filters import gaussian, threshold_otsu
from skimage.morphology import remove_small_objects
from skimage.segmentation import watershed

from pathopipe.annotations import match
from pathopipe.evaluation.metrics import Counts, compare, scores
from pathopipe.evaluation.scoring import evaluate_images
from pathopipe.pipeline import Config

WORKING_MPP = 0.5
MIN_AREA_PX = 30
LABEL_SUFFIXES = {".png", ".tif", ".tiff"}


def otsu_watershed(rgb: np.ndarray) -> np.ndarray:
    """Otsu on the hematoxylin channel, split by a watershed of the distance to the edge."""
    hematoxylin = gaussian(rgb2hed(rgb)[..., 0], 1)
    mask = remove_small_objects(
        ndimage.binary_fill_holes(hematoxylin > threshold_otsu(hematoxylin)), max_size=MIN_AREA_PX
    )
    distance = gaussian(ndimage.distance_transform_edt(mask), 1)
    peaks = peak_local_max(distance, min_distance=5, labels=mask.astype(int), exclude_border=False)
    markers = np.zeros(mask.shape, int)
    markers[tuple(peaks.T)] = np.arange(1, len(peaks) + 1)
    return watershed(-distance, markers, mask=mask)


def baseline(image: Path, labels: Path, mpp: float) -> Counts:
    rgb = cv2.cvtColor(cv2.imread(str(image)), cv2.COLOR_BGR2RGB)
    truth = cv2.imread(str(labels), cv2.IMREAD_UNCHANGED)
    scale = mpp / WORKING_MPP
    small = cv2.resize(rgb, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)
    found = otsu_watershed(small).astype(np.int32)
    full = cv2.resize(found, truth.shape[::-1], interpolation=cv2.INTER_NEAREST)
    return compare(full, truth, mpp)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--images", type=Path, required=True)
    parser.add_argument("--labels", type=Path, required=True)
    parser.add_argument("--mpp", type=float, required=True)
    given = parser.parse_args()
    labels = {file.stem: file for file in sorted(given.labels.iterdir()) if file.suffix in LABEL_SUFFIXES}
    images = {file.stem: file for file in sorted(given.images.iterdir()) if file.stem in labels}
    plain = reduce(add, (baseline(image, labels[name], given.mpp) for name, image in images.items()))
    pairs = match(given.images, given.labels, given.mpp)
    ours = reduce(add, (row.counts for row in evaluate_images(pairs, Config(), ("classical",), lambda *_: None)))
    print(f"{'':20} F1     AJI    PQ")
    for name, counts in (("Otsu and watershed", plain), ("classical", ours)):
        result = scores(counts)
        print(f"{name:20} {result.f1:.3f}  {result.aji:.3f}  {result.pq:.3f}")
    print(f"ratio of F1 {scores(ours).f1 / scores(plain).f1:.2f}, of AJI {scores(ours).aji / scores(plain).aji:.2f}")


if __name__ == "__main__":
    main()
