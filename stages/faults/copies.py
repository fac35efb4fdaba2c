"""Pictures that are there more than once, or nearly: cropped, mirrored, turned a little, brightened, re-encoded.

Two pictures of one thing look alike to a network, and two shots of one scene in small copies as well. What is the same
picture is told by the details of both, laid over each other: their normalised cross-correlation, the greatest over
shifts, sizes, turns and mirroring (Lewis, "Fast normalized cross-correlation", 1995).
"""

from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import cache

import numpy as np
from scipy.ndimage import gaussian_filter1d, rotate

from stages.faults.cells import Cells
from stages.faults.looks import GREY
from stages.faults.rows import Points, Stacked, points_of
from stages.statistics.groups import connected
from stages.statistics.neighbours import directions

SIDE = 32  # … of the one that another is laid over
SIZES = range(31, 24, -1)  # of that other: a crop shows its part larger
TURN = 3  # degrees
DETAIL = 1.6  # pixels: what is coarser is light and shade, in which different pictures are alike
PART = 26  # rows of a picture without what a caption may cover
LEAST, MOST = 0.6, 0.97  # where the border is, as a correlation; a copy that was encoded again has 0.99
DIFFERENT = 0.95  # of the most alike pairs of two classes are below the border …
BEYOND = 0.12  # … and by this much
SAMPLE = 500  # such pairs
PAIRS = 256  # that are compared at once
ROWS = 8192  # pictures that are read at once
MORE = 5  # neighbours that are looked at where one was found


@dataclass(frozen=True)
class Copies:
    pairs: np.ndarray  # (P, 2) numbers of pictures, the smaller first; the most alike first
    likeness: np.ndarray  # (P,) correlations, up to 1
    border: float  # above which two pictures were called the same

    @property
    def telling(self) -> bool:
        """Whether different pictures of this set differ enough for copies to be told from them."""
        return self.border < MOST


def find_copies(greys: np.ndarray, embeddings: np.ndarray | Stacked, labels: np.ndarray, workers: int = 1) -> Copies:
    """
    Each picture is compared with its nearest neighbours, by embedding and by grey copy; where one is found, with more.

    Args:
        greys: (N, GREY, GREY) uint8, whole pictures, squeezed into a square.
        embeddings: (N, D).
        labels: (N,); pictures of different classes say how alike different pictures of this set are.
        workers: threads that compare.
    """
    seen, coarse, all_of_them = points_of(embeddings, directions), points_of(greys, descriptors), np.arange(len(greys))
    border = border_of(greys, coarse, labels)
    by = [Cells(points, all_of_them) for points in (seen, coarse)]
    first = neighbour_pairs(by, all_of_them, 1)
    pairs, alike = above(border, greys, first, workers)
    again = neighbour_pairs(by, np.unique(pairs), MORE)
    more, more_alike = above(border, greys, without(again, first), workers)
    pairs, alike = np.concatenate((pairs, more)), np.concatenate((alike, more_alike))
    order = np.argsort(-alike, kind="stable")
    return Copies(pairs[order], alike[order], border)


def joined(pairs: np.ndarray, groups: np.ndarray) -> np.ndarray:
    """(N,) numbers of groups where copies, and their groups with them, are one; `groups` (N,) are those without."""
    of_group = np.column_stack((np.arange(len(groups)), len(groups) + groups))
    return connected(np.concatenate((pairs, of_group)))[: len(groups)]


def descriptors(greys: np.ndarray) -> np.ndarray:
    """(N, 256) float32 of length 1: the grey copies at 16 x 16, whatever their brightness and contrast"""
    area = _area(GREY, 16)
    small = (area @ greys.astype(np.float32) @ area.T).reshape(len(greys), -1)
    return directions(small - small.mean(1, keepdims=True))


def border_of(greys: np.ndarray, coarse: Points, labels: np.ndarray) -> float:
    """The correlation above which two pictures of this set are the same, by how alike those of two classes are."""
    sample = np.linspace(0, len(greys) - 1, min(SAMPLE, len(greys))).astype(int)
    pairs = np.column_stack((sample, nearest_of_another_class(coarse, labels, sample)))
    pairs = pairs[pairs[:, 1] >= 0]
    if not len(pairs):
        return MOST
    different = np.quantile(likenesses(greys, pairs), DIFFERENT) + BEYOND
    return float(np.clip(different, LEAST, MOST))


def nearest_of_another_class(points: Points, labels: np.ndarray, of: np.ndarray) -> np.ndarray:
    """(n,) numbers of points, or -1 where there is no other class; `of` (n,) are the numbers of those that ask."""
    asking, best, numbers = points[of], np.full(len(of), -np.inf), np.full(len(of), -1)
    for begin in range(0, len(points), ROWS):
        similarities = asking @ points[begin : begin + ROWS].T
        similarities[labels[of, None] == labels[begin : begin + ROWS]] = -np.inf
        found = similarities.argmax(1)
        value = similarities[np.arange(len(of)), found]
        better = value > best
        best[better], numbers[better] = value[better], begin + found[better]
    return numbers


