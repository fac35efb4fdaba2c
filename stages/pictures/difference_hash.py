"""Pictures that are nearly the same, by a digest of 128 bits: re-encoded, brightened, of other sizes, with a caption.

The difference hash (Krawetz, "Kind of like that", 2013), in both directions. It does not see through crops, turns and
mirroring, for which stages/faults/copies.py compares pictures themselves.
"""

import numpy as np
from PIL import Image

SIDE = 8
NEAR = 6  # differing bits, at most; docs/audit.md has how far pictures of three sets are apart
FEWEST = 24  # bits that are set: of a picture that is plain all over, the few others are the same as another's


def difference_hash(picture: Image.Image) -> int:
    """Whether it is brighter to the right, and below, at 8 x 8 places; 0 where it is of one colour.

    `picture` is of mode L or F.
    """
    small = np.asarray(picture.resize((SIDE + 1, SIDE + 1), Image.Resampling.BOX))
    right, below = small[:SIDE, 1:] > small[:SIDE, :-1], small[1:, :SIDE] > small[:-1, :SIDE]
    return int.from_bytes(np.packbits([right, below]).tobytes())


def near_copies(digests: list[int]) -> list[tuple[int, int]]:
    """Numbers of pictures whose digests are near: each with the first that it is near to; not of plain pictures."""
    halves = np.array([[digest >> 64, digest & (1 << 64) - 1] for digest in digests], np.uint64).reshape(-1, 2)
    (left,) = np.nonzero(np.bitwise_count(halves).sum(1) >= FEWEST)
    pairs: list[tuple[int, int]] = []
    while len(left):
        first, left = int(left[0]), left[1:]
        apart = np.bitwise_count(halves[left] ^ halves[first]).sum(1)
        near = apart <= NEAR
        pairs += [(first, other) for other in left[near].tolist()]
        left = left[~near]
    return pairs
