"""Bring the models' names in dvc.yaml, its artifacts, into line with params.yaml, after entries of it were added or
removed by hand; scripts.add does so by itself.

Exit status: 0 written, or nothing to write, 1 an error that the user can mend, 2 wrong arguments.
"""

import argparse

from scripts.adding.artifacts import write_artifacts
from stages.ground.cli import one_line_errors
from stages.settings import load_params


def main() -> None:
    argparse.ArgumentParser(
        prog="python -m scripts.artifacts", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    ).parse_args()
    with one_line_errors():
        write_artifacts(load_params())


if __name__ == "__main__":
    main()
