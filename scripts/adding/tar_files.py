"""Puts in tar files of pictures: copied from a folder, or left at a place that fsspec reads."""

import re
from collections.abc import Mapping, Sequence
from pathlib import Path, PurePosixPath

from scripts.adding.data_set import check_name, check_not_there, put_in
from scripts.adding.survey import survey
from stages.arrange import InShards, kept_shard, shard_paths, torn_groups
from stages.datasets.groups import group_names
from stages.datasets.layout import SPLITS, likely_split, split_of
from stages.datasets.settings import Dataset
from stages.datasets.shards import check_splits
from stages.ground import paths
from stages.ground.errors import ProjectError, some
from stages.ground.files import written_whole
from stages.ground.params import PARAMS_FILE, checked
from stages.ground.places import BLOCK, expanded, listed, open_place
from stages.ground.shards import SUFFIX
from stages.pictures.listing import LeftOut, files_below
from stages.settings import Params, load_params

NUMBER = re.compile(r"[-_. ]*\d+([-_.]of[-_.]\d+)?$")  # at the end of a tar file's name
LIST = "tar_files.txt"

Shards = dict[str, list[str]]  # {split: places of tar files}


def tar_files(folder: Path) -> list[str]:
    return [path.as_posix() for path in files_below(folder, LeftOut()) if path.suffix == SUFFIX]


def put_tar_files(
    name: str,
    folder: Path,
    places: Sequence[str],
    splits: Mapping[str, str],
    part: Path,
    entry: Mapping[str, object],
    params: Params,
) -> list[str]:
    """Copy those of `folder` to `part`, by split, and look through them on the way: lines on what they are.

    Raises:
        ProjectError: nothing says their splits, or arrange@NAME would refuse them.
    """
    settings: Dataset = checked(entry, Dataset, PARAMS_FILE)
    shards = chosen(folder.as_posix(), splits) if splits else by_split(folder.as_posix(), places)
    taken = InShards()
    for split, place, path in shard_paths(shards, part):
        taken.add(split, path.name, kept_shard(place, path, True, params.runtime, lambda _: True))
    taken.check(part, settings.allow_duplicates, "add them with --allow-duplicates")
    groups = group_names(settings, taken.digests, part)
    return [*survey(name, taken.examined, params), torn_groups(groups) or "", *taken.notes()]


def add_place(name: str, top: str, splits: Mapping[str, str], entry: Mapping[str, object]) -> None:
    """Put in what lies there as `shards`. It is opened, and read no further: arrange@NAME does that, once.

    Raises:
        ProjectError: a name that is taken, a place that cannot be read, or unknown splits; nothing was changed then.
    """
    params, top = load_params(), top.rstrip("/")
    check_name(name, params)
    check_not_there(name)
    if splits:
        named = chosen_names(top, splits)
    else:
        found = by_split(top, [place for place in listed(top) if place.endswith(SUFFIX)])
        named = {split: in_a_range(places) for split, places in found.items()}
    entry = {**entry, "shards": named}
    checked(entry, Dataset, PARAMS_FILE)
    shards = {split: [of for place in places for of in expanded(place)] for split, places in named.items()}
    there = [place for _, place, _ in shard_paths(shards, Path())]
    for place in there:
        with open_place(place) as file:
            if place in [places[0] for places in shards.values()]:
                file.seek(BLOCK)
                file.read(1)  # only then a server shows whether it gives parts
    with put_in(name, entry, params, f"They stay where they are; {paths.raw(name)} has a list of them") as said:
        with written_whole(paths.raw(name)) as part:
            part.mkdir()
            (part / LIST).write_text("".join(f"{place}\n" for place in there), encoding="utf-8")
        said += [f"{split}: {len(places)} tar files, {some(places, 2)}" for split, places in shards.items()]


def by_split(top: str, places: Sequence[str]) -> Shards:
    """By the folder in `top` that each lies in, if that is called as a split, else by its own name without its number:
    imagenet1k-train-0000.tar.

    Raises:
        ProjectError: there are none, neither says it, or none are of train or of val.
    """
    found: Shards = {split: [] for split in SPLITS}
    unknown: list[str] = []
    for place in places:
        inside = PurePosixPath(place.removeprefix(top).lstrip("/"))
        split = split_of(inside.parent.name) or likely_split(NUMBER.sub("", inside.stem))
        (found[split] if split else unknown).append(place)
    if unknown or not places:
        what = f"neither folders nor names say which of its {SUFFIX} files train ({some(unknown)})"
        raise ProjectError(
            f"{top}: {what if places else f'no {SUFFIX} files are listed there'}; say so, by their names in it:"
            " --split 'a-*.tar=train' --split 'b-{000..146}.tar=val'"
        )
    check_splits(found, top)
    return {split: of for split, of in found.items() if of}


def chosen_names(top: str, splits: Mapping[str, str]) -> Shards:
    """{split: patterns}, of {pattern of tar files in `top`, or a folder of them: split}."""
    found: Shards = {split: [] for split in SPLITS if split in splits.values()}
    for pattern, split in splits.items():
        found[split].append(f"{top}/{pattern}" if pattern.endswith(SUFFIX) else f"{top}/{pattern}/*{SUFFIX}")
    check_splits(found, top)
    return found


def chosen(top: str, splits: Mapping[str, str]) -> Shards:
    """The same, each tar file by its name."""
    return {
        split: [of for place in places for of in expanded(place)] for split, places in chosen_names(top, splits).items()
    }


def in_a_range(places: Sequence[str]) -> list[str]:
    """The same, as train-{000..146}.tar if they are numbered without a gap."""
    for number in re.finditer(r"\d+", places[0]):
        head, tail = places[0][: number.start()], places[0][number.end() :]
        numbers = [place.removeprefix(head).removesuffix(tail) for place in places]
        if len(places) > 1 and all(number.isdecimal() for number in numbers):
            first, *_, last = sorted(numbers, key=int)
            pattern = f"{head}{{{first}..{last}}}{tail}"
            if sorted(expanded(pattern)) == sorted(places):
                return [pattern]
    return list(places)
