"""stages/settings.py: what params.yaml may say, and what is answered when it says something else."""

import contextlib
import re
import tempfile
from pathlib import Path

import pytest
import timm
import torchvision
import yaml
from dvc.utils.hydra import apply_overrides
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError
from ruamel.yaml import YAML

from stages.ground.errors import ProjectError
from stages.ground.params import known_as, read_params
from stages.networks.settings import names_of, network_of
from stages.recipes.variant import Variant
from stages.settings import Params, load_params
from tests.conftest import PROJECT, to_yaml
from tests.models import model_entry

GONE = object()  # as a value: the key is not there


def settings() -> dict:
    """A small params.yaml in which everything is right."""
    frozen = {
        "trainable": "head", "epochs": 10, "batch_size": 16, "lr": 0.003, "momentum": 0.9, "weight_decay": 0,
        "schedule": "linear",
    }  # fmt: skip
    return {
        "seed": 0,
        "precision": "bfloat16",
        "false_alarms": 0.05,
        "models": {"resnet18": model_entry("resnet18", "a.pth", "0" * 64, 256, 224)},
        "downloads": {"shapes": {"urls": ["shapes.zip"]}},
        "datasets": {"shapes": {"manifest": "shapes.sha256"}, "mine": {}},
        "variants": {
            "frozen": frozen,
            "unfrozen": {**frozen, "trainable": "all", "augment": {"min_scale": 0.35, "flip": True}},
        },
        "learning_curve": {"variant": "frozen", "images": [10, 20], "draws": 10},
        "study": {"trials": 10, "quick_trials": 100, "margin": 0.01},
        "sweep": {"variant": "frozen", "search": "grid", "settings": {"lr": [0.1]}, "folds": 2, "confirm": 2},
    }


def changed(*changes: tuple[str, object]) -> dict:
    """The small params.yaml with other values: ("variants.frozen.lr", 0)."""
    params = settings()
    for key, value in changes:
        *above, last = key.split(".")
        section = params
        for name in above:
            section = section[name]
        if value is GONE:
            del section[last]
        else:
            section[last] = value
    return params


def load(folder: Path, params: dict) -> Params:
    (folder / "params.yaml").write_text(to_yaml(params))
    return load_params()


def load_text(folder: Path, text: str) -> Params:
    (folder / "params.yaml").write_text(text)
    return load_params()


def test_the_projects_own_params_are_valid() -> None:
    assert next(iter(load_params(PROJECT / "params.yaml").variants)) == "frozen"


def test_settings_arrive_as_written_and_in_their_order(in_folder: Path) -> None:
    params = load(in_folder, settings())
    assert params.model_dump(exclude_unset=True) == settings()
    assert list(params.variants) == ["frozen", "unfrozen"]


def test_what_may_be_left_out_has_its_default(in_folder: Path) -> None:
    params = load(in_folder, settings())
    assert params.datasets["mine"].model_dump() == {
        "manifest": None,
        "val_fraction": None,
        "seed": 0,
        "groups": None,
        "group_pattern": None,
        "allow_duplicates": False,
        "values": None,
        "shards": None,
    }
    assert params.runtime.model_dump() == {
        "device": "auto",
        "devices": 1,
        "workers": 2,
        "image_cache_mib": 4096,
        "progress": True,
        "unpack_limit_gib": 10,
        "engine": "local",
        "address": "",
    }
    assert (params.variants["frozen"].select, params.variants["frozen"].augment) == ("last", None)


