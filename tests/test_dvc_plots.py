"""DVC's own page of plots: the project's templates for it, for one revision and for two, without a network."""

from collections.abc import Callable

import pytest

from scripts import page
from tests.browser import Browser
from tests.conftest import Project
from tests.results import EPOCHS

pytestmark = pytest.mark.browser
VARIANTS = ["frozen", "unfrozen"]
# Vega puts its drawing where DVC's script was; the menu beside it is an svg, too.
DRAWN = (
    "!document.querySelector('div[id] > script')"
    " && [...document.querySelectorAll('.vega-embed')].every(chart => chart.querySelector('svg.marks'))"
)


def chart(title: str) -> str:
    """JavaScript for the drawing that has this title."""
    found = "[...document.querySelectorAll('.vega-embed')].find(chart => chart.textContent.includes('TITLE'))"
    return found.replace("TITLE", title)


def texts(title: str, part: str = "") -> str:
    """JavaScript for the texts of a part of it, as they are read."""
    return f"""[...{chart(title)}.querySelectorAll('{part} text')]
        .map(text => [text.getBoundingClientRect(), text.textContent])
        .sort(([a], [b]) => Math.abs(a.y - b.y) > 5 ? a.y - b.y : a.x - b.x)
        .map(([_, text]) => text)"""


@pytest.fixture(scope="module")
def project(committed_results: Project) -> Project:
    """With the drawing script where DVC's page looks for it first."""
    vega = committed_results.folder / page.VEGA
    vega.parent.mkdir()
    vega.write_text(page.drawing_script(), encoding="utf-8")
    return committed_results


@pytest.fixture
def shown(project: Project, browser: Browser) -> Callable[..., Browser]:
    def show(*command: str) -> Browser:
        project.run("dvc", "plots", *command)
        browser.open(project.folder / "dvc_plots/index.html")
        browser.wait_until(DRAWN)
        return browser

    return show


def test_every_chart_and_picture_is_there_without_a_network(shown: Callable[..., Browser]) -> None:
    browser = shown("show")
    for title in ("Learning rate of", "Confusion of", "Recall of"):
        for variant in VARIANTS:
            assert browser.ask(f"{chart(f'{title} {variant}')}.querySelectorAll('.role-mark path').length"), title
    assert browser.ask(f"{chart('mobilenet_v2 on two')}.querySelectorAll('.mark-line path').length") == 8
    assert "resnet18" not in browser.ask("document.body.innerText")
    assert browser.ask("document.images.length") >= 3
    assert browser.broken_images() == []
    assert browser.outside_requests() == []
    assert browser.complaints() == []
    assert browser.overflow() == 0


def test_confusion_counts_stand_in_its_cells(shown: Callable[..., Browser]) -> None:
    browser = shown("show")
    counts = browser.ask(texts("Confusion of frozen", ".mark-text.role-mark"))
    assert counts == ["5", "1", "1", "5"]
    cells = f"[...{chart('Confusion of frozen')}.querySelectorAll('.mark-rect.role-mark path')]"
    assert len(set(browser.ask(f"{cells}.map(cell => cell.getAttribute('fill'))"))) == 2


def test_two_revisions_are_told_apart_by_name_and_look(shown: Callable[..., Browser]) -> None:
    browser = shown("diff", "HEAD~1")
    assert browser.ask(texts("Confusion of frozen"))[1:3] == ["workspace", "HEAD~1"]
    counts = browser.ask(texts("Confusion of frozen", ".mark-text.role-mark"))
    assert counts == ["5", "1", "4", "2", "1", "5", "2", "4"]  # the older one to the right
    legend = browser.ask(texts("mobilenet_v2 on two", ".role-legend-label"))
    assert sorted(legend) == ["HEAD~1", "HEAD~1", "train", "val", "workspace", "workspace"]
    lines = (
        f"[...{chart('mobilenet_v2 on two')}.querySelectorAll('.mark-line path')]"
        ".map(line => [line.getAttribute('stroke'), line.getAttribute('stroke-dasharray')].join())"
    )
    drawn = browser.ask(lines)
    assert len(drawn) == 2 * len(VARIANTS) * 4  # loss and accuracy; two splits of two revisions
    assert len(set(drawn)) == 4
    points = f"{chart('mobilenet_v2 on two')}.querySelectorAll('.mark-symbol.role-mark path').length"
    assert browser.ask(points) == len(drawn) * EPOCHS


def test_without_the_local_script_it_asks_for_those_that_dvc_names(project: Project, browser: Browser) -> None:
    project.run("dvc", "plots", "show")
    away = (project.folder / page.VEGA).rename(project.folder / "away.js")
    try:
        browser.open(project.folder / "dvc_plots/index.html")
        asked = browser.outside_requests()
        assert [url.startswith("https://cdn.jsdelivr.net/npm/vega") for url in asked] == [True, True, True]
        assert "make plots" in browser.ask("document.getElementById('no-scripts').innerText")
    finally:
        away.rename(project.folder / page.VEGA)
