"""How a folder of pictures is to be read: which of its folders are splits, and which are classes.

A folder that holds pictures itself is a class, whatever it is called. One that holds folders is a split, if its name
says so: train, Training, seg_train, val, dev, test_set. One folder around all else counts for nothing.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from stages.datasets.tree import Tree
from stages.ground.errors import ProjectError, some
from stages.pictures.listing import NOWHERE, REASONS, UNREADABLE, Listing, described

SPLITS = ("train", "val", "test")
WORDS = {
    **dict.fromkeys(("train", "training", "trn"), "train"),
    **dict.fromkeys(("val", "valid", "validation", "validate", "dev", "eval", "evaluation"), "val"),
    **dict.fromkeys(("test", "testing", "tst", "holdout"), "test"),
}
BESIDE = "data|datasets?|sets?|images?|imgs?|jpegs?|pictures?|photos?|folders?|splits?|samples?|seg"  # add nothing
WORD = "|".join(sorted(WORDS, key=len, reverse=True))
SPLIT = re.compile(rf"(?:{BESIDE})*({WORD})(?:{BESIDE})*")
AT_AN_END = re.compile(rf"(?i:({WORD}))(?![a-z]).*|.*(?<![A-Za-z])(?i:({WORD}))")  # trainA, cats_test
MARKS = ("annotations", "masks", "segmentations", "segmentation", "groundtruth", "ground_truth", "gt")
NO_CLASSES = ("images", "imgs", "jpegimages", "labels", "mask", *MARKS)
MASK = re.compile(r"[ _-](?:mask|masks|seg|segmentation|label|gt)(?:_\d+)?(\.\w+)$", re.IGNORECASE)

Places = dict[str, Path]  # "CLASS/FILE": the picture


@dataclass(frozen=True)
class Layout:
    """Pictures by split and by class."""

    top: Path  # the folder that holds the splits or the classes
    splits: dict[str, Places]
    classes: Places  # of the folder where no folder says the split
    notes: list[str] = field(default_factory=list)  # what was decided, and what is left out, a line each


def split_of(name: str) -> str | None:
    """The split that a folder's name, or a word in a table, stands for."""
    word = SPLIT.fullmatch(re.sub(r"[^a-z]+", "", name.lower()))
    return WORDS[word[1]] if word else None


def likely_split(name: str) -> str | None:
    """The split that a name speaks of at its beginning or its end, whatever else it says."""
    word = AT_AN_END.fullmatch(name)
    return split_of(name) or (WORDS[(word[1] or word[2]).lower()] if word else None)


def read_layout(folder: Path, listing: Listing, chosen: Mapping[str, str] | None = None) -> Layout:
    """
    Args:
        folder: which was listed.
        listing: of its pictures.
        chosen: {folder's name: split}, where the user says which is which; all other folders are left out.

    Raises:
        ProjectError: no two classes, or folders that may be one or the other.
    """
    notes: list[str] = []
    tree = unwrapped(Tree.of(folder, listing), chosen or {}, notes)
    without_marks(tree, notes)
    named = chosen_splits(tree, chosen) if chosen else named_splits(tree)
    if named:
        return of_splits(tree, named, notes)
    note_beside(tree, notes)
    if turned := classes_of_splits(tree):
        return Layout(tree.path, turned, {}, [*notes, "the folders in each class's folder are taken as its splits"])
    check_are_classes(tree)
    check_classes(tree, notes)
    note_masks(tree, notes)
    places = {place: path for name, inner in tree.folders.items() for place, path in inner.places(name).items()}
    return Layout(tree.path, {}, places, notes)


