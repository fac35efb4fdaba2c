"""scripts/page.py: with a keyboard, a screen reader, a phone, in the dark, and with the pictures one by one."""

import base64
import io
import re
from collections import Counter
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from scripts import page
from scripts.reporting import gallery
from stages.audit import Finding, counts
from stages.explain import COLUMNS
from stages.faults.shortcuts import Shortcut
from stages.ground import paths
from stages.ground.files import read_typed, write_json
from stages.settings import load_params
from tests.browser import Browser
from tests.results import write_findings, write_pictures, write_results, write_study
from tests.test_page import DRAWN, VARIANTS, write_params

CELL = ("mobilenet_v2", "two")
FINDING = Finding("label", 2.5, "val/cats/0.jpg", "val", "cats", suggested="dogs")
COPY = Finding("copy", 0.9, 'val/cats/<b>"a" & b.jpg', "val", "cats", f"train/cats/{'x' * 150}.jpg", "train", "cats")
SHORTCUTS = [Shortcut(of, 0.5, 0.4, 0.5) for of in ("file", "colours")]
EXHIBIT = "document.querySelector('#mobilenet_v2-two-mistakes-frozen-1-1')"
ENTER, ESCAPE, TAB, LEFT, RIGHT = "\ue007", "\ue00c", "\ue004", "\ue012", "\ue014"


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Results of mobilenet_v2 on one of two data sets, with single pictures of frozen's mistakes and the audit."""
    folder = tmp_path_factory.mktemp("results")
    with pytest.MonkeyPatch.context() as monkeypatch:
        monkeypatch.chdir(folder)
        write_params(folder)
        write_results(*CELL, ["cats", "dogs", "owls"], VARIANTS)
        write_study(*CELL, {name: [4, 5, 3, 6, 5] * 3 for name in (*VARIANTS, "probe")})
        write_pictures(*CELL, "frozen", COPY, FINDING)
        assert page.main() == 0
        yield folder


@pytest.fixture(scope="module")
def opened(browser: Browser, made: Path) -> Browser:
    """With the page, which stays open; each test leaves it as it was."""
    browser.emulate("light")
    browser.open(made / page.PAGE)
    browser.wait_until(DRAWN)
    return browser


@pytest.fixture(scope="module")
def html(made: Path) -> str:
    return (made / page.PAGE).read_text(encoding="utf-8").replace((made / page.VEGA).read_text(encoding="utf-8"), "")


def mistakes_of_frozen() -> list[gallery.Gallery]:
    return gallery.mistakes(*CELL, "frozen", read_typed(paths.predictions(*CELL, "frozen"), COLUMNS))


def test_headings_leave_no_level_out(html: str) -> None:
    levels = [int(level) for level in re.findall(r"<h(\d)", html.partition("<dialog")[0])]
    assert levels[:2] == [1, 2]
    assert levels.count(1) == 1
    assert max(after - before for before, after in pairwise(levels)) == 1


def test_links_lead_somewhere_and_names_of_places_stand_once(html: str) -> None:
    places = Counter(re.findall(r'\bid="([^"]+)"', html))
    assert set(places.values()) == {1}
    assert set(re.findall(r'href="#([^"]+)"', html)) <= set(places)
    contents = re.findall('href="#([^"]+)"', html.partition('<nav id="contents"')[2].partition("</nav>")[0])
    assert contents == ["mobilenet_v2-many", "mobilenet_v2-two", "resnet18-many", "resnet18-two"]


def test_tables_say_what_they_are_of(html: str) -> None:
    tables = re.findall("<table.*?</table>", html, re.DOTALL)
    captions = [re.findall("<caption>(.+?)</caption>", table) for table in tables]
    assert len(tables) == 11  # results; trials; curves; confusion and recall of three; mistakes of two
    assert [len(of) for of in captions] == [1] * len(tables)
    assert len({of[0] for of in captions}) == len(tables)
    assert re.findall("<th(?! scope)[^e>]*>", html) == []
    bodies = [row for table in tables for row in re.findall("<tr>.*?</tr>", table.partition("<tbody>")[2], re.DOTALL)]
    assert {row.count('<th scope="row"') for row in bodies} == {1, 3}  # of results network, data set and variant


