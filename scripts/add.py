"""Put in images of your own, or another network.

python -m scripts.add NAME PATH                      a folder or a zip file of images, one folder per class
python -m scripts.add NAME PATH --labels FILE.csv    … whose classes stand in a table: file,label[,split][,group]
python -m scripts.add NAME PATH --split A=train …    … of which the folder A holds the train images
python -m scripts.add NAME FOLDER                    … of tar files of pictures, for train and val
python -m scripts.add NAME s3://BUCKET/FOLDER        … which stay there, or at https://…, file:///…
python -m scripts.add --model efficientnet_b0        a classifier of torchvision
python -m scripts.add --model timm/convnext_atto.d2_in1k    any of timm, by its ARCHITECTURE.TAG
python -m scripts.add --model … --weights FILE       … with weights from a file or an address, in place of the library's
"""

import argparse
from pathlib import Path

from stages.datasets.layout import SPLITS
from stages.ground.cli import end_at_ctrl_c, one_line_errors
from stages.ground.places import is_remote


def main() -> None:
    """Exit status: 0 done, 1 an error that the user can mend, 2 wrong arguments, 130 interrupted."""
    parser = argparse.ArgumentParser(
        prog="python -m scripts.add", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("name", metavar="NAME", nargs="?", help="of the data set: small letters, digits and _")
    parser.add_argument("path", metavar="PATH", nargs="?", help="a folder, a zip file or an address; it is only read")
    parser.add_argument("--labels", metavar="FILE.csv", type=Path, help="columns file,label, and split or group")
    parser.add_argument("--allow-duplicates", action="store_true", help="take a picture that trains and validates, too")
    parser.add_argument(
        "--split", metavar="FOLDER=SPLIT", action="append", type=named_split, default=[], dest="splits",
        help="which of PATH's folders, or tar files (a-{000..146}.tar, a-*.tar), are train, val and test, where their"
        " names do not say it; once for each",
    )  # fmt: skip
    parser.add_argument(
        "--group-pattern", metavar="REGEX", help="finds in files' names what is to stay on one side of a split, such as"
        " the number of a person",
    )  # fmt: skip
    parser.add_argument("--model", metavar="NETWORK", help="of torchvision, or timm/ and timm's name of one")
    parser.add_argument("--weights", metavar="PLACE", help="a file or an address of the network's weights")
    parser.add_argument("--sha256", metavar="DIGITS", help="of these weights, 8 or more, where they are at an address")
    arguments = parser.parse_args()
    images = (arguments.name, arguments.path)
    of_images = [*images, arguments.labels, arguments.splits, arguments.group_pattern]
    if any(of_images) if arguments.model else not all(images):
        parser.error("expected NAME and PATH, or --model alone")
    if (arguments.weights and not arguments.model) or (arguments.sha256 and not arguments.weights):
        parser.error("expected --model with --weights, and --weights with --sha256")
    if arguments.labels and arguments.splits:
        parser.error("--labels and --split: a table says itself which images are of which split")
    if arguments.labels and is_remote(arguments.path):
        parser.error("--labels: tar files at an address say themselves which classes their pictures have")
    with one_line_errors():
        if arguments.model:
            end_at_ctrl_c()
            from scripts.adding.network import add_network  # imports torch, which takes seconds

            add_network(arguments.model, arguments.weights, arguments.sha256)
        else:
            from scripts.adding.images import add_images, settings_of
            from scripts.adding.tar_files import add_place

            name, path, splits = arguments.name, arguments.path, dict(arguments.splits)
            if not is_remote(path):
                more = (arguments.labels, arguments.allow_duplicates, splits, arguments.group_pattern)
                add_images(name, Path(path), *more)
            else:
                add_place(name, path, splits, settings_of(arguments.allow_duplicates, arguments.group_pattern))


def named_split(text: str) -> tuple[str, str]:
    folder, _, split = text.rpartition("=")
    folder = folder.rstrip("/")  # as shells complete it
    if not folder or split not in SPLITS:
        raise argparse.ArgumentTypeError(f"expected FOLDER=train, =val or =test; received {text!r}")
    return folder, split


if __name__ == "__main__":
    main()