def of_splits(tree: Tree, named: Mapping[str, str], notes: list[str]) -> Layout:
    notes += [f"{name}/ is taken as {split}" for name, split in named.items() if name.lower() != split]
    by_split: dict[str, list[str]] = {}
    for name, split in named.items():
        by_split.setdefault(split, []).append(name)
    places: dict[str, Places] = {}
    for split in (split for split in SPLITS if split in by_split):
        places[split] = {}
        for name in by_split[split]:
            of = tree.folders[name]
            while not of.loose and (inner := of.only()):  # seg_train/seg_train/
                of = inner
            check_classes(of, notes)
            note_beside(of, notes)
            for of_class, inner in of.folders.items():
                for place, path in inner.places(of_class).items():
                    if len(by_split[split]) > 1:  # a file's name is then not enough
                        place = f"{of_class}/{name}__{place.partition('/')[2].replace('/', '__')}"
                    places[split][place] = path
    for name, inner in tree.folders.items():
        if name not in named:
            notes.append(f"left out: {name}/, {len(inner.pictures())} pictures beside the folders of splits")
    note_beside(tree, notes)
    note_masks(tree, notes)
    return Layout(tree.path, places, {}, notes)


def unwrapped(tree: Tree, chosen: Mapping[str, str], notes: list[str]) -> Tree:
    """The folder itself, or the one in it that holds all folders: archives like to wrap their content in one."""
    while (inner := tree.only()) and split_of(inner.path.name) is None and inner.path.name not in chosen:
        note_beside(tree, notes)
        tree = inner
    return tree


def without_marks(tree: Tree, notes: list[str]) -> None:
    """Take out folders of what is marked in pictures, beside classes and in them."""
    for of in (tree, *tree.folders.values()):
        marks = [name for name in of.folders if name.lower() in MARKS]
        if of is tree and all(name.lower() in NO_CLASSES for name in of.folders):
            continue  # nothing else is there
        for taken in (of.folders.pop(name) for name in marks):
            what = f"{len(taken.pictures())} pictures of what is marked in others"
            notes.append(f"left out: {taken.path.relative_to(tree.path).as_posix()}/, {what}")


def named_splits(tree: Tree) -> dict[str, str]:
    """{folder: split}, of those that hold folders and whose names say so.

    Raises:
        ProjectError: two are of one split, or they lie among folders that may be classes.
    """
    splits = {
        name: split
        for name, of in tree.folders.items()
        if (split := split_of(name)) and (len(of.folders) > 1 or (of.folders and not of.loose))
    }
    for split in SPLITS:
        if len(same := [name for name in splits if splits[name] == split]) > 1:
            raise ProjectError(
                f"{tree.path}: {' and '.join(f'{name}/' for name in same)} are both {split}; keep one of them, or say"
                f" which are which: {options(tree)}"
            )
    others = [name for name in tree.folders if name not in splits]
    if [*splits.values()] == ["train"] and others and not any(map(likely_split, others)):
        raise ProjectError(
            f"{tree.path}: {some([*splits])} holds folders, as a split does, and lies beside {some(others)}, which may"
            f" be classes: take one kind out, or say --split {next(iter(splits))}=train to leave those out"
        )
    return splits


def chosen_splits(tree: Tree, chosen: Mapping[str, str]) -> dict[str, str]:
    for name in chosen:
        if name not in tree.folders:
            raise ProjectError(f"{tree.path} has no folder {name} with pictures; it has {some([*tree.folders], 20)}")
        if not tree.folders[name].folders:
            raise ProjectError(f"{tree.path / name}: expected folders, one per class; it holds pictures itself")
    inner = {of_class for name in chosen for of_class in tree.folders[name].folders}
    if all(map(split_of, inner)):
        raise ProjectError(
            f"{tree.path}: {some([*chosen])} hold the folders {some(sorted(inner))}, which are no classes"
        )
    return dict(chosen)


def classes_of_splits(tree: Tree) -> dict[str, Places] | None:
    """Where each class has folders of splits in it: cats/train/, cats/val/, dogs/train/, …"""
    inner = {name for of in tree.folders.values() for name in of.folders}
    if len(tree.folders) < 2 or not inner or any(of.loose or not of.folders for of in tree.folders.values()):
        return None
    if not all(map(split_of, inner)) or any(
        deep.folders for of in tree.folders.values() for deep in of.folders.values()
    ):
        return None
    places: dict[str, Places] = {}
    for of_class, of in tree.folders.items():
        for name, deep in of.folders.items():
            places.setdefault(str(split_of(name)), {}).update(deep.places(of_class))
    return places


