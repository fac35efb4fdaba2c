"""How a folder of pictures is to be read: which of its folders are splits, and which are classes.

A folder that holds pictures itself is a class, whatever it is called. One that holds folders is a split, if its name
says so: train, Training, seg_train, val, dev, test_set. One folder around all else counts for nothing.
"""

import re
from collections import Counter, defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from stages.ground.errors import ProjectError, some
from stages.pictures.listing import REASONS, Listing
from stages.pictures.system_names import is_of_a_system

SPLITS = ("train", "val", "test")
WORDS = {
    **dict.fromkeys(("train", "training", "trn"), "train"),
    **dict.fromkeys(("val", "valid", "validation", "validate", "dev", "eval", "evaluation"), "val"),
    **dict.fromkeys(("test", "testing", "tst", "holdout"), "test"),
}
BESIDE = "data|datasets?|sets?|images?|imgs?|pictures?|photos?|folders?|splits?|samples?|seg"  # words that add nothing
SPLIT = re.compile(rf"(?:{BESIDE})*({'|'.join(sorted(WORDS, key=len, reverse=True))})(?:{BESIDE})*")

NO_CLASSES = frozenset(["annotations", "images", "imgs", "jpegimages", "labels", "mask", "masks", "segmentations"])
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


def read_layout(folder: Path, listing: Listing, chosen: Mapping[str, str] | None = None) -> Layout:
    """
    Args:
        folder: which was listed.
        listing: of its pictures.
        chosen: {folder's name: split}, where the user says which is which; all other folders are left out.

    Raises:
        ProjectError: no two classes, or folders that may be one or the other.
    """
    top = content(folder, listing.pictures)
    tree = Tree.of(top, listing)
    tree.check_emptied()
    splits = chosen_splits(tree, chosen) if chosen else named_splits(tree)
    if not splits:
        check_are_classes(tree)
        return Layout(top, {}, tree.places(), tree.notes_of_rest())
    by_split: dict[str, list[str]] = {}
    for name, split in splits.items():
        by_split.setdefault(split, []).append(name)
    places = {split: tree.below(by_split[split]) for split in SPLITS if split in by_split}
    notes = [f"{name}/ is taken as {split}" for name, split in splits.items() if name.lower() != split]
    return Layout(top, places, {}, notes + tree.notes_beside(set(splits)) + tree.notes_of_rest())


def content(folder: Path, pictures: list[Path]) -> Path:
    """`folder`, or the one folder in it that holds all else (archives like to wrap their content in one)."""
    inner = {path.relative_to(folder).parts[:2] for path in pictures}
    names = {parts[0] for parts in inner}
    (name,) = names if len(names) == 1 else ("",)
    wrapped = name and split_of(name) is None and all(len(path.relative_to(folder).parts) > 2 for path in pictures)
    return content(folder / name, pictures) if wrapped else folder


@dataclass(frozen=True)
class Tree:
    """A folder, and the pictures in each folder in it."""

    top: Path
    folders: dict[str, list[tuple[str, ...]]]  # name: each picture's path below it
    loose: list[Path]  # pictures in no folder
    others: dict[str, Counter[str]]  # folders without a picture: what is in them, by reason

    @classmethod
    def of(cls, top: Path, listing: Listing) -> "Tree":
        folders: defaultdict[str, list[tuple[str, ...]]] = defaultdict(list)
        loose = []
        for path in listing.pictures:
            name, *rest = path.relative_to(top).parts
            if rest:
                folders[name].append(tuple(rest))
            else:
                loose.append(path)
        others = {
            path.name: Counter[str]()
            for path in sorted(top.iterdir())
            if path.is_dir() and path.name not in folders and not is_of_a_system(path.name)
        }
        for reason, paths in listing.left_out.files.items():
            for left in paths:
                if left.is_relative_to(top) and (name := left.relative_to(top).parts[0]) in others:
                    others[name][reason] += 1
        return cls(top, dict(sorted(folders.items())), loose, others)

    def check_emptied(self) -> None:
        """A folder of nothing but what people take for pictures is a class that would be missed."""
        for name, reasons in self.others.items():
            for reason, count in reasons.items():
                if reason not in REASONS:
                    raise ProjectError(f"{self.top / name}: no picture, but {count} files, each {reason}")

    def inner(self, name: str) -> set[str]:
        """The folders with pictures in the folder `name`."""
        return {rest[0] for rest in self.folders[name] if len(rest) > 1}

    def is_class(self, name: str) -> bool:
        """Whether more of its pictures lie in itself than below folders in it."""
        return 2 * sum(len(rest) == 1 for rest in self.folders[name]) > len(self.folders[name])

    def places(self) -> Places:
        """Of the folders as classes."""
        return {
            "/".join((name, *rest)): self.top.joinpath(name, *rest)
            for name, pictures in self.folders.items()
            for rest in pictures
        }

    def below(self, names: list[str]) -> Places:
        """Of the classes in these folders, together; with several, a file's name is not enough."""
        return {
            "/".join((rest[0], *((name,) if len(names) > 1 else ()), *rest[1:])): self.top.joinpath(name, *rest)
            for name in names
            for rest in self.folders[name]
            if len(rest) > 1
        }

    def notes_beside(self, splits: set[str]) -> list[str]:
        """What is left out of and beside the folders that are splits."""
        notes = []
        for name, pictures in self.folders.items():
            if name not in splits:
                notes.append(f"left out: {name}/, {len(pictures)} pictures beside the folders of splits")
            elif loose := [rest[0] for rest in pictures if len(rest) == 1]:
                notes.append(f"left out: {len(loose)} pictures of {name}/ in no class's folder ({some(loose)})")
        return notes

    def notes_of_rest(self) -> list[str]:
        """What is left out beside all folders with pictures, and what looks like no picture to train on."""
        notes = []
        if masks := masks_among({Path(*rest).as_posix() for pictures in self.folders.values() for rest in pictures}):
            notes.append(f"warning: {len(masks)} pictures are called as masks of others, and train too: {some(masks)}")
        if self.loose:
            names = some([path.name for path in self.loose])
            notes.append(f"left out: {len(self.loose)} pictures beside the folders ({names})")
        if self.others:
            notes.append(f"left out: {len(self.others)} folders without pictures ({some([*self.others])})")
        return notes


