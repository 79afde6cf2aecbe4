"""Principal axes: orthonormal, of all that varies, the largest first, and found once for equal features."""

import numpy as np
import pytest

from evaluation import basis
from evaluation.basis import last_basis_remembered, principal_basis


@pytest.mark.parametrize(("tiles", "dimensions", "rank"), [(30, 5, 5), (5, 30, 4), (8, 8, 7), (1, 3, 0), (2, 1, 1)])
def test_axes(tiles, dimensions, rank):
    features = np.random.default_rng(0).normal(3, 2, (tiles, dimensions))
    found = principal_basis(features)
    assert found.axes.shape == (dimensions, rank) and found.coordinates.shape == (tiles, rank)
    np.testing.assert_allclose(found.axes.T @ found.axes, np.eye(rank), atol=1e-10)
    np.testing.assert_allclose(found.coordinates @ found.axes.T + found.centre, features, atol=1e-10)
    np.testing.assert_allclose(found.coordinates.T @ found.coordinates, np.diag(found.extents), atol=1e-9)
    assert (np.diff(found.extents) <= 0).all()


def test_dimensions_that_hang_together_have_one_axis():
    one, two = np.random.default_rng(0).normal(size=(2, 20, 1))
    found = principal_basis(np.hstack([one, 2 * one, two, np.ones((20, 1))]).astype(np.float32))
    assert len(found.extents) == 2 or found.extents[2] < 1e-6 * found.extents[0]
    assert found.coordinates.dtype == np.float64


def test_equal_features_are_remembered_within_the_context_alone(monkeypatch):
    calls, find = [], basis._find
    monkeypatch.setattr(basis, "_find", lambda features: calls.append(1) or find(features))
    features, other = np.random.default_rng(0).normal(size=(2, 9, 4))
    with last_basis_remembered():
        first = principal_basis(features)
        assert principal_basis(features.copy()) is first and len(calls) == 1
        assert principal_basis(other) is not first and len(calls) == 2
        principal_basis(features)
        assert len(calls) == 3
    principal_basis(features)
    principal_basis(features)
    assert len(calls) == 5
