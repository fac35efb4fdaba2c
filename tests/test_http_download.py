"""stages/fetching/http_download.py, against a server on 127.0.0.1 that breaks off, stalls, lies and is busy."""

import contextlib
import email.utils
import gzip
import hashlib
import io
import random
import signal
import socket
import struct
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from urllib3.util import connection

from stages.fetching import http_download
from stages.fetching.fetch import fetch
from stages.fetching.http_download import download
from stages.ground.errors import ProjectError, UnreachableError
from stages.ground.files import sha256
from tests.conftest import PROJECT, clean_environment

CONTENT = random.Random(0).randbytes(1000)
OTHER = random.Random(1).randbytes(900)
DATE = "Wed, 21 Oct 2015 07:28:00 GMT"
ETAG = {"ETag": '"1"'}
SILENCE = 10  # seconds; longer than any limit that a test sets
HTML = {"Content-Type": "text/html; charset=utf-8"}

Answer = Callable[[BaseHTTPRequestHandler], None]


def answer(status: int, headers: dict[str, str], body: bytes = b"", sent: int | None = None) -> Answer:
    """That many bytes of the body, or all; the headers announce it whole unless they say otherwise."""

    def give(handler: BaseHTTPRequestHandler) -> None:
        handler.send_response(status)
        for name, value in ({"Content-Length": str(len(body)), "Connection": "close"} | headers).items():
            handler.send_header(name, value)
        handler.end_headers()
        handler.wfile.write(body[:sent])

    return give


def file(content: bytes = CONTENT, headers: dict[str, str] = ETAG, sent: int | None = None) -> Answer:
    """As good servers do: what Range asks for, if If-Range is this version of the file; else the whole file."""

    def give(handler: BaseHTTPRequestHandler) -> None:
        first = handler.headers.get("Range", "").removeprefix("bytes=").removesuffix("-")
        if not first or handler.headers.get("If-Range") not in headers.values():
            return answer(200, headers, content, sent)(handler)
        place = {"Content-Range": f"bytes {first}-{len(content) - 1}/{len(content)}"}
        return answer(206, headers | place, content[int(first) :], sent)(handler)

    return give


class Server:
    """Gives these answers, one after the other, and notes what it was asked for."""

    def __init__(self) -> None:
        self.answers: list[Answer] = []
        self.asked: list[str] = []
        self.headers: list[dict[str, str]] = []
        self.closing = threading.Event()
        server = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def log_message(self, *_: object) -> None: ...

            def do_GET(self) -> None:
                self.close_connection = True
                server.asked.append(self.path)
                server.headers.append(dict(self.headers))
                give = server.answers.pop(0) if server.answers else answer(410, {})
                with contextlib.suppress(ConnectionError):  # a client may go before it has all
                    give(self)

            do_CONNECT = do_GET  # noqa: N815

        self.http = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.address = f"http://127.0.0.1:{self.http.server_port}"
        self.url = f"{self.address}/a.zip"
        threading.Thread(target=self.http.serve_forever, args=(0.01,), daemon=True).start()

    def ranges(self) -> list[tuple[str | None, str | None]]:
        """The headers Range and If-Range of each request."""
        return [(headers.get("Range"), headers.get("If-Range")) for headers in self.headers]

    def stall(self, handler: BaseHTTPRequestHandler) -> None:
        """The beginning of the file, and then silence."""
        file(sent=400)(handler)
        self.closing.wait(SILENCE)


@pytest.fixture
def server() -> Iterator[Server]:
    running = Server()
    yield running
    running.closing.set()
    running.http.shutdown()
    running.http.server_close()


