"""Manifests: `sha256sum` lists that say by content which image goes where.

    3238568557b6136ee97388a7ee2737d62fe4f2b1ee554993bff79216341a0951  train/ants/0013035.jpg

After the graph has run, `cd data/NAME && sha256sum -c ../manifests/NAME.sha256` checks every image.
"""

import re
from pathlib import Path

from stages.ground import paths
from stages.ground.errors import ProjectError, some
from stages.ground.files import sha256
from stages.pictures.listing import find_pictures

LINE = re.compile(r"([0-9a-f]{64}) [ *]((train|val|test)/[^/\\]+/[^/\\]+)")


def read_manifest(name: str) -> dict[str, str]:
    """`{"train/ants/0013035.jpg": sha256, …}` of data/manifests/NAME."""
    path = paths.MANIFESTS / name
    entries = {}
    for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), start=1):
        match = LINE.fullmatch(line)
        if match is None or match[2] in entries:
            raise ProjectError(
                f"{path}, line {number}: expected a sha256, two spaces and {{train,val,test}}/CLASS/FILE, once each;"
                f" received {line[:90]!r}"
            )
        entries[match[2]] = match[1]
    return entries


def locate(name: str, raw: Path) -> dict[str, Path]:
    """`{"train/ants/0013035.jpg": path below raw, …}`: each line of the manifest, found by content.

    Raises:
        ProjectError: with the number and the names of the images that are not there as they should be.
    """
    entries = read_manifest(name)
    by_content = {sha256(path): path for path in find_pictures(raw)}
    missing = [target for target, digest in entries.items() if digest not in by_content]
    if missing:
        raise ProjectError(
            f"{len(missing)} of the {len(entries)} images in {paths.MANIFESTS / name} are missing or changed:"
            f" {some(missing)}"
        )
    return {target: by_content[digest] for target, digest in entries.items()}
