"""Downloads over http and https that go on where they were cut off.

What has come is kept in the git-ignored scratch folder until the file is whole, so that also a killed run
goes on. Proxies are those of the environment (http_proxy, https_proxy, no_proxy).
"""

import hashlib
import shutil
import time
from collections.abc import Iterator
from pathlib import Path

import requests
from requests.exceptions import ChunkedEncodingError, ConnectTimeout, ProxyError, SSLError
from tqdm import tqdm
from urllib3.exceptions import HTTPError, InvalidHeader, NewConnectionError
from urllib3.util import Retry

from stages.ground import paths
from stages.ground.errors import ProjectError, UnreachableError

CHUNK = 1 << 16  # bytes
CONNECT_TIMEOUT, STALL_TIMEOUT = 10, 60  # seconds; the second is the longest wait for the next byte
TRIES = 5  # in a row, without one new byte
FIRST_WAIT = 1.0  # seconds; each further wait is twice as long
PROXY_WANTS_A_LOGIN = 407
LONGEST_WAIT = 120  # seconds; a server that asks for more is given up


def download(url: str, target: Path, progress: bool = True) -> Path:
    """Download `url` to `target`.

    Time-outs, broken connections and the answers 429 and 5xx are tried again, after growing waits or after
    those that the server asks for; other answers, such as 403 and 404, are not, nor is a server that cannot be
    reached at all. What came before a connection broke for good is kept, and the next call goes on from there.

    Raises:
        UnreachableError: no server answered, it is not well, or the connection broke.
        ProjectError: the server answered, but not with the file.
    """
    part = paths.SCRATCH / "downloads" / f"{hashlib.sha256(url.encode()).hexdigest()[:16]}-{target.name}"
    part.parent.mkdir(parents=True, exist_ok=True)
    at_start = reached = _size(part)
    failures = 0  # in a row, without one new byte
    with requests.Session() as session:
        while True:
            try:
                _go_on(session, url, part, progress)
                break
            except (requests.RequestException, CutOffError) as error:
                failures = 1 if _size(part) > reached else failures + 1
                reached = max(reached, _size(part))
                if failures == TRIES or not _worth_another_try(error, came=reached > at_start):
                    kind = UnreachableError if _of_the_way(error) else ProjectError
                    raise kind(_reason(error)) from error
                asked = _asked_wait(error)
                time.sleep(FIRST_WAIT * 2 ** (failures - 1) if asked is None else asked)
    shutil.move(part, target)  # which may be on another disk
    _validator_file(part).unlink(missing_ok=True)
    return target


class CutOffError(Exception):
    """The body ended before its announced length, or was no part of the file that it should continue."""


def _go_on(session: requests.Session, url: str, part: Path, progress: bool) -> None:
    """Ask for what is missing of `part`, and for all if the server has another file by now or cannot do that."""
    headers, validator = {"Accept-Encoding": "identity"}, _validator_file(part)
    if _size(part) and validator.exists():
        headers |= {"Range": f"bytes={_size(part)}-", "If-Range": validator.read_text(encoding="utf-8")}
    with session.get(url, stream=True, headers=headers, timeout=(CONNECT_TIMEOUT, STALL_TIMEOUT)) as response:
        goes_on = response.status_code == 206
        if response.status_code == 416 or (goes_on and not _continues(response, part)):
            part.unlink(missing_ok=True)
            raise CutOffError("the server has another file by now")
        response.raise_for_status()
        if "text/html" in response.headers.get("Content-Type", ""):
            raise ProjectError("the server answered with a web page in place of the file")
        if not goes_on:
            part.unlink(missing_ok=True)  # first: no part may ever lie beside another version's validator
            _remember_validator(response, validator)
        total = response.headers.get("Content-Range" if goes_on else "Content-Length", "").rpartition("/")[2]
        expected = int(total) if total.isdecimal() and not _encoded(response) else None
        bar = tqdm(
            total=expected, initial=_size(part), desc=url.rpartition("/")[2], unit="B", unit_scale=True,
            disable=None if progress else True,
        )  # fmt: skip
        with bar, part.open("ab") as file:
            for chunk in _body(response):
                file.write(chunk)
                bar.update(len(chunk))
    if expected is not None and _size(part) != expected:
        raise CutOffError(f"expected {expected} bytes, received {_size(part)}")


