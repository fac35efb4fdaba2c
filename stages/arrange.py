"""Arrange a data set's images the way torchvision's ImageFolder reads them.

In:  data/raw/DATASET/ and, if datasets.DATASET names one, a manifest of data/manifests/
Out: data/DATASET/{train,val}/CLASS/, and test/CLASS/ where there are test images
"""

import hashlib
import shutil
from collections import Counter
from collections.abc import Iterable
from pathlib import Path

from stages.datasets.manifest import locate
from stages.datasets.settings import Dataset
from stages.ground import paths
from stages.ground.cli import run
from stages.ground.errors import ProjectError
from stages.ground.files import sha256, written_whole
from stages.ground.params import load_entry
from stages.ground.runtime import Runtime, load_runtime
from stages.pictures.picture import find_pictures, of_each, read_picture

SPLITS = {"train": "train", "val": "val", "valid": "val", "validation": "val", "test": "test"}  # folder: split
DEFAULT_VAL_FRACTION = 0.2
ALLOW = "set allow_duplicates: true for this data set"
IMBALANCE = 5  # a class with more than so many times the images of another is warned of


def main(dataset: str) -> None:
    settings, runtime = load_entry("datasets", Dataset, dataset), load_runtime()
    raw, target = paths.raw(dataset), paths.images(dataset)
    if not raw.is_dir():
        raise ProjectError(f"{raw} is not there: put the images in it, in one folder per class")
    plan = locate(settings.manifest, raw) if settings.manifest else arrangement(raw, settings)
    check_names(raw, plan)
    check_classes(target, plan)
    with written_whole(target) as folder:
        digests = copy_pictures(raw, plan, folder, runtime)
        if not settings.allow_duplicates:
            check_leaks(raw, digests)
    print(summary(dataset, plan))
    if warning := imbalance(plan):
        print(warning)


def arrangement(raw: Path, settings: Dataset) -> dict[str, Path]:
    """`{"train/CLASS/FILE": path below raw, …}` of a folder with train/ and val/, or with class folders only."""
    top = _content(raw)
    folders: dict[str, Path] = {}
    for folder in _folders(top):
        if (split := SPLITS.get(folder.name.lower())) in folders:
            raise ProjectError(f"{top}: {folders[split].name}/ and {folder.name}/ are both {split}; keep one of them")
        if split:
            folders[split] = folder
    if not folders:
        return split_by_class(top, settings.val_fraction or DEFAULT_VAL_FRACTION, settings.seed)
    if not {"train", "val"} <= set(folders):
        raise ProjectError(
            f"{top}: found {' and '.join(sorted(folders))} without {'val' if 'train' in folders else 'train'}."
            " Expected train/ and val/ (test/ beside them is kept apart), or class folders only, which are split"
        )
    if settings.val_fraction:
        raise ProjectError(f"{top} has train/ and val/ already: take val_fraction out of this data set's entry")
    return {
        f"{split}/{place}": path
        for split, folder in folders.items()
        for pictures in _by_class(folder).values()
        for place, path in pictures.items()
    }


def split_by_class(folder: Path, val_fraction: float, seed: int) -> dict[str, Path]:
    """Let `val_fraction` of each class validate, but one image at least, and one less than all at most.

    Which ones follows from the images' contents and the seed alone, so that neither a file's name nor
    an added image moves the others between train and val, except at the border.
    """
    plan: dict[str, Path] = {}
    for name, pictures in _by_class(folder).items():
        lots = {place: _lot(seed, path) for place, path in pictures.items()}
        drawn = sorted(set(lots.values()))  # copies of a picture have one lot, and stay together
        if len(drawn) < 2:
            raise ProjectError(f"{folder / name}: one image cannot be split into train and val; add images")
        val = set(drawn[: min(max(1, round(val_fraction * len(drawn))), len(drawn) - 1)])
        plan |= {f"{'val' if lots[place] in val else 'train'}/{place}": path for place, path in pictures.items()}
    return plan


def _lot(seed: int, picture: Path) -> bytes:
    return hashlib.sha256(f"{seed} {sha256(picture)}".encode()).digest()


