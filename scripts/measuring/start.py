"""How long predict takes to start and to its first answer: `python -m scripts.measuring.start MODEL PICTURE`.

Prints the medians of so many starts, in seconds: until the line of columns, which comes when the model is loaded, and
until the first picture's line. Nothing is written.
"""

import argparse
import subprocess
import sys
import time
from statistics import median

STARTS = 20


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m scripts.measuring.start", description=__doc__)
    parser.add_argument("model", metavar="MODEL")
    parser.add_argument("picture", metavar="PICTURE")
    arguments = parser.parse_args()
    started, answered = zip(*(one_start(arguments.model, arguments.picture) for _ in range(STARTS)), strict=True)
    print(f"{STARTS} starts: ready after {median(started):.2f} s, first answer after {median(answered):.2f} s")


def one_start(model: str, picture: str) -> tuple[float, float]:
    command, before = [sys.executable, "-m", "scripts.predict", model, picture], time.perf_counter()
    with subprocess.Popen(command, stdout=subprocess.PIPE) as process:
        assert process.stdout
        times = [time.perf_counter() - before for _ in process.stdout]
    if len(times) != 2:
        sys.exit("error: expected a line of columns and one of the picture")
    return times[0], times[1]


if __name__ == "__main__":
    main()
