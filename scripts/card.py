"""Write what is known of a trained model as a model card, Markdown with the front matter of Hugging Face's.

MODEL is a file that stages.train made. Its card has what the file says, and what this project's files say of the very
bytes that it has (dvc.lock knows them): data, recipe, metrics, the study's verdict, the audit, licences. Elsewhere, in
an empty folder too, it says what is not known. scripts.export writes it beside each export.

Exit status: 0 written, 1 not, 2 wrong arguments.
"""

import argparse
import json
import re
from pathlib import Path
from typing import Any

import yaml
from jinja2 import Environment, FileSystemLoader, StrictUndefined

from scripts.results import audit_notes
from scripts.using.origin import Origin, origin_of
from stages.audit import KINDS
from stages.ground.cli import one_line_errors
from stages.ground.errors import ProjectError
from stages.ground.files import written_whole
from stages.models.model_file import ModelFile

MADE_BY = "<!-- Made by scripts.card -->"
LIBRARIES = {".onnx": "onnx", ".pt2": "pytorch"}  # as Hugging Face calls them
LICENCES = {"mit", "apache-2.0", "bsd-3-clause"}  # that it knows, of those that pretrained weights here have
OF_OTHERS = re.compile(r"[a-z][a-z0-9_]*: ")  # a note of one variant


def main() -> None:
    parser = argparse.ArgumentParser(
        prog="python -m scripts.card", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("model", metavar="MODEL", type=Path)
    parser.add_argument("--output", metavar="FILE", type=Path, help="MODEL's name with .md if not given")
    arguments = parser.parse_args()
    with one_line_errors():
        print(write_card(arguments.model, arguments.model, arguments.output))


def write_card(model: Path, used: Path, output: Path | None = None) -> Path:
    """The card of `model`, for whoever has `used`, which is the same or an export of it; returns its place.

    Raises:
        ProjectError: `model` is none, or something else is in the way.
    """
    output = output or used.with_suffix(".md")
    if output.is_dir() or (output.is_file() and MADE_BY.encode() not in output.read_bytes()):
        raise ProjectError(f"{output} is in the card's way, and was not made by scripts.card: move it")
    text = card(ModelFile.read(model), origin_of(model), used)
    with written_whole(output) as part:
        part.write_text(text, encoding="utf-8")
    return output


def card(file: ModelFile, origin: Origin | None, used: Path) -> str:
    environment = Environment(
        loader=FileSystemLoader(Path(__file__).parent),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    environment.filters |= {"plain": plain, "points": points}
    return environment.get_template("card.md.jinja").render(
        made_by=MADE_BY,
        front=yaml.safe_dump(front_matter(file, origin, used), sort_keys=False, allow_unicode=True),
        file=file,
        look=file.preprocessing,
        of=origin,
        used=used,
        kinds=KINDS,
        notes=notes(origin) if origin else [],
        recipe=yaml.safe_dump(origin.recipe, sort_keys=False, allow_unicode=True) if origin else "",
        classes=json.dumps(file.classes, ensure_ascii=False),
    )


def front_matter(file: ModelFile, origin: Origin | None, used: Path) -> dict[str, Any]:
    """https://github.com/huggingface/hub-docs/blob/main/modelcard.md"""
    licence = (file.licence or "unknown").lower()
    front: dict[str, Any] = {"license": licence if licence in {*LICENCES, "unknown"} else "other"}
    if front["license"] == "other":
        front["license_name"] = file.licence
    if used.suffix in LIBRARIES:
        front["library_name"] = LIBRARIES[used.suffix]
    front |= {"pipeline_tag": "image-classification", "tags": ["image-classification", "transfer-learning"]}
    if origin and origin.metrics:
        task = {"type": "image-classification"}
        metric = {"type": "accuracy", "value": origin.metrics["accuracy"]}
        data = {"type": origin.dataset, "name": origin.dataset, "split": "validation"}
        result = {"task": task, "dataset": data, "metrics": [metric]}
        name = f"{origin.model}-{origin.dataset}-{origin.variant}"
        front |= {"metrics": ["accuracy"], "model-index": [{"name": name, "results": [result]}]}
    return front


def notes(origin: Origin) -> list[str]:
    """Of the audit, but those of other variants."""
    found = audit_notes(origin.model, origin.dataset)
    return [note for note in found if note.startswith(f"{origin.variant}: ") or not OF_OTHERS.match(note)]


def plain(text: object) -> str:
    """Names as text, whatever is in them."""
    return re.sub(r"([\\`*{}\[\]<>#|]|\b_|_\b)", r"\\\1", " ".join(str(text).split()))


def points(share: float) -> str:
    return f"{100 * share:.1f} %"


if __name__ == "__main__":
    main()
