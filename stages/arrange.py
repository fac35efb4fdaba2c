"""Arrange a data set's images the way torchvision's ImageFolder reads them.

In:  data/raw/DATASET/ and, if datasets.DATASET names one, a manifest of data/manifests/, or tar files that it names;
     data/corrections/DATASET.tsv
Out: data/DATASET/{train,val}/CLASS/, and test/CLASS/ where there are test images; of tar files SPLIT/NAME.tar, unless
     they lie elsewhere, and SPLIT/NAME.tar.json, what is in them (stages/ground/shards.py); values.json (black, white)
     where some have more than 8 bits; corrections.json where some were corrected: how many, by kind; groups.json
     ({file: group}) where the data set has groups, or copies of pictures
"""

import hashlib
import shutil
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from contextlib import nullcontext
from dataclasses import asdict, dataclass, field
from pathlib import Path, PurePosixPath

import numpy as np

from stages.datasets.corrections import Corrections, corrected, read_corrections, with_kept_together
from stages.datasets.groups import group_names
from stages.datasets.layout import SPLITS, read_layout
from stages.datasets.manifest import locate
from stages.datasets.names import alike, class_problem
from stages.datasets.settings import Dataset
from stages.datasets.shards import Indexed, indexed, shards_below
from stages.ground import paths
from stages.ground.cli import run
from stages.ground.errors import Problems, ProjectError, some
from stages.ground.files import sha256, write_json, written_whole
from stages.ground.params import load_entry
from stages.ground.places import expanded, open_place
from stages.ground.runtime import Runtime, load_runtime
from stages.ground.shards import SUFFIX, write_index
from stages.pictures.examined import Examined, examine, remarks, shared_values
from stages.pictures.listing import list_folder
from stages.pictures.picture import UnusableError, Values, check_usable, of_each
from stages.statistics.sampling import numbered, take_groups

EXPECTED = "Expected train/ (val/ and test/ beside it are kept apart), or class folders only, which are split"
DEFAULT_VAL_FRACTION = 0.2
ALLOW = "set allow_duplicates: true for this data set"
IMBALANCE = 5  # a class with more than so many times the images of another is warned of


def main(dataset: str) -> None:
    settings, runtime = load_entry("datasets", Dataset, dataset), load_runtime()
    raw, target = paths.raw(dataset), paths.images(dataset)
    if not settings.shards:
        if not raw.is_dir():
            raise ProjectError(f"{raw} is not there: put the images in it, in one folder per class")
        check_no_links(raw)
    if shards := places_of_shards(dataset, settings):
        arrange_shards(dataset, shards, settings, runtime)
        return
    corrections, said = read_corrections(dataset)
    plan, notes = planned(raw, settings, corrections)
    check_classes(raw, plan)
    with written_whole(target) as folder:
        examined = copy_pictures(raw, plan, folder, runtime)
        if not settings.allow_duplicates:
            check_leaks(raw, digests(examined))
        values = Values(*settings.values) if settings.values else shared_values(examined)
        if values:
            write_json(folder / paths.values(dataset).name, asdict(values))
        groups = with_kept_together(group_names(settings, plan, raw), plan, corrections)
        if corrections.applied:
            write_json(folder / paths.corrected(dataset).name, corrections.counts())
        if kept_together := groups or copies(digests(examined)):
            write_json(folder / paths.groups(dataset).name, kept_together)
    print("\n".join([summary(dataset, plan), *said, *corrections.lines(), *notes, *remarks(examined, values)]))
    for warning in filter(None, (imbalance(plan), torn_groups(groups))):
        print(warning)


def places_of_shards(dataset: str, settings: Dataset) -> dict[str, list[str]]:
    """{split: places of tar files}, where the images are in such."""
    if not settings.shards:
        return shards_below(paths.raw(dataset))
    try:
        return {split: [of for place in places for of in expanded(place)] for split, places in settings.shards.items()}
    except ProjectError as error:
        raise ProjectError(f"params.yaml: datasets.{dataset}.shards: {error}") from error


