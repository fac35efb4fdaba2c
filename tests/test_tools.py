"""What VS Code, GitHub, pre-commit and `git bisect` find in the project: docs/tools.md."""

import json
import re
import shlex
import shutil
import subprocess
from pathlib import Path

import pytest
import yaml

from tests.conftest import PROJECT, Project, clean_environment

GUIDE = (PROJECT / "docs/tools.md").read_text(encoding="utf-8")
FIGURE, RAW = "plots/mobilenet_v2/two-figures/comparison.png", "https://github.com/us/it/raw"
WORKFLOWS = sorted((PROJECT / ".github/workflows").glob("*.yml"))
# As vscode-dvc's package.json has them, version 1.3.
SETTINGS_OF_DVC = {
    "dvc.doNotInformMaxExperimentsPlotted", "dvc.doNotRecommendAddStudioToken",
    "dvc.doNotRecommendMermaidSupportExtension", "dvc.doNotRecommendRedHatExtension", "dvc.doNotShowCliUnavailable",
    "dvc.doNotShowSetupAfterInstall", "dvc.dvcPath", "dvc.experimentsTableHeadMaxHeight", "dvc.focusedProjects",
    "dvc.pythonPath",
}  # fmt: skip


@pytest.fixture(scope="module")
def project(committed_results: Project) -> Project:
    """Other figures and settings in a third commit."""
    figure = committed_results.folder / FIGURE
    figure.write_bytes(figure.read_bytes() + b"another")
    figure.with_name("new.png").write_bytes(b"new")
    committed_results.edit_params(lambda params: params["variants"]["frozen"].update(lr=0.5))
    committed_results.commit()
    return committed_results


def test_vs_code_finds_the_environment_and_knows_every_setting() -> None:
    settings = json.loads((PROJECT / ".vscode/settings.json").read_text())
    assert settings["python.defaultInterpreterPath"] == "${workspaceFolder}/.venv"
    assert {name for name in settings if name.startswith("dvc.")} <= SETTINGS_OF_DVC
    ((_, files),) = settings["yaml.schemas"].items()
    assert all((PROJECT / file).is_file() for file in files)
    extensions = json.loads((PROJECT / ".vscode/extensions.json").read_text())
    assert "lakefs.lakefs-dvc" in extensions["recommendations"]


@pytest.mark.parametrize(
    "command", re.findall(r"^\| `(dvc .*?)` \|.*TODO-MEASURE|^\| `(dvc .*?)` \| [\d.]", GUIDE, re.M)
)
def test_what_the_extension_calls_works_though_most_was_never_made(project: Project, command: tuple[str, str]) -> None:
    words = "".join(command).split()
    done = subprocess.run(words, cwd=project.folder, env=clean_environment(), text=True, capture_output=True)
    assert done.returncode == 0, done.stderr
    if "--json" in words:
        assert json.loads(done.stdout)
    else:
        assert "train@resnet18-two-frozen" in done.stdout.splitlines()


def test_stages_say_what_they_are_for_in_the_width_that_dvc_shows(project: Project) -> None:
    listed = project.run("dvc", "stage", "list", "--all").splitlines()
    assert any(re.fullmatch(r"train@resnet18-two-frozen +The frozen resnet18, trained on two", line) for line in listed)
    assert [line for line in listed if re.search(r"\$\{|(Outputs|Reports|Depends on) |\.\.\.$", line)] == []


@pytest.mark.parametrize("workflow", WORKFLOWS, ids=lambda path: path.name)
def test_workflows_are_such_as_github_takes(workflow: Path) -> None:
    command = ["check-jsonschema", "--builtin-schema", "vendor.github-workflows", workflow]
    done = subprocess.run(command, env=clean_environment(), text=True, capture_output=True)
    assert done.returncode == 0, done.stdout


def test_workflows_name_what_is_there() -> None:
    assert [path.name for path in WORKFLOWS] == ["results.yml", "tests.yml"]
    named = set(re.findall(r"[\w./-]+\.(?:py|lock)|\.ci/run", "\n".join(path.read_text() for path in WORKFLOWS)))
    assert {"tests/test_layers.py", "requirements.lock", "requirements-dev.lock", ".ci/run"} < named
    assert [name for name in named if not (PROJECT / name).is_file()] == []


