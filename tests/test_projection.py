"""stages/statistics/projection.py, against scikit-learn's PCA."""

import numpy as np
import pytest
from sklearn.decomposition import PCA

from stages.statistics.projection import Projection


@pytest.mark.parametrize("shape", [(40, 6), (5, 30)])
def test_it_is_scikit_learns_but_for_the_signs(shape: tuple[int, int]) -> None:
    rng = np.random.default_rng(0)
    points, others = (rng.standard_normal(of, np.float32) for of in (shape, (3, shape[1])))
    points *= np.arange(1, shape[1] + 1)
    projection, expected = Projection.of(points), PCA(2, svd_solver="full").fit(points.astype(np.float64))
    assert projection.shares == pytest.approx(expected.explained_variance_ratio_)
    found = projection(others)
    assert np.allclose(np.abs(found), np.abs(expected.transform(others.astype(np.float64))), atol=1e-4)
    assert np.array_equal(found, found.round(4))
    assert projection.points(others)[1] == {
        "x": found[1, 0], "y": found[1, 1], "x_share": projection.shares[0], "y_share": projection.shares[1],
    }  # fmt: skip


def test_an_axis_points_to_where_its_largest_component_is_positive() -> None:
    points = np.array([[0, 0, 0], [1, -5, 0], [2, -10, 0]], np.float32)
    for given in (points, -points):
        projection = Projection.of(given)
        assert np.allclose(projection.axes[0], np.array([-1, 5, 0]) / 26**0.5)
        assert projection.shares == pytest.approx((1, 0))


def test_equal_points_lie_at_the_origin() -> None:
    projection = Projection.of(np.ones((3, 4), np.float32))
    assert projection.shares == (0, 0)
    assert projection(np.ones((2, 4), np.float32)).tolist() == [[0, 0], [0, 0]]
