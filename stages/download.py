"""Fetch a data set's archive and unpack its pictures.

In:  downloads.DATASET, and the data set's manifest, if it has one, to refuse a wrong archive
Out: data/raw/DATASET/, the pictures in the archive's own folders
"""

from pathlib import Path

from stages.datasets.archive import unpack_pictures
from stages.datasets.manifest import locate
from stages.datasets.settings import Dataset
from stages.fetching.fetch import fetch
from stages.fetching.settings import Download
from stages.ground import paths
from stages.ground.cli import run
from stages.ground.files import written_whole
from stages.ground.params import load_entry
from stages.ground.runtime import load_runtime
from stages.pictures.listing import find_pictures


def main(dataset: str) -> None:
    runtime, download = load_runtime(), load_entry("downloads", Download, dataset)
    manifest = load_entry("datasets", Dataset, dataset).manifest

    def accept(archive: Path) -> None:
        with written_whole(paths.raw(dataset)) as folder:
            left_out = unpack_pictures(archive, folder, runtime.unpack_limit_gib)
            if manifest:
                locate(manifest, folder)
        print(*left_out.lines(), sep="\n", end="\n" if left_out.files else "")

    fetch(download.urls, accept, runtime.progress, dataset)
    print(f"{paths.raw(dataset)}: {len(find_pictures(paths.raw(dataset)))} pictures")


if __name__ == "__main__":
    run(main)
