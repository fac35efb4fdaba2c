"""Pictures that are nearly the same, by a digest of 128 bits: re-encoded, brightened, of other sizes, with a caption.

The difference hash (Krawetz, "Kind of like that", 2013), in both directions. It does not see through crops, turns and
mirroring, for which stages/faults/copies.py compares pictures themselves.
"""

import numpy as np
from PIL import Image

SIDE = 8
NEAR = 6  # differing bits, at most; docs/audit.md has how far pictures of three sets are apart


def difference_hash(picture: Image.Image) -> int:
    """Whether it is brighter to the right, and below, at 8 x 8 places; 0 where it is of one colour.

    `picture` is of mode L or F.
    """
    small = np.asarray(picture.resize((SIDE + 1, SIDE + 1), Image.Resampling.BOX))
    right, below = small[:SIDE, 1:] > small[:SIDE, :-1], small[1:, :SIDE] > small[:-1, :SIDE]
    return int.from_bytes(np.packbits([right, below]).tobytes())


def near_copies(digests: list[int]) -> list[tuple[int, int]]:
    """Pairs of numbers of pictures whose digests are near, but for those of one colour."""
    halves = np.array([[digest >> 64, digest & (1 << 64) - 1] for digest in digests], np.uint64).reshape(-1, 2)
    (shown,) = np.nonzero(halves.any(1))
    pairs = []
    for place, number in enumerate(shown.tolist()):
        others = shown[place + 1 :]
        apart = np.bitwise_count(halves[others] ^ halves[number]).sum(1)
        pairs += [(number, other) for other in others[apart <= NEAR].tolist()]
    return pairs
