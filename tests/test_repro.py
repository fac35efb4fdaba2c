"""The real `dvc repro` on a small project: one network, one data set, both variants."""

import json
import re
import shutil
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
import torchvision
from safetensors import safe_open
from safetensors.torch import load_file
from torch.nn import functional as F
from torchvision import transforms

from scripts.reporting.graph import LOCK, RWLOCK, check_dvc_files
from stages.ground.files import read_table
from tests.conftest import MODEL, Project
from tests.drawing import draw_split

VARIANTS = ("frozen", "unfrozen")
CELL = f"{MODEL}/shapes"


@pytest.fixture
def project(small_project: Project) -> Iterator[Project]:
    """The small project after its first run; what a test changes is taken back."""
    yield small_project
    small_project.run("git", "checkout", "-q", ".")
    small_project.run("git", "clean", "-fdq")
    small_project.run("dvc", "checkout", "-q", "--force")


def test_first_run_makes_exactly_these_files(project: Project) -> None:
    cells = [f"{CELL}/{variant}" for variant in VARIANTS]
    made = project.files("metrics", "plots", "features", "models", "tables", "weights")
    assert {name for name in made if not re.search(r"(-mistakes/\d+(-heat)?|/audit/\d+(-partner)?)\.png$", name)} == {
        *(f"metrics/{cell}.json" for cell in cells),
        *(f"plots/{cell}/{name}.tsv" for cell in cells for name in ("history", "predictions", "recall")),
        *(f"tables/{cell}-{name}" for cell in cells for name in TABLES),
        f"tables/{CELL}/embeddings.tsv",
        f"tables/{CELL}/audit/audit.tsv",
        *(f"plots/{CELL}-figures/{name}.png" for name in FIGURES),
        *(f"plots/{CELL}-figures/{variant}/{name}.png" for variant in VARIANTS for name in FIGURES_OF_VARIANT),
        *(f"models/{cell}.safetensors" for cell in cells),
        f"metrics/{CELL}.json",
        f"metrics/{CELL}-audit.json",
        *(f"plots/{CELL}-{name}.tsv" for name in ("curves", "learning_curve")),
        f"features/{CELL}.safetensors",
        f"weights/{MODEL}.safetensors",
    }
    project.run("sh", "-c", "cd data/shapes && sha256sum --check --strict ../manifests/shapes.sha256")
    assert len(project.files("data/shapes")) == 26


TABLES = ("confidence.tsv", "embeddings.tsv", "mistakes/mistakes.tsv")
FIGURES = ("accuracy", "audit", "comparison", "embeddings", "learning_curve")
FIGURES_OF_VARIANT = ("embeddings", "mistakes", "reliability")


def test_git_sees_results_and_no_data(project: Project) -> None:
    folders = ("metrics", "plots", "data", "features", "models", "tables", "weights")
    tracked = project.run("git", "ls-files", *folders).splitlines()
    assert {name.split("/")[0] for name in tracked} == {"metrics", "plots", "data"}
    assert [name for name in tracked if name.startswith("data/")] == [
        "data/corrections/README.md",
        "data/corrections/shapes.tsv",
        "data/embedded/shapes.zip",
        "data/manifests/shapes.sha256",
    ]


def test_second_run_runs_nothing(project: Project) -> None:
    assert project.repro() == []


def test_another_lr_runs_only_the_cells_of_its_variant(project: Project) -> None:
    project.edit_params(lambda params: params["variants"]["frozen"].update(lr=0.02))
    assert sorted(project.repro()) == [
        f"compare@{MODEL}-shapes",
        f"draw@{MODEL}-shapes",
        f"evaluate@{MODEL}-shapes-frozen",
        f"explain@{MODEL}-shapes-frozen",
        f"learning_curve@{MODEL}-shapes",
        f"train@{MODEL}-shapes-frozen",
    ]
    assert {row["lr"] for row in read_table(project.folder / f"plots/{CELL}/frozen/history.tsv")} == {"0.02"}
    project.edit_params(lambda params: params["variants"]["frozen"].update(lr=0.003))
    assert project.repro() == []


