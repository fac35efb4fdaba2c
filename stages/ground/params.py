"""params.yaml: reading it, and checking a part of it against its schema.

The schema of each section stands in the package that the section configures: a new setting is to run again what it
concerns, and nothing else. The whole file is checked by stages/settings.py.
"""

import difflib
import re
from pathlib import Path
from typing import Annotated, Any, Literal, TypeVar, get_args

import yaml
from pydantic import AfterValidator, BaseModel, ConfigDict, Field, Tag, TypeAdapter, ValidationError

from stages.ground.errors import ProjectError

PARAMS_FILE = Path("params.yaml")

OTHER_NAMES = {  # what people know these settings as
    "lr": ("learning_rate", "learningrate", "eta"),
    "trainable": ("freeze", "frozen"),
    "schedule": ("scheduler", "lr_scheduler"),
    "step_epochs": ("step_size",),
    "step_factor": ("gamma",),
    "workers": ("num_workers",),
    "val_fraction": ("val_split", "validation_split", "test_size"),
    "crop": ("image_size", "img_size"),
    "fit": ("letterbox", "padding", "resize_mode", "crop_mode"),
    "sha256": ("checksum", "hash"),
    "interpolation": ("resample", "resampling"),
    "licence": ("license",),
    "class_weights": ("class_weight", "weighted_loss", "loss_weights"),
}

Schema = TypeVar("Schema")

NonNegative = Annotated[float, Field(ge=0, allow_inf_nan=False)]
Positive = Annotated[float, Field(gt=0, allow_inf_nan=False)]
Pixels = Annotated[int, Field(ge=32, le=1024)]
Fit = Literal["crop", "pad", "squash"]  # how a picture becomes the square that a network sees
Interpolation = Literal["bilinear", "bicubic"]  # of resizing, as PIL does it
Channels = Annotated[list[Annotated[float, Field(ge=0, le=1)]], Field(min_length=3, max_length=3)]  # red, green, blue
Spreads = Annotated[list[Annotated[float, Field(gt=0, le=1)]], Field(min_length=3, max_length=3)]
Seed = Annotated[int, Field(ge=0, strict=True)]
Precision = Literal["auto", "bfloat16", "float32"]
FalseAlarms = Annotated[float, Field(gt=0, lt=1, strict=True)]


def name(text: str) -> str:
    if not re.fullmatch(r"[a-z][a-z0-9_]*", text):
        raise ValueError("a name is small letters, digits and _, and begins with a letter")
    if text in ("yes", "no", "on", "off", "true", "false", "null", "y", "n"):
        raise ValueError("to YAML this is no name but a value")
    if re.fullmatch(r"con|prn|aux|nul|(com|lpt)[1-9]", text):
        raise ValueError("Windows cannot write a file of this name")
    return text


Name = Annotated[str, AfterValidator(name)]


def _url(url: str) -> str:
    if not re.search(r"[^/]$", url.partition("?")[0]):
        raise ValueError(f"an address or a path ends with the file's name; received {url!r}")
    return url


Urls = Annotated[list[Annotated[str, AfterValidator(_url)]], Field(min_length=1)]


def ascending(numbers: list[int]) -> list[int]:
    if numbers != sorted(set(numbers)):
        raise ValueError(f"expected ascending numbers, each once; received {numbers}")
    return numbers


class Strict(BaseModel):
    """Settings that are fixed once read and know no other keys."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)


def read_params(path: Path = PARAMS_FILE) -> Any:
    """What `path` holds, unchecked; raises ProjectError if it is no YAML."""
    return parsed(path.read_bytes(), path)


def parsed(written: bytes, of: object) -> Any:
    """The same of a file's bytes; errors name `of`."""
    try:
        return yaml.load(written.decode(), Loader=_Loader)
    except Exception as error:  # PyYAML raises nearly anything: a ValueError on 2026-99-99, a KeyError on !!bool x
        raise ProjectError(f"{of} is not valid YAML: {error}") from error


def load_section(key: str, schema: Any, default: Any = None) -> Any:
    """One section of params.yaml.

    Raises:
        ProjectError: with every problem found in it, each with its key, what is allowed and what came.
    """
    content = read_params()
    if not isinstance(content, dict) or key not in content:
        if default is not None:
            return default
        raise ProjectError(f"{PARAMS_FILE}: {key}: missing")
    return checked(content[key], schema, PARAMS_FILE, (key,))