@pytest.mark.parametrize(
    ("key", "value", "problem"),
    [
        ("seed", -1, "seed: Input should be greater than or equal to 0; received -1"),
        ("precision", "float16", "precision: Input should be 'auto', 'bfloat16' or 'float32'; received 'float16'"),
        ("false_alarms", 0, "false_alarms: Input should be greater than 0; received 0"),
        ("false_alarms", 1, "false_alarms: Input should be less than 1; received 1"),
        ("false_alarms", "5 %", "false_alarms: Input should be a valid number; received '5 %'"),
        ("false_alarms", GONE, "false_alarms: missing"),
        ("models", {}, "models: Dictionary should have at least 1 item after validation, not 0; received {}"),
        ("models.resnet18.sha256", GONE, "models.resnet18.sha256: missing"),
        (
            "models.resnet18.sha256",
            "F" * 64,
            f"models.resnet18.sha256: String should match pattern '^[0-9a-f]{{8,64}}$'; received '{'F' * 64}'",
        ),
        (
            "models.resnet18.sha256",
            "0" * 7,
            "models.resnet18.sha256: String should match pattern '^[0-9a-f]{8,64}$'; received '0000000'",
        ),
        (
            "models.vit_b_32",
            model_entry("vit_b_32", "a.pth", "0" * 8, 256, 192),
            "models.vit_b_32: crop must be 224, the only one vit_b_32 takes; received 192",
        ),
        (
            "models.resnet18.urls",
            "a.pth",
            "models.resnet18.urls: Input should be a valid list; received 'a.pth'",
        ),
        (
            "downloads.shapes.urls",
            [],
            "downloads.shapes.urls: List should have at least 1 item after validation, not 0; received []",
        ),
        (
            "models.resnet18.crop",
            16,
            "models.resnet18.crop: Input should be greater than or equal to 32; received 16",
        ),
        ("models.resnet18.source", GONE, "models.resnet18.source: missing"),
        (
            "models.resnet18.source",
            "hub",
            "models.resnet18.source: Input should be 'torchvision' or 'timm'; received 'hub'",
        ),
        (
            "models.resnet18.interpolation",
            "cubic",
            "models.resnet18.interpolation: Input should be 'bilinear' or 'bicubic'; received 'cubic'",
        ),
        (
            "models.resnet18.mean",
            [0.5, 0.5],
            "models.resnet18.mean: List should have at least 3 items after validation, not 2; received [0.5, 0.5]",
        ),
        (
            "models.resnet18.std",
            [0.5, 0, 0.5],
            "models.resnet18.std.1: Input should be greater than 0; received 0",
        ),
        ("models.resnet18.fit", GONE, "models.resnet18.fit: missing"),
        (
            "models.resnet18.fit",
            "stretch",
            "models.resnet18.fit: Input should be 'crop', 'pad' or 'squash'; received 'stretch'",
        ),
        ("models.resnet18.crop", 300, "models.resnet18: crop must not be above resize (256); received 300"),
        (
            "datasets.mine.val_fraction",
            1,
            "datasets.mine.val_fraction: Input should be less than 1; received 1",
        ),
        (
            "datasets.shapes.val_fraction",
            0.2,
            "datasets.shapes: give manifest or val_fraction, not both: a manifest already says which images validate",
        ),
        ("variants", {}, "variants: Dictionary should have at least 1 item after validation, not 0; received {}"),
        (
            "variants.frozen.trainable",
            "none",
            "variants.frozen.trainable: expected head, all, or last_3 and the like; received 'none'",
        ),
        ("variants.frozen.epochs", 0, "variants.frozen.epochs: Input should be greater than or equal to 1; received 0"),
        (
            "variants.frozen.batch_size",
            2.5,
            "variants.frozen.batch_size: Input should be a valid integer; received 2.5",
        ),
        ("variants.frozen.lr", 0, "variants.frozen.lr: Input should be greater than 0; received 0"),
        ("variants.frozen.lr", float("nan"), "variants.frozen.lr: Input should be a finite number; received nan"),
        ("variants.frozen.momentum", 1, "variants.frozen.momentum: Input should be less than 1; received 1"),
        (
            "variants.frozen.weight_decay",
            float("inf"),
            "variants.frozen.weight_decay: Input should be a finite number; received inf",
        ),
        (
            "variants.unfrozen.augment.min_scale",
            0,
            "variants.unfrozen.augment.min_scale: Input should be greater than 0; received 0",
        ),
        (
            "variants.unfrozen.augment.crop",
            16,
            "variants.unfrozen.augment.crop: Input should be greater than or equal to 32; received 16",
        ),
        (
            "variants.frozen.recompute_batchnorm",
            True,
            "variants.frozen: recompute_batchnorm needs trainable: all or last_N, and select: last",
        ),
        ("variants.unfrozen.augment.flip", GONE, "variants.unfrozen.augment.flip: missing"),
        (
            "variants.frozen.class_weights",
            {"ants": 2},
            "variants.frozen.class_weights: Input should be 'none' or 'balanced'; received {'ants': 2}",
        ),
        (
            "variants.frozen.augment",
            {"min_scale": 1, "flip": True},
            "variants.frozen: augment needs trainable: all or last_N; a frozen network's features are computed once",
        ),
        (
            "learning_curve.variant",
            "unfrozen",
            "the whole file: learning_curve.variant: expected a variant with trainable: head, select: last and no"
            " solver (frozen); received 'unfrozen'",
        ),
        (
            "learning_curve.images",
            [20, 10],
            "learning_curve.images: expected ascending numbers, each once; received [20, 10]",
        ),
        (
            "learning_curve.images",
            [10, 10],
            "learning_curve.images: expected ascending numbers, each once; received [10, 10]",
        ),
        (
            "learning_curve.images",
            [1, 10],
            "learning_curve.images.0: Input should be greater than or equal to 2; received 1",
        ),
        ("learning_curve.draws", 0, "learning_curve.draws: Input should be greater than or equal to 1; received 0"),
        ("learning_curve", GONE, "learning_curve: missing"),
        (
            "runtime",
            {"unpack_limit_gib": 0},
            "runtime.unpack_limit_gib: Input should be greater than 0; received 0",
        ),
        ("runtime", {"workers": 0}, "runtime.workers: Input should be greater than or equal to 1; received 0"),
        ("runtime", {"engine": "slurm"}, "runtime.engine: Input should be 'local' or 'ray'; received 'slurm'"),
        (
            "runtime",
            {"address": "ray://head:10001"},
            "runtime.address: expected HOST:PORT of a Ray cluster, auto, or nothing; received 'ray://head:10001'",
        ),
        (
            "study.variants",
            {"frozen": {"trainable": "head", "solver": "newton"}},
            "the whole file: study.variants.frozen: variants has one of that name, which the study tries anyway; take"
            " one out",
        ),
        (
            "study.variants",
            {"probe": {"trainable": "head", "solver": "lbfgs"}},
            "study.variants.probe.solver: Input should be 'newton'; received 'lbfgs'",
        ),
        (
            "variants.probe",
            {"trainable": "head", "solver": "newton", "lrr": 1},
            "variants.probe.lrr: unknown key; allowed: trainable, solver, class_weights",
        ),
        (
            "variants.unfrozen",
            {**settings()["variants"]["unfrozen"], "batch_norm": "frozen", "recompute_batchnorm": True},
            "variants.unfrozen: recompute_batchnorm takes statistics anew, which batch_norm: frozen keeps; take one"
            " out",
        ),
        ("study.trials", 1, "study.trials: Input should be greater than or equal to 2; received 1"),
        ("study.images", [100, 50], "study.images: expected ascending numbers, each once; received [100, 50]"),
        ("study.margin", 0, "study.margin: Input should be greater than 0; received 0"),
        (
            "variants.frozen.start",
            "probe",
            "variants.frozen: start: only with trainable: all or last_N",
        ),
        (
            "variants.unfrozen.blend",
            0.5,
            "variants.unfrozen: blend needs a start that is not random, which it goes back towards, and select: last",
        ),
        (
            "datasets.mine",
            {"groups": "a.groups", "group_pattern": "a"},
            "datasets.mine: give groups or group_pattern, not both",
        ),
        (
            "datasets.mine",
            {"group_pattern": "("},
            "datasets.mine: group_pattern is no regular expression: missing ), unterminated subpattern at position 0",
        ),
        (
            "downloads.other",
            {"urls": ["a.zip"]},
            "the whole file: downloads.other has no entry of that name under datasets",
        ),
    ],
)
def test_a_wrong_value_is_named_with_its_key_and_what_is_allowed(
    in_folder: Path, key: str, value: object, problem: str
) -> None:
    with pytest.raises(ProjectError, match=f"^{re.escape(f'params.yaml: {problem}')}$"):
        load(in_folder, changed((key, value)))