def neighbour_pairs(by: Sequence[Cells], of: np.ndarray, count: int) -> np.ndarray:
    """(P, 2) the pictures numbered `of` with their nearest by each of these, every pair once"""
    found = [np.empty((0, 2), np.int64)]
    for cells in by:
        neighbours = cells.nearest(of, count + 1).numbers
        pairs = np.column_stack((np.repeat(of, neighbours.shape[1]), neighbours.ravel()))
        found.append(np.sort(pairs[(pairs[:, 0] != pairs[:, 1]) & (pairs[:, 1] >= 0)], axis=1))
    return np.unique(np.concatenate(found), axis=0)


def without(pairs: np.ndarray, others: np.ndarray) -> np.ndarray:
    """Those of the (P, 2) pairs that are none of the others, in their order"""
    count = 1 + max(pairs.max(initial=0), others.max(initial=0))
    left: np.ndarray = pairs[~np.isin(pairs @ [count, 1], others @ [count, 1])]
    return left


def above(border: float, greys: np.ndarray, pairs: np.ndarray, workers: int) -> tuple[np.ndarray, np.ndarray]:
    alike = likenesses(greys, pairs, workers)
    return pairs[alike > border], alike[alike > border]


def likenesses(greys: np.ndarray, pairs: np.ndarray, workers: int = 1) -> np.ndarray:
    """(P,) of these pairs of pictures, each -1 to 1"""
    parts = [pairs[begin : begin + PAIRS].T for begin in range(0, len(pairs), PAIRS)]
    with ThreadPoolExecutor(workers) as threads:
        found = threads.map(lambda part: likeness(greys[part[0]], greys[part[1]]), parts)
        return np.concatenate([np.empty(0), *found])


def likeness(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """(N, GREY, GREY) uint8 each -> (N,): the greatest correlation of one's details with the other's."""
    first, second = first.astype(np.float32), second.astype(np.float32)
    on_first, on_second = Whole(first), Whole(second)
    found = [on_first.correlation(part) for of in mirrored(second) for part in (*same_size(of), *crops(of))]
    found += [on_second.correlation(part) for of in mirrored(first) for part in crops(of)]
    best: np.ndarray = np.max(found, axis=0)
    return best


def mirrored(pictures: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    return pictures, pictures[:, :, ::-1]


def same_size(pictures: np.ndarray) -> Iterator[np.ndarray]:
    """Of pictures that show as much as the other: as they are, without what a caption covers, and turned."""
    details = detailed(pictures, SIDE)
    margin = (SIDE - PART) // 2
    yield details[:, 2:-2, 2:-2]
    yield details[:, :PART, margin : margin + PART]
    yield details[:, -PART:, margin : margin + PART]
    for angle in (-TURN, TURN):
        turned = rotate(pictures, angle, axes=(2, 1), reshape=False, order=1, mode="nearest")
        yield detailed(turned, SIDE)[:, 3:-3, 3:-3]


def crops(pictures: np.ndarray) -> Iterator[np.ndarray]:
    """Of pictures that show a part of the other."""
    return (detailed(pictures, size)[:, 1:-1, 1:-1] for size in SIZES)


def detailed(pictures: np.ndarray, side: int) -> np.ndarray:
    """(N, S, S) float32 -> (N, side, side) without what is coarser than DETAIL pixels"""
    area, smooth = _area(pictures.shape[-1], side), _smooth_area(pictures.shape[-1], side)
    details: np.ndarray = area @ pictures @ area.T - smooth @ pictures @ smooth.T
    return details


@cache
def _area(before: int, after: int) -> np.ndarray:
    """(after, before) float32: the share that each pixel has in each larger one"""
    edges, pixels = np.arange(after + 1) * (before / after), np.arange(before)
    covered = np.minimum(edges[1:, None], pixels + 1) - np.maximum(edges[:-1, None], pixels)
    shares: np.ndarray = (covered.clip(0) * (after / before)).astype(np.float32)
    return shares


@cache
def _smooth_area(before: int, after: int) -> np.ndarray:
    smooth: np.ndarray = gaussian_filter1d(_area(before, after), DETAIL, axis=0, mode="nearest", truncate=3)
    return smooth


class Whole:
    """Pictures that parts of others are laid over, at every place."""

    def __init__(self, pictures: np.ndarray) -> None:
        details = detailed(pictures, SIDE)
        self._spectrum = np.fft.rfft2(details)
        sums = [np.pad(of, ((0, 0), (1, 0), (1, 0))) for of in (details, details**2)]
        self._sums, self._squares = (of.cumsum(1, np.float64).cumsum(2) for of in sums)

    def correlation(self, part: np.ndarray) -> np.ndarray:
        """(N, n, n) -> (N,), the greatest of all places"""
        size, places = part.shape[-1], SIDE - part.shape[-1] + 1
        part = part - part.mean((1, 2), keepdims=True)
        spectrum = np.fft.rfft2(part, s=(SIDE, SIDE))
        product = np.fft.irfft2(self._spectrum * spectrum.conj(), s=(SIDE, SIDE))[:, :places, :places]
        sums, squares = (_window_sums(of, size) for of in (self._sums, self._squares))
        lengths = np.sqrt((squares - sums**2 / size**2).clip(1)) * np.sqrt((part**2).sum((1, 2)).clip(1))[:, None, None]
        best: np.ndarray = (product / lengths).max((1, 2))
        return best


def _window_sums(sums: np.ndarray, size: int) -> np.ndarray:
    lower: np.ndarray = sums[:, size:] - sums[:, :-size]
    inside: np.ndarray = lower[:, :, size:] - lower[:, :, :-size]
    return inside