def masks_among(files: set[str]) -> list[str]:
    """Those called as another one, with "mask" or the like behind: scan.png and scan_mask.png."""
    found = []
    for file in sorted(files):
        if (of := MASK.sub(r"\1", file)) != file and of in files:
            found.append(file)
    return found


def named_splits(tree: Tree) -> dict[str, str]:
    """{folder: split}, of those that hold folders and whose names say so.

    Raises:
        ProjectError: two are of one split.
    """
    splits = {name: split for name in tree.folders if (split := split_of(name)) and not tree.is_class(name)}
    for split in SPLITS:
        if len(same := [name for name in splits if splits[name] == split]) > 1:
            raise ProjectError(
                f"{tree.top}: {' and '.join(f'{name}/' for name in same)} are both {split}; keep one of them, or say"
                f" which are which: {options(tree)}"
            )
    return splits


def chosen_splits(tree: Tree, chosen: Mapping[str, str]) -> dict[str, str]:
    for name in chosen:
        if name not in tree.folders:
            raise ProjectError(f"{tree.top} has no folder {name} with pictures; it has {some([*tree.folders], 20)}")
        if tree.is_class(name):
            raise ProjectError(f"{tree.top / name}: expected folders, one per class; it holds pictures itself")
    return dict(chosen)


def check_are_classes(tree: Tree) -> None:
    """
    Raises:
        ProjectError: all folders hold the same folders, or are called as splits; or they are less than two.
    """
    names = list(tree.folders)
    if len(names) < 2:
        found = ", ".join(f"{name}/ ({len(pictures)} images)" for name, pictures in tree.folders.items())
        found = ", ".join([found or "no folders", *(f"{name}/ (0 images)" for name in tree.others)])
        raise ProjectError(f"{tree.top}: expected two or more folders of images, one per class; found {found}")
    if all(name.lower() in NO_CLASSES for name in names):
        raise ProjectError(
            f"{tree.top}: {some(names)} are no classes, but what is shown and what is marked in it: sort the pictures"
            " into folders, one per class, or name their classes in a table (--labels FILE.csv)"
        )
    if not any(map(tree.is_class, names)):
        common = set.intersection(*map(tree.inner, names))
        if len(common) > 1:
            raise ProjectError(
                f"{tree.top}: the folders {some(names)} all hold the folders {some(sorted(common))}, so they are no"
                f" classes. If they are splits, say which are which: {options(tree)}; else leave one kind of folder in"
            )
    if "train" in (splits := [split_of(name) for name in names]) and None not in splits:
        raise ProjectError(
            f"{tree.top}: {some(names)} are called as splits, and have no class folders in them: name the classes in a"
            " table (--labels FILE.csv), or rename the folders if they are the classes"
        )


def options(tree: Tree) -> str:
    guesses = [(name, split_of(name) or SPLITS[min(number, 1)]) for number, name in enumerate(tree.folders)]
    return " ".join(f"--split {name}={split}" for name, split in guesses[:3])
