"""docs/settings.md: every setting, out of what knows it.

What a setting may be, and whether it may be left out, is from the schema (stages/settings.py); what it means, from the
comment beside it in params.yaml; what a change of it runs again, from the `params` of dvc.yaml and study/dvc.yaml.
"""

import re
from pathlib import Path
from typing import Any

import yaml

from stages.ground.errors import ProjectError
from stages.ground.params import PARAMS_FILE
from stages.settings import Params

PAGE = Path("docs/settings.md")
GRAPHS = {"": Path("dvc.yaml"), "study: ": Path("study/dvc.yaml")}
ANY = "NAME"
HEAD = f"""\
# Settings

Every key of [params.yaml](../params.yaml), where {ANY} is the name of an entry. `make docs` writes this page, out of
the schema that checks that file, the comments in it, and the `params` of the stages. "Runs again" names the stages that
read a key themselves, after `study:` those of [the study](study.md), which `make study` and `make sweep` run; what
depends on their results follows. A key that is not needed says what it is without being there.
"""
Key = tuple[str, ...]
SECTIONS: tuple[tuple[str, Key, str], ...] = (  # title, the keys' place, the schema's name
    ("models", ("models", ANY), "Model"),
    ("downloads", ("downloads", ANY), "Download"),
    ("datasets", ("datasets", ANY), "Dataset"),
    ("variants: by SGD", ("variants", ANY), "Variant"),
    ("variants: random changes to the train images", ("variants", ANY, "augment"), "Augment"),
    ("variants: the last layer at its optimum", ("variants", ANY), "Probe"),
    ("learning_curve", ("learning_curve",), "LearningCurve"),
    ("study", ("study",), "Study"),
    ("sweep", ("sweep",), "Sweep"),
    ("runtime", ("runtime",), "Runtime"),
)
WORDS = {
    "string": "text",
    "boolean": "`true` or `false`",
    "integer": "a whole number",
    "number": "a number",
    "object": "entries by name",
}
BOUNDS = {
    "minimum": "{} or more",
    "exclusiveMinimum": "above {}",
    "maximum": "{} or less",
    "exclusiveMaximum": "below {}",
}
SETTING = re.compile(r"(?P<indent> *)(?P<key>\w+):(?: (?:'[^']*'|\"[^\"]*\"|[^#'\"])*)?(?:(?<= )# (?P<comment>.*))?")
NOTED = re.compile(r"#   (?P<key>\w+): .*?\S {3,}(?P<comment>.*)")  # above a section, of each of its entries


def settings_page() -> str:
    """Raises ProjectError where params.yaml says of no key of some kind what it means."""
    schema = Params.model_json_schema()
    meanings = comments(PARAMS_FILE.read_text(encoding="utf-8"))
    alone = {key: of for key, of in schema["properties"].items() if of.get("type") in ("integer", "number", "string")}
    parts = [HEAD, "## Of everything\n", table((), schema | {"properties": alone}, meanings)]
    for title, place, name in SECTIONS:
        parts += [f"## {title}\n", table(place, schema["$defs"][name], meanings)]
    return "\n".join(parts)


def table(place: Key, schema: dict[str, Any], meanings: dict[Key, str]) -> str:
    keys = {(*place, key): of for key, of in schema["properties"].items()}
    again = {key: runs_again(key) for key in keys}
    alike = again[next(iter(keys))] if len(set(again.values())) == 1 else ""
    header = ["setting", "may be", "without it", "what it is"] + ([] if alike else ["runs again"])
    lines = [header, ["---"] * len(header)]
    for key, of in keys.items():
        left_out = "needed" if key[-1] in schema.get("required", []) else default(of)
        lines.append([f"`{key[-1]}`", may_be(of), left_out, meaning(key, meanings)] + ([] if alike else [again[key]]))
    text = "".join(f"| {' | '.join(line)} |\n" for line in lines)
    below = f"Under `{'.'.join(place)}`" if place else ""
    said = "; ".join(filter(None, (below, f"a change runs again: {alike}" if alike else "")))
    return f"{said}.\n\n{text}" if said else text


def default(of: dict[str, Any]) -> str:
    value = of.get("default")
    return "" if value is None else f"`{str(value).lower() if isinstance(value, bool) else value}`"


def may_be(of: dict[str, Any]) -> str:
    """In words, what the JSON schema `of` a setting allows."""
    if "$ref" in of:
        return "settings"
    if kinds := of.get("anyOf", of.get("oneOf")):
        return " or ".join(may_be(kind) for kind in kinds if kind.get("type") != "null")
    if allowed := of.get("enum", [of["const"]] if "const" in of else []):
        return " or ".join(f"`{value}`" for value in allowed)
    if of["type"] == "array":
        count = f"{of['maxItems']} times " if "maxItems" in of else ""
        return f"a list: {count}{may_be(of['items'])}"
    return WORDS[of["type"]] + bounds(of)


def bounds(of: dict[str, Any]) -> str:
    if "minimum" in of and "maximum" in of:
        return f", {of['minimum']} to {of['maximum']}"
    said = " and ".join(text.format(of[key]) for key, text in BOUNDS.items() if key in of)
    return f", {said}" if said else ""


def meaning(key: Key, meanings: dict[Key, str]) -> str:
    """What params.yaml says of the first key of that kind that has a comment; variants are also those of the study."""
    kinds = [key]
    if key[0] == "variants":
        kinds += [("study", *key), ("study", "variants", ANY, "start", *key[2:])]
    found = (text for kind in kinds for place, text in meanings.items() if same(place, kind))
    text = next(found, None)
    if text is None:
        raise ProjectError(
            f"{PARAMS_FILE}: {'.'.join(key)}: no comment says what it is: write one beside it, or above its section"
        )
    return text


def same(place: Key, kind: Key) -> bool:
    return len(place) == len(kind) and all(ANY in (of, its) or of == its for of, its in zip(place, kind, strict=True))


def comments(written: str) -> dict[Key, str]:
    """{key: its comment} of params.yaml; what stands above a section is of the key `section.ANY.key`."""
    found: dict[Key, str] = {}
    above: list[tuple[int, str]] = []  # the keys that the line stands below, with their indents
    waiting: dict[str, str] = {}
    for line in written.splitlines():
        if noted := NOTED.fullmatch(line):
            waiting[noted["key"]] = noted["comment"]
        elif setting := SETTING.fullmatch(line):
            above = [(indent, key) for indent, key in above if indent < len(setting["indent"])]
            above.append((len(setting["indent"]), setting["key"]))
            place = tuple(key for _, key in above)
            if len(place) == 1:
                found |= {(*place, ANY, key): comment for key, comment in waiting.items()}
                waiting = {}
            if setting["comment"]:
                found[place] = setting["comment"]
    return found


def runs_again(key: Key) -> str:
    """The stages whose `params` name this key, or what it stands in, or part of it."""
    said = []
    for prefix, path in GRAPHS.items():
        stages = yaml.safe_load(path.read_text(encoding="utf-8"))["stages"]
        named = [name for name, stage in stages.items() if any(reads(entry, key) for entry in stage.get("params", []))]
        said += [prefix + ", ".join(named)] if named else []
    return "; ".join(said) or "nothing"


def reads(entry: str, key: Key) -> bool:
    place = re.sub(r"\$\{[^}]*\}", ANY, entry).split(".")
    length = min(len(place), len(key))
    return same(tuple(place[:length]), key[:length])
