"""What a trained model says of pictures: a table of file, class, probability and whether it is none of the classes.

MODEL is a file that stages.train made, or what scripts.export made of it as ONNX; either is enough by itself. A FOLDER
stands for all pictures in it and below. Without FILE, and for -, the names of files and folders are read from stdin,
one a line. Lines are printed while later files are still being read. A file that cannot be read is one line on stderr,
and the others follow.

none_of_these is yes where the picture looks like none of the classes; the class is then the nearest of them. It tells
pictures of something entirely different. A class that is much like the trained ones mostly passes as one of these, and
a few pictures of the trained classes are called none of them by mistake (of train images that were held out, 5 %, or
what params.yaml had for false_alarms). It is unknown where MODEL cannot tell.

Exit status: 0 every file has its class, 1 some could not be read or MODEL is none, 2 wrong arguments, 130 interrupted.
"""

import argparse
import json
import os
import signal
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path

from scripts.using.answers import as_row
from scripts.using.loaded import load
from stages.ground.cli import end_at_ctrl_c, one_line_errors
from stages.pictures.listing import list_folder

ANSWERS = {True: "yes", False: "no", None: "unknown"}


def main() -> int:
    parser = argparse.ArgumentParser(
        prog="python -m scripts.predict", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("model", metavar="MODEL")
    parser.add_argument("files", metavar="FILE", nargs="*", default=["-"], help="a picture, a folder, or -")
    parser.add_argument(
        "--json", action="store_true", help="one JSON object a line, with every class's probability, and how unlike the"
        " train images the picture is: distance (0 is usual), and the threshold above which it is none of these",
    )  # fmt: skip
    arguments = parser.parse_intermixed_args()
    with one_line_errors():
        end_at_ctrl_c()
        become_a_filter()
        return predict(arguments.model, arguments.files, arguments.json)


def become_a_filter() -> None:
    """End silently once nobody reads on (`| head`), and print the names of files as the bytes that they are."""
    if hasattr(signal, "SIGPIPE"):
        signal.signal(signal.SIGPIPE, signal.SIG_DFL)
    sys.stdout.reconfigure(encoding="utf-8", errors="surrogateescape")  # type: ignore[union-attr]


def predict(model: str, names: Iterable[str], as_json: bool) -> int:
    """Print what `model` says of the pictures that `names` stand for; the exit status."""
    classifier = load(model)
    status = 0
    if not as_json:
        print("file", "class", "probability", "none_of_these", sep="\t", flush=True)
    for file, outcome in classifier.stream(pictures(names)):
        if isinstance(outcome, Exception):
            print(f"error: {reason(file, outcome)}", file=sys.stderr, flush=True)
            status = 1
        elif as_json:
            print(json.dumps(as_row(file, outcome)), flush=True)
        else:
            told = ANSWERS[outcome.none_of_these]
            print(file, outcome.label, f"{outcome.probability:.4f}", told, sep="\t", flush=True)
    return status


def listed(folder: str) -> list[str]:
    """The pictures below it, and the folders that cannot be read, each of which is an error of its own."""
    unreadable: list[str] = []
    listing = list_folder(Path(folder), on_error=lambda error: unreadable.append(os.fsdecode(error.filename)))
    for line in listing.left_out.lines():
        print(f"{folder}: {line}", file=sys.stderr, flush=True)
    return [*map(str, listing.pictures), *unreadable]


def pictures(names: Iterable[str]) -> Iterator[str]:
    """The files that `names` stand for. A folder without pictures stands for itself, and is an error to read."""
    for name in names:
        # os.path.isdir, since that of Path raises an error on a name that cannot be looked up
        if name == "-":
            yield from pictures(line for line in stdin_lines() if line not in ("", "-"))
        elif os.path.isdir(name) and (found := listed(name)):  # noqa: PTH112
            yield from found
        else:
            yield name


def stdin_lines() -> Iterator[str]:
    return (os.fsdecode(line.removesuffix(b"\n")) for line in sys.stdin.buffer)


def reason(file: str, error: Exception) -> str:
    """One line, with the file's name."""
    if isinstance(error, IsADirectoryError):
        line = f"{file}: a folder without pictures"
    elif isinstance(error, OSError):
        line = f"{file}: {error.strerror}"
    else:
        line = str(error)
    return " ".join(line.split())


if __name__ == "__main__":
    sys.exit(main())
