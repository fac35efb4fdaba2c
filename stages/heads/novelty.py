"""What a finished model knows of its train images, so as to tell what is none of their classes."""

from stages.ground.params import FalseAlarms, load_section
from stages.ground.seeds import derived_rng
from stages.heads.linear import Embeddings
from stages.statistics.novelty import Novelty


def novelty_of(train: Embeddings, seed: int) -> Novelty | None:
    """Of embeddings by the finished network, of kept_images; says so where it cannot be learnt."""
    rate: float = load_section("false_alarms", FalseAlarms)
    novelty = Novelty.of(train.embeddings, train.labels, train.groups, rate, derived_rng(seed))
    if novelty is None:
        print("it will not tell what is none of its classes: of no class can some of the train images be held out")
    return novelty
