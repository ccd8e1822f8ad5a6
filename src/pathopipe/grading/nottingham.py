"""Nuclear pleomorphism as scored for the Nottingham grade of breast carcinoma, by nuclear size."""

import math
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final, Literal

import numpy as np
from numpy.typing import NDArray

from pathopipe.grading.base import Columns, Evidence, GradeResult, Parts
from pathopipe.ops.resampling import each_resample, squares

Floats = NDArray[np.float64]
Numbers = NDArray[np.unsignedinteger]
Mask = NDArray[np.bool_]

LIMITS: Final = (1.5, 2.0)
RESAMPLES: Final = 200
SQUARE_UM: Final = 250.0
SEED: Final = 1991
# Nuclei of a square whose median is worth naming.
MIN_PER_SQUARE: Final = 20

# Lymphocytes: round, and among the darkest of the slide.
ROUND_CIRCULARITY: Final = 0.85
ROUND_RATIO: Final = 1.6
DARK_SHARE: Final = 0.3
MIN_LYMPHOCYTES: Final = 20
LEAST_LYMPHOCYTE_UM2: Final = 8.0
# Where their lower quartile lies outside of this, what is round and dark is debris, or tumor: no yardstick.
LYMPHOCYTE_QUARTILE_UM2: Final = (14.0, 40.0)
# Normal epithelium over the lower quartile of lymphocytes; the class below says why.
EPITHELIUM_TO_LYMPHOCYTE: Final = 1.25
# What is no whole nucleus of epithelium.
FRAGMENT_SHARE: Final = 0.4
CLUMP_SOLIDITY: Final = 0.85
SPINDLE_RATIO: Final = 2.5
_SLICE: Final = 1 << 16

SCOPE: Final = (
    "Made for invasive breast carcinoma. On other tissue the score says how large nuclei are, and no more; tumor and "
    "benign epithelium are not told apart."
)
MADE_FOR: Final = MappingProxyType({"tissue": ("breast", "mamma"), "stain": ("H&E", "HE", "hematoxylin and eosin")})
SHARES_OF: Final = (
    f"Shares of {RESAMPLES} resamples of the slide's own tissue that give each grade: how stable the grade is within "
    "this slide, and not how likely it is right."
)
CONTEXT: Final = Evidence(
    "observer_kappa",
    0.22,
    "",
    "agreement of pathologists with each other on this score, beyond chance (115 pathologists, 22 carcinomas on glass; "
    "J Pathol Inform 2019;10:11)",
)