@pytest.mark.parametrize(
    ("key", "problem"),
    [
        ("sede", "sede: unknown key; did you mean seed?; allowed: seed, precision, false_alarms, models, downloads,"),
        ("models.resnet18.sha", "models.resnet18.sha: unknown key; did you mean sha256?; allowed: source, name, "),
        ("downloads.shapes.url", "downloads.shapes.url: unknown key; did you mean urls?; allowed: urls"),
        ("datasets.mine.folds", "datasets.mine.folds: unknown key; allowed: manifest, val_fraction, seed"),
        (
            "learning_curve.draw",
            "learning_curve.draw: unknown key; did you mean draws?; allowed: variant, images, draws",
        ),
        ("variants.frozen.epoch", "variants.frozen.epoch: unknown key; did you mean epochs?; allowed: trainable, "),
        (
            "variants.unfrozen.augment.flips",
            "variants.unfrozen.augment.flips: unknown key; did you mean flip?; allowed:",
        ),
    ],
)
def test_an_unknown_key_is_answered_with_the_known_ones(in_folder: Path, key: str, problem: str) -> None:
    with pytest.raises(ProjectError, match=f"^{re.escape(f'params.yaml: {problem}')}"):
        load(in_folder, changed((key, 1)))


@pytest.mark.parametrize(
    ("key", "meant"),
    [
        ("variants.frozen.learning_rate", "lr"),
        ("variants.frozen.freeze", "trainable"),
        ("variants.frozen.class_weight", "class_weights"),
        ("variants.frozen.weighted_loss", "class_weights"),
        ("variants.frozen.gamma", "step_factor"),
        ("datasets.mine.val_split", "val_fraction"),
        ("models.resnet18.img_size", "crop"),
        ("models.resnet18.letterbox", "fit"),
        ("models.resnet18.hash", "sha256"),
        ("models.resnet18.resample", "interpolation"),
        ("models.resnet18.license", "licence"),
    ],
)
def test_a_setting_under_the_name_it_has_elsewhere_is_understood(in_folder: Path, key: str, meant: str) -> None:
    with pytest.raises(ProjectError, match=rf"^params\.yaml: {re.escape(key)}: unknown key; did you mean {meant}\?"):
        load(in_folder, changed((key, 1)))


