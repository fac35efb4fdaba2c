"""stages/recipes/weights.py, against scikit-learn's own."""

import numpy as np
import pytest
from sklearn.utils.class_weight import compute_class_weight

from stages.recipes.weights import class_weights

LABELS = np.array([0] * 30 + [1] * 3 + [2] * 12)


def test_balanced_weights_are_scikit_learns_and_one_in_the_mean() -> None:
    weights = class_weights("balanced", LABELS)
    assert weights == pytest.approx(compute_class_weight("balanced", classes=np.arange(3), y=LABELS))
    assert weights[LABELS].mean() == pytest.approx(1)
    assert [weights[LABELS][of == LABELS].sum() for of in range(3)] == pytest.approx([15, 15, 15])


def test_a_class_without_images_takes_no_part() -> None:
    weights = class_weights("balanced", LABELS[LABELS != 1])
    assert weights == pytest.approx([0.7, 0, 1.75])


def test_without_weights_every_image_counts_for_one() -> None:
    assert class_weights("none", LABELS).tolist() == [1, 1, 1]
