"""Runs a stage from the command line: names in, errors out as one line on stderr."""

import argparse
import inspect
import os
import sys
from collections.abc import Callable
from pathlib import Path

from stages.common.errors import ProjectError

# scripts/repro.py names a file here to hear why a cell failed; DVC itself says only that it did.
ERRORS_FILE = "REPRO_ERRORS_FILE"


def run(main: Callable[..., None]) -> None:
    """Call `main` with one command-line argument for each of its parameters, all strings.

    Exit status: 0 done, 1 an error that the user can mend, 2 wrong arguments, 130 interrupted.
    """
    module = inspect.getmodule(main)
    parser = argparse.ArgumentParser(
        prog=f"python -m {module.__spec__.name}" if module and module.__spec__ else None,
        description=inspect.getdoc(module),
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    for name in inspect.signature(main).parameters:
        parser.add_argument(name)
    arguments = parser.parse_args()
    try:
        main(**vars(arguments))
    except KeyboardInterrupt:
        sys.exit(130)
    except (ProjectError, OSError) as error:
        line = " ".join(str(error).split())
        print(f"error: {line}", file=sys.stderr)
        if os.environ.get(ERRORS_FILE):
            with Path(os.environ[ERRORS_FILE]).open("a", encoding="utf-8") as file:
                print(line, file=file)
        sys.exit(1)