@dataclass(frozen=True)
class NottinghamPleomorphism:
    """The nuclear pleomorphism component of the Nottingham grade, 1 to 3.

    The score (Elston and Ellis, Histopathology 1991;19:403) sets the tumor's nuclei against those of normal breast
    epithelium. Its numeric form, by nuclear area: 1 below 1.5 times the normal area, 2 from 1.5 to 2 times, 3 above
    (Segen's Medical Dictionary 2012, "Nottingham grading system"; WebPathology gives the same limits for "size").
    Variation of size and shape, which the score's wording mentions too, has no published limit: it is shown as evidence
    and decides nothing.

    * What is compared is the median area of the epithelial nuclei of the slide as a whole: a tumor is graded on its
      representative part and not on its least differentiated one (Arch Pathol Lab Med 1983;107:411, after
      PathologyOutlines). The square with the largest nuclei is shown as evidence; a maximum over squares grows with
      the slide.
    * Left out are fragments, clumps, spindle-shaped and lymphocyte-like nuclei, by the constants above.
    * The normal nuclear area is inferred twice. In general: the mean areas published for low- and high-grade ductal
      carcinoma in situ, 44.1 and 72.1 um2 (Mod Pathol 2001;14:937), are below 1.5 and above 2 times the normal one
      exactly if that is 29.4 to 36.0 um2; taken as 32. On the slide: outlines drawn by hand or machine, fixation and a
      wrong mpp change all nuclei alike, and lymphocytes are the yardstick that most slides hold. Normal ones average
      27 to 29 um2 ("Image analytic study of nuclear area in mantle cell lymphoma"), their lower quartile about 25.5
      (15 % variation assumed), so that normal epithelium is 32 / 25.5 = 1.25 times that. The lower quartile, because
      what else is round and dark is larger. Neither number is published as such: 32 is one of a range (the mean of
      intermediate-grade carcinoma in situ, 47.8, would have it at most 31.8), and 1.25 was settled after the synthetic
      slides had been measured (1.08 to 1.43 give their three levels), so those slides are no independent test of it.
    * Probabilities are shares of 200 bootstrap resamples of squares of tissue that score 1, 2 and 3: how much the
      score depends on which part of the slide was seen. They are not calibrated against observers.

    Attributes
    ----------
    min_nuclei
        Fewest epithelial nuclei to grade on; manual morphometry takes 100 (Vet Pathol 2024, 10.1177/03009858241295399).
    min_share
        Least share of resamples that must agree with the score.
    reference
        Where the normal nuclear area comes from: ``slide`` takes it from the slide's lymphocytes, and from
        `reference_area_um2` where the slide shows too few of them; ``fixed`` always from there.
    reference_area_um2
        Area of a normal epithelial nucleus.
    """

    min_nuclei: int = 100
    min_share: float = 0.6
    reference_area_um2: float = 32.0
    reference: Literal["slide", "fixed"] = "slide"
    name: str = "nottingham-pleomorphism"
    grades: tuple[str, ...] = ("1", "2", "3")
    scope: str = SCOPE

    @property
    def made_for(self) -> Mapping[str, tuple[str, ...]]:
        """Breast, stained with hematoxylin and eosin."""
        return MADE_FOR

    def grade(self, nuclei: Parts) -> GradeResult:
        """Score nuclei given by feature and place."""
        stain = _stain(nuclei)
        lymphocytes = _lymphocytes(nuclei, stain.dark) if self.reference == "slide" else None
        reference = EPITHELIUM_TO_LYMPHOCYTE * lymphocytes if lymphocytes else self.reference_area_um2
        epithelium = _select(nuclei, reference, stain.median)
        counts = _counts(epithelium, reference)
        reason = self._too_few(epithelium.count)
        if not epithelium.count:
            return GradeResult(self.name, None, self.grades, self.scope, {}, reason, counts)
        score, shares, places = _by_square(epithelium, reference)
        reason = reason or self._undecided(score, float(shares[score]))
        evidence = (*_sizes_and_shapes(epithelium, reference, lymphocytes), *counts, *places)
        probabilities = {grade: round(float(share), 4) for grade, share in zip(self.grades, shares, strict=True)}
        grade = None if reason else self.grades[score]
        evidence = (*_defined(evidence), CONTEXT)
        return GradeResult(
            self.name, grade, self.grades, self.scope, probabilities, reason, evidence, shares_of=SHARES_OF
        )

    def _too_few(self, count: int) -> str | None:
        if count >= self.min_nuclei:
            return None
        return (
            f"Only {count} epithelial nuclei could be measured, and at least {self.min_nuclei} are needed "
            "(setting grade.min_nuclei)."
        )

    def _undecided(self, score: int, share: float) -> str | None:
        if share >= self.min_share:
            return None
        return (
            f"The slide's nuclei score {self.grades[score]}, but only {share:.0%} of resamples of its tissue agree, "
            f"and at least {self.min_share:.0%} are needed (setting grade.min_share)."
        )


@dataclass(frozen=True)
class _Stain:
    """Hematoxylin of the median nucleus, and from where on a nucleus is dark; NaN, which none reaches, without any."""

    median: float
    dark: float


@dataclass(frozen=True)
class _Epithelium:
    """The nuclei that are graded: which of all they are (N,), and how many others were left out by which rule."""

    nuclei: Parts
    chosen: Mask
    left_out: dict[str, int]

    @property
    def count(self) -> int:
        return int(np.count_nonzero(self.chosen))

    def parts(self, *names: str) -> Iterator[tuple[Floats, ...]]:
        """Columns of these names, some nuclei at a time."""
        start = 0
        for part in self.nuclei(names):
            chosen = self.chosen[start : start + len(part[names[0]])]
            start += len(chosen)
            yield tuple(part[name][chosen] for name in names)

    def column(self, name: str) -> Floats:
        """A column (N,): the only thing here that a million nuclei make large."""
        return _joined(lambda: (values for (values,) in self.parts(name)))


def _joined(parts: Callable[[], Iterator[Floats]]) -> Floats:
    """Join arrays that are made twice, so that only the whole lies in memory, and not in pieces before."""
    whole, start = np.empty(sum(map(len, parts()))), 0
    for part in parts():
        whole[start : start + len(part)] = part
        start += len(part)
    return whole


def _known(nuclei: Parts, name: str) -> Iterator[Floats]:
    for part in nuclei([name]):
        yield part[name][np.isfinite(part[name])]


def _rows(count: int) -> Iterator[slice]:
    """Some at a time, for arithmetic on whole columns makes others of their size."""
    return (slice(start, start + _SLICE) for start in range(0, count, _SLICE))


