"""Fetch a data set's archive and unpack its pictures.

In:  downloads.DATASET, and the data set's manifest, if it has one, to refuse a wrong archive
Out: data/raw/DATASET/, the pictures in the archive's own folders
"""

from pathlib import Path

from stages.common import paths
from stages.common.archive import unpack_pictures
from stages.common.cli import run
from stages.common.fetch import fetch
from stages.common.files import written_whole
from stages.common.manifest import locate
from stages.common.params import known_as, load_params
from stages.common.pictures import find_pictures


def main(dataset: str) -> None:
    params = load_params()
    download = known_as("downloads", params.downloads, dataset)
    manifest = params.datasets[dataset].manifest

    def accept(archive: Path) -> None:
        with written_whole(paths.raw(dataset)) as folder:
            unpack_pictures(archive, folder, params.runtime.unpack_limit_gib)
            if manifest:
                locate(manifest, folder)

    fetch(download.urls, accept, params.runtime.progress)
    print(f"{paths.raw(dataset)}: {len(find_pictures(paths.raw(dataset)))} pictures")


if __name__ == "__main__":
    run(main)
