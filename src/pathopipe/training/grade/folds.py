"""Which slides are tested together, so that no patient is on both sides of a split."""

import hashlib

import numpy as np
from numpy.typing import NDArray

from pathopipe.training.grade.cohort import Cohort


def folds_of(cohort: Cohort, most_alone: int, folds: int) -> list[NDArray[np.bool_]]:
    """Which slides (n,) are tested in each fold: those of one patient, or, of many patients, of a tenth of them.

    Patients are dealt out by their highest grade and then by a digest of their slides' ids, so that folds are alike,
    and don't depend on the order of the sheet.
    """
    patients = sorted(set(cohort.patients))
    count = len(patients) if len(patients) <= max(most_alone, folds) else folds
    of_patient = {patient: [p == patient for p in cohort.patients] for patient in patients}
    names = {
        patient: min(s for s, own in zip(cohort.slides, here, strict=True) if own)
        for patient, here in of_patient.items()
    }
    ordered = sorted(
        patients,
        key=lambda patient: (
            int(cohort.truth[of_patient[patient]].max()),
            hashlib.sha256(names[patient].encode()).hexdigest(),
        ),
    )
    return [np.any([of_patient[patient] for patient in ordered[number::count]], axis=0) for number in range(count)]
