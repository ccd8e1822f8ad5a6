"""Nuclear pleomorphism as scored for the Nottingham grade of breast carcinoma, by nuclear size."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from pathopipe.models.graders import Columns, Evidence, GradeResult
from pathopipe.ops.resampling import resamples, squares

Floats = NDArray[np.float64]
Counts = NDArray[np.int64]
Mask = NDArray[np.bool_]

LIMITS: Final = (1.5, 2.0)
RESAMPLES: Final = 200
SQUARE_UM: Final = 250.0
SEED: Final = 1991
# Nuclei of a square whose median is worth naming.
MIN_PER_SQUARE: Final = 20

# What is no whole nucleus of epithelium. An axis ratio of 2.5 is a spindle cell's. What is no larger than the
# reference, round and darker than most is a lymphocyte's: normal mantle cells measure 27 to 29 um2 ("Image analytic
# study of nuclear area in mantle cell lymphoma").
FRAGMENT_SHARE: Final = 0.4
CLUMP_SOLIDITY: Final = 0.85
SPINDLE_RATIO: Final = 2.5
LYMPHOCYTE_CIRCULARITY: Final = 0.85
# Codes of image warnings under which outlines can't be trusted.
DISQUALIFYING: Final = ("out_of_focus",)

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
    * Left out are fragments, clumps, spindle-shaped and lymphocyte-like nuclei, by the rules above.
    * The normal nuclear area is a setting and not taken from the slide, which may hold no normal epithelium. The
      default of 32 um2 is inferred: the mean areas published for low- and high-grade ductal carcinoma in situ, 44.1 and
      72.1 um2 (Mod Pathol 2001;14:937), are below 1.5 and above 2 times the normal one exactly if that is 29.4 to 36.0.
    * Probabilities are shares of 200 bootstrap resamples of squares of tissue that score 1, 2 and 3: how much the
      score depends on which part of the slide was seen. They are not calibrated against observers.

    Attributes
    ----------
    min_nuclei
        Fewest epithelial nuclei to grade on; manual morphometry takes 100 (Vet Pathol 2024, 10.1177/03009858241295399).
    min_share
        Least share of resamples that must agree with the score.
    reference_area_um2
        Area of a normal epithelial nucleus.
    """

    min_nuclei: int = 100
    min_share: float = 0.6
    reference_area_um2: float = 32.0
    name: str = "nottingham-pleomorphism"
    grades: tuple[str, ...] = ("1", "2", "3")
    columns: tuple[str, ...] = (
        "area_um2",
        "major_axis_um",
        "minor_axis_um",
        "solidity",
        "circularity",
        "hematoxylin_mean",
    )

    def grade(self, nuclei: Columns, x_um: Floats, y_um: Floats, quality: Mapping[str, str]) -> GradeResult:
        """Score nuclei (N,) given by feature and place; out of focus, their outlines say nothing about size."""
        chosen, left_out = self._select(nuclei)
        areas = nuclei["area_um2"][chosen]
        counts = self._counts(len(areas), left_out)
        reason = _disqualified(quality) or self._too_few(len(areas))
        if not len(areas):
            return GradeResult(self.name, None, self.grades, {}, reason, counts)
        place, side_um = squares(x_um[chosen], y_um[chosen], SQUARE_UM)
        score, shares = self._score(areas, place)
        reason = reason or self._undecided(score, float(shares[score]))
        return GradeResult(
            self.name,
            None if reason else self.grades[score],
            self.grades,
            {grade: round(float(share), 4) for grade, share in zip(self.grades, shares, strict=True)},
            reason,
            (
                *self._sizes(areas),
                *_variation(areas, nuclei["circularity"][chosen]),
                *counts,
                *self._places(areas, place, side_um),
                CONTEXT,
            ),
        )

    def _select(self, nuclei: Columns) -> tuple[Mask, dict[str, int]]:
        """Tell the epithelial nuclei (N,) from the others, and count those, each under the first rule that it meets."""
        area, ink = nuclei["area_um2"], nuclei["hematoxylin_mean"]
        dark = ink > np.median(ink[np.isfinite(ink)]) if np.isfinite(ink).any() else np.zeros(len(ink), bool)
        rules = {
            "fragments": ~(area >= FRAGMENT_SHARE * self.reference_area_um2),
            "clumps": nuclei["solidity"] < CLUMP_SOLIDITY,
            "spindles": nuclei["major_axis_um"] > SPINDLE_RATIO * nuclei["minor_axis_um"],
            "lymphocytes": (area <= self.reference_area_um2) & (nuclei["circularity"] >= LYMPHOCYTE_CIRCULARITY) & dark,
        }
        left, counts = np.ones(len(area), bool), {}
        for name, meets in rules.items():
            counts[name] = int(np.count_nonzero(left & meets))
            left &= ~meets
        return left, counts

    def _score(self, areas: Floats, place: Counts) -> tuple[int, Floats]:
        """Score (0, 1, 2) of the median area, and the shares (3,) of resamples of squares by score.

        A median is below a limit when half of the nuclei are, so it is enough to count those in every square.
        """
        count = int(place.max()) + 1
        weights = np.concatenate([np.ones((1, count), np.int64), resamples(count, RESAMPLES, SEED)])
        low, high = (limit * self.reference_area_um2 for limit in LIMITS)
        total = weights @ np.bincount(place, minlength=count)
        below = weights @ np.bincount(place[areas < low], minlength=count)
        upto = weights @ np.bincount(place[areas <= high], minlength=count)
        scores = np.where(2 * below >= total, 0, np.where(2 * upto >= total, 1, 2))
        return int(scores[0]), np.bincount(scores[1:], minlength=3) / RESAMPLES

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

    def _sizes(self, areas: Floats) -> tuple[Evidence, ...]:
        # The lower of two middle values, as in counting.
        median, reference = float(np.quantile(areas, 0.5, method="lower")), self.reference_area_um2
        rule = (
            f"median over normal area, which decides: score 1 below {LIMITS[0]:g}, 2 up to {LIMITS[1]:g}, 3 above "
            "(nuclear pleomorphism of the Nottingham grade, Elston and Ellis 1991; limits by area from Segen's Medical "
            "Dictionary 2012)"
        )
        return (
            Evidence("size_ratio", round(median / reference, 4), "", rule),
            Evidence("median_area_um2", round(median, 4), "µm²", "median area of the nuclei taken for epithelium"),
            Evidence("reference_area_um2", reference, "µm²", "area of a normal epithelial nucleus, a setting"),
        )

    def _counts(self, count: int, left_out: dict[str, int]) -> tuple[Evidence, ...]:
        meanings = {
            "fragments": f"smaller than {FRAGMENT_SHARE * self.reference_area_um2:.1f} µm²",
            "clumps": f"of a solidity below {CLUMP_SOLIDITY}",
            "spindles": f"more than {SPINDLE_RATIO} times as long as wide",
            "lymphocytes": "no larger than normal epithelium, darker than the slide's median nucleus and round "
            f"(circularity at least {LYMPHOCYTE_CIRCULARITY})",
        }
        graded = Evidence("nuclei_graded", count, "", "nuclei taken for epithelium, on which the score rests")
        others = (
            Evidence(f"{name}_left_out", left_out[name], "", f"nuclei left out: {meaning}")
            for name, meaning in meanings.items()
        )
        return (graded, *others)

    def _places(self, areas: Floats, place: Counts, side_um: float) -> tuple[Evidence, ...]:
        order = np.argsort(place, kind="stable")
        groups = np.split(areas[order], np.flatnonzero(np.diff(place[order])) + 1)
        medians = [float(np.median(group)) for group in groups if len(group) >= MIN_PER_SQUARE]
        largest = round(max(medians) / self.reference_area_um2, 4) if medians else None
        return (
            Evidence("squares", len(groups), "", f"squares of {side_um:g} µm, resampled for the probabilities"),
            Evidence("largest_square_ratio", largest, "", "size ratio where nuclei are largest; decides nothing"),
        )


def _disqualified(quality: Mapping[str, str]) -> str | None:
    for code in DISQUALIFYING:
        if code in quality:
            return f"The image is not fit to measure nuclei: {quality[code].rstrip('.')}."
    return None


def _variation(areas: Floats, circularity: Floats) -> tuple[Evidence, ...]:
    sd = float(np.std(areas, ddof=1)) if len(areas) > 1 else None
    known = circularity[np.isfinite(circularity)]
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
            _rounded(None if sd is None else sd / float(np.mean(areas))),
            "",
            "variation of size relative to the mean area; decides nothing",
        ),
        Evidence(
            "circularity_median",
            _rounded(float(np.median(known)) if len(known) else None),
            "",
            "shape, 1 is a circle; decides nothing",
        ),
    )


def _rounded(value: float | None) -> float | None:
    return None if value is None else round(value, 4)
