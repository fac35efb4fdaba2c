"""stages/common/projection.py, against scikit-learn's PCA."""

import pytest
import torch
from sklearn.decomposition import PCA

from stages.common.projection import Projection


@pytest.mark.parametrize("shape", [(40, 6), (5, 30)])
def test_it_is_scikit_learns_but_for_the_signs(shape: tuple[int, int]) -> None:
    torch.manual_seed(0)
    points, others = torch.randn(shape) * torch.arange(1, shape[1] + 1), torch.randn(3, shape[1])
    projection, expected = Projection.of(points), PCA(2, svd_solver="full").fit(points.double().numpy())
    assert projection.shares == pytest.approx(expected.explained_variance_ratio_)
    found, wanted = projection(others), torch.from_numpy(expected.transform(others.double().numpy()))
    assert torch.allclose(found.abs(), wanted.abs(), atol=1e-4)
    assert torch.equal(found, found.round(decimals=4))


def test_an_axis_points_to_where_its_largest_component_is_positive() -> None:
    points = torch.tensor([[0.0, 0.0, 0.0], [1.0, -5.0, 0.0], [2.0, -10.0, 0.0]])
    for given in (points, -points):
        projection = Projection.of(given)
        assert torch.allclose(projection.axes[0], torch.tensor([-1.0, 5.0, 0.0]).double() / 26**0.5)
        assert projection.shares == pytest.approx((1, 0))


def test_equal_points_lie_at_the_origin() -> None:
    projection = Projection.of(torch.ones(3, 4))
    assert projection.shares == (0, 0)
    assert projection(torch.ones(2, 4)).tolist() == [[0, 0], [0, 0]]