def test_a_name_from_elsewhere_is_offered_only_where_its_setting_is(in_folder: Path) -> None:
    with pytest.raises(ProjectError, match=r"^params\.yaml: datasets\.mine\.gamma: unknown key; allowed: manifest"):
        load(in_folder, changed(("datasets.mine.gamma", 1)))


def test_an_unknown_key_of_a_variant_called_augment_is_answered_with_a_variants_keys(in_folder: Path) -> None:
    variant = settings()["variants"]["frozen"]
    with pytest.raises(ProjectError, match=r"variants\.augment\.epoch: unknown key; did you mean epochs\?"):
        load(in_folder, changed(("variants.augment", variant | {"epoch": 1})))


@pytest.mark.parametrize(
    ("chosen", "right"),
    [
        ({"schedule": "step", "step_epochs": 7, "step_factor": 0.1}, True),
        ({"schedule": "cosine"}, True),
        ({"schedule": "step"}, False),
        ({"schedule": "step", "step_epochs": 7}, False),
        ({"schedule": "step", "step_factor": 0.1}, False),
        ({"schedule": "linear", "step_epochs": 7, "step_factor": 0.1}, False),
        ({"schedule": "linear", "step_epochs": 7}, False),
        ({"schedule": "linear", "step_factor": 0.1}, False),
    ],
)
def test_schedule_step_and_no_other_takes_both_of_its_settings(in_folder: Path, chosen: dict, right: bool) -> None:
    params = changed(*((f"variants.frozen.{key}", value) for key, value in chosen.items()))
    if right:
        assert load(in_folder, params).variants["frozen"].schedule == chosen["schedule"]
    else:
        with pytest.raises(ProjectError, match=r"variants\.frozen: schedule: step needs step_epochs and step_factor,"):
            load(in_folder, params)


