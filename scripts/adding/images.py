"""Puts images of one's own at data/raw/NAME and NAME into params.yaml, if the graph can go through them."""

import shutil
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

from scripts.adding.data_set import check_name, check_not_there, groups_file, put_in
from scripts.adding.labels import KAGGLES, Found, by_name, by_table
from scripts.adding.survey import survey
from scripts.adding.tar_files import check_no_archive, put_tar_files, tar_files
from stages.arrange import arrangement, check_classes, check_leaks, digests, torn_groups
from stages.datasets.archive import unpack_pictures
from stages.datasets.groups import group_names, write_groups
from stages.datasets.layout import read_layout, split_of
from stages.datasets.settings import Dataset
from stages.datasets.shards import check_one_kind
from stages.ground import paths
from stages.ground.errors import ProjectError
from stages.ground.files import written_whole
from stages.ground.params import PARAMS_FILE, checked
from stages.ground.runtime import Runtime
from stages.ground.shards import SUFFIX
from stages.pictures.examined import Examined, examine
from stages.pictures.listing import LeftOut, Listing, list_folder
from stages.pictures.picture import of_each
from stages.settings import Params, load_params


def add_images(
    name: str,
    source: Path,
    table: Path | None = None,
    allow_duplicates: bool = False,
    splits: Mapping[str, str] | None = None,
    group_pattern: str | None = None,
) -> None:
    """Copy the pictures of `source`, a folder or a zip file, print what they are and what to do next.

    Args:
        name: of the data set.
        source: is only read; it may have tar files in the place of pictures.
        table: of labels, where no folders say them.
        allow_duplicates: whether a picture may train and validate.
        splits: {folder, or tar files: split}, where their names do not say it.
        group_pattern: a regular expression that finds in files' names what is to stay on one side of a split.

    Raises:
        ProjectError: what arrange@NAME would refuse, or a name or place that is taken; nothing was changed then.
    """
    params = load_params()
    check_free(name, source, params)
    entry = settings_of(allow_duplicates, group_pattern)
    with (
        put_in(name, entry, params, f"They are copied to {paths.raw(name)}") as said,
        folder_of(source, params.runtime.unpack_limit_gib) as (folder, left_out),
        naming(folder, source),
    ):
        listing = list_folder(folder, left_out=left_out)
        tars, others = ([], LeftOut()) if listing.pictures else tar_files(folder)
        if tars and table:
            raise ProjectError(f"{table}: {source} has tar files, which say themselves what is in them; leave it out")
        found = None if tars else by_table(folder, table, listing) if table else by_folder(folder, listing, splits)
        with written_whole(paths.raw(name)) as part, naming(part, source):
            if found:
                said += put_pictures(name, found, listing.left_out.lines(), part, entry, params)
            else:
                said += put_tar_files(name, folder, (tars, others), splits or {}, part, entry, params)


def settings_of(allow_duplicates: bool, group_pattern: str | None) -> dict[str, object]:
    """The data set's entry, as far as options say it."""
    entry: dict[str, object] = {"group_pattern": group_pattern} if group_pattern else {}
    entry |= {"allow_duplicates": True} if allow_duplicates else {}
    checked(entry, Dataset, Path("--group-pattern"))
    return entry


def put_pictures(
    name: str, found: Found, left_out: Sequence[str], part: Path, entry: dict[str, object], params: Params
) -> Iterator[str]:
    """Copy them to `part`: lines on what they are. Where their table has groups, the entry gets a file of these."""
    for place, path in found.places.items():
        (part / place).parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(path, part / place)
    examined = examine_all(part, [part / place for place in found.places], params.runtime)
    if found.groups:
        write_groups(groups_file(name), {examined[part / at].sha256: of for at, of in found.groups.items()})
        entry |= {"groups": groups_file(name).name}
    settings: Dataset = checked(entry, Dataset, PARAMS_FILE)
    plan, notes = arrangement(part, settings)
    check_classes(part, plan)
    pictures = {place: examined[path] for place, path in plan.items()}
    if not settings.allow_duplicates:
        check_leaks(part, digests(pictures), "add them with --allow-duplicates")
    yield from survey(name, pictures, params)
    yield torn_groups(group_names(settings, plan, part)) or ""
    yield from (*found.notes, *left_out, *notes)


