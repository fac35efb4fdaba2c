"""A page on this machine that shows what a trained model says of a picture, and where it looked (Grad-CAM).

MODEL is a file that stages.train made; it is enough by itself. The page is served to this machine alone and asks for
nothing elsewhere; no picture is written to disk. Ctrl-C ends it.

POST /classify takes a file's bytes as its body, 20 MiB at most, and gives JSON: `label`, `probabilities` (of every
class), `none_of_these` (whether the picture looks like no class; `label` is then the nearest), `distance` and
`threshold` (that it is then above; these three are null where MODEL cannot tell), `seen` (the square that the network
saw, a data URI of a PNG) and `heat` (the same under the heat map; null for networks that tell no places apart). Else it
gives one line of text, with status 403 (asked by another site's page), 413 (too large) or 415 (not a picture that can
be read).

Exit status: 1 the port is taken or MODEL is none, 2 wrong arguments, 130 ended by Ctrl-C.
"""

import argparse
import os
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path

import uvicorn
from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.middleware.trustedhost import TrustedHostMiddleware
from starlette.requests import ClientDisconnect, Request
from starlette.responses import HTMLResponse, JSONResponse, Response
from starlette.routing import Route

from scripts.using.explanation import explain
from stages.explain import looker
from stages.ground.cli import end_at_ctrl_c, one_line_errors
from stages.ground.errors import ProjectError
from stages.models.classifier import Classifier

PAGE = Path(__file__).with_suffix(".html")
LIMIT = 20 * 2**20  # bytes of a file; the page has the same
HOSTS = ["127.0.0.1", "localhost"]  # any other means that a foreign name leads here (DNS rebinding)
HEADERS = {
    "Content-Security-Policy": (
        "default-src 'none'; connect-src 'self'; img-src data:; style-src 'unsafe-inline'; script-src 'unsafe-inline';"
        " base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    ),
    "X-Content-Type-Options": "nosniff",
    "Cache-Control": "no-store",
}


class Server(uvicorn.Server):
    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Leave Ctrl-C as it is, which is to end at once: uvicorn would wait for requests under way."""
        yield


def main() -> None:
    parser = argparse.ArgumentParser(
        prog="python -m scripts.serve", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("model", metavar="MODEL")
    parser.add_argument("--port", type=int, default=8000, help="8000 if not given; 0 takes one that is free")
    arguments = parser.parse_args()
    if arguments.port not in range(65536):
        parser.error(f"--port is {arguments.port}; expected 0 to 65535")
    with one_line_errors():
        end_at_ctrl_c()
        serve(arguments.model, arguments.port)


def serve(model: str, port: int) -> None:
    with listen(port) as listening:
        classifier = Classifier.load(model)
        server = make_server(partial(explain, classifier, looker(classifier)))
        print(f"http://127.0.0.1:{listening.getsockname()[1]} shows what {model} sees; Ctrl-C ends it", flush=True)
        server.run([listening])


def listen(port: int) -> socket.socket:
    try:
        return socket.create_server((HOSTS[0], port))
    except OSError as error:
        why = os.strerror(error.errno or 0)
        raise ProjectError(f"port {port}: {why}; name another with --port, or 0 for one that is free") from error


def make_server(explain: Callable[[bytes], dict[str, object]]) -> Server:
    """A server whose answers are those of `explain`, which is called for one file at a time."""
    one_at_a_time = threading.Lock()

    def answer(file: bytes) -> dict[str, object]:
        with one_at_a_time:
            return explain(file)

    async def page(_: Request) -> Response:
        return HTMLResponse(PAGE.read_bytes())

    async def classify(request: Request) -> Response:
        own = f"http://{request.headers['host']}"
        if request.headers.get("origin", own) != own:  # browsers send it with every POST
            raise HTTPException(403, "only this server's own page may ask")
        try:
            return JSONResponse(await run_in_threadpool(answer, await read_body(request)))
        except ProjectError as error:
            raise HTTPException(415, " ".join(str(error).split())) from error
        except ClientDisconnect:
            return Response(status_code=400)  # nobody reads it

    routes = [Route("/", page), Route("/classify", classify, methods=["POST"])]
    app = Starlette(routes=routes, middleware=[Middleware(TrustedHostMiddleware, allowed_hosts=HOSTS)])
    app.router.redirect_slashes = False
    return Server(uvicorn.Config(app, ws="none", log_level="error", headers=list(HEADERS.items())))


async def read_body(request: Request) -> bytes:
    """Raises HTTPException as soon as it is, or says that it will be, too large."""
    too_large = HTTPException(413, f"the file is larger than {LIMIT >> 20} MiB", {"Connection": "close"})
    if int(request.headers.get("content-length", 0)) > LIMIT:
        raise too_large
    body = bytearray()
    async for chunk in request.stream():
        body += chunk
        if len(body) > LIMIT:
            raise too_large
    return bytes(body)


if __name__ == "__main__":
    main()