@pytest.mark.parametrize("section", ["datasets", "variants"])
@pytest.mark.parametrize("name", ["a-b", "Mine", "1st", "a.b", "ä", "_a", "a b", ""])
def test_a_name_that_dvc_cannot_carry_is_refused(in_folder: Path, section: str, name: str) -> None:
    params = settings()
    params[section][name] = params[section][next(iter(params[section]))]
    with pytest.raises(ProjectError, match=rf"^params\.yaml: {section}\.{re.escape(name)}: a name is small letters, "):
        load(in_folder, params)


@pytest.mark.parametrize("name", ["raw", "manifests", "embedded", "corrections"])
def test_a_data_set_cannot_have_the_name_of_another_folder_in_data(in_folder: Path, name: str) -> None:
    names = "raw, manifests, embedded and corrections"
    problem = rf"^params\.yaml: datasets\.{name}: the names {names} are taken by folders in data/$"
    with pytest.raises(ProjectError, match=problem):
        load(in_folder, changed((f"datasets.{name}", {})))


@pytest.mark.parametrize(
    ("source", "name", "kind", "meant"),
    [
        ("torchvision", "resnet_18", "classification network of torchvision", "resnet18"),
        ("timm", "convnext_ato.d2_in1k", "network of timm", "convnext_atto"),
    ],
)
def test_a_network_that_there_is_not_is_answered_with_the_nearest(
    in_folder: Path, source: str, name: str, kind: str, meant: str
) -> None:
    problem = rf"^params\.yaml: models\.resnet18\.name: no {kind}; did you mean {meant}\?; received '{name}'$"
    with pytest.raises(ProjectError, match=problem):
        load(in_folder, changed(("models.resnet18.source", source), ("models.resnet18.name", name)))


def test_an_entry_is_called_as_one_likes_and_names_its_network(in_folder: Path) -> None:
    params = load(
        in_folder, changed(("models.mine", model_entry("convnext_atto.d2_in1k", "a", "0" * 8, source="timm")))
    )
    assert {key: network_of(model) for key, model in params.models.items()} == {
        "resnet18": "resnet18",
        "mine": "timm/convnext_atto.d2_in1k",
    }


def test_the_known_networks_are_those_of_the_libraries() -> None:
    """Read out of their source, since importing them is slow; networks for detection and so on are not among them."""
    assert names_of("torchvision") == torchvision.models.list_models(module=torchvision.models)
    assert names_of("timm") == sorted(timm.list_models())


def test_all_problems_come_in_one_error(in_folder: Path) -> None:
    with pytest.raises(ProjectError) as caught:
        load(in_folder, changed(("seed", -1), ("models.resnet18.crop", GONE), ("variants.frozen.lrr", 1)))
    assert str(caught.value).startswith(
        "params.yaml: seed: Input should be greater than or equal to 0; received -1;"
        " params.yaml: models.resnet18.crop: missing; params.yaml: variants.frozen.lrr: unknown key; did you mean lr?;"
    )


@pytest.mark.parametrize("number", ["1e-3", "1E3", "2.5e-1", "1.e2", "3", "0.003", "1.5e3"])
def test_a_number_is_what_dvc_reads(in_folder: Path, number: str) -> None:
    """PyYAML by itself takes 1e-3 for a word; DVC reads YAML 1.2, as ruamel.yaml does."""
    text = yaml.safe_dump(settings()).replace("lr: 0.003", f"lr: {number}", 1)
    read = load_text(in_folder, text).variants["frozen"].lr
    assert read == float(number) == YAML(typ="safe").load(text)["variants"]["frozen"]["lr"]


