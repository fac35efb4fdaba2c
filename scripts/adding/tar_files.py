"""Puts in tar files of pictures: copied from a folder, or left at a place that fsspec reads."""

import re
from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
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
from stages.ground.places import BLOCK, escaped, expanded, is_pattern, listed, open_place
from stages.ground.shards import SUFFIX
from stages.pictures.listing import SYSTEMS, LeftOut, files_below, passed_over
from stages.settings import Params, load_params

NUMBER = re.compile(r"[-_. ]*\d+([-_.]of[-_.]\d+)?$")  # at the end of a tar file's name
LIST = "tar_files.txt"
OTHER = f"no {SUFFIX} file"  # as LeftOut's reason
UNNAMED = "in no --split"
ARCHIVES = {  # by suffix: what to give in the place of one
    SUFFIX: "give the folder that it lies in, with tar files for train and for val; or unpack it, and give its folder",
    ".zip": "give a folder of tar files; or download it, and give the file",
}
SAY_SO = "say so, by their names in it: --split 'a-{000..146}.tar=train' --split 'b-{00..06}.tar=val'"

Shards = dict[str, list[str]]  # {split: places of tar files}


def check_no_archive(place: str) -> None:
    """
    Raises:
        ProjectError: by its name it is one file, which has no train and val in it.
    """
    if instead := ARCHIVES.get(PurePosixPath(place).suffix.lower()):
        raise ProjectError(f"{place} is one file: {instead}")


def tar_files(folder: Path) -> tuple[list[str], LeftOut]:
    """The user's tar files below it, and what else is there."""
    found: list[str] = []
    left_out = LeftOut()
    for path in files_below(folder, left_out):
        if path.suffix == SUFFIX:
            found.append(path.as_posix())
        else:
            left_out.add(OTHER, path)
    return found, left_out


def listed_tar_files(top: str) -> tuple[list[str], list[str]]:
    """The same of a remote folder, and lines on what else is there."""
    found: list[str] = []
    left_out = LeftOut()
    files, deeper = listed(top)
    for place in files:
        if place.endswith("/"):  # as S3 has folders that consoles made
            continue
        path = inside(top, place)
        hidden = any(passed_over(part, False) for part in path.parent.parts)
        reason = SYSTEMS if hidden else passed_over(path.name, True) or (OTHER if path.suffix != SUFFIX else None)
        if reason:
            left_out.add(reason, path)
        else:
            found.append(place)
    shown = [inside(top, place) for place in deeper]
    further = f"not looked into: {len(shown)} folders in folders ({some(shown)})" if shown else ""
    return found, [*left_out.lines(), further]


def inside(top: str, place: str) -> PurePosixPath:
    return PurePosixPath(place.removeprefix(top).lstrip("/"))


