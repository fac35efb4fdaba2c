"""What is said of images that are put in: what there is, and what speaks against trusting a result on them."""

from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping
from statistics import median

from stages.arrange import imbalance, summary
from stages.ground.errors import some
from stages.ground.params import PARAMS_FILE
from stages.networks.settings import Model
from stages.pictures.difference_hash import near_copies
from stages.pictures.examined import LOST, Examined, remarks, shared_values
from stages.recipes.variant import Variant
from stages.settings import Params
from stages.statistics.inference import wilson_interval

MOST_COMPARED = 20_000  # images: each is compared with all others


def survey(dataset: str, pictures: dict[str, Examined], params: Params) -> Iterator[str]:
    """Lines on the images at these places, as arrange takes them: "SPLIT/CLASS/FILE"."""
    classes = {place.split("/")[1] for place in pictures}
    yield f"{len(pictures)} images of {len(classes)} classes; data/{dataset} will be:"
    yield summary(dataset, pictures)
    by_area = sorted((of.size for of in pictures.values()), key=lambda size: (size[0] * size[1], size))
    smallest, median, largest = (f"{w}x{h}" for w, h in (by_area[0], by_area[len(by_area) // 2], by_area[-1]))
    yield f"sizes in pixels: smallest {smallest}, median {median}, largest {largest}"
    yield from copies({place: of.sha256 for place, of in pictures.items()})
    yield from nearly_the_same(pictures)
    yield from remarks(pictures, shared_values(pictures))
    if advice := fitting(pictures, params.models):
        yield advice
    yield trust(sum(place.startswith("val/") for place in pictures))
    if warning := imbalance(pictures):
        yield warning
    train = sum(place.startswith("train/") for place in pictures)
    for name, variant in params.variants.items():
        if isinstance(variant, Variant) and train < variant.batch_size:
            yield (
                f"warning: {train} train images are fewer than variants.{name}.batch_size ({variant.batch_size}) in"
                " params.yaml, and would be refused: lower that, or add images"
            )


def fitting(pictures: Mapping[str, Examined], models: Mapping[str, Model]) -> str | None:
    """What to set, where the middle square shows less than half of the median picture, and so of most."""
    cropping = ", ".join(f"models.{name}.fit" for name, of in models.items() if of.fit == "crop")
    shown = median(min(of.size) / max(of.size) for of in pictures.values())
    if shown >= 1 / LOST or not cropping:
        return None
    return (
        f"note: the middle square is {shown:.0%} of the median picture, and all that is seen of it: set {cropping} in"
        f" {PARAMS_FILE} to pad, which shows the rest as well"
    )


def copies(digests: dict[str, str]) -> Iterator[str]:
    """How many images are there twice, within a class and, which is a mistake for sure, in two."""
    same: defaultdict[str, list[str]] = defaultdict(list)
    for place, digest in digests.items():
        same[digest].append(place)
    within: list[str] = []
    between: list[str] = []
    for places in same.values():
        labels = Counter(place.split("/")[1] for place in places)
        if len(labels) > 1:
            between.append(" is ".join(places))
        elif len(places) > 1:
            within.append(" is ".join(places))
    if within:
        yield f"warning: {len(within)} images are there more than once in their class: {some(within)}"
    if between:
        yield f"warning: {len(between)} images are in more than one class, one of which is wrong: {some(between)}"
    if not within and not between:
        yield "no image is there twice"


def nearly_the_same(pictures: dict[str, Examined]) -> Iterator[str]:
    """Images that differ in their bytes and hardly in what they show, above all across splits."""
    if len(pictures) > MOST_COMPARED:
        yield f"not looked for: images that are nearly the same, of more than {MOST_COMPARED}; the audit looks for them"
        return
    places = list(pictures)
    found: dict[bool, list[str]] = {True: [], False: []}
    for pair in near_copies([of.look for of in pictures.values()]):
        first, second = (places[number] for number in pair)
        if pictures[first].sha256 != pictures[second].sha256:
            across = first.partition("/")[0] != second.partition("/")[0]
            found[across].append(f"{first} is {second}")
    for across, pairs in found.items():
        if pairs:
            where = " as one of another split" if across else ""
            yield f"warning: {len(pairs)} images are nearly the same{where}: {some(pairs)}"


def trust(images: int) -> str:
    right = round(0.9 * images)
    low, high = wilson_interval(right, images)
    return (
        f"how far to trust a result: with {images} val images one more mistake is {1 / images:.3f} of accuracy, and"
        f" {right} right of {images} has the 95 % interval {low:.2f} to {high:.2f}"
    )
