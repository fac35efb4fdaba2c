"""Which network? Accuracy against seconds and megabytes of all networks that the study has tried.

`make compare-networks` prints it. For each data set, of the first variant and the last of the study's (the recipe to
begin with): the mean accuracy over trials and where 95 % of these lie; the difference from the first network, trial by
trial on the same splits, with its 95 % interval and what may be said of it (docs/study.md); and the seconds of a trial,
where trials ran on this machine. The milliseconds are of one image through the network, by a clock, on this machine, in
batches as features@MODEL has them; the megabytes are of its weights without the last layer.
"""

import time
from dataclasses import dataclass
from itertools import product

import numpy as np

from scripts.page import seconds_of_trials
from scripts.results import markdown
from stages.ground import paths
from stages.ground.cli import one_line_errors
from stages.models.backbone import BATCH, Backbone
from stages.models.pretrained import Pretrained
from stages.settings import Params, load_params
from stages.statistics.paired import compared
from stages.statistics.verdict import Verdict
from stages.study.trials import Trial, accuracies, read_trials

HEADER = (
    "data set", "network", "MB", "ms an image", "licence of the weights", "way of training", "trials",
    "mean val accuracy", "95 % of trials", "difference", "", "s a trial",
)  # fmt: skip
REPEATS = 5


@dataclass(frozen=True)
class Cost:
    """Of a network, whatever it is trained to."""

    megabytes: str
    milliseconds: str


NOT_HERE = Cost("", "no weights here")


def main() -> None:
    with one_line_errors():
        params = load_params()
        costs = {model: cost(model) for model in params.models}
        print(markdown(HEADER, rows(params, costs)), end="")


def cost(model: str) -> Cost:
    path = paths.weights(model)
    if not path.is_file():
        return NOT_HERE
    pretrained = Pretrained.read(path, model)
    backbone = Backbone(pretrained.graph, pretrained.tensors, "cpu")
    images = np.random.default_rng(0).standard_normal((BATCH, 3, pretrained.crop, pretrained.crop), np.float32)
    seconds = []
    for _ in range(1 + REPEATS):  # the first does not count
        start = time.perf_counter()
        backbone.embeddings(images)
        seconds.append((time.perf_counter() - start) / BATCH)
    size = sum(tensor.nbytes for tensor in pretrained.tensors.values())
    return Cost(f"{size / 1e6:.1f}", f"{1000 * float(np.median(seconds[1:])):.1f}")


def rows(params: Params, costs: dict[str, Cost]) -> list[tuple[str, ...]]:
    """Under HEADER, of each network and data set with two trials or more."""
    names = list(dict.fromkeys((next(iter(params.variants)), [*params.variants, *params.study.variants][-1])))
    found: list[tuple[str, ...]] = []
    for dataset, name in product(params.datasets, names):
        tried = {model: read_trials(paths.trials(model, dataset)) for model in params.models}
        tried = {model: of for model, of in tried.items() if len(accuracies(of, name)) > 1}
        for model, trials in tried.items():
            first = next(iter(tried))
            against = (
                ("baseline", "") if model == first else difference(trials, tried[first], name, params.study.margin)
            )
            of = list(accuracies(trials, name).values())
            low, high = np.quantile(of, [0.025, 0.975])
            about = (costs[model].megabytes, costs[model].milliseconds, params.models[model].licence)
            seconds = seconds_of_trials(model, dataset).get(name, "not timed here")
            spread = (str(len(of)), f"{np.mean(of):.4f}", f"{low:.3f} to {high:.3f}")
            found.append((dataset, model, *about, name, *spread, *against, seconds))
    return found


def difference(trials: list[Trial], of_first: list[Trial], name: str, margin: float) -> tuple[str, str]:
    """How much better the one network's trials are than the first one's, and what may be said of that."""
    mine, its = accuracies(trials, name), accuracies(of_first, name)
    sizes = {of.split: (of.train_images, of.val_images) for of in trials if of.variant == name and not of.images}
    both = sorted(mine.keys() & its.keys())
    if len(both) < 2:
        return "no trials in common", ""
    train, val = np.mean([sizes[number] for number in both], axis=0).round().astype(int).tolist()
    of = compared(np.array([mine[number] for number in both]), np.array([its[number] for number in both]), train, val)
    return f"{of.mean:+.4f} ({of.low:+.3f} to {of.high:+.3f})", Verdict(of, margin, train, val).answer


if __name__ == "__main__":
    main()