def check_names(raw: Path, plan: dict[str, Path]) -> None:
    """Old disks hold names in other encodings, which no table of results can hold."""
    if unreadable := [place for place in plan if "\\udc" in ascii(place)]:
        raise ProjectError(
            f"{raw}: the names of {len(unreadable)} pictures are not in UTF-8: {', '.join(map(ascii, unreadable[:5]))};"
            " rename them"
        )


def check_classes(target: Path, plan: dict[str, Path]) -> None:
    """Each split numbers its own classes: were they not the same, a label would mean one thing here, another there."""
    classes: dict[str, set[str]] = {"train": set(), "val": set()}
    for split, name in (place.split("/")[:2] for place in plan):
        classes.setdefault(split, set()).add(name)
    if len(classes["train"]) < 2:
        raise ProjectError(f"{target}: expected train images of two classes or more; found {len(classes['train'])}")
    for split, names in classes.items():
        if differing := sorted(names ^ classes["train"]):
            raise ProjectError(
                f"{target}: train and {split} must have the same classes; only one of the two has"
                f" {', '.join(differing)}"
            )


def copy_pictures(raw: Path, plan: dict[str, Path], folder: Path, runtime: Runtime) -> dict[str, str]:
    """Copy each picture to its place below `folder`, once it is decoded whole: {place: SHA-256}.

    All that this does to one follows at once, so that the disk is asked for it once, however many there are.

    Raises:
        ProjectError: pictures cannot be used; all of them are named.
    """
    for parent in {(folder / place).parent for place in plan}:
        parent.mkdir(parents=True, exist_ok=True)

    def copy(place: str) -> str:
        source = plan[place]
        try:
            with source.open("rb") as file:
                read_picture(file, str(source))
                file.seek(0)
                digest = hashlib.file_digest(file, "sha256").hexdigest()
        except OSError as error:
            raise ProjectError(f"{source}: {error.strerror}") from error
        shutil.copyfile(source, folder / place)
        return digest

    try:
        return dict(zip(plan, of_each(list(plan), copy, runtime), strict=True))
    except ProjectError as error:
        raise ProjectError(f"{raw}: {error}") from error


def check_leaks(raw: Path, digests: dict[str, str], or_else: str = ALLOW) -> None:
    """A picture that trains must not be among those that the training is judged by.

    `digests` has each place's SHA-256.
    """
    places: dict[str, dict[str, str]] = {}
    for place, digest in digests.items():
        places.setdefault(digest, {})[place.partition("/")[0]] = place
    leaks = [list(found.values()) for found in places.values() if len(found) > 1]
    if leaks:
        shown = "; ".join(" is ".join(leak) for leak in leaks[:5])
        raise ProjectError(
            f"{raw}: {len(leaks)} pictures are in more than one of train, val and test: {shown}. Take one of each out,"
            f" or {or_else}"
        )


def summary(dataset: str, places: Iterable[str]) -> str:
    """For each split its number of images, and of each class."""
    counts = Counter(tuple(place.split("/")[:2]) for place in places)
    lines = []
    for split in dict.fromkeys(SPLITS.values()):
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
        f" then says little of {least}: look at each class's recall, and add images of {least} if you can"
    )


def _content(folder: Path) -> Path:
    """`folder`, or the one folder in it that holds all else (archives like to wrap their content in one)."""
    inner = _folders(folder)
    if len(inner) == 1 and inner[0].name.lower() not in SPLITS and _folders(inner[0]):
        return _content(inner[0])
    return folder


def _folders(folder: Path) -> list[Path]:
    return sorted(path for path in folder.iterdir() if path.is_dir() and not path.name.startswith("."))


def _by_class(folder: Path) -> dict[str, dict[str, Path]]:
    """`{class: {"CLASS/FILE": path}}` of a folder with one folder per class, which may hold folders in turn."""
    classes = {}
    for inner in _folders(folder):
        classes[inner.name] = {path.relative_to(folder).as_posix(): path for path in find_pictures(inner)}
    if len(classes) < 2 or not all(classes.values()):
        found = ", ".join(f"{name}/ ({len(pictures)} images)" for name, pictures in classes.items()) or "no folders"
        raise ProjectError(f"{folder}: expected two or more folders of images, one per class; found {found}")
    return classes


if __name__ == "__main__":
    run(main)