def load_entry(section: str, schema: type[Schema], entry: str) -> Schema:
    """One entry of a section that names its entries, such as `datasets`."""
    entries = load_section(section, dict[str, schema])  # type: ignore[valid-type]
    of: Schema = known_as(section, entries, entry)
    return of


def known_as(path: str, table: dict[str, Schema], entry: str) -> Schema:
    """`table[entry]`, or an error that lists the names there are; `path` is the table's key in params.yaml."""
    if entry not in table:
        raise ProjectError(f"{PARAMS_FILE}: {path} has no entry {entry!r}; it has: {', '.join(table)}")
    return table[entry]


def checked(content: Any, schema: Any, path: Path, key: tuple[str, ...] = ()) -> Any:
    """`content`, which stands in `path` under `key`, as `schema` has it.

    Raises:
        ProjectError: with every problem found.
    """
    try:
        return TypeAdapter(schema).validate_python(content)
    except ValidationError as error:
        found = (f"{path}: {_told(problem, schema, key)}" for problem in error.errors())
        raise ProjectError("; ".join(found)) from error


def did_you_mean(text: str, known: list[str]) -> str:
    also = {other: key for key, others in OTHER_NAMES.items() if key in known for other in others}
    close = difflib.get_close_matches(text, [*known, *also], n=1, cutoff=0.6)
    return f"; did you mean {also.get(close[0], close[0])}?" if close else ""


def _told(problem: Any, schema: Any, above: tuple[str, ...]) -> str:
    location = problem["loc"]
    key = ".".join([*above, *(str(part) for part in location if not _is_tag(part))]) or "the whole file"
    message = problem["msg"].removeprefix("Value error, ")
    if problem["type"] == "extra_forbidden":
        allowed = _keys_at(schema, location[:-1])
        message = f"unknown key{did_you_mean(str(location[-1]), allowed)}; allowed: {', '.join(allowed)}"
    elif problem["type"] == "missing":
        message = "missing"
    elif problem["type"] != "value_error":
        message += f"; received {problem['input']!r}"
    return f"{key}: {message}"


def _is_tag(part: int | str) -> bool:
    """Of a place in params.yaml: no key there, but what pydantic says of it."""
    return str(part).startswith("[")


def _keys_at(schema: Any, location: tuple[int | str, ...]) -> list[str]:
    """The keys that the settings at `location` of a `schema` may have."""
    if location and Tag(str(location[0])) in get_args(schema):  # of several schemas the one that was taken
        return _keys_at(get_args(schema)[0], location[1:])
    if isinstance(schema, type) and issubclass(schema, BaseModel):
        if not location:
            return list(schema.model_fields)
        field = schema.model_fields.get(str(location[0]))
        return _keys_at(field.annotation, location[1:]) if field else []
    if getattr(schema, "__origin__", None) is dict:
        return _keys_at(get_args(schema)[1], location[1:])
    return next((keys for inner in get_args(schema) if (keys := _keys_at(inner, location))), [])


class _Loader(yaml.SafeLoader):
    """SafeLoader that reads 1e-3 as a number, as YAML 1.2 and DVC do, and refuses a key that stands twice, and aliases:
    of these DVC sets none without the others, so that `dvc exp run -S` would change nothing, or too much."""

    def compose_node(self, parent: Any, index: Any) -> Any:
        if self.check_event(yaml.AliasEvent):
            where = self.peek_event().start_mark  # type: ignore[no-untyped-call]
            raise yaml.composer.ComposerError(None, None, "write it out instead of *alias", where)
        return super().compose_node(parent, index)

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        keys = [key.value for key, _ in node.value]
        if twice := sorted({str(key) for key in keys if keys.count(key) > 1}):
            raise yaml.constructor.ConstructorError(None, None, f"the key {twice[0]} stands twice", node.start_mark)
        return super().construct_mapping(node, deep)


_Loader.add_implicit_resolver(
    "tag:yaml.org,2002:float", re.compile(r"^[-+]?[0-9]+(\.[0-9]*)?[eE][-+]?[0-9]+$"), list("-+0123456789")
)
