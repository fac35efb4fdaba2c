"""The web server of scripts/serve.py: its addresses, whom it answers, and its limits.

Every answer but the page is JSON, and so is every error: {"error": one line}. One picture at a time goes through the
network, in a thread; the others wait, up to WAITING of them with their bodies in memory. No body is kept on disk.
"""

import json
import re
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import anyio
import uvicorn
from anyio.to_thread import run_sync
from starlette.applications import Starlette
from starlette.datastructures import Headers
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.requests import ClientDisconnect, Request
from starlette.responses import HTMLResponse, JSONResponse, Response
from starlette.routing import Route
from starlette.types import ASGIApp, Receive, Scope, Send

from scripts.using.forms import file_in, is_form
from scripts.using.patience import Patience
from stages.ground.errors import ProjectError

PAGE = Path(__file__).parents[1] / "serve.html"
OPENAPI = Path(__file__).parents[1] / "serve.openapi.json"
LIMIT = 20 * 2**20  # bytes of a body; the page has the same
WAITING = 64  # requests whose bodies are read or wait, at most
BODY_SECONDS = 30.0  # in which a body is to arrive
LOCAL = ["127.0.0.1", "localhost"]  # any other means that a foreign name leads here (DNS rebinding), unless it is told
HEADERS = {
    "Content-Security-Policy": (
        "default-src 'none'; connect-src 'self'; img-src data:; style-src 'unsafe-inline'; script-src 'unsafe-inline';"
        " base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    ),
    "X-Content-Type-Options": "nosniff",
    "Cache-Control": "no-store",
}

Answer = Callable[[bytes, str | None, bool], dict[str, object]]  # of a file, its name, and whether to explain it


class Server(uvicorn.Server):
    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Leave signals to scripts/serve.py: at Ctrl-C uvicorn would wait for requests under way."""
        yield


class KnownHosts:
    """Refuses requests for any name but these."""

    def __init__(self, app: ASGIApp, names: Collection[str]) -> None:
        self.app, self.names = app, {name.lower() for name in names}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http":
            named = re.fullmatch(r"([^:]*)(:\d+)?", Headers(scope=scope).get("host", ""))
            if not named or named[1].lower() not in self.names:
                return await error(400, "this is not called like that: see --allow-host")(scope, receive, send)
        await self.app(scope, receive, send)


def make_server(answer: Answer, about: dict[str, object], hosts: Collection[str] = ()) -> Server:
    """A server whose answers are those of `answer`, which is called for one file at a time.

    Args:
        about: what /health says beside its status.
        hosts: names beside LOCAL by which it may be asked.
    """
    one_at_a_time, open_bodies = anyio.CapacityLimiter(1), 0

    async def page(_: Request) -> Response:
        return HTMLResponse(PAGE.read_bytes())

    async def health(_: Request) -> Response:
        return JSONResponse({"status": "ok", **about})

    async def openapi(_: Request) -> Response:
        return JSONResponse(json.loads(OPENAPI.read_bytes()))

    async def predict(request: Request) -> Response:
        nonlocal open_bodies
        refuse_other_pages(request)
        if open_bodies >= WAITING:
            raise HTTPException(503, f"{WAITING} pictures are waiting; try again", {"Retry-After": "1"})
        open_bodies += 1
        try:
            name, file = await read_file(request)
            explained = request.query_params.get("explain") == "true"
            return JSONResponse(await run_sync(answer, file, name, explained, limiter=one_at_a_time))
        except ProjectError as problem:
            return error(415, str(problem))
        except ClientDisconnect:
            return Response(status_code=400)  # nobody reads it
        finally:
            open_bodies -= 1

    async def told(_: Request, problem: Exception) -> Response:
        if isinstance(problem, HTTPException):
            return error(problem.status_code, problem.detail, problem.headers)
        return error(500, "a mistake in the program: it shows its trace where it runs")

    app = Starlette(
        routes=[
            Route("/", page),
            Route("/health", health),
            Route("/predict", predict, methods=["POST"]),
            Route("/openapi.json", openapi),
        ],
        middleware=[Middleware(KnownHosts, names=[*LOCAL, *hosts])],
        exception_handlers={HTTPException: told, Exception: told},
    )
    app.router.redirect_slashes = False
    config: dict[str, Any] = {
        "http": Patience,
        "ws": "none",
        "lifespan": "off",
        "log_level": "error",
        "headers": list(HEADERS.items()),
    }
    return Server(uvicorn.Config(app, **config))


def error(status: int, line: str, headers: Any = None) -> Response:
    return JSONResponse({"error": " ".join(line.split())}, status, headers)


def refuse_other_pages(request: Request) -> None:
    """Browsers send the page's origin with every POST; other programs send none."""
    origin = request.headers.get("origin")
    if origin is not None and urlsplit(origin).netloc != request.headers["host"]:
        raise HTTPException(403, "only this server's own page may ask")


async def read_file(request: Request) -> tuple[str | None, bytes]:
    """The name, where a form gives one, and the bytes.

    Raises:
        HTTPException: it is too large, comes too slowly, or is no file.
    """
    content_type = request.headers.get("content-type", "")
    try:
        with anyio.fail_after(BODY_SECONDS):
            body = await read_body(request)
    except TimeoutError as error:
        closing = {"Connection": "close"}
        raise HTTPException(408, f"the file did not come within {BODY_SECONDS:g} seconds", closing) from error
    if not is_form(content_type):
        return None, body
    try:
        return file_in(body, content_type)
    except ValueError as error:
        raise HTTPException(400, str(error)) from error


async def read_body(request: Request) -> bytes:
    """Raises HTTPException as soon as it is, or says that it will be, too large.

    The connection stays open then, and uvicorn throws away what still comes: closed on unread bytes, it would take the
    answer with it.
    """
    too_large = HTTPException(413, f"the file is larger than {LIMIT >> 20} MiB")
    if int(request.headers.get("content-length", 0)) > LIMIT:
        raise too_large
    body = bytearray()
    async for chunk in request.stream():
        body += chunk
        if len(body) > LIMIT:
            raise too_large
    return bytes(body)