@pytest.mark.parametrize("word", ["1e", "e3", "1e-3x"])
def test_a_word_that_only_resembles_a_number_stays_a_word(in_folder: Path, word: str) -> None:
    text = yaml.safe_dump(settings()).replace("shapes.sha256", word)
    assert load_text(in_folder, text).datasets["shapes"].manifest == word


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        (b"seed: [", r"^params\.yaml is not valid YAML: while parsing a flow node"),
        (b"seed: \xff", r"^params\.yaml is not valid YAML: 'utf-8' codec can't decode"),
        (b"", r"^params\.yaml: the whole file: Input should be a valid dictionary .*; received None$"),
        (b"seed: 2026-99-99", r"^params\.yaml is not valid YAML: month must be in 1\.\.12$"),
        (b"[" * 9999, r"^params\.yaml is not valid YAML: maximum recursion depth exceeded"),
        (b"- seed", r"^params\.yaml: the whole file: Input should be a valid dictionary .*; received \['seed'\]$"),
    ],
)
def test_what_is_no_yaml_or_no_settings_is_said_so(in_folder: Path, content: bytes, problem: str) -> None:
    (in_folder / "params.yaml").write_bytes(content)
    with pytest.raises(ProjectError, match=problem):
        load_params()


def test_settings_cannot_be_changed_once_read(in_folder: Path) -> None:
    params = load(in_folder, settings())
    with pytest.raises(ValidationError, match="frozen"):
        params.variants["frozen"].lr = 1.0


def test_known_as_gives_the_entry_or_names_those_there_are(in_folder: Path) -> None:
    variants = load(in_folder, settings()).variants
    assert known_as("variants", variants, "unfrozen") is variants["unfrozen"]
    with pytest.raises(ProjectError, match=r"^params\.yaml: variants has no entry 'thawed'; it has: frozen, unfrozen$"):
        known_as("variants", variants, "thawed")


@pytest.mark.parametrize(
    ("line", "other", "problem"),
    [
        ("seed: 0", "seed: true", "seed: Input should be a valid integer; received True"),
        ("seed: 0", 'seed: "0"', "seed: Input should be a valid integer; received '0'"),
        ("seed: 0", "seed: 0\nseed: 1", "the key seed stands twice"),
    ],
    ids=["bool", "text", "twice"],
)
def test_numbers_are_numbers_and_keys_stand_once(tmp_path: Path, line: str, other: str, problem: str) -> None:
    path = tmp_path / "params.yaml"
    path.write_text((PROJECT / "params.yaml").read_text().replace(line, other, 1))
    with pytest.raises(ProjectError, match=re.escape(problem)):
        load_params(path)


SCALARS = (
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=9) | st.dates() | st.binary(max_size=9)
)
ANYTHING = st.recursive(
    SCALARS, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(SCALARS, inner, max_size=3), max_leaves=9
)


def places(section: dict, above: tuple = ()) -> list[tuple]:
    """Every key of the small params.yaml, each with those above it."""
    found = [(*above, key) for key in section]
    return found + [
        place for key in section if isinstance(section[key], dict) for place in places(section[key], (*above, key))
    ]


@given(place=st.sampled_from(places(settings())), key=st.none() | SCALARS, value=ANYTHING)
def test_whatever_stands_anywhere_is_a_setting_or_one_line(place: tuple, key: object, value: object) -> None:
    """Another value under a key, or under another key beside it."""
    params = settings()
    section = params
    for name in place[:-1]:
        section = section[name]
    section[place[-1] if key is None else key] = value
    read_or_refuse(yaml.dump(params, allow_unicode=True).encode())


PIECES = [
    *"[]{}:-?,&*!|>'\"# \n",
    "&a ",
    "*a",
    "!!int ",
    "!!bool ",
    "!!timestamp ",
    "<<: ",
    "2026-99-99",
    "x",
    "1",
    "seed: ",
]


@given(st.text() | ANYTHING.map(yaml.dump) | st.lists(st.sampled_from(PIECES)).map("".join))
def test_any_text_is_settings_or_one_line(text: str) -> None:
    read_or_refuse(text.encode())