@pytest.mark.parametrize(
    ("change", "stages"),
    [
        (
            lambda params: params.update(seed=7),
            [*(f"train@{MODEL}-shapes-{variant}" for variant in VARIANTS), f"learning_curve@{MODEL}-shapes"],
        ),
        (
            lambda params: params["learning_curve"].update(draws=2),
            [f"learning_curve@{MODEL}-shapes"],
        ),
        (
            lambda params: params["models"][MODEL].update(crop=34),
            [
                f"features@{MODEL}-shapes",
                *(f"train@{MODEL}-shapes-{variant}" for variant in VARIANTS),
                f"weights@{MODEL}",
            ],
        ),
        (
            lambda params: params["models"][MODEL].update(fit="pad"),
            [f"{stage}@{MODEL}-shapes" for stage in ("audit", "features")]
            + [f"train@{MODEL}-shapes-{variant}" for variant in VARIANTS],
        ),
        (lambda params: params["models"][MODEL].update(urls=["elsewhere.pth"]), [f"weights@{MODEL}"]),
        (lambda params: params["runtime"].update(workers=1, device="cpu", progress=False), []),
        (
            lambda params: params["models"].update(resnet34=params["models"][MODEL] | {"name": "resnet34"}),
            ["audit", "compare", "draw", "evaluate", "explain", "features", "learning_curve", "train", "weights"],
        ),
        (
            lambda params: params["variants"].update(slow=params["variants"]["frozen"]),
            [
                *(f"{stage}@{MODEL}-shapes-slow" for stage in ("train", "evaluate", "explain")),
                *(f"{stage}@{MODEL}-shapes" for stage in ("compare", "draw")),
            ],
        ),
    ],
    ids=["seed", "draws", "crop", "fit", "urls", "runtime", "model", "variant"],
)
def test_a_change_concerns_only_what_depends_on_it(project: Project, change, stages: list[str]) -> None:
    """By `dvc status`: the stages whose own inputs changed; those that follow them are left out."""
    project.edit_params(change)
    changed = changed_stages(project)
    if stages == ["audit", "compare", "draw", "evaluate", "explain", "features", "learning_curve", "train", "weights"]:
        assert all("resnet34" in name for name in changed)
        assert sorted({name.partition("@")[0] for name in changed}) == stages
    else:
        assert sorted(changed) == sorted(stages)


def changed_stages(project: Project) -> list[str]:
    """Of dvc.yaml: the study has its own file."""
    return [name for name in json.loads(project.run("dvc", "status", "--json")) if ":" not in name]


def test_own_images_need_a_folder_and_an_entry(project: Project) -> None:
    draw_split(project.folder / "data/raw/mine", 10)
    project.edit_params(lambda params: params["datasets"].update(mine={}))
    changed = changed_stages(project)
    assert {name.partition("@")[2] for name in changed} == {
        "mine", f"{MODEL}-mine", f"{MODEL}-mine-frozen", f"{MODEL}-mine-unfrozen",
    }  # fmt: skip
    assert set(project.repro(f"explain@{MODEL}-mine-frozen")) == {
        "arrange@mine",
        f"features@{MODEL}-mine",
        f"train@{MODEL}-mine-frozen",
        f"evaluate@{MODEL}-mine-frozen",
        f"explain@{MODEL}-mine-frozen",
    }
    assert len(project.files("data/mine/train")) == 16
    assert project.run("git", "status", "--porcelain", "data") == ""
    project.run("dvc", "add", "--quiet", "data/raw/mine")
    assert project.run("git", "status", "--porcelain", "-uall", "data").split() == ["??", "data/raw/mine.dvc"]
    (project.folder / "data/raw/mine.dvc").unlink()
    shutil.rmtree(project.folder / "data/raw/mine")


