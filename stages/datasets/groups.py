"""Which images belong together, and on one side of a split: those of one person, animal, specimen or burst."""

import re
from collections.abc import Mapping
from pathlib import Path

from stages.datasets.settings import Dataset
from stages.ground import paths
from stages.ground.errors import ProjectError, some
from stages.ground.files import sha256, written_whole

LINE = re.compile(r"([0-9a-f]{64}) +(\S.*)")


def group_names(settings: Dataset, images: Mapping[str, Path | str], of: object) -> dict[str, str] | None:
    """{place: name of its group}, of images at these places; None where the data set has no groups.

    `images` is {place: the file or, where it is known, its sha256}. Errors name `of`.

    Raises:
        ProjectError: an image has none.
    """
    if settings.groups:
        by_content = read_groups(settings.groups)
        found = {
            place: by_content.get(sha256(file) if isinstance(file, Path) else file) for place, file in images.items()
        }
        expected = f"a line for each image in {paths.MANIFESTS / settings.groups}"
    elif settings.group_pattern:
        found = {place: _matched(settings.group_pattern, Path(place).name) for place in images}
        expected = f"names of files in which its group_pattern ({settings.group_pattern}) finds something"
    else:
        return None
    if without := [place for place, name in found.items() if name is None]:
        raise ProjectError(f"{of}: expected {expected}; {len(without)} have none: {some(without)}")
    return {place: name for place, name in found.items() if name is not None}


def read_groups(file: str) -> dict[str, str]:
    """{sha256: name of the group} of data/manifests/FILE: a checksum, a space and the group's name in each line."""
    path, groups = paths.MANIFESTS / file, {}
    if not path.is_file():
        raise ProjectError(f"{path} is not there: the file of groups that params.yaml names")
    for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), start=1):
        match = LINE.fullmatch(line)
        if match is None:
            raise ProjectError(
                f"{path}, line {number}: expected a sha256, a space and a group's name; received {line[:90]!r}"
            )
        groups[match[1]] = match[2]
    return groups


def write_groups(path: Path, groups: Mapping[str, str]) -> None:
    """{sha256: name of the group}, as read_groups reads it."""
    with written_whole(path) as part:
        part.write_text("".join(f"{digest}  {name}\n" for digest, name in groups.items()), encoding="utf-8")


def _matched(pattern: str, name: str) -> str | None:
    match = re.search(pattern, name)
    return (match[match.re.groups and 1] if match else None) or None