def put_tar_files(
    name: str,
    folder: Path,
    found: tuple[Sequence[str], LeftOut],
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
    places, left_out = found
    shards = chosen(folder.as_posix(), splits) if splits else by_split(folder.as_posix(), places)
    taken = InShards()
    for split, place, path in shard_paths(shards, part):
        taken.add(split, path.name, kept_shard(place, path, True, params.runtime, lambda _: True))
    taken.check(part, settings.allow_duplicates, "add them with --allow-duplicates")
    groups = group_names(settings, taken.digests, part)
    named = {Path(place) for of in shards.values() for place in of}
    for path in map(Path, places):
        if path not in named:
            left_out.add(UNNAMED, path)
    said = [*counted(shards), *taken.notes(), *left_out.lines()]
    return [*survey(name, taken.examined, params), torn_groups(groups) or "", *said]


def add_place(name: str, top: str, splits: Mapping[str, str], entry: Mapping[str, object]) -> None:
    """Put in what lies there as `shards`. It is opened, and read no further: arrange@NAME does that, once.

    Raises:
        ProjectError: a name that is taken, a place that cannot be read, or unknown splits; nothing was changed then.
    """
    params = load_params()
    check_name(name, params)
    check_not_there(name)
    check_no_archive(top)
    top = top.rstrip("/")
    check_plain([top])
    lines: list[str] = []
    if splits:
        named = chosen_names(top, splits)
    else:
        places, lines = listed_tar_files(top)
        check_plain(places)
        named = {split: in_a_range(of) for split, of in by_split(top, places).items()}
    entry = {**entry, "shards": named}
    checked(entry, Dataset, PARAMS_FILE)
    shards = one_by_one(named)
    there = [place for _, place, _ in shard_paths(shards, Path())]
    check_open(there, {places[0] for places in shards.values()}, params.runtime.workers)
    with put_in(name, entry, params, f"They stay where they are; {paths.raw(name)} has a list of them") as said:
        with written_whole(paths.raw(name)) as part:
            part.mkdir()
            (part / LIST).write_text("".join(f"{place}\n" for place in there), encoding="utf-8")
        said += [*counted(shards), *lines]


def check_plain(places: Sequence[str]) -> None:
    """
    Raises:
        ProjectError: what is written to params.yaml would be read as a pattern.
    """
    if odd := [place for place in places if is_pattern(place)]:
        raise ProjectError(
            f"{some(odd)}: names with *, ?, [ or {{1..3}} in them would stand for others in {PARAMS_FILE}; rename what"
            " is called so, or copy it to a folder"
        )


def check_open(places: Sequence[str], parts_of: Collection[str], workers: int) -> None:
    """Open each, and read in the middle of `parts_of`: only then a server shows whether it gives parts.

    Raises:
        ProjectError: of the first that cannot be read.
    """

    def check(place: str) -> None:
        with open_place(place) as file:
            if place in parts_of:
                file.seek(BLOCK)
                file.read(1)

    with ThreadPoolExecutor(workers) as threads:
        list(threads.map(check, places))


def counted(shards: Shards) -> list[str]:
    return [f"{split}: {len(places)} tar files, {some(places, 2)}" for split, places in shards.items()]


def by_split(top: str, places: Sequence[str]) -> Shards:
    """By the folder in `top` that each lies in, if that is called as a split, else by its own name without its number:
    imagenet1k-train-0000.tar.

    Raises:
        ProjectError: there are none, neither says it, they say two, or none are of train or of val.
    """
    if not places:
        raise ProjectError(f"{top}: no {SUFFIX} files are listed there; {SAY_SO}")
    said = {place: splits_of(inside(top, place)) for place in places}
    if torn := [place for place, splits in said.items() if len(splits) > 1]:
        raise ProjectError(f"{top}: folders and names say two splits of {some(torn)}; {SAY_SO}")
    if unknown := [place for place, splits in said.items() if not splits]:
        what = f"neither folders nor names say which of its {SUFFIX} files train ({some(unknown)})"
        raise ProjectError(f"{top}: {what}; {SAY_SO}")
    found = {split: [place for place in places if split in said[place]] for split in SPLITS}
    check_splits(found, top)
    return {split: of for split, of in found.items() if of}


def splits_of(path: PurePosixPath) -> set[str]:
    """What a tar file's folder and name say of its split; a word in the middle counts beside another only."""
    name = NUMBER.sub("", path.stem)
    said = {split for split in (split_of(path.parent.name), likely_split(name)) if split}
    words = {split for word in re.split("[^A-Za-z]+", name) if (split := split_of(word))}
    return said | words if said else said


def chosen_names(top: str, splits: Mapping[str, str]) -> Shards:
    """{split: patterns}, of {pattern of tar files in `top`, or a folder of them: split}."""
    found: Shards = {split: [] for split in SPLITS if split in splits.values()}
    for pattern, split in splits.items():
        found[split].append(f"{top}/{pattern}" if pattern.endswith(SUFFIX) else f"{top}/{pattern}/*{SUFFIX}")
    check_splits(found, top)
    return found


def chosen(top: str, splits: Mapping[str, str]) -> Shards:
    """The same, each tar file by its name."""
    try:
        return one_by_one(chosen_names(escaped(top), splits))
    except ProjectError as error:
        raise ProjectError(str(error).replace(escaped(top), top)) from error


def one_by_one(named: Shards) -> Shards:
    """Each tar file by its name.

    Raises:
        ProjectError: one is named twice, or a pattern finds none.
    """
    shards = {split: [of for place in places for of in expanded(place)] for split, places in named.items()}
    counts = Counter(place for places in shards.values() for place in places)
    if twice := [place for place, count in counts.items() if count > 1]:
        raise ProjectError(f"{some(twice)}: named twice; expected each tar file in one --split")
    return shards


def in_a_range(places: Sequence[str]) -> list[str]:
    """The same, as train-{000..146}.tar if they are numbered without a gap."""
    for number in re.finditer(r"\d+", places[0]):
        head, tail = places[0][: number.start()], places[0][number.end() :]
        numbers = [place.removeprefix(head).removesuffix(tail) for place in places]
        if len(places) > 1 and all(number.isdecimal() for number in numbers):
            first, *_, last = sorted(numbers, key=int)
            pattern = f"{head}{{{first}..{last}}}{tail}"
            if int(last) - int(first) + 1 == len(places) and sorted(expanded(pattern)) == sorted(places):
                return [pattern]
    return list(places)