def test_frozen_leaves_every_tensor_as_it_was_and_unfrozen_changes_them_all(project: Project) -> None:
    weights = load_file(project.folder / f"weights/{MODEL}.safetensors")
    for variant, same in (("frozen", True), ("unfrozen", False)):
        trained = load_file(project.folder / f"models/{CELL}/{variant}.safetensors")
        equal = {name: torch.equal(tensor, trained[name]) for name, tensor in weights.items()}
        of_network = {name for name in trained if not name.startswith("none_of_these.")}
        assert (len(of_network), len(trained) - len(of_network)) == (len(weights) + 2, 3)
        assert set(equal.values()) == {same}, equal


@pytest.mark.parametrize("variant", VARIANTS)
def test_results_agree_with_a_plain_torchvision_script(project: Project, variant: str) -> None:
    """The model file in torchvision's own network, torchvision's own transforms, one image at a time."""
    path = project.folder / f"models/{CELL}/{variant}.safetensors"
    with safe_open(path, "pt") as file:
        saved = json.loads(file.metadata()["about"])
    network = torchvision.models.get_model(saved["network"], weights=None, num_classes=len(saved["classes"]))
    extra = network.load_state_dict(load_file(path), strict=False)
    assert extra.missing_keys == []
    assert {name.partition(".")[0] for name in extra.unexpected_keys} == {"none_of_these"}
    network.eval()
    look = transforms.Compose(
        [
            transforms.Resize(saved["resize"]),
            transforms.CenterCrop(saved["crop"]),
            transforms.ToTensor(),
            transforms.Normalize(saved["mean"], saved["std"]),
        ]
    )
    val = torchvision.datasets.ImageFolder(str(project.folder / "data/shapes/val"), look)
    with torch.inference_mode():
        logits = torch.cat([network(image[None]) for image, _ in val])
    labels = torch.tensor(val.targets)
    metrics = json.loads((project.folder / f"metrics/{CELL}/{variant}.json").read_text())
    rows = read_table(project.folder / f"plots/{CELL}/{variant}/predictions.tsv")
    last = read_table(project.folder / f"plots/{CELL}/{variant}/history.tsv")[-1]

    assert val.classes == saved["classes"]
    assert metrics["loss"] == pytest.approx(F.cross_entropy(logits, labels).item(), abs=1e-4)
    assert metrics["images"] == len(rows) == 10
    wrong = sum(row["label"] != row["prediction"] for row in rows)
    assert (metrics["mistakes"], metrics["accuracy"]) == (wrong, (10 - wrong) / 10)
    assert [row["file"] for row in rows] == [path.partition("data/shapes/")[2] for path, _ in val.samples]
    sure = logits.softmax(1).max(1).values
    assert [float(row["probability"]) for row in rows] == pytest.approx(sure.tolist(), abs=1e-4)
    assert (last["split"], last["epoch"]) == ("val", "2")
    loss, accuracy = float(last["loss"]), float(last["accuracy"])
    assert (loss, accuracy) == pytest.approx((metrics["loss"], metrics["accuracy"]), abs=1e-4)


