"""Groups of examples, by what links them."""

import numpy as np
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components


def connected(links: np.ndarray) -> np.ndarray:
    """For each number up to the greatest that of its group, which is all that the (L, 2) pairs of numbers connect.

    Groups are numbered from 0, in the order of their smallest members.
    """
    count = int(links.max()) + 1
    graph = coo_array((np.ones(len(links)), (links[:, 0], links[:, 1])), shape=(count, count))
    found: np.ndarray = connected_components(graph, directed=False)[1]
    return found