def summary(project: Project, tmp_path: Path, base: str, head: str) -> str:
    """What the last step of results.yml writes, run as GitHub does."""
    steps = yaml.safe_load((PROJECT / ".github/workflows/results.yml").read_text())["jobs"]["results"]["steps"]
    revisions = {name: project.run("git", "rev-parse", of).strip() for name, of in (("BASE", base), ("HEAD", head))}
    given = {"FILES": RAW, "GITHUB_STEP_SUMMARY": str(tmp_path / "summary.md")}
    subprocess.run(
        ["bash", "--noprofile", "--norc", "-eo", "pipefail", "-c", steps[-1]["run"]],
        cwd=project.folder, env=clean_environment() | revisions | given, check=True,
    )  # fmt: skip
    assert set(steps[-1]["env"]) == {*revisions, "FILES"}
    return (tmp_path / "summary.md").read_text().replace(revisions["HEAD"], "HEAD").replace(revisions["BASE"], "BASE")


def test_a_pull_request_shows_metrics_and_figures_that_differ(project: Project, tmp_path: Path) -> None:
    written = summary(project, tmp_path, "HEAD~2", "HEAD")
    assert re.search(r"\n\| Path +\| Param +\| before +\| now +\|\n.*\n\| params.yaml +\| variants.frozen.lr", written)
    accuracy = r"\| metrics/mobilenet_v2/two/frozen\.json +\| accuracy +\| 0\.6667 +\| 0\.8333 +\| 0\.1666 +\|\n"
    assert re.search(accuracy, written)
    folder = FIGURE.rpartition("/")[0]
    figures = written[written.index("## Figures") :]
    assert figures == (
        f"## Figures\n\n`{FIGURE}`\n\n![before]({RAW}/BASE/{FIGURE})\n![now]({RAW}/HEAD/{FIGURE})\n\n"
        f"`{folder}/new.png`\n\n![now]({RAW}/HEAD/{folder}/new.png)\n"
    )


def test_a_pull_request_that_changes_no_result_says_so(project: Project, tmp_path: Path) -> None:
    written = summary(project, tmp_path, "HEAD", "HEAD")
    assert written.count("None differ.") == 3
    assert "![" not in written


def test_bisection_finds_the_commit_by_the_guides_lines(tmp_path: Path) -> None:
    project, file = Project(tmp_path), tmp_path / "metrics/mobilenet_v2/ants_bees/frozen.json"
    project.run("git", "init", "-q")
    file.parent.mkdir(parents=True)
    for number, accuracy in enumerate([0.96, 0.97, 0.96, 0.93, 0.94]):
        file.write_text(json.dumps({"accuracy": accuracy}))
        project.run("git", "add", ".")
        project.run("git", "-c", "user.name=t", "-c", "user.email=t@example.org", "commit", "-qm", f"number {number}")
    commands = re.search(r"## Which commit was it\n.*?```sh\n(.*?)```", GUIDE, re.DOTALL)
    assert commands
    said = project.run("sh", "-ec", commands[1].replace("GOOD", "HEAD~4"))
    assert re.search(r"is the first (\x27)?bad(\x27)? commit", said)
    assert "    number 3\n" in said


def test_hooks_of_pre_commit_can_run() -> None:
    config = yaml.safe_load((PROJECT / ".pre-commit-config.yaml").read_text())
    hooks = {hook["id"]: hook for repository in config["repos"] for hook in repository["hooks"]}
    assert {"ruff-check", "ruff-format", "artifacts", "dvc-pre-commit", "dvc-pre-push", "dvc-post-checkout"} == set(
        hooks
    )
    for hook in hooks.values():
        assert hook["language"] == "system"
        command = [*shlex.split(hook["entry"]), "--help"]
        assert shutil.which(command[0], path=clean_environment()["PATH"])
    for name in ("ruff-check", "ruff-format"):
        command = [
            *shlex.split(hooks[name]["entry"]),
            *(["--check"] if name == "ruff-format" else []),
            "tests/__init__.py",
        ]
        subprocess.run(command, cwd=PROJECT, env=clean_environment(), check=True)