@pytest.mark.parametrize(
    "told",
    [
        "differences from the first: mobilenet_v2 on two. Mean val accuracy, where 95 % of the trials lie, and the",
        "one column for each variant: mobilenet_v2 on two. Val loss: frozen from 1.000 to 0.333 in 3 epochs; unfrozen",
        "interval as a line: mobilenet_v2 on two. frozen 0.6667 (0.438 to 0.837); unfrozen 0.5000 (0.290 to 0.710);",
        "by class: mobilenet_v2 on two. Val images by class: cats 6, dogs 6, owls 6.",
        "gave them: mobilenet_v2 on two, frozen. Expected calibration error ",
        "each mistake: mobilenet_v2 on two, frozen. 6 mistakes among 18 val images: cats taken for dogs 2, dogs taken",
        "its probability: mobilenet_v2 on two, unfrozen. 9 mistakes among 18 val images: cats taken for dogs 3, dogs",
    ],
)
def test_who_does_not_see_a_figure_is_told_its_numbers(told: str, html: str) -> None:
    assert re.search(rf'alt="[^"]*{re.escape(told)}', html)


def test_a_chart_tells_how_its_curves_end(html: str) -> None:
    assert "on train and val images. Val loss: frozen from 1.000 to 0.333 in 3 epochs; unfrozen from" in html


def test_charts_keep_every_pixel_and_are_small(made: Path, html: str) -> None:
    with Image.open(made / paths.figure(*CELL, "comparison")) as drawn:
        pixels = np.asarray(drawn.convert("RGB"))
    found = re.search(r'src="data:image/webp;base64,([^"]+)"[^>]*alt="Curves of loss and accuracy', html)
    file = base64.b64decode(found[1])
    assert np.array_equal(np.asarray(Image.open(io.BytesIO(file))), pixels)
    assert len(file) < (made / paths.figure(*CELL, "comparison")).stat().st_size


def test_pictures_one_by_one_take_the_place_of_their_figure(html: str) -> None:
    frozen = html.partition('<h3 id="mobilenet_v2-two-variant-frozen"')[2].partition("<h3")[0]
    assert "Thumbnails of copies" not in html
    assert "The wrongly classified val images" not in frozen
    assert frozen.count('class="exhibit"') == 6
    assert "<h5>All 6</h5>" in frozen
    assert "The same in words" not in frozen  # which the pictures bring with them
    assert 'alt="val/cats/0.jpg, as the network saw it"' in frozen
    assert 'alt="Where it looked for dogs, yellow most: top right"' in frozen
    assert "is cats, said dogs (0.79)" in frozen
    facts = {"why": "Doubtful labels: by all other images, another class is likelier", "label": "cats"}
    facts |= {"looks like": "dogs", "score": "2.5", "file": "val/cats/0.jpg"}
    told = html.partition("Doubtful labels")[2].partition("</dl>")[0]
    said = {f"{variant} says": "dogs (0.787)" for variant in VARIANTS}
    assert dict(re.findall("<dt>(.*?)</dt><dd>(.*?)</dd>", told)) == facts | said


def test_where_not_all_mistakes_are_shown_it_is_said(in_folder: Path) -> None:
    write_params(in_folder)
    write_results(*CELL, ["cats", "dogs"], VARIANTS, wrong=7, images=9)
    write_pictures(*CELL, "frozen", FINDING)
    (shown,) = mistakes_of_frozen()
    assert (shown.heading, len(shown.exhibits)) == ("The 12 surest of 14", 12)


def test_of_copies_it_is_said_where_they_lie_and_what_they_are_called(in_folder: Path) -> None:
    findings = [
        Finding("copy", 0.9, "1.jpg", "val", "cats", "2.jpg", "train", "cats"),
        Finding("copy", 0.9, "3.jpg", "val", "cats", "4.jpg", "train", "dogs"),
        Finding("copy_within", 0.9, "5.jpg", "val", "cats", "6.jpg", "val", "cats"),
    ]
    write_findings(*CELL, findings)
    write_json(paths.audit_metrics(*CELL), counts(findings, SHORTCUTS))
    for number in (1, 2, 3):
        Image.new("RGB", (9, 9)).save(paths.audit(*CELL) / f"{number}.png")
    captions = [exhibit.caption for shown in gallery.audit(*CELL, {}) for exhibit in shown.exhibits]
    assert captions == ["cats in val and train", "cats in val, dogs in train", "cats in val"]


