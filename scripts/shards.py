"""Put a folder's pictures into tar files, by split: a few large files in place of very many small ones.

python -m scripts.shards FOLDER TARGET [--size 500]

FOLDER has train/CLASS/, val/CLASS/ and, where there are test images, test/CLASS/, as data/NAME has; TARGET gets
train/train-000000.tar, … with the members CLASS/FILE. The same pictures give the same bytes.
"""

import argparse
import tarfile
from collections.abc import Iterator, Sequence
from pathlib import Path

from stages.ground.cli import one_line_errors
from stages.ground.errors import ProjectError
from stages.ground.files import written_whole
from stages.preprocessing.splits import list_splits

MB = 1_000_000  # bytes


def main() -> None:
    parser = argparse.ArgumentParser(
        prog="python -m scripts.shards", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("folder", metavar="FOLDER", type=Path, help="it is only read")
    parser.add_argument("target", metavar="TARGET", type=Path, help="a folder that is not there yet")
    parser.add_argument("--size", metavar="MB", type=float, default=500, help="of a tar file, at most; 500 by itself")
    arguments = parser.parse_args()
    with one_line_errors():
        write_shards(arguments.folder, arguments.target, int(arguments.size * MB))


def write_shards(folder: Path, target: Path, size: int) -> None:
    """Say what was made of each split; a picture that is larger than `size`, in bytes, has a tar file of its own."""
    if target.exists():
        raise ProjectError(f"{target} is there already; choose another name, or remove it")
    if not (folder / "train").is_dir() or not (folder / "val").is_dir():
        raise ProjectError(f"{folder}: expected train/ and val/ in it, with a folder for each class in either")
    with written_whole(target) as part:
        for split, listed in list_splits(folder).items():
            count = 0
            for files in filled(listed.files, size):
                write_shard(part / split / f"{split}-{count:06}.tar", files, folder / split)
                count += 1
            print(f"{target / split}: {len(listed.files)} pictures in {count} tar files")


def filled(files: Sequence[Path], size: int) -> Iterator[list[Path]]:
    """In their order, as many as fit."""
    some: list[Path] = []
    left = size
    for path in files:
        length = path.stat().st_size
        if some and length > left:
            yield some
            some, left = [], size
        some.append(path)
        left -= length
    yield some


def write_shard(path: Path, files: Sequence[Path], folder: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with tarfile.open(path, "w", format=tarfile.PAX_FORMAT) as tar:
        for file in files:
            member = tarfile.TarInfo(file.relative_to(folder).as_posix())  # of nobody, and of no time
            member.size = file.stat().st_size
            with file.open("rb") as content:
                tar.addfile(member, content)


if __name__ == "__main__":
    main()
