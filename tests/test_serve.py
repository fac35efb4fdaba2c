"""scripts/serve.py: the page that shows what a model says of a picture, asked as browsers and strangers would."""

import base64
import io
import os
import signal
import socket
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterator
from http.client import HTTPConnection
from pathlib import Path

import numpy as np
import pytest
import requests
from matplotlib import colormaps
from PIL import Image

from scripts import serve
from scripts.using import explanation
from stages.explain import looker
from stages.figures.mistakes import enlarged
from stages.ground.errors import ProjectError
from stages.models.classifier import Classifier
from stages.preprocessing.inputs import middle_crop
from stages.preprocessing.squares import read_square
from tests.browser import Browser
from tests.conftest import PROJECT, clean_environment
from tests.models import CLASSES, draw_foreign, draw_formats, small_model, telling_model


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return small_model(tmp_path_factory.mktemp("model") / "small.safetensors")


@pytest.fixture(scope="module")
def pictures(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    return draw_formats(tmp_path_factory.mktemp("pictures"))


@pytest.fixture(scope="module")
def address(model: Path) -> Iterator[str]:
    """Of a server of `model`."""
    classifier = Classifier.load(model)
    look = looker(classifier)
    server = serve.make_server(lambda file: explanation.explain(classifier, look, file))
    with serve.listen(0) as listening:
        thread = threading.Thread(target=server.run, args=([listening],))
        thread.start()
        host, port = listening.getsockname()
        yield f"http://{host}:{port}"
        server.should_exit = server.force_exit = True  # forced: it waits for no request of a test that failed
        thread.join()


def classify(address: str, body: bytes, **headers: str) -> requests.Response:
    return requests.post(f"{address}/classify", data=body, headers=headers, timeout=120)


def pixels(data_uri: str) -> np.ndarray:
    kind, _, content = data_uri.partition(",")
    assert kind == "data:image/png;base64"
    return np.asarray(Image.open(io.BytesIO(base64.b64decode(content))).convert("RGB")).astype(int)


def test_the_answer_is_the_classifiers_own(address: str, model: Path, pictures: list[Path]) -> None:
    classifier = Classifier.load(model)
    labels = set()
    for picture in pictures:
        response = classify(address, picture.read_bytes())
        answer, expected = response.json(), classifier(picture)
        assert (response.status_code, list(answer)) == (
            200, ["label", "probabilities", "none_of_these", "distance", "threshold", "seen", "heat"]
        )  # fmt: skip
        assert answer["label"] == expected.label
        assert answer["probabilities"] == pytest.approx(expected.probabilities, abs=1e-4)
        labels.add(expected.label)
    assert len(labels) > 1


@pytest.fixture(scope="module")
def foreign(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return draw_foreign(tmp_path_factory.mktemp("foreign") / "foreign.png")


@pytest.fixture(scope="module")
def telling(tmp_path_factory: pytest.TempPathFactory) -> Classifier:
    folder = tmp_path_factory.mktemp("telling")
    return Classifier.load(telling_model(folder / "telling.safetensors", folder / "known"))


def test_a_foreign_picture_is_told_by_a_model_that_can(
    address: str, telling: Classifier, pictures: list[Path], foreign: Path
) -> None:
    for picture, none_of_these in ((foreign, True), (pictures[0], False)):
        answer, expected = explanation.explain(telling, telling.look, picture.read_bytes()), telling(picture)
        assert answer["none_of_these"] is expected.none_of_these is none_of_these
        assert (answer["distance"], answer["threshold"]) == (expected.distance, expected.threshold)
        assert answer["label"] == expected.label
    assert classify(address, foreign.read_bytes()).json()["none_of_these"] is None


def test_the_pictures_are_the_square_that_was_seen_and_the_same_in_grey_under_the_heat_map(
    address: str, model: Path, pictures: list[Path]
) -> None:
    classifier = Classifier.load(model)
    for picture in pictures:
        answer = classify(address, picture.read_bytes()).json()
        square = read_square(picture, classifier.preprocessing)
        seen = middle_crop(square[None], classifier.preprocessing.crop)[0].transpose(1, 2, 0)
        assert np.array_equal(pixels(answer["seen"]), seen)
        looked = classifier.look(square, classifier.classes.index(answer["label"]))
        heat = enlarged(looked, classifier.preprocessing.crop)[..., None]
        share = 0.25 + 0.5 * heat
        mixed = share * 255 * colormaps["viridis"](heat[..., 0])[..., :3] + (1 - share) * seen.mean(2, keepdims=True)
        assert np.abs(pixels(answer["heat"]) - mixed).max() < 4


def test_a_network_without_places_has_no_heat_map(model: Path, pictures: list[Path]) -> None:
    answer = explanation.explain(Classifier.load(model), lambda *_: None, pictures[0].read_bytes())
    assert answer["heat"] is None


def test_pictures_at_the_same_time_get_each_its_own_answer(address: str, pictures: list[Path]) -> None:
    bodies = [picture.read_bytes() for picture in pictures]
    alone = [classify(address, body).json() for body in bodies]
    together: dict[int, object] = {}
    threads = [
        threading.Thread(target=lambda i=i, body=body: together.update({i: classify(address, body).json()}))
        for i, body in enumerate(bodies)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [together[i] for i in range(len(bodies))] == alone


def test_one_picture_at_a_time_goes_through_the_network(
    address: str, pictures: list[Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    inside, most, original = [], [], explanation.data_uri

    def counting(content: bytes) -> str:
        inside.append(1)
        most.append(len(inside))
        try:
            return original(content)
        finally:
            inside.pop()

    monkeypatch.setattr(explanation, "data_uri", counting)
    threads = [threading.Thread(target=classify, args=(address, pictures[0].read_bytes())) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert most == [1] * 8, "two pictures in each answer"


@pytest.mark.parametrize(
    ("body", "said"),
    [(b"no picture", "not a whole picture, 10 bytes"), (b"%PDF", "a PDF file: export its pages as PNG")],
)
def test_what_is_no_picture_is_refused_in_one_line(address: str, body: bytes, said: str) -> None:
    response = classify(address, body)
    assert (response.status_code, response.text) == (415, f"the file: {said}")


def test_an_animation_is_refused_in_one_line(address: str) -> None:
    frames, gif = [Image.new("L", (8, 8), grey) for grey in (0, 255)], io.BytesIO()
    frames[0].save(gif, "GIF", save_all=True, append_images=frames[1:])
    response = classify(address, gif.getvalue())
    expected = "the file: animated, with 2 frames; expected a still picture"
    assert (response.status_code, response.text) == (415, expected)


@pytest.mark.parametrize("announced", [True, False])
def test_what_is_too_large_is_refused_before_it_has_all_come(address: str, announced: bool) -> None:
    connection = HTTPConnection(address.removeprefix("http://"), timeout=120)
    connection.putrequest("POST", "/classify")
    if announced:
        connection.putheader("Content-Length", str(serve.LIMIT + 1))
        connection.endheaders()
    else:
        connection.putheader("Transfer-Encoding", "chunked")
        connection.endheaders()
        connection.send(b"%x\r\n" % (10 * serve.LIMIT) + bytes(serve.LIMIT + 1))
    response = connection.getresponse()
    assert (response.status, response.read()) == (413, b"the file is larger than 20 MiB")
    connection.close()


def test_a_file_of_just_the_limit_is_read(address: str) -> None:
    assert classify(address, bytes(serve.LIMIT)).status_code == 415


@pytest.mark.parametrize(
    "path",
    ["/../params.yaml", "/%2e%2e/params.yaml", "/..%2fparams.yaml", "/params.yaml", "/serve.html", "//", "/classify/"],
)
@pytest.mark.parametrize("method", ["GET", "POST"])
def test_nothing_else_is_served(address: str, path: str, method: str) -> None:
    connection = HTTPConnection(address.removeprefix("http://"), timeout=120)
    connection.request(method, path)
    response = connection.getresponse()
    assert (response.status, response.read()) == (404, b"Not Found")
    connection.close()


@pytest.mark.parametrize("host", ["example.org", "127.0.0.1.example.org", "localhost.example.org:8000", "0.0.0.0", ""])
def test_names_that_lead_here_from_elsewhere_are_refused(address: str, pictures: list[Path], host: str) -> None:
    for response in (
        requests.get(address, headers={"Host": host}, timeout=120),
        classify(address, pictures[0].read_bytes(), Host=host, Origin=f"http://{host}"),
    ):
        assert (response.status_code, response.text) == (400, "Invalid host header")


@pytest.mark.parametrize("origin", ["http://example.org", "http://127.0.0.1:1", "https://{}", "null", ""])
def test_pages_of_others_are_refused(address: str, pictures: list[Path], origin: str) -> None:
    origin = origin.format(address.removeprefix("http://"))
    assert classify(address, pictures[0].read_bytes(), Origin=origin).status_code == 403


@pytest.mark.parametrize("name", serve.HOSTS)
def test_its_own_page_is_not(address: str, pictures: list[Path], name: str) -> None:
    own = address.replace("127.0.0.1", name)
    assert classify(address, pictures[0].read_bytes(), Host=own[7:], Origin=own).status_code == 200


def test_it_listens_on_this_machine_alone() -> None:
    with serve.listen(0) as listening:
        assert listening.getsockname()[0] == "127.0.0.1"


def test_browsers_are_told_to_ask_nobody_else_and_not_to_be_framed(address: str) -> None:
    headers = requests.get(address, timeout=120).headers
    policy = headers["Content-Security-Policy"].split("; ")
    assert {"default-src 'none'", "connect-src 'self'", "img-src data:", "frame-ancestors 'none'"} <= set(policy)
    assert headers["X-Content-Type-Options"] == "nosniff"


def test_nothing_is_written(address: str, pictures: list[Path], in_folder: Path) -> None:
    written: list[object] = []

    def record(event: str, arguments: tuple) -> None:
        if event == "open" and recording and arguments[2] & (os.O_WRONLY | os.O_RDWR):
            written.append(arguments[0])

    recording = [True]
    before = set(Path(tempfile.gettempdir()).iterdir())
    sys.addaudithook(record)  # cannot be taken away again: `recording` ends it
    try:
        assert classify(address, pictures[0].read_bytes()).status_code == 200
        assert classify(address, bytes(serve.LIMIT)).status_code == 415
    finally:
        recording.clear()
    assert written == []
    assert list(in_folder.iterdir()) == []
    assert before >= set(Path(tempfile.gettempdir()).iterdir())


def start(*arguments: object) -> subprocess.Popen[str]:
    """The command itself, in whatever folder."""
    return subprocess.Popen(
        [sys.executable, "-W", "error", "-m", "scripts.serve", *map(str, arguments)],
        env=clean_environment() | {"PYTHONPATH": os.fspath(PROJECT)},
        text=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )


def half_a_request(address: str) -> HTTPConnection:
    connection = HTTPConnection(address.removeprefix("http://"), timeout=120)
    connection.putrequest("POST", "/classify")
    connection.putheader("Content-Length", "1000")
    connection.endheaders(b"x")
    return connection


def test_the_command_says_where_it_is_and_ctrl_c_ends_it_at_once_whoever_has_left_or_waits(
    model: Path, pictures: list[Path], in_folder: Path
) -> None:
    with start(model, "--port", 0) as command:
        try:
            line = command.stdout.readline()
            address = line.split()[0]
            assert line == f"{address} shows what {model} sees; Ctrl-C ends it\n"
            half_a_request(address).close()
            assert classify(address, pictures[0].read_bytes()).json()["label"] in CLASSES
            waiting = half_a_request(address)
            command.send_signal(signal.SIGINT)
            assert command.communicate(timeout=30) == ("", "")
            waiting.close()
        finally:
            command.kill()
    assert command.returncode == 130
    assert list(in_folder.iterdir()) == []


def test_a_port_that_is_taken_is_one_line_and_status_1(model: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with start(model, "--port", port) as command:
            said = command.communicate()
    assert said == (
        "",
        f"error: port {port}: Address already in use; name another with --port, or 0 for one that is free\n",
    )
    assert command.returncode == 1


def test_a_port_that_is_none_is_a_wrong_argument(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "argv", ["serve", "model.safetensors", "--port", "65536"])
    with pytest.raises(SystemExit, match="2"):
        serve.main()
    assert "--port is 65536; expected 0 to 65535\n" in capsys.readouterr().err


def test_what_is_no_model_is_one_line(pictures: list[Path]) -> None:
    with pytest.raises(ProjectError, match="is not a whole file of tensors"):
        serve.serve(str(pictures[0]), 0)


def test_make_serve_without_a_model_says_how() -> None:
    command = ["make", "--old-file=.venv/installed", "serve", "MODEL="]
    done = subprocess.run(command, cwd=PROJECT, capture_output=True, text=True)
    assert "usage: make serve MODEL=models/mobilenet_v2/ants_bees/frozen.safetensors" in done.stderr
    assert (done.returncode, done.stderr.count("\n")) == (2, 1)


@pytest.mark.browser
class TestInBrowser:
    SAID = "document.getElementById('said')"
    SHOWN = "!document.getElementById('result').hidden"

    @pytest.fixture(params=[1280, 380])
    def opened(self, request: pytest.FixtureRequest, browser: Browser, address: str) -> Browser:
        browser.open(address, width=request.param)
        return browser

    def choose(self, browser: Browser, file: Path) -> None:
        browser.driver.find_element("id", "file").send_keys(str(file))

    def test_a_chosen_picture_gets_its_classes_bars_and_pictures(
        self, opened: Browser, model: Path, pictures: list[Path]
    ) -> None:
        self.choose(opened, pictures[0])
        opened.wait_until(self.SHOWN)
        expected = Classifier.load(model)(pictures[0])
        by_share = sorted(expected.probabilities.items(), key=lambda item: -item[1])
        assert opened.ask(f"{self.SAID}.innerText") == f"{expected.label}, {100 * expected.probability:.1f} %"
        rows = "[...document.querySelectorAll('tbody tr')]"
        assert opened.ask(f"{rows}.map(row => [row.cells[0].innerText, row.cells[2].innerText])") == [
            [name, f"{100 * share:.1f} %"] for name, share in by_share
        ]
        bar = "row.querySelector('.bar').offsetWidth / row.querySelector('.bar').parentElement.offsetWidth"
        room = 0.04  # the cell's padding, and whole pixels
        assert opened.ask(f"{rows}.map(row => {bar})") == pytest.approx([share for _, share in by_share], abs=room)
        opened.wait_until("[...document.images].every(image => image.complete)")
        assert opened.ask("[...document.images].map(image => image.naturalWidth)") == [64, 64]
        assert opened.overflow() == 0
        assert opened.cut_off() == []
        assert opened.outside_requests() == []
        assert opened.complaints() == []

    def test_what_is_refused_is_said_in_place_and_the_next_picture_is_seen(
        self, opened: Browser, pictures: list[Path], tmp_path: Path
    ) -> None:
        (tmp_path / "notes.txt").write_text("no picture")
        (tmp_path / "large.jpg").write_bytes(bytes(serve.LIMIT + 1))
        for name, reason in (
            ("notes.txt", ": not a whole picture, 10 bytes"),
            ("large.jpg", " is larger than 20 MiB"),
        ):
            self.choose(opened, pictures[0])
            opened.wait_until(self.SHOWN)
            self.choose(opened, tmp_path / name)
            opened.wait_until(f"{self.SAID}.innerText === '{name}{reason}'")
            assert not opened.ask(self.SHOWN), "the answer before it is gone"
        assert opened.ask("LIMIT") == serve.LIMIT
        assert opened.overflow() == 0

    def test_a_picture_can_be_dropped(self, opened: Browser) -> None:
        drop = (
            "const held = new DataTransfer();"
            "for (const name of arguments) held.items.add(new File(['no picture'], name));"
            "document.body.dispatchEvent(new DragEvent('drop', {dataTransfer: held, bubbles: true, cancelable: true}))"
        )
        opened.driver.execute_script(drop, "dropped.png", "second.png")
        opened.wait_until(f"{self.SAID}.innerText === 'dropped.png: not a whole picture, 10 bytes'")
        assert opened.ask("[...document.getElementById('file').files].map(file => file.name)") == ["dropped.png"]
        opened.driver.execute_script(drop)
        assert opened.ask(f"{self.SAID}.innerText").startswith("That was no file")

    def test_while_it_waits_it_says_so_and_an_answer_that_came_too_late_is_not_shown(
        self, opened: Browser, pictures: list[Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        let_go, original = threading.Event(), explanation.explain
        monkeypatch.setattr(explanation, "explain", lambda *arguments: let_go.wait(10) and original(*arguments))
        self.choose(opened, pictures[0])
        opened.wait_until(f"{self.SAID}.innerText === 'Looking at {pictures[0].name} …'")
        (tmp_path / "large.jpg").write_bytes(bytes(serve.LIMIT + 1))
        self.choose(opened, tmp_path / "large.jpg")
        let_go.set()
        opened.wait_until("performance.getEntriesByType('resource').some(entry => entry.name.endsWith('/classify'))")
        assert opened.ask("new Promise(done => setTimeout(() => done(said.innerText), 100))").startswith("large.jpg is")
        assert not opened.ask(self.SHOWN)

    def test_names_are_text_not_markup(
        self, opened: Browser, pictures: list[Path], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        original, name = explanation.explain, "<img src=x onerror=alert(1)>" + 40 * "z"
        answer = {"label": name, "probabilities": {"a": 0.25, name: 0.75}, "heat": None, "none_of_these": False}
        monkeypatch.setattr(explanation, "explain", lambda *arguments: original(*arguments) | answer)
        self.choose(opened, pictures[0])
        opened.wait_until(self.SHOWN)
        assert opened.ask(f"{self.SAID}.innerText") == f"{name}, 75.0 %"
        assert opened.ask("document.querySelector('tbody th').innerText") == name
        assert opened.ask("document.getElementById('looked').offsetHeight") == 0
        assert (opened.overflow(), opened.cut_off(), opened.complaints()) == (0, [], [])

    def test_a_foreign_picture_is_told_in_words_with_what_it_would_have_been(
        self,
        opened: Browser,
        telling: Classifier,
        foreign: Path,
        pictures: list[Path],
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:
        told = "document.getElementById('told').offsetHeight > 0"
        self.choose(opened, pictures[0])  # of a model that cannot tell
        opened.wait_until(self.SHOWN)
        assert not opened.ask(told)
        original = explanation.explain
        monkeypatch.setattr(explanation, "explain", lambda _, *arguments: original(telling, *arguments))
        self.choose(opened, foreign)
        opened.wait_until(f"{self.SAID}.innerText.startsWith('Looks')")
        opened.wait_until(self.SHOWN)
        expected = telling(foreign)
        assert opened.ask(f"{self.SAID}.innerText") == (
            f"Looks like none of these; the nearest would be {expected.label} ({expected.probability:.2f})"
        )
        assert opened.ask(told)
        assert (opened.overflow(), opened.cut_off(), opened.complaints()) == (0, [], [])
        self.choose(opened, pictures[0])
        opened.wait_until(f"{self.SAID}.innerText.endsWith('%')")

    def test_the_keyboard_reaches_the_choice_first_and_its_label_names_it(self, opened: Browser) -> None:
        opened.driver.switch_to.active_element.send_keys("\ue004")  # Tab
        assert opened.ask("document.activeElement.id") == "file"
        assert opened.ask("document.activeElement.labels[0].innerText") == "Choose a picture, or drop one here"
        assert opened.ask("getComputedStyle(document.activeElement).outlineWidth") == "3px"

    @pytest.mark.parametrize(("media", "paper"), [("dark", "rgb(22, 24, 28)"), ("light", "rgb(255, 255, 255)")])
    def test_dark_and_light(self, browser: Browser, address: str, media: str, paper: str) -> None:
        browser.emulate(media)
        browser.open(address)
        assert browser.ask("getComputedStyle(document.body).backgroundColor") == paper
        browser.emulate("light")