@pytest.fixture(autouse=True)
def waits(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """How long would have been waited, in seconds; nothing waits."""
    waited: list[float] = []
    monkeypatch.setattr("time.sleep", waited.append)
    return waited


@pytest.fixture(autouse=True)
def folder(in_folder: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    for name in ("http_proxy", "https_proxy", "all_proxy", "no_proxy"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)
    return in_folder


def get(url: str) -> bytes:
    return download(url, Path("a.zip"), progress=False).read_bytes()


def error_of(url: str, kind: type[ProjectError] | None = None) -> str:
    with pytest.raises(ProjectError) as caught:
        get(url)
    assert kind in (None, caught.type)
    assert not Path("a.zip").exists()
    return str(caught.value)


def kept() -> dict[str, bytes]:
    """What lies in the folder of what is to be gone on with: {"part": …, "validator": …}."""
    files = [path for path in Path("work/downloads").iterdir() if path.is_file()]
    return {path.suffix.replace(".zip", "part").lstrip("."): path.read_bytes() for path in files}


def closed_port() -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return int(free.getsockname()[1])


def test_a_file_is_downloaded_and_nothing_else_is_left(server: Server) -> None:
    server.answers = [file()]
    assert download(server.url, Path("a.zip"), progress=False) == Path("a.zip")
    assert Path("a.zip").read_bytes() == CONTENT
    assert kept() == {}
    assert server.ranges() == [(None, None)]


def test_a_file_of_no_bytes_is_one_too(server: Server) -> None:
    server.answers = [file(b"")]
    assert get(server.url) == b""
    assert kept() == {}


def test_a_body_without_a_length_is_taken_to_its_end(server: Server) -> None:
    def chunked(handler: BaseHTTPRequestHandler) -> None:
        pieces = [CONTENT[start : start + 300] for start in range(0, 1000, 300)]
        body = b"".join(b"%x\r\n%b\r\n" % (len(piece), piece) for piece in [*pieces, b""])
        handler.send_response(200)
        handler.send_header("Transfer-Encoding", "chunked")
        handler.end_headers()
        handler.wfile.write(body)

    server.answers = [chunked]
    assert get(server.url) == CONTENT


def test_a_broken_body_is_gone_on_with_where_it_broke_off(server: Server, waits: list[float]) -> None:
    server.answers = [file(sent=300), file()]
    assert get(server.url) == CONTENT
    assert server.ranges() == [(None, None), ("bytes=300-", '"1"')]
    assert waits == [1]
    assert kept() == {}


def test_a_broken_body_in_chunks_is_gone_on_with(server: Server) -> None:
    def chunked(handler: BaseHTTPRequestHandler) -> None:
        handler.send_response(200)
        handler.send_header("Transfer-Encoding", "chunked")
        handler.send_header("ETag", '"1"')
        handler.end_headers()
        handler.wfile.write(b"12c\r\n" + CONTENT[:300] + b"\r\n12c\r\n" + CONTENT[300:400])

    server.answers = [chunked, file()]
    assert get(server.url) == CONTENT
    assert server.ranges()[1] in [("bytes=300-", '"1"'), ("bytes=400-", '"1"')]


def test_a_connection_that_is_reset_is_gone_on_with(server: Server) -> None:
    def reset(handler: BaseHTTPRequestHandler) -> None:
        file(sent=300)(handler)
        handler.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        handler.connection.close()

    server.answers = [reset, file()]
    assert get(server.url) == CONTENT
    assert len(server.asked) == 2


def test_every_new_byte_counts_and_no_number_of_breaks_is_too_many(server: Server, waits: list[float]) -> None:
    server.answers = [file(sent=100)] * 9 + [file()]
    assert get(server.url) == CONTENT
    assert server.ranges() == [(None, None), *((f"bytes={start}-", '"1"') for start in range(100, 1000, 100))]
    assert waits == [1] * 9


def test_five_breaks_without_a_new_byte_are_enough_and_waits_grow(server: Server, waits: list[float]) -> None:
    server.answers = [file(sent=300)] + [file(sent=0)] * 9
    error_of(server.url)
    assert len(server.asked) == 1 + 4
    assert waits == [1, 2, 4, 8]


def test_what_came_before_the_last_break_is_kept_for_the_next_run(server: Server) -> None:
    server.answers = [file(sent=300)] + [file(sent=0)] * 4
    error_of(server.url)
    assert kept() == {"part": CONTENT[:300], "validator": b'"1"'}
    server.answers = [file()]
    assert get(server.url) == CONTENT
    assert server.ranges()[-1] == ("bytes=300-", '"1"')
    assert kept() == {}


def test_a_killed_run_is_gone_on_with(server: Server, folder: Path) -> None:
    content = random.Random(2).randbytes(300_000)

    def half(handler: BaseHTTPRequestHandler) -> None:
        file(content, sent=200_000)(handler)
        server.closing.wait()

    server.answers = [half, file(content)]
    script = "import sys; from pathlib import Path; from stages.fetching.http_download import download\n"
    script += "download(sys.argv[1], Path('a.zip'), progress=False)"
    environment = clean_environment() | {"PYTHONPATH": str(PROJECT)}
    with subprocess.Popen([sys.executable, "-c", script, server.url], cwd=folder, env=environment) as process:
        for _ in range(2000):
            if sum(path.stat().st_size for path in folder.glob("work/downloads/*.zip")) > 100_000:
                break
            server.closing.wait(0.01)
        process.send_signal(signal.SIGKILL)
    assert process.returncode == -signal.SIGKILL
    size = len(kept()["part"])
    assert size > 100_000
    assert get(server.url) == content
    assert server.ranges() == [(None, None), (f"bytes={size}-", '"1"')]
    assert kept() == {}


@pytest.mark.parametrize(
    ("headers", "validator"),
    [({"ETag": '"1"', "Last-Modified": DATE}, '"1"'), ({"ETag": 'W/"1"', "Last-Modified": DATE}, DATE)],
    ids=["ETag", "weak ETag"],
)
def test_the_version_is_that_of_a_strong_etag_or_else_of_the_date(
    server: Server, headers: dict[str, str], validator: str
) -> None:
    server.answers = [file(headers=headers, sent=300), file(headers=headers)]
    assert get(server.url) == CONTENT
    assert server.ranges()[1] == ("bytes=300-", validator)


@pytest.mark.parametrize("headers", [{}, {"ETag": 'W/"1"'}], ids=["nothing", "weak ETag"])
def test_without_a_sure_sign_of_the_version_a_broken_file_is_begun_anew(
    server: Server, headers: dict[str, str]
) -> None:
    server.answers = [file(headers=headers, sent=300), file(headers=headers)]
    assert get(server.url) == CONTENT
    assert server.ranges() == [(None, None)] * 2


def test_a_server_that_cannot_go_on_begins_anew(server: Server) -> None:
    server.answers = [file(sent=300), answer(200, ETAG, CONTENT)]
    assert get(server.url) == CONTENT


def test_breaks_at_other_places_of_a_file_begun_anew_are_no_progress(server: Server) -> None:
    server.answers = [answer(200, ETAG, CONTENT, sent) for _ in range(10) for sent in (300, 400)]
    error_of(server.url)
    assert len(server.asked) < 10


def test_a_file_that_changed_meanwhile_is_begun_anew(server: Server) -> None:
    server.answers = [file(sent=300), file(OTHER, {"ETag": '"2"'}, sent=200), file(OTHER, {"ETag": '"2"'})]
    assert get(server.url) == OTHER
    assert server.ranges() == [(None, None), ("bytes=300-", '"1"'), ("bytes=200-", '"2"')]


def test_the_sign_of_an_earlier_version_is_forgotten(server: Server) -> None:
    server.answers = [file(sent=300), answer(200, {}, OTHER, sent=200), file(OTHER, {})]
    assert get(server.url) == OTHER
    assert server.ranges()[2] == (None, None)


def test_a_rest_of_another_version_is_not_taken(server: Server) -> None:
    """Some servers do not look at If-Range."""
    rest = answer(206, {"ETag": '"2"', "Content-Range": "bytes 300-899/900"}, OTHER[300:])
    server.answers = [file(sent=300), rest, file(OTHER, {"ETag": '"2"'})]
    assert get(server.url) == OTHER
    assert server.ranges()[2] == (None, None)


def test_another_range_than_the_one_asked_for_is_not_taken(server: Server) -> None:
    server.answers = [file(sent=300), answer(206, {"Content-Range": "bytes 0-999/1000"}, CONTENT), file()]
    assert get(server.url) == CONTENT
    assert server.ranges()[2] == (None, None)


def test_less_than_the_rest_is_gone_on_with(server: Server) -> None:
    """Some servers send so much at a time and no more."""
    some = answer(206, {"Content-Range": "bytes 300-599/1000"}, CONTENT[300:600])
    server.answers = [file(sent=300), some, file()]
    assert get(server.url) == CONTENT
    assert server.ranges()[2] == ("bytes=600-", '"1"')


def test_a_range_that_is_not_there_means_another_file(server: Server) -> None:
    server.answers = [file(sent=300), answer(416, {"Content-Range": "bytes */200"}), file(OTHER[:200])]
    assert get(server.url) == OTHER[:200]
    assert server.ranges()[2] == (None, None)


def test_a_file_that_was_whole_when_its_run_was_killed_is_fetched_again(server: Server) -> None:
    server.answers = [answer(200, ETAG | {"Content-Length": "1001"}, CONTENT), answer(410, {})]
    error_of(server.url)
    assert kept()["part"] == CONTENT
    server.answers = [answer(416, {"Content-Range": "bytes */1000"}), file()]
    assert get(server.url) == CONTENT


def test_a_range_refused_that_nobody_asked_for_is_an_error_and_no_crash(server: Server) -> None:
    server.answers = [answer(416, {})] * 9
    assert error_of(server.url) == "the server has another file by now"
    assert len(server.asked) == 5


@pytest.mark.parametrize("headers", [ETAG, {}], ids=["ranges", "no ranges"])
def test_an_announced_length_that_is_never_reached_is_an_error(server: Server, headers: dict[str, str]) -> None:
    long = headers | {"Content-Length": "1010"}
    rest = answer(206, long | {"Content-Range": "bytes 1000-1009/1010", "Content-Length": "10"})
    server.answers = [answer(200, long, CONTENT)] + [rest if headers else answer(200, long, CONTENT)] * 9
    assert "10 more expected" in error_of(server.url)
    assert len(server.asked) == 5


def test_bytes_beyond_the_announced_length_are_not_taken(server: Server) -> None:
    server.answers = [answer(200, ETAG | {"Content-Length": "600"}, CONTENT)]
    assert get(server.url) == CONTENT[:600]


@pytest.mark.parametrize("length", ["many", "-5", ""])
def test_a_length_that_is_no_number_is_passed_over(server: Server, length: str) -> None:
    server.answers = [answer(200, ETAG | {"Content-Length": length}, CONTENT)]
    assert get(server.url) == CONTENT


def test_a_body_that_is_compressed_unasked_is_unpacked_and_never_gone_on_with(server: Server) -> None:
    packed, headers = gzip.compress(CONTENT), ETAG | {"Content-Encoding": "gzip"}
    server.answers = [answer(200, headers, packed, sent=300), answer(200, headers, packed)]
    assert get(server.url) == CONTENT
    assert [asked["Accept-Encoding"] for asked in server.headers] == ["identity"] * 2
    assert server.ranges() == [(None, None)] * 2


def test_a_silent_server_is_left_and_its_file_gone_on_with(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(http_download, "STALL_TIMEOUT", 0.3)
    server.answers = [server.stall, file()]
    began = time.monotonic()
    assert get(server.url) == CONTENT
    assert time.monotonic() - began < SILENCE
    assert server.ranges()[1] == ("bytes=400-", '"1"')


@pytest.mark.parametrize("answers", [False, True], ids=["before the answer", "within the body"])
def test_a_server_that_stays_silent_is_said_to(server: Server, monkeypatch: pytest.MonkeyPatch, answers: bool) -> None:
    def begin(handler: BaseHTTPRequestHandler) -> None:
        file(sent=0)(handler)
        server.closing.wait(SILENCE)

    def mute(handler: BaseHTTPRequestHandler) -> None:
        server.closing.wait(SILENCE)

    monkeypatch.setattr(http_download, "STALL_TIMEOUT", 0.1)
    server.answers = [begin if answers else mute] * 9
    assert error_of(server.url) == "the server did not answer in time"
    assert len(server.asked) == 5


def test_a_slow_body_is_waited_for(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    """The limit is on silence and not on the whole download."""

    def drip(handler: BaseHTTPRequestHandler) -> None:
        file(sent=0)(handler)
        for start in range(0, 1000, 100):
            server.closing.wait(0.15)
            handler.wfile.write(CONTENT[start : start + 100])
            handler.wfile.flush()

    monkeypatch.setattr(http_download, "STALL_TIMEOUT", 1)
    server.answers = [drip]
    began = time.monotonic()
    assert get(server.url) == CONTENT
    assert time.monotonic() - began > 1
    assert len(server.asked) == 1


@pytest.mark.parametrize("status", [429, 500, 502, 503, 504, 520])
def test_a_busy_server_is_asked_again_after_growing_waits(server: Server, waits: list[float], status: int) -> None:
    server.answers = [answer(status, {}, b"busy")] * 4 + [file()]
    assert get(server.url) == CONTENT
    assert waits == [1, 2, 4, 8]


def test_a_server_that_stays_busy_is_given_up_after_five_requests(server: Server) -> None:
    server.answers = [answer(503, {}, b"busy")] * 9
    assert error_of(server.url, UnreachableError) == "the server answered 503 Service Unavailable"
    assert len(server.asked) == 5


@pytest.mark.parametrize("status", [429, 503])
def test_a_server_is_given_the_time_that_it_asks_for(server: Server, waits: list[float], status: int) -> None:
    then = email.utils.formatdate(time.time() + 60, usegmt=True)
    server.answers = [answer(status, {"Retry-After": when}) for when in ("17", then, "soon", "0")] + [file()]
    assert get(server.url) == CONTENT
    assert waits == [17, pytest.approx(60, abs=5), 4, 0]


def test_a_server_that_asks_for_hours_is_given_up(server: Server, waits: list[float]) -> None:
    server.answers = [answer(429, {"Retry-After": "3600"}), file()]
    assert error_of(server.url) == "the server answered 429 Too Many Requests, and asks to wait 3600 seconds"
    assert waits == []


def test_a_busy_server_does_not_undo_what_came_before(server: Server) -> None:
    server.answers = [file(sent=300), answer(503, {}, b"busy"), file()]
    assert get(server.url) == CONTENT
    assert server.ranges()[1:] == [("bytes=300-", '"1"')] * 2


@pytest.mark.parametrize("status", [400, 401, 403, 404, 410])
def test_a_refusal_is_final(server: Server, waits: list[float], status: int) -> None:
    server.answers = [answer(status, {}, b"no")] * 2
    assert error_of(server.url, ProjectError).startswith(f"the server answered {status} ")
    assert len(server.asked) == 1
    assert waits == []
    assert kept() == {}


def test_a_redirect_is_followed_also_when_going_on(server: Server) -> None:
    away = answer(302, {"Location": "/elsewhere/b.zip"})
    server.answers = [away, file(sent=300), away, file()]
    assert get(server.url) == CONTENT
    assert server.asked == ["/a.zip", "/elsewhere/b.zip"] * 2
    assert server.ranges()[3] == ("bytes=300-", '"1"')


def test_a_redirect_in_a_circle_is_an_error(server: Server, waits: list[float]) -> None:
    server.answers = [answer(302, {"Location": "/a.zip"})] * 99
    assert error_of(server.url) == "failed (Exceeded 30 redirects.)"
    assert waits == []


def test_a_web_page_is_not_taken_and_nothing_of_it_is_kept(server: Server) -> None:
    server.answers = [answer(200, HTML | ETAG, b"<html>Sign in</html>")]
    assert error_of(server.url, ProjectError) == "the server answered with a web page in place of the file"
    assert len(server.asked) == 1
    assert kept() == {}


def test_a_web_page_does_not_undo_what_came_before(server: Server) -> None:
    """A network that wants a sign-in answers so, whatever it is asked for."""
    server.answers = [file(sent=300), answer(200, HTML | {"ETag": '"page"'}, b"<html>Sign in</html>")]
    error_of(server.url)
    assert kept() == {"part": CONTENT[:300], "validator": b'"1"'}


def test_a_refused_file_is_not_gone_on_with(server: Server) -> None:
    """Neither after a wrong file, nor after a broken one whose rest is of another file under the same ETag."""
    right = hashlib.sha256(CONTENT).hexdigest()

    def accept(path: Path) -> None:
        if sha256(path) != right:
            raise ProjectError("wrong sha256")

    server.answers = [answer(200, ETAG, OTHER)]
    with pytest.raises(ProjectError, match=r"a\.zip: wrong sha256\."):
        fetch([server.url], accept, progress=False)
    assert kept() == {}
    server.answers = [file(OTHER, sent=300), file()]
    with pytest.raises(ProjectError, match=r"a\.zip: wrong sha256\."):
        fetch([server.url], accept, progress=False)
    assert kept() == {}
    server.answers = [file()]
    fetch([server.url], accept, progress=False)
    assert server.ranges()[-1] == (None, None)


def test_two_files_of_one_name_are_not_mixed_up(server: Server) -> None:
    server.answers = [file(sent=300), *[file(sent=0)] * 4, file(OTHER)]
    error_of(server.url)
    assert get(f"{server.address}/other/a.zip") == OTHER
    assert server.ranges()[-1] == (None, None)


def test_the_proxy_of_the_environment_is_used(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("http_proxy", server.address)
    server.answers = [file()]
    assert get("http://files.example/a.zip") == CONTENT
    assert server.asked == ["http://files.example/a.zip"]


def test_no_proxy_is_used_where_the_environment_says_so(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("http_proxy", f"http://127.0.0.1:{closed_port()}")
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    server.answers = [file()]
    assert get(server.url) == CONTENT
    assert server.asked == ["/a.zip"]


@pytest.mark.parametrize("refuses", [True, False], ids=["refuses", "is not there"])
def test_a_proxy_that_does_not_let_through_is_blamed_at_once(
    server: Server, waits: list[float], monkeypatch: pytest.MonkeyPatch, refuses: bool
) -> None:
    monkeypatch.setenv("https_proxy", server.address if refuses else f"http://127.0.0.1:{closed_port()}")
    server.answers = [answer(403, {})] * 9
    assert error_of("https://files.example/a.zip", UnreachableError) == (
        "the proxy that the environment names cannot be reached, or refused"
    )
    assert waits == []


def test_a_proxy_that_wants_a_login_is_in_the_way(server: Server) -> None:
    server.answers = [answer(407, {})] * 5
    assert error_of(server.url, UnreachableError).startswith("the server answered 407 ")


def test_a_server_that_swallows_connections_is_asked_once(waits: list[float], monkeypatch: pytest.MonkeyPatch) -> None:
    """As behind a firewall that drops what it does not let through."""
    asked = []

    def swallow(*arguments: object, **options: object) -> socket.socket:
        asked.append(arguments)
        raise TimeoutError

    monkeypatch.setattr(connection, "create_connection", swallow)
    assert error_of("http://files.example/a.zip", UnreachableError) == "the server did not answer in time"
    assert (len(asked), waits) == (1, [])


def test_a_server_that_is_not_there_is_an_error_at_once(waits: list[float]) -> None:
    said = error_of(f"http://127.0.0.1:{closed_port()}/a.zip", UnreachableError)
    assert said == "could not connect, or the connection broke"
    assert waits == []


def test_a_server_that_is_gone_in_the_middle_is_waited_for(
    server: Server, waits: list[float], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The network was lost, say, and will be back."""
    connect = connection.create_connection

    def lost_and_back(*arguments: object, **options: object) -> socket.socket:
        if len(waits) in (1, 2):
            raise ConnectionRefusedError
        return connect(*arguments, **options)

    monkeypatch.setattr(connection, "create_connection", lost_and_back)
    server.answers = [file(sent=300), file()]
    assert get(server.url) == CONTENT
    assert waits == [1, 2, 4]


def test_a_failed_secure_connection_is_said_to_be_one(server: Server) -> None:
    """As it is behind a proxy that puts its own certificates in the place of the servers'."""
    said = error_of(server.url.replace("http", "https"), UnreachableError)
    assert said.startswith("no secure connection (")


@pytest.mark.parametrize("url", ["http://", "http://[1/a.zip", "http://127.0.0.1:port/a.zip", "http://.example/a.zip"])
def test_an_address_that_is_none_is_an_error(url: str) -> None:
    assert error_of(url).startswith("failed (")


@pytest.mark.parametrize("progress", [True, False])
def test_progress_is_shown_only_when_wanted(server: Server, monkeypatch: pytest.MonkeyPatch, progress: bool) -> None:
    terminal = io.StringIO()
    terminal.isatty = lambda: True
    monkeypatch.setattr(sys, "stderr", terminal)
    server.answers = [file(sent=300), file()]
    download(server.url, Path("a.zip"), progress)
    assert ("a.zip: 100%" in terminal.getvalue()) == progress
    assert bool(terminal.getvalue()) == progress