@given(st.binary(), st.integers(0, 999))
def test_any_bytes_amid_settings_are_settings_or_one_line(inserted: bytes, at: int) -> None:
    whole = yaml.dump(settings()).encode()
    read_or_refuse(whole[:at] + inserted + whole[at:])


def read_or_refuse(content: bytes) -> None:
    with tempfile.TemporaryDirectory() as folder, contextlib.suppress(ProjectError):
        path = Path(folder, "params.yaml")
        path.write_bytes(content)
        assert isinstance(load_params(path), Params)


def test_recomputed_statistics_are_of_the_last_epoch_alone() -> None:
    recipe = load_params(PROJECT / "params.yaml").variants["unfrozen"].model_dump()
    with pytest.raises(ValueError, match="recompute_batchnorm needs trainable: all or last_N, and select: last"):
        Variant.model_validate(recipe | {"select": "best", "augment": None})


@pytest.mark.parametrize("mirror", ["mirror", "mirror/", "http://127.0.0.1:9"])
def test_two_files_of_one_name_are_not_taken_for_each_other_in_the_mirror(
    in_folder: Path, monkeypatch: pytest.MonkeyPatch, mirror: str
) -> None:
    params = settings()
    params["datasets"] |= {"one": {}, "other": {}, "same": {}}
    params["downloads"] = {
        "one": {"urls": ["https://example.org/a/train.zip"]},
        "other": {"urls": ["https://example.org/b/train.zip?x=1"]},
        "same": {"urls": ["https://example.org/a/train.zip"]},
    }
    load(in_folder, params)
    monkeypatch.setenv("DATA_MIRROR", mirror)
    if mirror.startswith("mirror"):
        load(in_folder, params)
        (in_folder / "mirror").mkdir()
        (in_folder / "mirror/train.zip").touch()
    with pytest.raises(ProjectError, match=r"one and other fetch files of one name, train\.zip, of which"):
        load(in_folder, params)


@pytest.mark.parametrize("section", ["downloads", "datasets"])
def test_a_section_may_be_empty(in_folder: Path, section: str) -> None:
    params = settings()
    params |= {"downloads": {}, section: None}
    assert getattr(load(in_folder, params), section) == {}


def test_an_alias_is_refused_for_dvc_would_not_set_what_it_stands_for(in_folder: Path) -> None:
    Path("params.yaml").write_text("a: &b 1\nc: *b\n")
    with pytest.raises(ProjectError, match=r"(?s)write it out instead of \*alias.*line 2"):
        read_params()


def test_dvc_exp_run_sets_what_it_is_told_to() -> None:
    """DVC reads the file in its own way, and writes it again."""
    written = dvc_params_after("variants.frozen.lr=0.5")
    assert written["variants"]["frozen"]["lr"] == 0.5
    assert written["study"]["variants"]["finetuned"]["start"]["lr"] == 0.003


def dvc_params_after(change: str) -> dict:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "params.yaml")
        path.write_bytes((PROJECT / "params.yaml").read_bytes())
        apply_overrides(str(path), [change])
        return yaml.safe_load(path.read_text())


def test_fewer_images_lengthen_the_start_too() -> None:
    start = {"trainable": "head", "epochs": 10, "batch_size": 10, "lr": 1.0, "momentum": 0, "weight_decay": 0}
    start |= {"schedule": "linear"}
    recipe = Variant.model_validate(start | {"trainable": "all", "start": start})
    longer = recipe.with_steps_of(20, 100)
    assert (longer.epochs, longer.start.epochs) == (50, 50)


@pytest.mark.parametrize("change", [{"trainable": "all"}, {"select": "best"}])
def test_a_start_is_a_last_layer_whose_epoch_nothing_chooses(change: dict) -> None:
    head = {"trainable": "head", "epochs": 1, "batch_size": 1, "lr": 1.0, "momentum": 0, "weight_decay": 0}
    head |= {"schedule": "linear"}
    with pytest.raises(ValueError, match="start: expected random, probe, or settings with trainable: head and select"):
        Variant.model_validate(head | {"trainable": "all", "start": head | change})