def _stain(nuclei: Parts) -> _Stain:
    known = _joined(lambda: _known(nuclei, "hematoxylin_mean"))
    if not len(known):
        return _Stain(np.nan, np.nan)
    dark = np.quantile(known, 1 - DARK_SHARE, overwrite_input=True)
    return _Stain(float(np.median(known, overwrite_input=True)), float(dark))


def _lymphocytes(nuclei: Parts, dark: float) -> float | None:
    """Lower quartile of the areas of lymphocyte-like nuclei in um2; None where they are few or of another size."""
    names = ("area_um2", "major_axis_um", "minor_axis_um", "circularity", "hematoxylin_mean")
    areas = _joined(lambda: (_lymphocyte_areas(part, dark) for part in nuclei(names)))
    area = float(np.quantile(areas, 0.25)) if len(areas) >= MIN_LYMPHOCYTES else np.inf
    low, high = LYMPHOCYTE_QUARTILE_UM2
    return area if low <= area <= high else None


def _lymphocyte_areas(nuclei: Columns, dark: float) -> Floats:
    area = nuclei["area_um2"]
    slender = nuclei["major_axis_um"] > ROUND_RATIO * nuclei["minor_axis_um"]
    round_and_dark = ~slender & (nuclei["circularity"] >= ROUND_CIRCULARITY) & (nuclei["hematoxylin_mean"] >= dark)
    return area[round_and_dark & (area >= LEAST_LYMPHOCYTE_UM2)]


def _select(nuclei: Parts, reference: float, median_ink: float) -> _Epithelium:
    """Tell the epithelial nuclei from the others, and count those, each under the first rule that it meets."""
    names = ("area_um2", "major_axis_um", "minor_axis_um", "solidity", "circularity", "hematoxylin_mean")
    chosen, counts = [np.empty(0, bool)], dict.fromkeys(("fragments", "clumps", "spindles", "lymphocytes"), 0)
    for part in nuclei(names):
        left = np.ones(len(part["area_um2"]), bool)
        for name, meets in _rules(part, reference, median_ink).items():
            counts[name] += int(np.count_nonzero(left & meets))
            left &= ~meets
        chosen.append(left)
    return _Epithelium(nuclei, np.concatenate(chosen), counts)


def _rules(nuclei: Columns, reference: float, median_ink: float) -> dict[str, Mask]:
    area, dark = nuclei["area_um2"], nuclei["hematoxylin_mean"] > median_ink
    return {
        "fragments": ~(area >= FRAGMENT_SHARE * reference),
        "clumps": nuclei["solidity"] < CLUMP_SOLIDITY,
        "spindles": nuclei["major_axis_um"] > SPINDLE_RATIO * nuclei["minor_axis_um"],
        "lymphocytes": (area <= reference) & (nuclei["circularity"] >= ROUND_CIRCULARITY) & dark,
    }


def _by_square(epithelium: _Epithelium, reference: float) -> tuple[int, Floats, tuple[Evidence, ...]]:
    """Score, the shares of resamples by score, and what the squares of tissue show."""
    place, side_um = squares(lambda: epithelium.parts("x_um", "y_um"), SQUARE_UM)
    ratios = epithelium.column("area_um2")
    ratios /= reference
    return *_score(ratios, place), _places(ratios, place, side_um)


def _score(ratios: Floats, place: Numbers) -> tuple[int, Floats]:
    """Score (0, 1, 2) of the median size ratio, and the shares (3,) of resamples of squares by score.

    A median is below a limit when half of the nuclei are, so it is enough to count those in every square.
    """
    count = int(place.max()) + 1
    held = np.zeros((3, count), np.int64)
    for here, size in ((place[row], ratios[row]) for row in _rows(len(place))):
        of_size = here, here[size < LIMITS[0]], here[size <= LIMITS[1]]
        held += [np.bincount(some, minlength=count) for some in of_size]
    drawn = [held.sum(axis=1), *(held @ weights for weights in each_resample(count, RESAMPLES, SEED))]
    total, below, upto = np.transpose(drawn)
    scores = np.where(2 * below >= total, 0, np.where(2 * upto >= total, 1, 2))
    return int(scores[0]), np.bincount(scores[1:], minlength=3) / RESAMPLES


def _sizes_and_shapes(epithelium: _Epithelium, reference: float, lymphocytes: float | None) -> tuple[Evidence, ...]:
    areas = epithelium.column("area_um2")
    variation = _variation(areas)
    sizes = _sizes(areas, reference, lymphocytes)
    del areas
    return (*sizes, *variation, _shape(epithelium.column("circularity")))


