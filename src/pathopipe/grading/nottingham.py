"""Nuclear pleomorphism as scored for the Nottingham grade of breast carcinoma, by nuclear size."""

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final, Literal

from pathopipe.grading.base import NOTHING_DESCRIBED, Described, GradeResult, Parts
from pathopipe.grading.epithelium import find_epithelium
from pathopipe.grading.nottingham_evidence import counts, numbers_behind
from pathopipe.grading.size_score import RESAMPLES, score_sizes

SCOPE: Final = (
    "Made for invasive breast carcinoma. On other tissue the score only describes how large the nuclei are; tumor and "
    "benign epithelium are not distinguished."
)
MADE_FOR: Final = MappingProxyType({"tissue": ("breast", "mamma"), "stain": ("H&E", "HE", "hematoxylin and eosin")})
SHARES_OF: Final = (
    f"Shares of {RESAMPLES} resamples of the slide's own tissue that give each grade: how stable the grade is within "
    "this slide, not how likely it is to be correct."
)


@dataclass(frozen=True)
class NottinghamPleomorphism:
    """The nuclear pleomorphism component of the Nottingham grade, 1 to 3.

    The score (Elston and Ellis, Histopathology 1991;19:403) sets the tumor's nuclei against those of normal breast
    epithelium. Its numeric form, by nuclear area: 1 below 1.5 times the normal area, 2 from 1.5 to 2 times, 3 above
    (Segen's Medical Dictionary 2012, "Nottingham grading system"; WebPathology gives the same limits for "size").
    Variation in size and shape, which the score's wording also mentions, has no published limit: it is shown as
    evidence but not used for the score.

    * What is compared is the median area of the epithelial nuclei of the slide as a whole: a tumor is graded on its
      representative part and not on its least differentiated one (Arch Pathol Lab Med 1983;107:411, after
      PathologyOutlines). The square with the largest nuclei is shown as evidence; a maximum over squares grows with
      the slide.
    * Left out are fragments, clumps, spindle-shaped and lymphocyte-like nuclei, by the constants above.
    * The normal nuclear area is inferred twice. In general: the mean areas published for low- and high-grade ductal
      carcinoma in situ, 44.1 and 72.1 um2 (Mod Pathol 2001;14:937), are below 1.5 and above 2 times the normal one
      exactly if that is 29.4 to 36.0 um2; taken as 32. On the slide: outlines drawn by hand or machine, fixation and a
      wrong mpp change all nuclei alike, and lymphocytes are the reference that most slides contain. Normal ones average
      27 to 29 um2 ("Image analytic study of nuclear area in mantle cell lymphoma"), their lower quartile about 25.5
      (15% variation assumed), so that normal epithelium is 32 / 25.5 = 1.25 times that. The lower quartile, because
      what else is round and dark is larger. Neither number is published as such: 32 is one of a range (the mean of
      intermediate-grade carcinoma in situ, 47.8, would have it at most 31.8), and 1.25 was settled after the synthetic
      slides had been measured (1.08 to 1.43 give their three levels), so those slides are not an independent test of
      it.
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
    def model(self) -> tuple[None, None]:
        """It has no weights."""
        return None, None

    @property
    def made_for(self) -> Mapping[str, tuple[str, ...]]:
        """Breast, stained with hematoxylin and eosin."""
        return MADE_FOR

    def slope(self, described: Described) -> Mapping[tuple[str, str], float]:  # noqa: ARG002 - of all graders
        """Nothing: a median is compared, and of nuclei that statistics do not tell apart."""
        return {}

    def grade(self, nuclei: Parts | None, described: Described = NOTHING_DESCRIBED) -> GradeResult:
        """Score nuclei given by feature and place; statistics are shown as evidence."""
        if nuclei is None:
            return GradeResult(self.name, None, self.grades, self.scope, reason="Regions are not graded by themselves.")
        by_lymphocytes = self.reference == "slide"
        epithelium = find_epithelium(nuclei, self.reference_area_um2, by_lymphocytes=by_lymphocytes)
        reason = self._too_few(len(epithelium))
        if not len(epithelium):
            return GradeResult(self.name, None, self.grades, self.scope, {}, reason, counts(epithelium))
        found = score_sizes(epithelium)
        reason = reason or self._undecided(found.score, float(found.shares[found.score]))
        return GradeResult(
            self.name,
            None if reason else self.grades[found.score],
            self.grades,
            self.scope,
            {grade: round(float(share), 4) for grade, share in zip(self.grades, found.shares, strict=True)},
            reason,
            tuple(numbers_behind(epithelium, found, described)),
            shares_of=SHARES_OF,
        )

    def _too_few(self, count: int) -> str | None:
        if count >= self.min_nuclei:
            return None
        return (
            f"Only {count} epithelial nuclei could be measured, but at least {self.min_nuclei} are needed "
            "(setting grade.nottingham.min_nuclei)."
        )

    def _undecided(self, score: int, share: float) -> str | None:
        if share >= self.min_share:
            return None
        return (
            f"The slide's nuclei score {self.grades[score]}, but only {share:.0%} of resamples of its tissue agree; "
            f"at least {self.min_share:.0%} are needed (setting grade.nottingham.min_share)."
        )