def arrange_shards(dataset: str, shards: Mapping[str, Sequence[str]], settings: Dataset, runtime: Runtime) -> None:
    """The same of tar files, which stay as they are; of what lies elsewhere there is an index alone."""
    raw, target = paths.raw(dataset), paths.images(dataset)
    for key in ("manifest", "val_fraction"):
        if getattr(settings, key):
            raise ProjectError(
                f"params.yaml: datasets.{dataset}.{key}: of tar files, the folders in {raw} say which images validate;"
                " take it out"
            )
    if len(read_corrections(dataset)[0]):
        raise ProjectError(f"{paths.corrections(dataset)}: in tar files nothing is corrected: mend them themselves")
    taken = InShards()
    with written_whole(target) as folder:
        for split, place, path in shard_paths(shards, folder):
            found = kept_shard(place, path, not settings.shards, runtime, notable)
            write_index(path, found.index)
            taken.add(split, path.name, found)
        taken.check(raw, settings.allow_duplicates)
        values = Values(*settings.values) if settings.values else shared_values(taken.examined)
        if values:
            write_json(folder / paths.values(dataset).name, asdict(values))
        known = {of_shards(at): digest for at, digest in taken.digests.items()}
        groups = group_names(settings, known, raw)
        if kept_together := groups or copies(known):
            write_json(folder / paths.groups(dataset).name, kept_together)
    print("\n".join([summary(dataset, taken.digests), *taken.notes(), *remarks(taken.examined, values)]))
    for warning in filter(None, (imbalance(taken.digests), torn_groups(groups))):
        print(warning)


@dataclass
class InShards:
    """The pictures of tar files that were looked through, by place as in folders: see in_folders."""

    digests: dict[str, str] = field(default_factory=dict)
    examined: dict[str, Examined] = field(default_factory=dict)  # those of which something is to be said
    broken: list[UnusableError] = field(default_factory=list)
    left_out: Counter[str] = field(default_factory=Counter)

    def add(self, split: str, shard: str, found: Indexed) -> None:
        for file, digest in found.digests.items():
            self.digests[at := in_folders(split, shard, file)] = digest
            if file in found.notable:
                self.examined[at] = found.notable[file]
        self.broken += found.broken
        self.left_out += found.left_out

    def check(self, raw: Path, allow_duplicates: bool, or_else: str = ALLOW) -> None:
        """
        Raises:
            ProjectError: as of folders.
        """
        check_usable(self.broken, len(self.digests) + len(self.broken))
        check_classes(raw, self.digests)
        if not allow_duplicates:
            check_leaks(raw, self.digests, or_else)

    def notes(self) -> list[str]:
        """A line on what is left out, if there is any."""
        others = some([f"{count} {kind}" for kind, count in self.left_out.most_common()], most=8)
        count = self.left_out.total()
        return [f"left out: {count} members of tar files that are no pictures ({others})"] if count else []


def shard_paths(shards: Mapping[str, Sequence[str]], folder: Path) -> list[tuple[str, str, Path]]:
    """Of each tar file its split, where it lies and its path below `folder`.

    Raises:
        ProjectError: two have one name, or one has another suffix.
    """
    found = [(split, place, folder / split / PurePosixPath(place).name) for split in shards for place in shards[split]]
    counts = Counter(path for *_, path in found)
    for split, place, path in found:
        if path.suffix != SUFFIX:
            raise ProjectError(f"{place}: expected a name that ends in {SUFFIX}")
        if counts[path] > 1:
            raise ProjectError(f"{place}: another tar file of {split} is called {path.name} too; rename one")
    return found


