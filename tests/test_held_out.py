"""stages/faults/held_out.py: what follows from the fit of all is what fitting without each group gives."""

import numpy as np
import pytest
from scipy.linalg import solve
from sklearn.utils.class_weight import compute_sample_weight

from stages.faults import held_out
from stages.faults.held_out import PENALTY, Kernel, held_out_probabilities, held_out_scores, whole


def drawn(count: int = 60) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    rng = np.random.default_rng(0)
    labels = np.minimum(rng.integers(0, 6, count), 2)  # of unequal classes
    points = rng.normal(0, 1, (count, 5)) + np.eye(3, 5)[labels] * 2
    groups = rng.integers(0, 25, count)
    return points.astype(np.float32), labels, groups


def fitted_without(points: np.ndarray, labels: np.ndarray, groups: np.ndarray) -> np.ndarray:
    """Each group's scores by a fit of all other groups, one after another."""
    kernel, targets = Kernel.of(points, labels), np.eye(3)[labels] - 1 / 3
    weights, scores = compute_sample_weight("balanced", labels), np.empty_like(targets)
    for group in np.unique(groups):
        others, own = groups != group, groups == group
        values = kernel(points[others])
        weighted = values.T * weights[others]
        square = weighted @ values + PENALTY * kernel.of_landmarks
        scores[own] = kernel(points[own]) @ solve(square, weighted @ targets[others])
    return scores


@pytest.mark.parametrize("rows", [2, 7, 2000])
def test_groups_are_left_out_as_if_fitted_without_them(rows: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(held_out, "ROWS", rows)
    points, labels, groups = drawn()
    assert np.allclose(
        whole(held_out_scores(points, labels, groups)), fitted_without(points, labels, groups), atol=1e-5
    )


def test_so_it_is_around_a_sample_of_many(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(held_out, "LANDMARKS", 20)
    points, labels, groups = drawn()
    assert np.allclose(
        whole(held_out_scores(points, labels, groups)), fitted_without(points, labels, groups), atol=1e-5
    )


def test_all_as_landmarks_is_kernel_ridge_regression() -> None:
    from sklearn.kernel_ridge import KernelRidge

    points, labels, _ = drawn()
    kernel, targets = Kernel.of(points, labels), np.eye(3)[labels] - 1 / 3
    weights = compute_sample_weight("balanced", labels)[1:]
    theirs = KernelRidge(alpha=PENALTY, kernel="precomputed").fit(kernel(points)[1:, 1:], targets[1:], weights)
    ours = whole(held_out_scores(points, labels, np.arange(len(labels))))
    assert np.allclose(ours[0], theirs.predict(kernel(points)[:1, 1:])[0], atol=1e-4)


def test_probabilities_are_as_sure_as_they_are_right() -> None:
    points, labels, groups = drawn(300)
    probabilities = whole(held_out_probabilities(points, labels, groups))
    right, weights = probabilities.argmax(1) == labels, compute_sample_weight("balanced", labels)
    assert np.allclose(probabilities.sum(1), 1, atol=1e-5)
    assert abs((weights * probabilities.max(1)).mean() - (weights * right).mean()) < 0.05


def test_a_small_class_is_not_called_otherwise() -> None:
    """Twelve images beside two hundred: each class weighs alike."""
    rng = np.random.default_rng(3)
    labels = np.repeat([0, 1], [200, 12])
    points = (rng.normal(0, 1, (212, 20)) + 4 * np.eye(2, 20)[labels]).astype(np.float32)
    answers = whole(held_out_probabilities(points, labels, np.arange(212))).argmax(1)
    assert (answers[labels == 1] == 1).mean() > 0.8
    assert (answers[labels == 0] == 0).mean() > 0.95


def test_where_most_points_are_one_the_others_say_the_width() -> None:
    points, labels, groups = drawn()
    points[:54] = points[0]
    scores = whole(held_out_scores(points, labels, groups))
    assert np.ptp(scores[54:], axis=0).min() > 0.01


def test_copies_of_a_point_do_no_harm() -> None:
    points, labels, groups = drawn()
    points[:10], labels[:10] = points[0], labels[0]
    assert np.isfinite(whole(held_out_scores(points, labels, groups))).all()