def test_make_repro_goes_on_past_what_cannot_run(project: Project) -> None:
    """Weights that are wrongly named, a variant that wants more images, and images of one's own that are not there."""
    project.edit_params(
        lambda params: params["models"].update(resnet18=params["models"][MODEL] | {"urls": ["/nowhere/resnet18.pth"]})
    )
    project.edit_params(lambda params: params["variants"]["frozen"].update(lr=0.001))
    project.edit_params(
        lambda params: params["variants"].update(wild=params["variants"]["frozen"] | {"batch_size": 99})
    )
    project.edit_params(lambda params: params["datasets"].update(mine={}))
    done = project.run("sh", "-c", "python -m scripts.repro; echo status $?")
    assert "FAILED       resnet18 on shapes: weights" in done
    assert "FAILED       mobilenet_v2 on shapes: train, evaluate, compare, explain, draw\n" in done
    assert "FAILED       mobilenet_v2 on mine: arrange, " in done
    why = done[done.index("\nWhy:\n") :].splitlines()[2:]
    assert why[0].startswith("  train@mobilenet_v2-shapes-wild: data/shapes/train has 16 images, fewer than ")
    assert why[1].startswith(
        "  weights@resnet18: resnet18.pth is not to be had: /nowhere/resnet18.pth: no such file. Put"
    )
    assert why[2].startswith(
        "  arrange@mine: data/raw/mine is not there: put the images into it, or fetch them by dvc pull"
    )
    assert why[3:] == ["", "Nothing could be rebuilt here.", "status 1"]
    assert done.count("Running stage 'weights@resnet18'") == 1
    assert read_table(project.folder / "plots/mobilenet_v2/shapes/frozen/history.tsv")[0]["lr"] == "0.001"


def test_make_repro_has_nothing_to_do_after_a_whole_run(project: Project) -> None:
    done = project.run("sh", "-c", "python -m scripts.repro; echo status $?")
    assert "| mobilenet_v2 | shapes   | unfrozen | " in done
    assert "done         mobilenet_v2 on shapes: plots/mobilenet_v2/shapes-figures/comparison.png" in done
    assert "rebuil" not in done
    assert "Stage" not in done
    assert done.endswith("status 0\n")


def test_make_repro_runs_stages_that_were_added(project: Project) -> None:
    graph = project.folder / "dvc.yaml"
    mine = "  mine:\n    cmd: echo mine > metrics/mine.txt\n    metrics:\n      - metrics/mine.txt\n"
    graph.write_text(graph.read_text().replace("\nstages:\n", f"\nstages:\n{mine}"))
    project.run("python", "-m", "scripts.repro")
    assert (project.folder / "metrics/mine.txt").read_text() == "mine\n"


