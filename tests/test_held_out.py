"""stages/statistics/held_out.py: what follows from the fit of all is what fitting without each group gives."""

import numpy as np
import pytest
from scipy.linalg import solve

from stages.statistics import held_out
from stages.statistics.held_out import PENALTY, Kernel, held_out_probabilities, held_out_scores


def drawn(count: int = 60) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    rng = np.random.default_rng(0)
    labels = rng.integers(0, 3, count)
    points = rng.normal(0, 1, (count, 5)) + np.eye(3, 5)[labels] * 2
    groups = rng.integers(0, 25, count)
    return points.astype(np.float32), labels, groups


def fitted_without(points: np.ndarray, labels: np.ndarray, groups: np.ndarray) -> np.ndarray:
    """Each group's scores by a fit of all other groups, one after another."""
    kernel, targets = Kernel.of(points, labels), np.eye(3)[labels] - 1 / 3
    scores = np.empty_like(targets)
    for group in np.unique(groups):
        others, own = groups != group, groups == group
        values = kernel(points[others])
        square = values.T @ values + PENALTY * kernel.of_landmarks
        scores[own] = kernel(points[own]) @ solve(square, values.T @ targets[others])
    return scores


@pytest.mark.parametrize("rows", [7, 2000])
def test_groups_are_left_out_as_if_fitted_without_them(rows: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(held_out, "ROWS", rows)
    points, labels, groups = drawn()
    assert np.allclose(held_out_scores(points, labels, groups), fitted_without(points, labels, groups), atol=1e-6)


def test_so_it_is_around_a_sample_of_many(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(held_out, "LANDMARKS", 20)
    points, labels, groups = drawn()
    assert np.allclose(held_out_scores(points, labels, groups), fitted_without(points, labels, groups), atol=1e-6)


def test_all_as_landmarks_is_kernel_ridge_regression() -> None:
    from sklearn.kernel_ridge import KernelRidge

    points, labels, _ = drawn()
    kernel, targets = Kernel.of(points, labels), np.eye(3)[labels] - 1 / 3
    theirs = KernelRidge(alpha=PENALTY, kernel="precomputed").fit(kernel(points)[1:, 1:], targets[1:])
    ours = held_out_scores(points, labels, np.arange(len(labels)))
    assert np.allclose(ours[0], theirs.predict(kernel(points)[:1, 1:])[0], atol=1e-4)


def test_probabilities_are_as_sure_as_they_are_right() -> None:
    points, labels, groups = drawn(300)
    probabilities = held_out_probabilities(points, labels, groups)
    right = probabilities.argmax(1) == labels
    assert np.allclose(probabilities.sum(1), 1)
    assert abs(probabilities.max(1).mean() - right.mean()) < 0.05


def test_copies_of_a_point_do_no_harm() -> None:
    points, labels, groups = drawn()
    points[:10], labels[:10] = points[0], labels[0]
    assert np.isfinite(held_out_scores(points, labels, groups)).all()
