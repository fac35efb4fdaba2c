"""A trained model on the web: a page that shows what it says of a picture and where it looked (Grad-CAM), and the same
for programs, as JSON.

MODEL is a file that stages.train made, or what scripts.export made of it as ONNX; either is enough by itself. It is
served to this machine alone and asks for nothing elsewhere; no picture is written to disk. Ctrl-C ends it at once,
SIGTERM when the requests under way have their answers.

  GET  /              the page
  GET  /health        status, model, network and classes; there is no answer before the model is loaded
  POST /predict       a picture as the body, or in the field `file` of a form: what predict --json prints, and with
                      ?explain=true also `seen` (the square that the network saw, a data URI of a PNG) and `heat` (the
                      same under the heat map; null where that cannot be told)
  GET  /openapi.json  all of this as OpenAPI

An error is {"error": one line}, with status 400 (no such name, or a form without a file), 403 (asked by another site's
page), 404, 405, 408 (too slow), 413 (above 20 MiB), 415 (not a picture that can be read) or 503 (too many at once).

--host 0.0.0.0 opens it to the network, as a container needs: whoever reaches the port may use the model, unasked and
unencrypted. It then answers to 127.0.0.1, localhost and the names of --allow-host alone; see docs/serving.md.

Exit status: 0 ended by SIGTERM, 1 the port is taken or MODEL is none, 2 wrong arguments, 130 ended by Ctrl-C.
"""

import argparse
import signal
import socket
from collections.abc import Collection
from functools import partial
from pathlib import Path

from scripts.using.explanation import explain, looker_of
from scripts.using.loaded import load, network_of
from scripts.using.server import LOCAL, make_server
from stages.ground.cli import end_at_ctrl_c, one_line_errors
from stages.ground.errors import ProjectError


def main() -> None:
    parser = argparse.ArgumentParser(
        prog="python -m scripts.serve", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("model", metavar="MODEL")
    parser.add_argument("--port", type=int, default=8000, help="8000 if not given; 0 takes one that is free")
    parser.add_argument("--host", default=LOCAL[0], help="the address to listen at: this machine's alone if not given")
    parser.add_argument(
        "--allow-host", metavar="NAME", action="append", default=[], help="a name by which others call it; repeatable"
    )
    arguments = parser.parse_args()
    if arguments.port not in range(65536):
        parser.error(f"--port is {arguments.port}; expected 0 to 65535")
    if arguments.host not in LOCAL and not arguments.allow_host:
        parser.error(f"--host {arguments.host} opens it to others: say with --allow-host by which name they may ask")
    with one_line_errors():
        end_at_ctrl_c()
        serve(arguments.model, arguments.port, arguments.host, arguments.allow_host)


def serve(model: str, port: int, host: str = LOCAL[0], names: Collection[str] = ()) -> None:
    with listen(port, host) as listening:
        finished = load(model)
        about: dict[str, object] = {
            "model": Path(model).name,
            "network": network_of(finished),
            "classes": finished.classes,
        }
        server = make_server(partial(explain, finished, looker_of(finished)), about, names)
        end_at_ctrl_c()  # anew, since importing torch takes that back
        signal.signal(signal.SIGTERM, lambda *_: setattr(server, "should_exit", True))
        address = f"http://{host}:{listening.getsockname()[1]}"
        print(f"{address} shows what {model} sees; Ctrl-C ends it", flush=True)
        server.run([listening])


def listen(port: int, host: str = LOCAL[0]) -> socket.socket:
    try:
        return socket.create_server((host, port))
    except OSError as error:
        why = (error.strerror or str(error)).partition(" (")[0]
        raise ProjectError(f"{host}:{port}: {why}; name another --port, 0 for one that is free, or --host") from error


if __name__ == "__main__":
    main()
