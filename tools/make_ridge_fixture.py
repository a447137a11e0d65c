#!/usr/bin/env python3
"""Makes the fixture of the ridge probe's penalty with scikit-learn: Tests/Fixtures/ridge.json.

    python3 -m venv venv && venv/bin/pip install scikit-learn numpy
    venv/bin/python tools/make_ridge_fixture.py

Features, labels, and for each penalty λ (half decades from 1e-6 to 100) RidgeCV's leave-one-out squared errors, summed over images and classes, of
alpha = λN on standardised features with a column of ones; and the alpha that it chooses, divided by N.
"""

import json
import pathlib

import numpy
from sklearn.linear_model import RidgeCV

FIXTURE = pathlib.Path(__file__).resolve().parent.parent / "Tests/Fixtures/ridge.json"


def case(count, width, classes, spread, seed):
    random = numpy.random.default_rng(seed)
    labels = random.integers(0, classes, count)
    features = (random.normal(size=(classes, width))[labels] + spread * random.normal(size=(count, width)) + 3).astype(numpy.float32)
    z = features.astype(numpy.float64)
    z = numpy.hstack([(z - z.mean(0)) / z.std(0), numpy.ones((count, 1))])
    penalties = [10 ** (i / 2) for i in range(-12, 5)]
    fitted = RidgeCV(alphas=[p * count for p in penalties], fit_intercept=False, store_cv_results=True).fit(z, numpy.eye(classes)[labels])
    return {
        "features": features.flatten().tolist(),
        "labels": labels.tolist(),
        "width": width,
        "errors": fitted.cv_results_.sum((0, 1)).tolist(),
        "chosen": fitted.alpha_ / count,
    }


FIXTURE.write_text(json.dumps([case(40, 6, 3, 1.5, 1), case(30, 24, 2, 3.0, 2), case(60, 10, 5, 6.0, 3)]) + "\n")
print(FIXTURE, FIXTURE.stat().st_size)
