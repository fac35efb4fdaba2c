"""Puts an entry into params.yaml, whose comments and layout are its users', and its models into dvc.yaml."""

from collections.abc import Sequence

import yaml

from scripts.adding.artifacts import write_artifacts
from stages.ground.errors import ProjectError
from stages.ground.files import written_whole
from stages.ground.params import PARAMS_FILE
from stages.settings import load_params

MATRICES = ("downloads", "datasets")  # sections that dvc.yaml runs over, and that may be empty


def add_entry(section: str, lines: Sequence[str]) -> None:
    """Write `lines` as the last entry of `section`, such as `datasets`; every other byte of the file stays. The models
    that follow from it get their names in dvc.yaml.

    Raises:
        ProjectError: what would come out is no valid params.yaml, or two models would have one name; both files are
            left as they were.
    """
    text = PARAMS_FILE.read_bytes().decode()
    with written_whole(PARAMS_FILE) as part:
        part.write_bytes(with_entry(text, section, lines).encode())
        write_artifacts(load_params(part))


def check_entry(section: str) -> None:
    """Before what takes long.

    Raises:
        ProjectError: `section` is written so that add_entry would refuse any.
    """
    with_entry(PARAMS_FILE.read_bytes().decode(), section, [])


def with_entry(text: str, section: str, lines: Sequence[str]) -> str:
    """`text` with `lines`, indented as the entries of `section` are, on the line after its last entry.

    Sections that are left empty become `{}` on the way: DVC's matrices cannot be over nothing.
    """
    newline = "\r\n" if "\r\n" in text else "\n"
    text = _with_braces(text, except_for=section)
    root = yaml.compose(text, Loader=yaml.SafeLoader)
    assert root is not None  # load_params has read it
    key, entries = next((key, value) for key, value in root.value if key.value == section)
    if isinstance(entries, yaml.CollectionNode) and entries.value:
        if entries.flow_style:
            raise ProjectError(f"{PARAMS_FILE}: {section} is written in braces; write one entry a line, without them")
        indent, last = entries.start_mark.column, _end(entries)
    else:  # nothing, {} or null
        text = text[: key.end_mark.index] + ":" + text[entries.end_mark.index :]
        indent, last = 2, key.end_mark.index
    end = text.find("\n", last) + 1
    before, after = (text[:end], text[end:]) if end else (text + newline, "")
    return before + "".join(f"{' ' * indent}{line}{newline}" for line in lines) + after


def _with_braces(text: str, except_for: str) -> str:
    root = yaml.compose(text, Loader=yaml.SafeLoader)
    assert root is not None
    for key, value in reversed(root.value):
        if key.value in MATRICES and key.value != except_for and value.tag == "tag:yaml.org,2002:null":
            text = text[: key.end_mark.index] + ": {}" + text[max(value.end_mark.index, key.end_mark.index + 1) :]
    return text


def _end(node: yaml.Node) -> int:
    """Where the content of `node` ends in the text; the mark at the end of a block is after the comments below it."""
    if not isinstance(node, yaml.CollectionNode) or node.flow_style:
        return int(node.end_mark.index)
    children = [child for pair in node.value for child in (pair if isinstance(pair, tuple) else (pair,))]
    return max(map(_end, children))
