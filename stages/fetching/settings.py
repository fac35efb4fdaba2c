"""The section downloads of params.yaml: where archives are."""

from pathlib import PurePosixPath
from urllib.parse import unquote, urlsplit

from stages.ground.params import Strict, Urls


class Download(Strict):
    """Where the archive with a data set's images is."""

    urls: Urls


def file_name(url: str) -> str:
    """Of what an address, a path or a place in a package leads to."""
    path = urlsplit(url).path if is_address(url) else url
    return unquote(PurePosixPath(path).name)


def is_address(url: str) -> bool:
    return url.startswith(("http://", "https://"))