def _sizes(areas: Floats, reference: float, lymphocytes: float | None) -> tuple[Evidence, ...]:
    """Say how large nuclei are; leaves their areas in another order."""
    # The lower of two middle values, as in counting.
    median = float(np.quantile(areas, 0.5, method="lower", overwrite_input=True))
    rule = (
        f"median over normal area, which decides: score 1 below {LIMITS[0]:g}, 2 up to {LIMITS[1]:g}, 3 above "
        "(nuclear pleomorphism of the Nottingham grade, Elston and Ellis 1991; limits by area from Segen's Medical "
        "Dictionary 2012)"
    )
    source = (
        f"{EPITHELIUM_TO_LYMPHOCYTE:g} times the lower quartile of this slide's lymphocyte-like nuclei"
        if lymphocytes
        else "the setting (this slide shows no plausible lymphocytes to go by, or it is set so)"
    )
    return (
        Evidence("size_ratio", _rounded(median / reference), "", rule),
        Evidence("median_area_um2", _rounded(median), "µm²", "median area of the nuclei taken for epithelium"),
        Evidence("reference_area_um2", _rounded(reference), "µm²", f"area of a normal epithelial nucleus: {source}"),
        Evidence(
            "lymphocyte_area_um2", _rounded(lymphocytes), "µm²", "lower quartile of the slide's lymphocyte-like nuclei"
        ),
    )


def _counts(epithelium: _Epithelium, reference: float) -> tuple[Evidence, ...]:
    meanings = {
        "fragments": f"smaller than {FRAGMENT_SHARE * reference:.1f} µm²",
        "clumps": f"of a solidity below {CLUMP_SOLIDITY}",
        "spindles": f"more than {SPINDLE_RATIO} times as long as wide",
        "lymphocytes": "no larger than normal epithelium, darker than the slide's median nucleus and round "
        f"(circularity at least {ROUND_CIRCULARITY})",
    }
    graded = Evidence("nuclei_graded", epithelium.count, "", "nuclei taken for epithelium, on which the score rests")
    others = (
        Evidence(f"{name}_left_out", epithelium.left_out[name], "", f"nuclei left out: {meaning}")
        for name, meaning in meanings.items()
    )
    return (graded, *others)


def _places(ratios: Floats, place: Numbers, side_um: float) -> tuple[Evidence, ...]:
    count = int(place.max()) + 1
    medians = [float(np.median(group)) for group in _groups(ratios, place, count) if len(group) >= MIN_PER_SQUARE]
    return (
        Evidence("squares", count, "", f"squares of {side_um:g} µm, resampled for the probabilities"),
        Evidence(
            "largest_square_ratio",
            _rounded(max(medians, default=None)),
            "",
            "size ratio where nuclei are largest; decides nothing",
        ),
    )


def _groups(values: Floats, place: Numbers, count: int) -> Iterator[Floats]:
    """Values of each square, of a few squares at a time: an order of them all would be as large as they are."""
    few = -(-count // 16)
    for first in range(0, count, few):
        here = np.flatnonzero((place >= first) & (place < first + few))
        here = here[np.argsort(place[here], kind="stable")]
        yield from np.split(values[here], np.flatnonzero(np.diff(place[here])) + 1)


def _variation(areas: Floats) -> tuple[Evidence, ...]:
    mean = float(np.mean(areas))
    squared = sum(float(((areas[row] - mean) ** 2).sum()) for row in _rows(len(areas)))
    sd = math.sqrt(squared / (len(areas) - 1)) if len(areas) > 1 else None
    return (
        Evidence(
            "area_sd_um2",
            _rounded(sd),
            "µm²",
            "variation of size, without a published limit; decides nothing (in canine mast cell tumors, measured so, "
            "it foretells survival with an AUC of 0.94, Vet Pathol 2024, 10.1177/03009858241295399)",
        ),
        Evidence(
            "area_cv",
            _rounded(None if sd is None else sd / mean),
            "",
            "variation of size relative to the mean area; decides nothing",
        ),
    )


def _shape(circularity: Floats) -> Evidence:
    known = circularity if np.isfinite(circularity).all() else circularity[np.isfinite(circularity)]
    median = float(np.median(known, overwrite_input=True)) if len(known) else None
    return Evidence("circularity_median", _rounded(median), "", "shape, 1 is a circle; decides nothing")


def _defined(evidence: tuple[Evidence, ...]) -> Iterator[Evidence]:
    """Leave out what these nuclei don't define: the spread of one, the size of lymphocytes that are not there."""
    return (item for item in evidence if item.value is not None)


def _rounded(value: float | None) -> float | None:
    return None if value is None else round(value, 4)
