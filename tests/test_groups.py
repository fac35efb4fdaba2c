"""stages/statistics/groups.py, by hand."""

import numpy as np

from stages.statistics.groups import connected


def test_what_is_linked_by_way_of_others_is_one_group() -> None:
    assert connected(np.array([[5, 3], [2, 4], [3, 0], [1, 1]])).tolist() == [0, 1, 2, 0, 2, 0]


def test_what_no_pair_names_is_alone() -> None:
    assert connected(np.array([[1, 3]])).tolist() == [0, 1, 2, 1]