def kept_shard(place: str, path: Path, copied: bool, runtime: Runtime, notable: Callable[[Examined], bool]) -> Indexed:
    """Looked through, and copied to `path` on the way; `notable` are those of which something is to be said."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with open_place(place) as file, path.open("wb") if copied else nullcontext() as copy:
        return indexed(place, file, copy, runtime.workers, notable)


def notable(examined: Examined) -> bool:
    """Whether something may be said of it: of all others their digests are enough, however many there are."""
    return examined.deep or bool(remarks({"": examined}, None))


def in_folders(split: str, shard: str, file: str) -> str:
    """SPLIT/CLASS/TAR/FILE, of CLASS/FILE in a tar file: where it would be if there were folders."""
    name, _, rest = file.partition("/")
    return f"{split}/{name}/{shard}/{rest}"


def of_shards(place: str) -> str:
    """SPLIT/TAR/CLASS/FILE, the path below data/DATASET/, of what in_folders gave."""
    split, name, shard, rest = place.split("/", 3)
    return f"{split}/{shard}/{name}/{rest}"


def planned(raw: Path, settings: Dataset, corrections: Corrections) -> tuple[dict[str, Path], list[str]]:
    """`{"train/CLASS/FILE": path below raw, …}`, corrected; and what is to be said of it, a line each."""
    if settings.manifest:
        return corrected(locate(settings.manifest, raw), corrections, of_class=1), []
    return arrangement(raw, settings, corrections)


def arrangement(
    raw: Path, settings: Dataset, corrections: Corrections | None = None
) -> tuple[dict[str, Path], list[str]]:
    """The same of a folder with folders of splits, or with class folders only.

    And what is left out, or was decided, a line each.
    """
    corrections = corrections or Corrections()
    listing = list_folder(raw)
    layout = read_layout(raw, listing)
    notes = [*layout.notes, *listing.left_out.lines()]
    fraction = settings.val_fraction or DEFAULT_VAL_FRACTION
    if not layout.splits:
        places = corrected(layout.classes, corrections, of_class=0)
        return split_by_class(layout.top, places, fraction, settings, corrections), notes
    if "train" not in layout.splits:
        raise ProjectError(f"{layout.top}: found {' and '.join(layout.splits)} without train. {EXPECTED}")
    plan = {f"{split}/{place}": path for split, places in layout.splits.items() for place, path in places.items()}
    plan = corrected(plan, corrections, of_class=1)
    if "val" in layout.splits:
        if settings.val_fraction:
            raise ProjectError(
                f"{layout.top} has train/ and val/ already: take val_fraction out of this data set's entry"
            )
        return plan, notes
    train = {place.removeprefix("train/"): path for place, path in plan.items() if place.startswith("train/")}
    drawn = split_by_class(layout.top, train, fraction, settings, corrections)
    notes.append(f"no folder says which images validate: {fraction:g} of each class's train images do")
    return drawn | {place: path for place, path in plan.items() if not place.startswith("train/")}, notes


def split_by_class(
    top: Path,
    places: dict[str, Path],
    val_fraction: float,
    settings: Dataset,
    corrections: Corrections | None = None,
) -> dict[str, Path]:
    """Let `val_fraction` of each class validate, but one image at least, and one less than all at most.

    Where the data set has groups, as nearly as whole groups allow.

    Which ones follows from the images' contents and the seed alone, so that neither a file's name nor
    an added image moves the others between train and val, except at the border.

    Args:
        top: the folder that errors name.
        places: {"CLASS/FILE": path}.
        val_fraction: between 0 and 1.
        settings: with the seed of the draw, and what says the groups.
        corrections: of which those count that keep images together.
    """
    if (
        groups := with_kept_together(group_names(settings, places, top), places, corrections or Corrections())
    ) is not None:
        return split_by_group(top, places, val_fraction, settings.seed, groups)
    classes: dict[str, dict[str, Path]] = {}
    for place, path in places.items():
        classes.setdefault(place.partition("/")[0], {})[place] = path
    plan: dict[str, Path] = {}
    for name, pictures in classes.items():
        lots = {place: _lot(settings.seed, sha256(path)) for place, path in pictures.items()}
        drawn = sorted(set(lots.values()))  # copies of a picture have one lot, and stay together
        if len(drawn) < 2:
            copies = f" ({len(pictures)} copies of one)" if len(pictures) > 1 else ""
            raise ProjectError(f"{top / name}: one image{copies} cannot be split into train and val; add images")
        val = set(drawn[: min(max(1, round(val_fraction * len(drawn))), len(drawn) - 1)])
        plan |= {f"{'val' if lots[place] in val else 'train'}/{place}": path for place, path in pictures.items()}
    return plan


def split_by_group(
    top: Path, places: dict[str, Path], val_fraction: float, seed: int, groups: Mapping[str, str]
) -> dict[str, Path]:
    """The same with whole groups, which may have images of several classes; `groups` is {place: name}."""
    classes = [place.partition("/")[0] for place in places]
    labels, names = numbered(classes), [groups[place] for place in places]
    counts = np.bincount(labels)
    target = np.clip((val_fraction * counts).round(), 1, counts - 1)
    order = np.argsort([_lot(seed, name).hex() for name in sorted(set(names))])
    val = take_groups(labels, numbered(names), target, order.tolist())
    for name, count, taken in zip(
        sorted(set(classes)), counts, np.bincount(labels[val], minlength=len(counts)), strict=True
    ):
        if not 0 < taken < count:
            raise ProjectError(
                f"{top / name}: {count} images in whole groups cannot be split into train and val; add images of other"
                " groups"
            )
    return {
        f"{'val' if taken else 'train'}/{place}": path for (place, path), taken in zip(places.items(), val, strict=True)
    }


def torn_groups(groups: Mapping[str, str] | None) -> str | None:
    """A warning, if images of one group train and others validate: these are easier than any new ones.

    `groups` is {SPLIT/CLASS/FILE: name}.
    """
    splits: dict[str, set[str]] = {}
    for place, name in (groups or {}).items():
        splits.setdefault(name, set()).add(place.partition("/")[0])
    torn = sorted(name for name, of in splits.items() if len(of) > 1)
    if not torn:
        return None
    return f"warning: {len(torn)} groups have images in more than one of train, val and test: {some(torn)}"


def digests(examined: Mapping[str, Examined]) -> dict[str, str]:
    return {place: found.sha256 for place, found in examined.items()}


def copies(of: dict[str, str]) -> dict[str, str]:
    """{place: its content} where some have the same, as groups have it: copies are to stay on one side as well."""
    return of if len(set(of.values())) < len(of) else {}


def check_no_links(raw: Path) -> None:
    """DVC does not look behind a link to a folder, so that other images there would run nothing again."""
    links = [path for path in raw.rglob("*") if path.is_symlink() and path.is_dir()]
    if links:
        raise ProjectError(
            f"{some(links)}: links to folders, which DVC does not follow. Put in what they lead to by python -m"
            f" scripts.add, which copies it, or copy it there by hand (cp -RL)"
        )


def _lot(seed: int, of: str) -> bytes:
    return hashlib.sha256(f"{seed} {of}".encode()).digest()


def check_classes(raw: Path, plan: Collection[str]) -> None:
    """Each split numbers its own classes: were they not the same, a label would mean one thing here, another there."""
    classes: dict[str, set[str]] = {"train": set(), "val": set()}
    for split, name in (place.split("/")[:2] for place in plan):
        classes.setdefault(split, set()).add(name)
    check_names(raw, plan, classes["train"])
    if len(classes["train"]) < 2:
        found = some(sorted(classes["train"])) or "none"
        raise ProjectError(f"{raw}: expected train images of two classes or more; found {found}")
    for split, names in classes.items():
        if differing := sorted(names ^ classes["train"]):
            raise ProjectError(
                f"{raw}: train and {split} must have the same classes; only one of the two has {some(differing, 20)}"
            )


def check_names(raw: Path, plan: Collection[str], classes: set[str]) -> None:
    """Classes' names are those of folders, and of lines and marks in tables and figures."""
    problems = Problems()
    for name in sorted(classes):
        if problem := class_problem(name):
            problems.add(problem, ascii(name))
    for place in plan:
        if "\\udc" in ascii(place):  # from an old disk, and what no table of results can hold
            problems.add("names of pictures that are not in UTF-8; rename them", ascii(place))
    for same in alike(classes):
        problems.add("classes whose names look the same: put them together, or rename one", same)
    problems.raise_any(raw)