def test_where_the_audit_alone_has_run_its_pictures_are_shown(in_folder: Path) -> None:
    write_params(in_folder)
    write_findings(*CELL, [FINDING])
    write_json(paths.audit_metrics(*CELL), counts([FINDING], SHORTCUTS))
    Image.new("RGB", (9, 9)).save(paths.audit(*CELL) / "1.png")
    two, many = (page.read_cell(CELL[0], dataset, load_params()) for dataset in ("two", "many"))
    assert (two.empty, many.empty) == (False, True)


def test_where_there_are_no_mistakes_their_figure_says_so(in_folder: Path) -> None:
    write_params(in_folder)
    write_results(*CELL, ["cats", "dogs"], VARIANTS, wrong=0)
    write_pictures(*CELL, "frozen")
    frozen = page.read_cell(*CELL, load_params()).variants[0]
    assert (frozen.numbers[4], frozen.mistakes_one_by_one, frozen.surest) == ("0 of 12", [], [])
    assert frozen.mistakes.numbers == "0 mistakes among 12 val images."
    assert frozen.mistakes.src


TABLES = Path("tables/mobilenet_v2/two")


@pytest.mark.parametrize(
    ("path", "content"),
    [
        (TABLES / "frozen-mistakes/2.png", None),
        (TABLES / "frozen-mistakes/2.png", b"\x89PNG"),
        (TABLES / "frozen-mistakes/2-heat.png", b""),
        (TABLES / "frozen-mistakes/mistakes.tsv", None),
        (TABLES / "frozen-mistakes/mistakes.tsv", b"number\n1\n"),
        (TABLES / "audit/2.png", b""),
        (TABLES / "audit/1-partner.png", b"\x89PNG"),
        (TABLES / "audit/audit.tsv", None),
        (TABLES / "audit/audit.tsv", b"number\tkind\n1\tcopy\n2\tlabel\n"),
        (paths.audit_metrics(*CELL), b'{"copy": 1}'),
    ],
)
def test_of_what_is_missing_or_damaged_nothing_is_shown_one_by_one(
    path: Path, content: bytes | None, made: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(made)
    before = path.read_bytes()
    path.unlink()
    try:
        if content is not None:
            path.write_bytes(content)
        shown = mistakes_of_frozen(), gallery.audit(*CELL, {})
    finally:
        path.write_bytes(before)
    assert [len(of) for of in shown] == ([0, 2] if "mistakes" in str(path) else [1, 0])


def test_a_heat_map_of_nothing_is_told_as_such(made: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(made)
    path = TABLES / "frozen-mistakes/1-heat.png"
    before = path.read_bytes()
    try:
        Image.new("L", (3, 3)).save(path)
        looked = mistakes_of_frozen()[0].exhibits[0].views[1].alt
    finally:
        path.write_bytes(before)
    assert looked == "Where it looked for dogs, yellow most: nowhere"


def test_names_of_files_are_text_not_markup(html: str) -> None:
    assert 'alt="val/cats/&lt;b&gt;&#34;a&#34; &amp; b.jpg"' in html
    assert "<dd>val/cats/&lt;b&gt;&#34;a&#34; &amp; b.jpg</dd>" in html


def test_without_scripts_nothing_is_promised_that_they_do(html: str) -> None:
    assert "<noscript><style>.scripted { display: none }</style></noscript>" in html
    assert re.search('<span class="scripted">A click on a column.s name sorts by it.</span>', html)
    assert html.count('class="chart"') == 2 * html.count('<div class="pair scripted">') == 2


def test_where_no_trial_was_timed_there_is_no_column_for_it(html: str) -> None:
    assert "seconds a trial" not in html


@pytest.mark.parametrize(
    ("table", "change", "figure", "figures"),
    [
        (paths.mistakes(*CELL, "frozen") / "mistakes.tsv", ("0.787", "0.786"), "The wrongly classified val images", 3),
        (paths.audit(*CELL) / "audit.tsv", ("2\tlabel", "2\toutlier"), "Thumbnails of copies", 1),
    ],
)
def test_pictures_of_other_results_are_not_shown(
    table: Path, change: tuple[str, str], figure: str, figures: int, made: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(made)
    monkeypatch.setattr(page, "drawing_script", str)
    monkeypatch.setattr(page, "PAGE", Path("other.html"))
    monkeypatch.setattr(page, "VEGA", Path("other.js"))
    before = table.read_text()
    try:
        table.write_text(before.replace(*change))
        assert page.main() == 0
    finally:
        table.write_text(before)
    assert Path("other.html").read_text(encoding="utf-8").count(f'alt="{figure}') == figures


@pytest.mark.browser
class TestInBrowser:
    @pytest.fixture
    def on_a_phone(self, opened: Browser) -> Iterator[Browser]:
        opened.resize(375)
        yield opened
        opened.resize(1280)

    @pytest.fixture
    def focused(self, opened: Browser) -> Browser:
        """On the first of the exhibits; what the test before has closed gives the focus back a moment later."""
        opened.driver.execute_async_script("setTimeout(arguments[0], 100)")
        opened.driver.execute_script(f"{EXHIBIT}.querySelector('a').focus()")
        return opened

    def test_tab_leads_to_the_results(self, opened: Browser) -> None:
        opened.driver.execute_script("document.activeElement.blur(); scrollTo(0, 0)")
        opened.press(TAB)
        assert opened.ask("document.activeElement.textContent") == "Skip to the results"
        assert opened.ask("document.activeElement.getBoundingClientRect().top") > 0
        assert opened.ask("getComputedStyle(document.activeElement).outlineWidth") == "3px"
        opened.press(ENTER)
        assert opened.ask("document.activeElement.tagName") == "MAIN"

    @pytest.mark.parametrize(("media", "width"), [("light", 1280), ("dark", 1280), ("dark", 375)])
    def test_axe_finds_nothing_serious(self, opened: Browser, media: str, width: int) -> None:
        opened.emulate(media)
        opened.resize(width)
        found = opened.barriers()
        opened.emulate("light")
        opened.resize(1280)
        assert found == []

    def test_in_the_dark_figures_are_sheets_of_paper(self, opened: Browser) -> None:
        style = "getComputedStyle(document.querySelector('.wide img'))"
        look = f"[{style}.paddingTop, {style}.backgroundColor]"
        assert opened.ask(look) == ["0px", "rgb(255, 255, 255)"]
        opened.emulate("dark")
        seen = opened.ask(look)
        opened.emulate("light")
        assert seen == ["12px", "rgb(255, 255, 255)"]

    def test_on_a_phone_tables_move_in_their_frames(self, on_a_phone: Browser) -> None:
        assert on_a_phone.overflow() == 0
        frame = "document.querySelector('.wide:has(.results)')"
        on_a_phone.driver.execute_script(f"{frame}.scrollLeft = 9999")
        assert on_a_phone.ask(f"{frame}.scrollLeft") > 100
        assert on_a_phone.ask(f"{frame}.querySelector('tbody th[data-of]').getBoundingClientRect().left") == 16

    def test_on_a_phone_what_is_touched_is_large(self, on_a_phone: Browser) -> None:
        sizes = on_a_phone.ask(
            "[...document.querySelectorAll('nav a, summary, th button, .vega-bind label')]"
            ".map(part => part.getBoundingClientRect()).filter(box => box.width).map(box => box.height)"
        )
        assert min(sizes) >= 40
        assert len(sizes) > 50

    @pytest.fixture
    def table(self, opened: Browser) -> Iterator[Browser]:
        """With these numbers in its three lines that have any."""
        fill = """
          document.querySelectorAll(".results td:nth-child(5)").forEach((cell, row) => {
            for (const [place, texts] of [[4, MISTAKES], [7, DIFFERENCE], [8, P_VALUE]])
              cell.parentElement.cells[place].textContent = texts[row];
          });"""
        texts = {
            "MISTAKES": ["38 of 462", "6 of 153", "10 of 500"],
            "DIFFERENCE": ["+0.0282", "baseline", "-0.0140"],
            "P_VALUE": ["0.0001", "", "< 0.0001"],
        }
        for name, column in texts.items():
            fill = fill.replace(name, str(column))
        opened.driver.execute_script(fill)
        yield opened
        opened.driver.refresh()
        opened.wait_until(DRAWN)

    @pytest.mark.parametrize(
        ("up", "down"),
        [
            (["2021-01", "2021-02", "2021-10"], ["2021-10", "2021-02", "2021-01"]),
            (["10_a", "10_b", "Infinity"], ["10_b", "10_a", "Infinity"]),
            (["class_2", "class_10", "nan"], ["nan", "class_10", "class_2"]),
        ],
    )
    def test_what_only_begins_like_a_number_is_sorted_as_text(
        self, up: list[str], down: list[str], opened: Browser
    ) -> None:
        names = "[...document.querySelectorAll('.results td:nth-child(5)')]"
        before = opened.ask(f"{names}.map(cell => cell.textContent)")
        fill = f"{names}.forEach((cell, row) => {{ cell.textContent = arguments[0][row]; }})"
        opened.driver.execute_script(fill, [up[1], up[0], up[2]])
        orders = []
        for _ in range(3):
            opened.driver.execute_script("document.querySelectorAll('.results thead button')[4].click()")
            orders.append(opened.ask(f"{names}.map(cell => cell.textContent)"))
        opened.driver.execute_script(fill, before)
        assert orders[:2] == [up, down]

    def test_a_table_is_sorted_by_number_up_down_and_back(self, table: Browser) -> None:
        for column, orders in {
            4: (["6 of 153", "10 of 500", "38 of 462"], ["38 of 462", "10 of 500", "6 of 153"]),
            7: (["-0.0140", "+0.0282", "baseline"], ["+0.0282", "-0.0140", "baseline"]),
            8: (["< 0.0001", "0.0001", ""], ["0.0001", "< 0.0001", ""]),
        }.items():
            heading = f"document.querySelectorAll('.results thead th')[{column}]"
            text = f"row.cells[{column}]?.textContent ?? ''"
            cells = f"[...document.querySelectorAll('.results tbody tr')].map(row => {text})"
            before = table.ask(cells)
            table.driver.execute_script(f"{heading}.querySelector('button').focus()")
            for state, order in zip(("ascending", "descending"), orders, strict=True):
                table.press(ENTER)
                assert (table.ask(f"{heading}.ariaSort"), table.ask(cells)[:3]) == (state, order)
            table.press(" ")
            assert (table.ask(f"{heading}.ariaSort"), table.ask(cells)) == ("none", before)

    def test_text_is_sorted_by_letter_and_one_column_at_a_time(self, opened: Browser) -> None:
        sets = "[...document.querySelectorAll('.results tbody tr')].map(row => row.cells[1].textContent)"
        for column in (0, 1):
            opened.driver.execute_script(f"document.querySelectorAll('.results thead button')[{column}].click()")
        assert opened.ask(sets) == ["many"] * 2 + ["two"] * 4
        assert opened.ask("document.querySelectorAll('.results [aria-sort]').length") == 1
        for _ in range(2):
            opened.driver.execute_script("document.querySelectorAll('.results thead button')[1].click()")
        assert opened.ask(sets) == ["many", "two", "two", "two", "many", "two"]

    def test_a_picture_opens_by_enter_and_closes_by_escape(self, focused: Browser) -> None:
        focused.press(ENTER)
        dialog = "document.querySelector('dialog')"
        assert focused.ask(f"{dialog}.matches(':modal')")
        assert focused.ask(f"{dialog}.querySelector('h2').textContent") == "is cats, said dogs (0.79)"
        facts = ["true class", "cats", "answer", "dogs", "probability", "0.7870", "file", "val/cats/0.jpg"]
        assert focused.ask(f"{dialog}.innerText.split('\\n').filter(line => line.trim()).slice(-8)") == facts
        looked = ["val/cats/0.jpg, as the network saw it", "Where it looked for dogs, yellow most: top right"]
        assert focused.ask(f"[...{dialog}.querySelectorAll('figcaption')].map(of => of.textContent)") == looked
        assert focused.overflow() == 0
        focused.press(ESCAPE)
        assert not focused.ask(f"{dialog}.open")
        assert focused.ask(f"document.activeElement.parentElement === {EXHIBIT}")

    def test_arrows_lead_from_picture_to_picture(self, focused: Browser) -> None:
        focused.press(ENTER)
        place = "document.querySelector('.place').textContent"
        seen = [focused.ask(place)]
        for key in (RIGHT, LEFT, LEFT):
            focused.press(key)
            seen.append(focused.ask(place))
        focused.driver.execute_script("document.querySelector('dialog .after').click()")
        seen.append(focused.ask(place))
        focused.driver.execute_script("document.querySelector('dialog .close').click()")
        assert seen == ["1 of 6", "2 of 6", "1 of 6", "6 of 6", "1 of 6"]
        assert not focused.ask("document.querySelector('dialog').open")

    def test_without_scripts_the_link_shows_what_is_told_of_a_picture(self, opened: Browser) -> None:
        facts = f"getComputedStyle({EXHIBIT}.querySelector('.facts')).display"
        assert opened.ask(facts) == "none"
        opened.driver.execute_script(f"location.hash = {EXHIBIT}.querySelector('a').hash")
        assert opened.ask(facts) == "block"
        opened.driver.execute_script("location.hash = 'results'")

    def test_the_next_picture_is_told_with_its_place(self, focused: Browser) -> None:
        focused.press(ENTER)
        region = "document.querySelector('dialog [aria-live=polite][aria-atomic=true]').innerText.split(/\\n+/)"
        seen = focused.ask(region)
        focused.press(RIGHT)
        after = focused.ask(region)
        focused.press(ESCAPE)
        assert (seen, after[1]) == (["is cats, said dogs (0.79)", "1 of 6"], "2 of 6")

    def test_keys_go_on_after_a_click_and_the_focus_returns_to_what_was_seen_last(self, focused: Browser) -> None:
        focused.press(ENTER)
        focused.driver.find_element("css selector", "dialog img").click()
        focused.press(RIGHT)
        alt_left = "new KeyboardEvent('keydown', {key: 'ArrowLeft', altKey: true, bubbles: true})"
        focused.driver.execute_script(f"document.body.dispatchEvent({alt_left})")
        assert focused.ask("document.querySelector('.place').textContent") == "2 of 6"
        focused.press(ESCAPE)
        focused.wait_until(f"document.activeElement.parentElement === {EXHIBIT}.nextElementSibling")

    def test_only_a_click_beside_the_picture_closes_it(self, focused: Browser) -> None:
        from selenium.webdriver import ActionChains

        focused.press(ENTER)
        dialog, heading = (focused.driver.find_element("css selector", of) for of in ("dialog", "dialog h2"))
        left = -dialog.size["width"] // 2
        mouse = ActionChains(focused.driver)
        mouse.move_to_element_with_offset(dialog, left + 4, 0).click()
        mouse.move_to_element(heading).click_and_hold().move_to_element_with_offset(dialog, left - 50, 0).release()
        mouse.perform()
        assert focused.ask("document.querySelector('dialog').open")
        mouse.move_to_element_with_offset(dialog, left - 50, 0).click().perform()
        assert not focused.ask("document.querySelector('dialog').open")

    def test_a_click_with_shift_is_the_browsers(self, opened: Browser) -> None:
        opened.driver.execute_script(f"""
          const click = new MouseEvent("click", {{shiftKey: true, bubbles: true, cancelable: true}});
          const look = event => {{ window.taken = event.defaultPrevented; event.preventDefault(); }};
          addEventListener("click", look, {{once: true}});
          {EXHIBIT}.querySelector("a").dispatchEvent(click);
        """)
        assert opened.ask("[window.taken, document.querySelector('dialog').open]") == [False, False]

    def test_a_pair_of_copies_stands_side_by_side_on_a_phone(self, on_a_phone: Browser) -> None:
        exhibit = "document.querySelector('#mobilenet_v2-two-images-to-look-at-1-1')"
        on_a_phone.driver.execute_script(f"{exhibit}.querySelector('a').click()")
        assert on_a_phone.ask("[...document.querySelectorAll('figcaption')].map(of => of.textContent)") == [
            COPY.file,
            COPY.partner,
        ]
        figures = "[...document.querySelectorAll('dialog figure')].map(figure => figure.getBoundingClientRect())"
        first, second = on_a_phone.ask(figures)
        assert (first["top"], first["left"] + 160 + 8) == pytest.approx((second["top"], second["left"]))
        wider = "document.querySelector('dialog').scrollWidth - document.querySelector('dialog').clientWidth"
        assert (on_a_phone.ask(wider), on_a_phone.overflow()) == (0, 0)
        assert on_a_phone.ask("document.querySelector('.facts dd').textContent").startswith("Copies: a picture of one")
        on_a_phone.press(RIGHT)
        (width,) = on_a_phone.ask("[...document.querySelectorAll('dialog img')].map(image => image.width)")
        on_a_phone.press(ESCAPE)
        assert width == 2 * 12  # a thumbnail, of which there is no more to see

    def test_on_paper_captions_stay_with_pictures_and_nothing_lies_over_the_page(self, focused: Browser) -> None:
        focused.press(ENTER)
        focused.emulate("print")
        breaks = focused.ask(f"getComputedStyle({EXHIBIT}).breakInside")
        shown = focused.ask("getComputedStyle(document.querySelector('dialog')).display")
        focused.emulate("light")
        focused.press(ESCAPE)
        assert (breaks, shown) == ("avoid", "none")

    def test_radio_buttons_are_a_group_with_a_name(self, opened: Browser) -> None:
        names = "[...document.querySelectorAll('.vega-bind-radio[role=radiogroup]')].map(of => of.ariaLabel)"
        titles = ["Loss (mean cross-entropy, nats)", "Accuracy (share of images)"]
        assert opened.ask(names) == [f"Variants in {title}" for title in titles]

    def test_where_all_results_are_too_wide_network_and_data_set_stand_below_the_variant(self, opened: Browser) -> None:
        name = "document.querySelector('.results tbody tr:nth-child(2) th[data-of]')"
        shown = f"[...{name}.parentElement.querySelectorAll('th')].map(of => of.offsetWidth > 0)"
        look = f"[...{shown}, getComputedStyle({name}, '::after').content]"
        seen = []
        for width in (1280, 900):
            opened.resize(width)
            seen.append(opened.ask(look))
        opened.resize(1280)
        assert seen == [[True, True, True, "none"], [False, False, True, '"mobilenet_v2, two"']]

    def test_axe_finds_nothing_serious_in_what_is_opened(self, focused: Browser) -> None:
        details = "for (const part of document.querySelectorAll('details')) part.open = "
        focused.driver.execute_script(f"{details} true")
        found = focused.barriers()
        focused.driver.execute_script(f"{details} false")
        focused.press(ENTER)
        found += focused.barriers()
        focused.press(ESCAPE)
        assert found == []

    def test_what_a_row_is_of_leaves_room_for_the_rest(self, on_a_phone: Browser) -> None:
        on_a_phone.driver.execute_script("""
          const names = document.querySelectorAll(".wide tbody th:last-of-type");
          for (const part of document.querySelectorAll("details")) part.open = true;
          for (const name of names) name.textContent = "x".repeat(80);
          for (const frame of document.querySelectorAll(".wide:has(table)")) frame.scrollLeft = 9999;
        """)
        places = on_a_phone.ask("""[...document.querySelectorAll(".wide table tr:not(:has([colspan]))")].map(row => {
          const name = row.cells[row.closest(".results") ? 2 : 0].getBoundingClientRect();
          const last = row.cells[row.cells.length - 1].getBoundingClientRect();
          return [Math.round(name.left), last.left - name.right];
        })""")
        on_a_phone.driver.refresh()
        on_a_phone.wait_until(DRAWN)
        assert {left for left, _ in places} == {16}
        assert min(room for _, room in places) >= 0

    def test_what_is_unfolded_is_measured_then(self, opened: Browser) -> None:
        frame = "document.querySelector('details .wide')"
        before = opened.ask(f"{frame}.tabIndex")
        opened.driver.execute_script(f"{frame}.querySelector('td').textContent = 'x'.repeat(300)")
        opened.driver.execute_script(f"{frame}.closest('details').open = true")
        opened.wait_until(f"{frame}.tabIndex === 0", seconds=5)
        opened.driver.refresh()
        opened.wait_until(DRAWN)
        assert before == -1

    def test_where_charts_cannot_be_drawn_all_else_is_there(
        self, browser: Browser, made: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.chdir(made)
        text = page.PAGE.read_text(encoding="utf-8").replace(page.VEGA.read_text(encoding="utf-8"), "")
        Path("no_charts.html").write_text(text, encoding="utf-8")
        browser.open(Path("no_charts.html"), width=375)
        marked = browser.ask("document.querySelectorAll('.wide[tabindex]').length")
        browser.driver.execute_script(f"{EXHIBIT}.querySelector('a').click()")
        assert marked > 0
        assert browser.ask("document.querySelector('dialog').open")