def check_free(name: str, source: Path, params: Params) -> None:
    check_name(name, params)
    raw, place = paths.raw(name).resolve(), source.resolve()
    if place == raw or place in raw.parents or raw in place.parents:
        raise ProjectError(
            f"{source}: the images are copied to {paths.raw(name)}, so they cannot lie there or around it; move them"
            " elsewhere first"
        )
    check_not_there(name)


@contextmanager
def folder_of(source: Path, limit_gib: float) -> Iterator[tuple[Path, LeftOut]]:
    """`source` itself, or a folder with the pictures of the zip file that it is, for as long as it is needed; and what
    was left out of that."""
    if source.is_dir():
        yield source, LeftOut()
        return
    if not source.is_file():
        raise ProjectError(f"{source} is not there; expected a folder of images or a zip file")
    if source.suffix == SUFFIX:
        check_no_archive(str(source))
    paths.SCRATCH.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="add-", dir=paths.SCRATCH) as folder:
        try:
            left_out = unpack_pictures(source, Path(folder), limit_gib)
        except ProjectError as error:
            raise ProjectError(f"{source}: {error}") from error
        yield Path(folder), left_out


@contextmanager
def naming(folder: Path, shown: Path) -> Iterator[None]:
    """Errors speak of `shown`, which the user knows, in the place of `folder`."""
    try:
        yield
    except ProjectError as error:
        raise ProjectError(str(error).replace(str(folder), str(shown))) from error


def by_folder(folder: Path, listing: Listing, splits: Mapping[str, str] | None) -> Found:
    """The pictures that arrange takes, as their folders have them."""
    if not listing.pictures:
        found = "".join(f"; {line}" for line in listing.left_out.lines())
        raise ProjectError(
            f"{folder}: no pictures are below it; expected two or more folders of them, one per class{found}"
        )
    check_no_tar_files(folder, listing.pictures)
    if not splits and (flat := unsorted(listing.pictures)):
        return by_name(flat, listing.pictures)
    layout = read_layout(folder, listing, splits)
    by_split = {f"{split}/{place}": path for split, places in layout.splits.items() for place, path in places.items()}
    return Found(by_split or layout.classes, layout.notes)


def check_no_tar_files(folder: Path, pictures: list[Path]) -> None:
    """
    Raises:
        ProjectError: there are, and these few pictures in no class folders are not what is meant.
    """
    may_be_classes = {path.parent for path in pictures if not split_of(path.parent.name)}
    if len(may_be_classes) < 2 and not all(KAGGLES.fullmatch(path.name) for path in pictures) and tar_files(folder)[0]:
        check_one_kind(folder, pictures)


def unsorted(pictures: list[Path]) -> dict[Path, str] | None:
    """The folder that holds all pictures, without a split; or train and val folders of files that are named by class,
    beside which test may have none, as on Kaggle."""
    parents = sorted({path.parent for path in pictures})
    if len(parents) == 1:
        return {parents[0]: ""}
    splits = {parent: split_of(parent.name) or "" for parent in parents}
    if len({parent.parent for parent in parents}) > 1 or not all(splits.values()) or "train" not in splits.values():
        return None
    unnamed = {path.parent for path in pictures if not KAGGLES.fullmatch(path.name)}
    taken = {parent: split for parent, split in splits.items() if not (split == "test" and parent in unnamed)}
    return None if unnamed & taken.keys() or len(set(taken.values())) < len(taken) else taken


def examine_all(folder: Path, pictures: list[Path], runtime: Runtime) -> dict[Path, Examined]:
    """What arrange will find of each picture, below `folder`.

    Raises:
        ProjectError: pictures cannot be used; they are named.
    """
    try:
        return dict(zip(pictures, of_each(pictures, examine, runtime), strict=True))
    except ProjectError as error:
        raise ProjectError(f"{folder}: {error}") from error