def copy_pictures(raw: Path, plan: dict[str, Path], folder: Path, runtime: Runtime) -> dict[str, Examined]:
    """Copy each picture to its place below `folder`, once it is decoded whole: {place: what it is}.

    All that this does to one follows at once, so that the disk is asked for it once, however many there are.

    Raises:
        ProjectError: pictures cannot be used; they are named.
    """
    for parent in {(folder / place).parent for place in plan}:
        parent.mkdir(parents=True, exist_ok=True)

    def copy(place: str) -> Examined:
        found = examine(plan[place])
        shutil.copyfile(plan[place], folder / place)
        return found

    try:
        return dict(zip(plan, of_each(list(plan), copy, runtime), strict=True))
    except ProjectError as error:
        raise ProjectError(f"{raw}: {error}") from error


def check_leaks(raw: Path, contents: Mapping[str, str], or_else: str = ALLOW) -> None:
    """A picture that trains must not be among those that the training is judged by.

    `contents` is {place: a digest of the picture}.
    """
    places: dict[str, dict[str, str]] = {}
    for place, digest in contents.items():
        places.setdefault(digest, {})[place.partition("/")[0]] = place
    leaks = sorted([found[split] for split in SPLITS if split in found] for found in places.values() if len(found) > 1)
    if leaks:
        shown = some([" is ".join(leak) for leak in leaks])
        raise ProjectError(
            f"{raw}: {len(leaks)} pictures are in more than one of train, val and test: {shown}. Take one of each out,"
            f" or {or_else}"
        )


def summary(dataset: str, places: Iterable[str]) -> str:
    """For each split its number of images, and of each class."""
    counts = Counter(tuple(place.split("/")[:2]) for place in places)
    lines = []
    for split in SPLITS:
        classes = {name: count for (of, name), count in sorted(counts.items()) if of == split}
        if classes:
            shown = ", ".join(f"{name} {count}" for name, count in classes.items())
            lines.append(f"{paths.images(dataset) / split}: {sum(classes.values())} images ({shown})")
    return "\n".join(lines)


def imbalance(places: Iterable[str]) -> str | None:
    """A warning, if one class trains on many more images than another: accuracy then speaks of the one only."""
    counts = Counter(place.split("/")[1] for place in places if place.startswith("train/"))
    least, most = (choose(counts, key=lambda name: (counts[name], name)) for choose in (min, max))
    if counts[most] <= IMBALANCE * counts[least]:
        return None
    return (
        f"warning: unbalanced classes: {most} has {counts[most]} train images, {least} {counts[least]}. Accuracy"
        f" then says little of {least}: look at each class's recall, add images of {least} if you can, and try"
        " class_weights: balanced in a variant"
    )


if __name__ == "__main__":
    run(main)