def check_are_classes(tree: Tree) -> None:
    """
    Raises:
        ProjectError: the folders are less than two, called as splits, or pictures and masks.
    """
    names = list(tree.folders)
    if len(names) < 2:
        found = [f"{name}/ ({len(of.pictures())} images)" for name, of in tree.folders.items()]
        found += [f"{name}/ (0 images)" for name in tree.barren]
        raise ProjectError(
            f"{tree.path}: expected two or more folders of images, one per class; found {some(found) or 'no folders'}"
        )
    if all(name.lower() in NO_CLASSES for name in names):
        raise ProjectError(
            f"{tree.path}: {some(names)} are no classes, but what is shown and what is marked in it: sort the pictures"
            " into folders, one per class, or name their classes in a table (--labels FILE.csv)"
        )
    splits = [None if of.folders else likely_split(name) for name, of in tree.folders.items()]
    if "train" in splits and None not in splits and len(set(splits)) > 1:
        raise ProjectError(
            f"{tree.path}: {some(names)} are called as splits, and have no class folders in them: name the classes in a"
            " table (--labels FILE.csv), or rename the folders if they are the classes"
        )


def check_classes(tree: Tree, notes: list[str]) -> None:
    """See whether the folders in it are classes, and say which of them hold folders.

    Raises:
        ProjectError: several hold folders of one name, or one holds splits.
    """
    holders = {name: of for name, of in tree.folders.items() if of.folders and not of.loose}
    for name, of in holders.items():
        if any(split_of(inner) and deep.folders for inner, deep in of.folders.items()):
            raise ProjectError(f"{tree.path}: {name}/ holds the folders of splits: give the folder {name} alone")
    inner = [name for of in holders.values() for name in of.folders if not re.fullmatch(BESIDE, name.lower())]
    if common := sorted({name for name in inner if inner.count(name) > 1}):
        raise ProjectError(
            f"{tree.path}: of the folders {some([*holders])}, several hold folders of one name ({some(common)}), so"
            f" they may be no classes. If they are splits, say which are which: {options(tree)}; if they are classes,"
            " put their pictures into them, not into folders in them"
        )
    if merged := [f"{name}/ ({some([*of.folders], 3)})" for name, of in tree.folders.items() if len(of.folders) > 1]:
        notes.append(f"note: folders in a class's folder are one class with it: {some(merged)}")


def note_beside(tree: Tree, notes: list[str]) -> None:
    """What is left out in a folder of classes or of splits.

    Raises:
        ProjectError: a class that would be missed: of files alone that people take for pictures.
    """
    for name, reasons in tree.barren.items():
        for reason, count in reasons.items():
            if reason not in REASONS or reason in (NOWHERE, UNREADABLE):
                raise ProjectError(f"{tree.path / name}: no picture, but {count} {described(reason)}")
    if tree.loose:
        names = some([path.name for path in tree.loose])
        notes.append(f"left out: {len(tree.loose)} pictures of {tree.path.name}/, in none of its folders ({names})")
    if tree.barren:
        notes.append(
            f"left out: {len(tree.barren)} folders of {tree.path.name}/, without pictures ({some([*tree.barren])})"
        )


def note_masks(tree: Tree, notes: list[str]) -> None:
    files = {path.relative_to(tree.path).as_posix() for path in tree.pictures()}
    if masks := sorted(file for file in files if (of := MASK.sub(r"\1", file)) != file and of in files):
        notes.append(f"warning: {len(masks)} pictures are called as masks of others, and train too: {some(masks)}")


def options(tree: Tree) -> str:
    """How to say which folder is which split; what nothing speaks for is left open."""
    likely = {name: likely_split(name) for name in tree.folders}
    if not all(likely.values()):
        return "--split FOLDER=train --split FOLDER=val, once for each"
    return " ".join(f"--split {name}={split}" for name, split in [*likely.items()][:3])
