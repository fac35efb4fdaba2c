"""Fetch a data set's archive and unpack its pictures.

In:  downloads.DATASET, and the data set's manifest, if it has one, to refuse a wrong archive
Out: data/raw/DATASET/, the pictures in the archive's own folders
"""

import shutil
import zipfile
from pathlib import Path, PurePosixPath

from stages.common import paths
from stages.common.cli import run
from stages.common.errors import ProjectError
from stages.common.fetch import fetch
from stages.common.files import written_whole
from stages.common.manifest import locate
from stages.common.params import known_as, load_params
from stages.common.pictures import find_pictures, is_picture


def main(dataset: str) -> None:
    params = load_params()
    download = known_as("downloads", params.downloads, dataset)
    manifest = params.datasets[dataset].manifest

    def accept(archive: Path) -> None:
        with written_whole(paths.raw(dataset)) as folder:
            unpack(archive, folder)
            if manifest:
                locate(manifest, folder)

    fetch(download.urls, accept, params.runtime.progress)
    print(f"{paths.raw(dataset)}: {len(find_pictures(paths.raw(dataset)))} pictures")


def unpack(archive: Path, folder: Path) -> None:
    """Write the pictures of a zip file, and nothing else, into `folder`.

    Raises:
        ProjectError: not a whole zip file, no pictures in it, or a member that points outside `folder`;
            that is found before anything is written.
    """
    try:
        with zipfile.ZipFile(archive) as zipped:
            members = [member for member in zipped.infolist() if not member.is_dir()]
            pictures = [(member, folder / _safe(member.filename)) for member in members if _wanted(member)]
            if not pictures:
                raise ProjectError(f"no pictures among its {len(members)} files")
            for member, target in pictures:
                target.parent.mkdir(parents=True, exist_ok=True)
                with zipped.open(member) as source, target.open("wb") as file:
                    shutil.copyfileobj(source, file)
    except (zipfile.BadZipFile, EOFError, NotImplementedError, RuntimeError) as error:
        raise ProjectError(f"not a zip file that can be unpacked ({error})") from error


def _wanted(member: zipfile.ZipInfo) -> bool:
    path = PurePosixPath(member.filename)
    return is_picture(Path(path)) and path.parts[0] != "__MACOSX"


def _safe(name: str) -> PurePosixPath:
    path = PurePosixPath(name.replace("\\", "/"))
    if path.is_absolute() or ".." in path.parts or ":" in path.parts[0]:
        raise ProjectError(f"the archive's member {name!r} points outside its folder; nothing was unpacked")
    return path


if __name__ == "__main__":
    run(main)
