"""scripts/page.py: the page of results, as text and as a browser without a network shows it."""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

from scripts import page
from stages.ground import paths
from stages.ground.files import append_row, read_table, write_table
from tests.browser import Browser
from tests.conftest import PROJECT, to_yaml
from tests.results import EPOCHS, IMAGES, write_results, write_study

CLASSES = ["<i>wire-haired</i> & other dogs", *(f"class_{letter}" for letter in "bcdefghij"), "z" * 60]
VARIANTS = ["frozen", "unfrozen", "a_variant_with_a_rather_long_name"]
DRAWN = "document.querySelectorAll('.chart').length === document.querySelectorAll('.chart svg').length"


def write_params(folder: Path) -> None:
    """resnet18 and mobilenet_v2; two data sets; a third variant."""
    params = yaml.safe_load((PROJECT / "params.yaml").read_text())
    params["models"] = {name: params["models"][name] for name in ("mobilenet_v2", "resnet18")}
    params["downloads"] = {}
    params["datasets"] = {"many": {}, "two": {}}
    params["variants"][VARIANTS[2]] = params["variants"]["frozen"]
    params["study"]["variants"] = {"probe": {"trainable": "head", "solver": "newton"}}
    (folder / "params.yaml").write_text(to_yaml(params))


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A folder with results of mobilenet_v2 and none of resnet18, and its page; some of the files are not there."""
    folder = tmp_path_factory.mktemp("results")
    with pytest.MonkeyPatch.context() as monkeypatch:
        monkeypatch.chdir(folder)
        write_params(folder)
        write_results("mobilenet_v2", "many", CLASSES, VARIANTS)
        write_results("mobilenet_v2", "two", ["cats", "dogs"], VARIANTS)
        write_study("mobilenet_v2", "two", {name: [4, 5, 3, 6, 5] * 3 for name in (*VARIANTS, "probe")})
        append_row(paths.seconds("mobilenet_v2", "two"), {"variant": "probe", "seconds": 1.5})
        append_row(paths.seconds("mobilenet_v2", "two"), {"variant": "probe", "seconds": 2.5})
        paths.variant_figure("mobilenet_v2", "two", "unfrozen", "mistakes").unlink()
        paths.metrics("mobilenet_v2", "two", "unfrozen").unlink()
        paths.figure("mobilenet_v2", "two", "embeddings").unlink()
        licence = {"dataset": "two", "licence": "CC0", "source": "https://example.org/two"}
        write_table(Path("data/licences.tsv"), [licence])
        assert page.main() == 0
    return folder


@pytest.fixture
def there(made: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """`made`, which the test runs in and leaves as it is; the drawing script is not bundled anew."""
    monkeypatch.chdir(made)
    script = page.VEGA.read_text(encoding="utf-8")
    monkeypatch.setattr(page, "drawing_script", lambda: script)
    return made


def html(folder: Path) -> str:
    """The page without its long script and pictures."""
    text = (folder / page.PAGE).read_text(encoding="utf-8").replace(page.drawing_script(), "")
    return re.sub(r"base64,[\w+/=]+", "base64,", text)


def pictures(folder: Path) -> list[Path]:
    """All that the stages drew."""
    return [path for name in ("plots", "study") for path in (folder / name).rglob("*.png")]


def section(text: str, name: str) -> str:
    return re.split("<section id=", text.partition(f'<section id="{name}"')[2])[0]


def test_every_variant_has_a_line_of_results_or_is_said_to_be_missing(there: Path) -> None:
    table = html(there).partition("</table>")[0]
    lines = [re.sub(r"<[^>]+>", " ", line).split() for line in table.split("<tr>")[2:]]
    assert [line[:3] for line in lines[:6]] == [
        ["mobilenet_v2", dataset, variant] for dataset in ("many", "two") for variant in VARIANTS
    ]
    assert lines[6:] == [["resnet18", dataset, "all", "missing"] for dataset in ("many", "two")]
    assert lines[0][3:] == ["float32", "22", "of", "66", "0.6667", "0.547", "to", "0.768", "baseline"]
    assert [line[3:] for line in lines if line[1:3] == ["two", "unfrozen"]] == [["missing"]]


def test_what_is_missing_is_named_where_it_would_be(there: Path) -> None:
    text = html(there)
    assert "dvc repro draw@resnet18-many" in section(text, "resnet18-many")
    two = section(text, "mobilenet_v2-two")
    assert re.findall("Missing: <code>([^<]*)", two) == [
        "plots/mobilenet_v2/two-figures/embeddings.png",
        "plots/mobilenet_v2/two-figures/unfrozen/mistakes.png",
    ]
    assert section(text, "mobilenet_v2-many").count("Missing") == 1  # the study


def test_the_licence_of_the_weights_is_told_with_each_network(there: Path) -> None:
    said = "The pretrained network is <code>mobilenet_v2</code>; the licence of its weights: MIT."
    assert said in section(html(there), "mobilenet_v2-two")


def test_the_licence_of_the_images_is_told_beside_it(there: Path) -> None:
    said = "The licence of the images: {}.</p>".format
    assert said("CC0 (https://example.org/two)") in section(html(there), "mobilenet_v2-two")
    assert said("not stated") in section(html(there), "mobilenet_v2-many")


def test_headings_follow_the_lists_of_params(there: Path) -> None:
    headings = re.findall(r"<h([234])[^>]*>([^<]+)", section(html(there), "mobilenet_v2-many"))
    assert headings[0] == ("2", "mobilenet_v2 on many")
    assert [name for level, name in headings if level == "3"][:3] == ["Is it worth it?", "Comparison", "Curves"]
    assert [name for _, name in headings if name.startswith("Variant")] == [f"Variant {name}" for name in VARIANTS]


def test_recall_is_shown_only_for_more_than_two_classes_the_hardest_first(there: Path) -> None:
    assert "Recall by class" not in section(html(there), "mobilenet_v2-two")
    assert section(html(there), "mobilenet_v2-many").count("<h4>Recall by class") == 3
    table = paths.recall("mobilenet_v2", "many", "frozen")
    before = table.read_text()
    try:
        table.write_text(before.replace("class_c\t6\t0.666667", "class_c\t6\t0.5"))
        assert page.main() == 0
        assert re.findall(r'<th scope="row">([^<]*)</th><td>6</td>', html(there))[0] == "class_c"
    finally:
        table.write_text(before)
        page.main()


def test_names_are_text_not_markup(there: Path) -> None:
    assert "<i>wire" not in html(there)
    assert "&lt;i&gt;wire-haired&lt;/i&gt; &amp; other dogs" in html(there)


def test_every_picture_says_what_it_shows(there: Path) -> None:
    images = re.findall("<img [^>]*>", html(there))
    assert len(images) == len(pictures(there))
    assert all(re.search(r'alt="[^"]{30,}: mobilenet_v2 on \w+', image) for image in images)
    assert len({re.search('alt="([^"]*)"', image)[1] for image in images}) == len(images)


def test_confusion_counts_by_class_and_answer() -> None:
    rows = [{"label": label, "prediction": answer} for label, answer in ("aa", "aa", "ab", "cc")]
    assert page.confusion(rows) == page.Confusion(["a", "b", "c"], [[2, 1, 0], [0, 0, 0], [0, 0, 1]])


def test_the_page_is_the_same_each_time_and_names_no_place(there: Path) -> None:
    before = (there / page.PAGE).read_bytes()
    assert page.main() == 0
    assert (there / page.PAGE).read_bytes() == before
    assert str(there) not in html(there)


def test_a_file_that_is_damaged_is_one_line(there: Path, capsys: pytest.CaptureFixture[str]) -> None:
    table = paths.curves("mobilenet_v2", "two")
    before, written = table.read_text(), (there / page.PAGE).stat().st_mtime_ns
    table.write_text("<<<<<<< HEAD\n" + before)
    try:
        assert page.main() == 1
    finally:
        table.write_text(before)
    error = capsys.readouterr().err
    assert error.startswith("error: a file of mobilenet_v2 on two in metrics/ or plots/ is not as its stage wrote it")
    assert error.count("\n") == 1
    assert (there / page.PAGE).stat().st_mtime_ns == written


def test_a_figure_that_is_damaged_is_named(there: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = paths.figure("mobilenet_v2", "two", "comparison")
    before = path.read_bytes()
    try:
        path.write_bytes(before[:500])
        assert page.main() == 1
    finally:
        path.write_bytes(before)
    error = capsys.readouterr().err
    assert error == f"error: {path}: not a whole picture, 500 bytes; `git checkout {path}` brings it back\n"


def test_wrong_params_are_one_line(in_folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (in_folder / "params.yaml").write_text("seed: 0\n")
    assert page.main() == 1
    assert capsys.readouterr().err.startswith("error: params.yaml: ")
    assert not page.PAGE.exists()


@pytest.mark.browser
class TestInBrowser:
    @pytest.fixture(params=[1280, 380])
    def opened(self, request: pytest.FixtureRequest, browser: Browser, there: Path) -> Browser:
        browser.open(there / page.PAGE, width=request.param)
        browser.wait_until(DRAWN)
        return browser

    def test_it_is_whole_without_a_network(self, opened: Browser, there: Path) -> None:
        assert opened.ask("document.querySelectorAll('.chart svg').length") == 4
        lines = (
            "[...document.querySelectorAll('.chart')].map(chart => chart.querySelectorAll('.mark-line path').length)"
        )
        points = lines.replace(".mark-line", ".mark-symbol.role-mark")
        assert opened.ask(lines) == [2 * len(VARIANTS)] * 4
        assert opened.ask(points) == [2 * len(VARIANTS) * EPOCHS] * 4
        look = "[line.getAttribute('stroke'), line.getAttribute('stroke-dasharray')].join()"
        looks = opened.ask(
            f"[...document.querySelectorAll('.chart')[0].querySelectorAll('.mark-line path')].map(line => {look})"
        )
        assert len(set(looks)) == 2 * len(VARIANTS)
        assert opened.ask("document.images.length") == len(pictures(there))
        assert opened.broken_images() == []
        assert opened.outside_requests() == []
        assert opened.complaints() == []

    def test_nothing_is_cut_off(self, opened: Browser) -> None:
        assert opened.overflow() == 0
        assert opened.cut_off() == []

    def test_epochs_are_whole_and_stand_once(self, opened: Browser) -> None:
        axis = "document.querySelector('.chart .role-axis:has(.role-axis-title) .role-axis-label')"
        assert opened.ask(f"[...{axis}.querySelectorAll('text')].map(text => text.textContent)") == ["1", "2", "3"]

    def test_frames_that_slide_can_be_reached_by_keyboard(self, opened: Browser) -> None:
        wider = "[...document.querySelectorAll('.wide')].map(frame => frame.scrollWidth > frame.clientWidth)"
        reached = "[...document.querySelectorAll('.wide')].map(frame => frame.tabIndex === 0)"
        assert opened.ask(reached) == opened.ask(wider)

    def test_the_confusion_table_has_counts_and_shares(self, opened: Browser) -> None:
        cells = opened.ask("[...document.querySelectorAll('.confusion td[style]')].map(cell => cell.innerText)")
        right = IMAGES - 2
        assert [" ".join(cell.split()) for cell in cells[:3]] == [f"{right} 66.7 %", "2 33.3 %", "0 0.0 %"]

    def test_a_radio_button_dims_all_variants_but_one(self, opened: Browser) -> None:
        opacities = (
            "[...document.querySelector('.chart').querySelectorAll('.mark-line path')]"
            ".map(line => line.getAttribute('opacity'))"
        )
        assert set(opened.ask(opacities)) == {"1"}
        opened.driver.execute_script("document.querySelectorAll('.chart input')[1].click()")
        opened.wait_until(f"{opacities}.filter(opacity => opacity === '1').length === 2")

    @pytest.mark.parametrize(
        ("media", "paper", "nav"),
        [
            ("dark", "rgb(22, 24, 28)", "block"),
            ("light", "rgb(255, 255, 255)", "block"),
            ("print", "rgb(255, 255, 255)", "none"),
        ],
    )
    def test_dark_light_and_in_print(self, browser: Browser, there: Path, media: str, paper: str, nav: str) -> None:
        browser.emulate(media)
        browser.open(there / page.PAGE, width=700)
        browser.wait_until(DRAWN)
        assert browser.ask("getComputedStyle(document.body).backgroundColor") == paper
        assert browser.ask("getComputedStyle(document.querySelector('nav')).display") == nav
        text = "getComputedStyle(document.querySelector('.chart text')).fill"
        assert browser.ask(text) == browser.ask("getComputedStyle(document.body).color")
        assert browser.overflow() == 0
        browser.emulate("light")


def test_a_column_of_curves_is_as_its_table_says(there: Path) -> None:
    """Nothing of a table gets lost on its way into the chart."""
    rows = read_table(paths.curves("mobilenet_v2", "two"))
    charts = page.curve_charts(rows, VARIANTS)
    for measure, chart in zip(("loss", "accuracy"), charts.values(), strict=True):
        assert [row[measure] for row in chart["data"]["values"]] == [float(row[measure]) for row in rows]
        assert chart["encoding"]["color"]["scale"]["domain"] == VARIANTS


def test_the_study_comes_first_with_its_sentences_numbers_and_seconds(there: Path) -> None:
    part = section(html(there), "mobilenet_v2-two").partition(">Comparison</h3>")[0]
    assert "<li>probe and frozen are practically the same, +0.0 points of accuracy" in part
    rows = [re.findall(r"<t[dh][^>]*>(.*?)</t[dh]>", row) for row in part.partition("<tbody>")[2].split("<tr>")[1:]]
    assert [row[0] for row in rows[:4]] == [*VARIANTS, "probe"]
    assert rows[0][1:] == ["15", "0.9540", "0.940 to 0.970", "baseline", "", "not timed here"]
    assert rows[3][-3:] == ["+0.0000 (-0.009 to +0.009)", "50% of 15", "2"]
    assert 'alt="The accuracies of all trials' in section(html(there), "mobilenet_v2-two")


def test_where_no_trials_have_run_the_page_says_what_runs_them(there: Path) -> None:
    part = section(html(there), "mobilenet_v2-many")
    assert "<code>make study DATASET=many MODEL=mobilenet_v2</code> runs them" in part