def _body(response: requests.Response) -> Iterator[bytes]:
    """The body as it comes in; iter_content forgets what it has of a chunk when the connection breaks."""
    try:
        while chunk := response.raw.read1(CHUNK, decode_content=True):
            yield chunk
    except HTTPError as error:
        raise ChunkedEncodingError(error) from error


def _continues(response: requests.Response, part: Path) -> bool:
    """Not all servers heed If-Range, or send the range that they were asked for."""
    at_its_end, file = f"bytes {_size(part)}-", _validator_file(part)
    same_file = not file.exists() or _validator(response) in ("", file.read_text(encoding="utf-8"))
    return same_file and response.headers.get("Content-Range", at_its_end).startswith(at_its_end)


def _remember_validator(response: requests.Response, file: Path) -> None:
    if _validator(response) and not _encoded(response):
        file.write_text(_validator(response), encoding="utf-8")
    else:
        file.unlink(missing_ok=True)


def _validator(response: requests.Response) -> str:
    """What tells this version of the file from another; weak validators do not serve for If-Range."""
    etag = response.headers.get("ETag", "")
    return etag if etag and not etag.startswith("W/") else response.headers.get("Last-Modified", "")


def _encoded(response: requests.Response) -> bool:
    """Whether the server compresses, though asked not to: lengths and ranges are then not those of the file."""
    return response.headers.get("Content-Encoding", "identity") != "identity"


def _validator_file(part: Path) -> Path:
    return part.with_name(part.name + ".validator")


def _size(path: Path) -> int:
    return path.stat().st_size if path.exists() else 0


def _worth_another_try(error: Exception, came: bool) -> bool:
    """Time-outs, what broke on the way and busy servers; servers that cannot be reached only if something `came`."""
    cause = getattr(error.args[0], "reason", None) if error.args else None
    if isinstance(error, ProxyError | ConnectTimeout) or isinstance(cause, NewConnectionError):
        return came
    return _of_the_way(error) and (_asked_wait(error) or 0) <= LONGEST_WAIT


def _of_the_way(error: Exception) -> bool:
    """Whether it tells of the way to the server, or of a server that is not well, and nothing of the file."""
    if isinstance(error, requests.HTTPError):
        status = error.response.status_code
        return status in (PROXY_WANTS_A_LOGIN, 429) or status >= 500
    return isinstance(error, requests.ConnectionError | requests.Timeout | ChunkedEncodingError | CutOffError)


def _asked_wait(error: Exception) -> float | None:
    """The seconds that the server asks to wait, if it does."""
    if not isinstance(error, requests.HTTPError):
        return None
    try:
        return Retry().get_retry_after(error.response.raw)
    except (InvalidHeader, ValueError, OverflowError):
        return None


def _reason(error: Exception) -> str:
    if isinstance(error, requests.HTTPError):
        asked = _asked_wait(error) or 0
        patience = f", and asks to wait {asked:.0f} seconds" if asked > LONGEST_WAIT else ""
        return f"the server answered {error.response.status_code} {error.response.reason}{patience}"
    if isinstance(error, requests.Timeout) or "timed out" in str(error):
        return "the server did not answer in time"
    if isinstance(error, CutOffError):
        return str(error)
    if isinstance(error, ProxyError):
        return "the proxy that the environment names cannot be reached, or refused"
    if isinstance(error, SSLError):
        return f"no secure connection ({error})"
    if isinstance(error, ChunkedEncodingError):  # around urllib3's error, whose last argument says what happened
        return f"the connection broke ({error.args[0].args[-1]})"
    if isinstance(error, requests.ConnectionError):
        return "could not connect, or the connection broke"
    return f"failed ({error})"