def test_a_half_written_lock_is_named_with_what_helps(project: Project) -> None:
    lock = project.folder / LOCK
    whole = lock.read_bytes()
    after_a_name = whole.index(b"size:", len(whole) // 2) + len(b"size:")  # what it names would be missing
    for damaged in (b"", whole[:20], whole[:after_a_name], b"<<<<<<< HEAD\n" + whole, whole + b"# \xc3"):
        lock.write_bytes(damaged)
        said = project.run("python", "-m", "scripts.repro", check=False)
        assert re.fullmatch(r"error: dvc\.lock is damaged, .*: git checkout HEAD dvc\.lock, or rm dvc\.lock .*\n", said)


def test_a_half_written_rwlock_is_named_with_what_helps(project: Project) -> None:
    rwlock = project.folder / RWLOCK
    rwlock.write_text('{"read": ')
    said = project.run("sh", "-c", "python -m scripts.repro; echo status $?")
    assert re.fullmatch(
        r"error: \.dvc/tmp/rwlock is damaged, .*, rm \.dvc/tmp/rwlock, then try again\nstatus 1\n", said
    )
    rwlock.unlink()
    assert project.repro() == []


@pytest.mark.parametrize("file", [LOCK, RWLOCK])
def test_a_file_that_dvc_is_writing_is_looked_at_once_more(
    project: Project, monkeypatch: pytest.MonkeyPatch, file: str
) -> None:
    monkeypatch.chdir(project.folder)
    whole, waited = Path(file).read_bytes() if file == LOCK else b"{}", []
    Path(file).write_bytes(b"")
    monkeypatch.setattr(time, "sleep", lambda seconds: waited.append(Path(file).write_bytes(whole)))
    check_dvc_files()
    assert len(waited) == 1


def test_a_status_that_fails_is_one_line(project: Project) -> None:
    with (project.folder / "dvc.yaml").open("a") as file:
        file.write("oops")
    said = project.run("python", "-m", "scripts.repro", check=False)
    assert re.fullmatch(r"error: dvc status failed: .*dvc\.yaml.*\n", said)


def test_an_experiment_is_recorded_and_shown_readably(project: Project) -> None:
    project.run("dvc", "exp", "run", "-q", "-n", "try", "-S", "variants.frozen.lr=0.01", f"compare@{MODEL}-shapes")
    shown = project.run("dvc", "exp", "show", "--csv", "--drop", ".*[/:]|Created|State|Executor")
    header, *rows = shown.splitlines()
    assert "mobilenet_v2-shapes.frozen.accuracy" in header
    assert any(row.startswith("try,") or ",try," in row for row in rows)
    assert "variants.frozen.lr" in project.run("dvc", "params", "diff")


def test_dvc_plots_show_holds_every_figure(project: Project) -> None:
    project.run("dvc", "plots", "show", "-o", "dvc_plots")
    page = (project.folder / "dvc_plots/index.html").read_text()
    assert f"{MODEL} on shapes" in page
    assert f"Learning curve ({MODEL}, shapes)" in page
    for name in FIGURES:
        assert f"plots_{MODEL}_shapes-figures_{name}.png" in page
    for variant in VARIANTS:
        assert f"Confusion of {variant} ({MODEL}, shapes)" in page
        for name in FIGURES_OF_VARIANT:
            assert f"plots_{MODEL}_shapes-figures_{variant}_{name}.png" in page


def test_a_changed_figure_trains_and_evaluates_nothing_again(project: Project) -> None:
    style = project.folder / "stages/figures/style.py"
    style.write_text(style.read_text().replace('GREY = "#555555"', 'GREY = "#666666"'))
    assert project.repro() == [f"draw@{MODEL}-shapes"]


def test_make_study_runs_what_is_missing_and_says_what_came_of_it(project: Project) -> None:
    table = project.folder / "study/mobilenet_v2/shapes/trials.tsv"
    before = table.read_text().splitlines()
    said = project.run("sh", "-c", "python -m scripts.study --trials 3; echo status $?")
    assert "8 trials are there, 1 to run" in said
    assert "trial 2 of unfrozen: accuracy " in said
    assert (
        "mobilenet_v2 on shapes: nothing can be said of unfrozen and frozen yet, for 3 trials are fewer than 5.\n"
        in said
    )
    assert said.endswith("status 0\n")
    after = table.read_text().splitlines()
    assert (set(before) < set(after), len(after) - len(before)) == (True, 1)
    assert "\n  trials: 3\n" in (project.folder / "params.yaml").read_text()
    said = project.run("python", "-m", "scripts.study", "--dataset", "shapes", "--images", "4,8")
    assert re.search(r"^mobilenet_v2 on shapes: probe is .* train images \((tried: )?4, 8, 16\)\.$", said, re.MULTILINE)
    assert "\n  images: [4, 8]\n" in (project.folder / "params.yaml").read_text()
    assert project.repro() == []  # the graph has nothing to do with it


def test_make_study_says_what_it_could_not_do(project: Project) -> None:
    project.edit_params(lambda params: params["datasets"].update(mine={}))
    said = project.run("sh", "-c", "python -m scripts.study --dataset mine; echo status $?")
    assert "failed to reproduce 'arrange@mine'" in said
    assert "not done: mobilenet_v2 on mine: DVC says why above\n" in said
    assert said.endswith("status 1\n")
    unknown = project.run("python", "-m", "scripts.study", "--dataset", "ours", check=False)
    assert unknown == "error: params.yaml: datasets has no entry 'ours'; it has: shapes, mine\n"
    too_few = project.run("python", "-m", "scripts.study", "--trials", "1", check=False)
    assert too_few == "error: params.yaml: study.trials: Input should be greater than or equal to 2; received 1\n"
