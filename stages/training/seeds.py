"""torch's own randomness, which follows from what it is for as all other (stages/ground/seeds.py)."""

import torch

from stages.ground.seeds import derived_rng


def seed_torch(seed: int, *of: int) -> None:
    """Seed torch's own generator, from which dropout draws, for one purpose."""
    torch.manual_seed(int(derived_rng(seed, *of).integers(2**63)))
