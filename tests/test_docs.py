"""scripts/docs.py: the site of all documentation, and the page of all settings."""

import re
import shutil
import sys
from html.parser import HTMLParser
from pathlib import Path

import pytest

from scripts import docs
from scripts.documenting.settings import PAGE, SECTIONS, comments, meaning, runs_again, settings_page
from stages.ground.errors import ProjectError
from stages.settings import Params
from tests.browser import Browser
from tests.conftest import PROJECT

READ = ("params.yaml", "dvc.yaml", "study", "plots", "notebooks")  # beside README.md and docs/


def make_documents(folder: Path) -> None:
    shutil.copyfile(PROJECT / "README.md", folder / "README.md")
    shutil.copytree(PROJECT / "docs", folder / "docs")
    for name in READ:
        (folder / name).symlink_to(PROJECT / name)


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The built site of this project, with a page more."""
    folder = tmp_path_factory.mktemp("documents")
    make_documents(folder)
    (folder / "docs/unheard_of.md").write_text("# Unheard of\n")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        docs.main()
    return folder / "work/site"


@pytest.fixture
def documents(in_folder: Path) -> Path:
    make_documents(in_folder)
    return in_folder


class Html(HTMLParser):
    """What a page links to, what it loads, and the places in it that links can lead to."""

    def __init__(self, page: Path):
        super().__init__()
        self.links: list[str] = []
        self.loads: list[str] = []
        self.places: set[str] = set()
        self.feed(page.read_text(encoding="utf-8"))

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        of = {name: value or "" for name, value in attributes}
        self.places |= {of[name] for name in ("id", "name") if name in of}
        if tag == "a" and "href" in of:
            self.links.append(of["href"])
        elif "src" in of or tag == "link":
            self.loads.append(of.get("src") or of["href"])


def test_what_a_page_shows_and_links_to_is_there_and_nothing_is_loaded_from_elsewhere(site: Path) -> None:
    pages = {page: Html(page) for page in site.glob("*.html") if page.name != "404.html"}
    assert {page.stem for page in pages} >= {"index", "start", "ideas", "settings", "study", "results"}
    for page, html in pages.items():
        assert [address for address in html.loads if re.match(r"(https?:)?//", address)] == []
        for address in [*html.links, *html.loads]:
            if re.match(r"https?://|data:", address):
                continue
            path, _, place = address.partition("#")
            target = (page.parent / path).resolve() if path else page
            assert target.is_file(), f"{page.name}: {address}"
            if place and target.suffix == ".html":
                assert place in pages[target].places, f"{page.name}: {address}"
    for style in site.rglob("*.css"):
        assert not re.search(r"url\(['\"]?(https?:)?//|@import", style.read_text(encoding="utf-8")), style


def test_every_page_of_docs_can_be_reached_also_one_that_no_chapter_names(site: Path) -> None:
    reached = {Path(address.partition("#")[0]).name for address in Html(site / "index.html").links}
    assert {f"{page.stem}.html" for page in (site.parents[1] / "docs").glob("*.md")} <= reached


@pytest.mark.browser
def test_opened_as_a_file_it_asks_for_nothing_from_elsewhere_and_its_search_finds(site: Path, browser: Browser) -> None:
    for page in ("index", "start", "settings"):
        browser.open(site / f"{page}.html")
        browser.wait_until("document.readyState === 'complete'")
        assert (browser.complaints(), browser.outside_requests(), browser.broken_images()) == ([], [], [])
    browser.driver.execute_script("document.querySelector('.md-search__button').click()")
    of_search = (
        "[...document.querySelectorAll('*')].map(each => each.shadowRoot).find(root => root?.querySelector('input'))"
    )
    browser.wait_until(of_search)
    browser.driver.switch_to.active_element.send_keys("Nadeau")
    browser.wait_until(f"{of_search}.textContent.includes('Nadeau and Bengio')")
    assert browser.outside_requests() == []


NO_FILE = "docs/ideas.md: a link leads to {}, which is no file of the project"


@pytest.mark.parametrize(
    ("link", "problem"),
    [
        ("nowhere.md", NO_FILE),
        ("../nowhere.yaml", NO_FILE),
        ("../../elsewhere.md", NO_FILE),
        ("study.md#nowhere", r"work/site-sources/ideas\.md:\d+:\d+: anchor does not exist"),
    ],
)
def test_a_link_that_leads_nowhere_is_an_error(
    documents: Path, capsys: pytest.CaptureFixture[str], link: str, problem: str
) -> None:
    with (documents / "docs/ideas.md").open("a") as page:
        page.write(f"\n[See there]({link}).\n")
    with pytest.raises(SystemExit) as stopped:
        docs.main()
    assert stopped.value.code == 1
    assert re.fullmatch(f"error: {problem.format(re.escape(link))}\n", capsys.readouterr().err)
    assert not Path("work/site/index.html").exists()


def test_the_page_of_settings_is_of_the_present_ones() -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(PROJECT)
        assert PAGE.read_text(encoding="utf-8") == settings_page(), "make docs writes it anew"


def test_every_schema_has_its_table() -> None:
    tables = {name for _, _, name in SECTIONS}
    assert tables == set(Params.model_json_schema()["$defs"]) - {"Between"}  # that of a range, which its comment tells


@pytest.mark.parametrize(
    ("key", "stages"),
    [
        (("runtime", "workers"), "nothing"),
        (("models", "NAME", "fit"), "features, audit, train; study: trials, sweep"),
        (("learning_curve", "draws"), "learning_curve"),
        (("study", "margin"), "study: trials, verdict, draw_study"),
    ],
)
def test_what_a_setting_runs_again_is_what_the_graph_says(
    monkeypatch: pytest.MonkeyPatch, key: tuple[str, ...], stages: str
) -> None:
    monkeypatch.chdir(PROJECT)
    assert runs_again(key) == stages


WRITTEN = """\
# Images.
#   seed: 0           of the split
#   {}                nothing
datasets:
  bees:
    urls: ['a#b'] # where they are
    inner:
      deep: "x # y" # of the depth
    after: 1
seed: 0
"""


def test_what_a_setting_is_stands_beside_it_or_above_its_section() -> None:
    assert comments(WRITTEN) == {
        ("datasets", "NAME", "seed"): "of the split",
        ("datasets", "bees", "urls"): "where they are",
        ("datasets", "bees", "inner", "deep"): "of the depth",
    }


def test_a_setting_that_nothing_explains_is_an_error() -> None:
    with pytest.raises(ProjectError, match=r"params\.yaml: datasets\.NAME\.after: no comment says what it is"):
        meaning(("datasets", "NAME", "after"), comments(WRITTEN))


def test_without_its_maker_there_is_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "zensical", None)
    with pytest.raises(ProjectError, match=r"^zensical, which makes the site, is not installed: run make dev$"):
        docs.build()
