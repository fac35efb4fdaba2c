"""Puts images of one's own at data/raw/NAME and NAME into params.yaml, if the graph can go through them."""

import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from scripts.adding.entry import add_entry
from scripts.adding.labels import by_name, by_table
from scripts.adding.survey import survey
from stages.arrange import arrangement, check_classes, check_leaks, check_names
from stages.datasets.archive import unpack_pictures
from stages.datasets.settings import Dataset, dataset_name
from stages.ground import paths
from stages.ground.errors import ProjectError
from stages.ground.files import remove, sha256, written_whole
from stages.ground.params import PARAMS_FILE
from stages.ground.runtime import Runtime
from stages.pictures.picture import find_pictures, of_each, open_picture
from stages.settings import Params, load_params


def add_images(name: str, source: Path, table: Path | None, allow_duplicates: bool = False) -> None:
    """Copy the pictures of `source`, a folder or a zip file, print what they are and what to do next.

    Raises:
        ProjectError: what arrange@NAME would refuse, or a name or place that is taken; nothing was changed then.
    """
    params = load_params()
    check_free(name, source, params)
    raw, settings = paths.raw(name), Dataset()
    with folder_of(source, params.runtime.unpack_limit_gib) as folder, naming(folder, source):
        places = by_table(folder, table) if table else by_folder(folder)
        sizes = sizes_of(folder, list(places.values()), params.runtime)
        with written_whole(raw) as part, naming(part, source):
            for place, path in places.items():
                (part / place).parent.mkdir(parents=True, exist_ok=True)
                shutil.copyfile(path, part / place)
            plan = arrangement(part, settings)
            check_names(part, plan)
            check_classes(part, plan)
            digests = {place: sha256(path) for place, path in plan.items()}
            if not allow_duplicates:
                check_leaks(part, digests, "add them with --allow-duplicates")
            lines = list(survey(name, digests, sizes, params.variants))
            left_out = len(find_pictures(folder)) - len(places)
    try:
        versioned = version(raw)
        entry = [f"{name}:", "  allow_duplicates: true"] if allow_duplicates else [f"{name}: {{}}"]
        add_entry("datasets", entry)
    except BaseException:
        remove(raw)
        remove(dvc_file(raw))
        raise
    print("\n".join(lines))
    if left_out:
        print(f"left out: {left_out} pictures that are in no class{' by ' + str(table) if table else ''}")
    print(f"\nThey are copied to {raw}; {PARAMS_FILE} has {name} under datasets. Next:")
    print("\n".join(f"  {command}" for command in next_commands(name, versioned, list(params.models))))


def check_free(name: str, source: Path, params: Params) -> None:
    try:
        dataset_name(name)
    except ValueError as error:
        raise ProjectError(f"{name!r} cannot be the name of a data set: {error}") from error
    if name in params.datasets:
        raise ProjectError(f"{PARAMS_FILE} has a data set {name} already; choose another name")
    raw, place = paths.raw(name).resolve(), source.resolve()
    if place == raw or place in raw.parents or raw in place.parents:
        raise ProjectError(
            f"{source}: the images are copied to {paths.raw(name)}, so they cannot lie there or around it; move them"
            " elsewhere first"
        )
    for taken in (paths.raw(name), dvc_file(paths.raw(name)), paths.images(name)):
        if taken.exists():
            raise ProjectError(f"{taken} is there already; choose another name, or remove it")


@contextmanager
def folder_of(source: Path, limit_gib: float) -> Iterator[Path]:
    """`source` itself, or a folder with the pictures of the zip file that it is, for as long as it is needed."""
    if source.is_dir():
        yield source
        return
    if not source.is_file():
        raise ProjectError(f"{source} is not there; expected a folder of images or a zip file")
    paths.SCRATCH.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="add-", dir=paths.SCRATCH) as folder:
        try:
            unpack_pictures(source, Path(folder), limit_gib)
        except ProjectError as error:
            raise ProjectError(f"{source}: {error}") from error
        yield Path(folder)


@contextmanager
def naming(folder: Path, shown: Path) -> Iterator[None]:
    """Errors speak of `shown`, which the user knows, in the place of `folder`."""
    try:
        yield
    except ProjectError as error:
        raise ProjectError(str(error).replace(str(folder), str(shown))) from error


def by_folder(folder: Path) -> dict[str, Path]:
    """`{"CLASS/FILE": path, …}`, or with splits above, of the pictures that arrange takes."""
    pictures = find_pictures(folder)
    if not pictures:
        raise ProjectError(f"{folder}: no pictures are below it; expected two or more folders of them, one per class")
    if len({path.parent for path in pictures}) == 1:
        return by_name(folder, pictures)
    return {path.relative_to(folder).as_posix(): path for path in arrangement(folder, Dataset()).values()}


def sizes_of(folder: Path, pictures: list[Path], runtime: Runtime) -> list[tuple[int, int]]:
    """Each picture's width and height in pixels, upright.

    Raises:
        ProjectError: pictures cannot be used; all of them are named.
    """

    def size(path: Path) -> tuple[int, int]:
        try:
            return open_picture(path).size
        except OSError as error:
            raise ProjectError(f"{path}: {error.strerror}") from error

    try:
        return of_each(pictures, size, runtime)
    except ProjectError as error:
        raise ProjectError(f"{folder}: {error}") from error


def dvc_file(raw: Path) -> Path:
    return raw.with_name(f"{raw.name}.dvc")


def version(raw: Path) -> bool:
    """`dvc add`, in a DVC project with Git: queued and temporary runs see only what Git tracks or DVC holds."""
    if not (Path(".dvc").is_dir() and Path(".git").exists()):
        return False
    command = [sys.executable, "-m", "dvc", "add", "--quiet", str(raw)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise ProjectError(f"dvc add {raw} failed: {done.stderr.strip()}")
    return True


def next_commands(name: str, versioned: bool, models: list[str]) -> list[str]:
    raw = paths.raw(name)
    if versioned:
        first = (
            f"git add {PARAMS_FILE} {dvc_file(raw)}   # dvc add {raw} is done: DVC keeps the images, Git their version"
        )
    else:
        first = f"dvc add {raw}   # in a project with Git: DVC keeps the images, Git their version"
    return [first, *(f"dvc repro draw@{model}-{name}" for model in models)]
