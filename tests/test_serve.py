"""scripts/serve.py: what a model says of a picture, asked by browsers, programs and strangers."""

import base64
import io
import json
import os
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from http.client import HTTPConnection
from pathlib import Path

import numpy as np
import openapi_spec_validator
import pytest
import requests
from hypothesis import given
from hypothesis import strategies as st
from matplotlib import colormaps
from PIL import Image

from scripts import serve
from scripts.export import export
from scripts.measuring.load import load_test
from scripts.predict import predict
from scripts.using import explanation, patience, server
from scripts.using.forms import PARTS, file_in
from scripts.using.loaded import load
from stages.explain import looker
from stages.figures.mistakes import enlarged
from stages.ground.errors import ProjectError
from stages.models.classifier import Classifier
from stages.preprocessing.inputs import middle_crop
from stages.preprocessing.squares import read_square
from tests.browser import Browser
from tests.conftest import PROJECT, clean_environment, wait_for
from tests.models import CLASSES, draw_foreign, draw_formats, small_model, telling_model

ROW = ["file", "class", "probability", "none_of_these", "distance", "threshold", "probabilities"]


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
    about = {"model": model.name, "network": "resnet18", "classes": CLASSES}
    made = server.make_server(lambda *asked: explanation.explain(classifier, look, *asked), about, ["pictures.example"])
    with serve.listen(0) as listening:
        thread = threading.Thread(target=made.run, args=([listening],))
        thread.start()
        host, port = listening.getsockname()
        yield f"http://{host}:{port}"
        made.should_exit = made.force_exit = True  # forced: it waits for no request of a test that failed
        thread.join()


def classify(address: str, body: bytes, **headers: str) -> requests.Response:
    return requests.post(f"{address}/predict?explain=true", data=body, headers=headers, timeout=120)


def error_of(response: requests.Response) -> tuple[int, str]:
    [(key, line)] = response.json().items()
    assert (key, response.headers["Content-Type"]) == ("error", "application/json")
    return response.status_code, line


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
            200, [*ROW, "seen", "heat"]
        )  # fmt: skip
        assert answer["class"] == expected.label
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
        assert (answer["distance"], answer["threshold"]) == pytest.approx(
            (expected.distance, expected.threshold), abs=1e-6
        )
        assert answer["class"] == expected.label
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
        looked = classifier.look(square, classifier.classes.index(answer["class"]))
        heat = enlarged(looked, classifier.preprocessing.crop)[..., None]
        share = 0.25 + 0.5 * heat
        mixed = share * 255 * colormaps["viridis"](heat[..., 0])[..., :3] + (1 - share) * seen.mean(2, keepdims=True)
        assert np.abs(pixels(answer["heat"]) - mixed).max() < 6  # its colours lie between some of viridis'


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

    def counting(content: np.ndarray) -> str:
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
    assert error_of(response) == (415, f"the file: {said}")


def test_an_animation_is_refused_in_one_line(address: str) -> None:
    frames, gif = [Image.new("L", (8, 8), grey) for grey in (0, 255)], io.BytesIO()
    frames[0].save(gif, "GIF", save_all=True, append_images=frames[1:])
    response = classify(address, gif.getvalue())
    assert error_of(response) == (415, "the file: animated, with 2 frames; expected a still picture")


@pytest.mark.parametrize("announced", [True, False])
def test_what_is_too_large_is_refused_before_it_has_all_come(address: str, announced: bool) -> None:
    connection = HTTPConnection(address.removeprefix("http://"), timeout=120)
    connection.putrequest("POST", "/predict")
    if announced:
        connection.putheader("Content-Length", str(server.LIMIT + 1))
        connection.endheaders()
    else:
        connection.putheader("Transfer-Encoding", "chunked")
        connection.endheaders()
        connection.send(b"%x\r\n" % (10 * server.LIMIT) + bytes(server.LIMIT + 1))
    response = connection.getresponse()
    assert (response.status, json.loads(response.read())) == (413, {"error": "the file is larger than 20 MiB"})
    connection.close()


def test_a_file_of_just_the_limit_is_read(address: str) -> None:
    assert classify(address, bytes(server.LIMIT)).status_code == 415


@pytest.mark.parametrize(
    "path",
    ["/../params.yaml", "/%2e%2e/params.yaml", "/..%2fparams.yaml", "/params.yaml", "/serve.html", "//", "/predict/"],
)
@pytest.mark.parametrize("method", ["GET", "POST"])
def test_nothing_else_is_served(address: str, path: str, method: str) -> None:
    connection = HTTPConnection(address.removeprefix("http://"), timeout=120)
    connection.request(method, path)
    response = connection.getresponse()
    assert (response.status, json.loads(response.read())) == (404, {"error": "Not Found"})
    connection.close()


@pytest.mark.parametrize("host", ["example.org", "127.0.0.1.example.org", "localhost.example.org:8000", "0.0.0.0", ""])
def test_names_that_lead_here_from_elsewhere_are_refused(address: str, pictures: list[Path], host: str) -> None:
    for response in (
        requests.get(address, headers={"Host": host}, timeout=120),
        classify(address, pictures[0].read_bytes(), Host=host, Origin=f"http://{host}"),
    ):
        assert error_of(response) == (400, "this is not called like that: see --allow-host")


@pytest.mark.parametrize("origin", ["http://example.org", "http://127.0.0.1:1", "https://{}.example.org", "null", ""])
def test_pages_of_others_are_refused(address: str, pictures: list[Path], origin: str) -> None:
    origin = origin.format(address.removeprefix("http://"))
    assert classify(address, pictures[0].read_bytes(), Origin=origin).status_code == 403


@pytest.mark.parametrize("name", [*server.LOCAL, "Pictures.example"])
@pytest.mark.parametrize("scheme", ["http", "https"])  # which a proxy has taken off
def test_its_own_page_is_not(address: str, pictures: list[Path], name: str, scheme: str) -> None:
    own = f"{name}:{address.rpartition(':')[2]}"
    assert classify(address, pictures[0].read_bytes(), Host=own, Origin=f"{scheme}://{own}").status_code == 200


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
        assert classify(address, bytes(server.LIMIT)).status_code == 415
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
    connection.putrequest("POST", "/predict")
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
            assert classify(address, pictures[0].read_bytes()).json()["class"] in CLASSES
            waiting = half_a_request(address)
            command.send_signal(signal.SIGINT)
            assert command.communicate(timeout=300) == ("", "")
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
        f"error: 127.0.0.1:{port}: Address already in use; name another --port, 0 for one that is free, or --host\n",
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


def test_health_names_the_model_and_its_classes(address: str, model: Path) -> None:
    response = requests.get(f"{address}/health", timeout=120)
    expected = {"status": "ok", "model": model.name, "network": "resnet18", "classes": CLASSES}
    assert (response.status_code, response.json()) == (200, expected)


def test_programs_get_what_predict_prints(
    address: str, model: Path, pictures: list[Path], capsys: pytest.CaptureFixture[str]
) -> None:
    assert predict(str(model), map(str, pictures), as_json=True) == 0
    for picture, line in zip(pictures, capsys.readouterr().out.splitlines(), strict=True):
        expected = json.loads(line)
        body = picture.read_bytes()
        answer = requests.post(f"{address}/predict", data=body, timeout=120).json()
        assert list(answer) == ROW
        assert answer["probabilities"] == pytest.approx(expected["probabilities"], abs=2e-6)
        assert (answer["class"], answer["file"]) == (expected["class"], None)
        files = {"other": b"x", "file": (picture.name, body)}
        of_form = requests.post(f"{address}/predict", files=files, timeout=120).json()
        assert of_form == answer | {"file": picture.name}


def test_a_form_without_the_file_is_refused(address: str) -> None:
    many = [("other", b"x")] * (PARTS + 1)
    for files in ({"picture": b"x"}, [*many, ("file", b"x")]):
        response = requests.post(f"{address}/predict", files=files, timeout=120)
        assert error_of(response) == (400, "no field 'file' in the form")
    for kind in ("multipart/form-data", "multipart/form-data; boundary=x"):
        response = requests.post(f"{address}/predict", b"--y\r\n", headers={"Content-Type": kind}, timeout=120)
        assert error_of(response) == (400, "no field 'file' in the form")


@given(content=st.binary(max_size=200), name=st.text(st.characters(exclude_categories=["Cc", "Cs"]), max_size=20))
def test_a_file_comes_out_of_a_form_as_it_went_in(content: bytes, name: str) -> None:
    prepared = requests.Request("POST", "http://x", files={"a": b"b", "file": ("x", content)}).prepare()
    kind = prepared.headers["Content-Type"]
    named = prepared.body.replace(b'filename="x"', f'filename="{name}"'.encode())
    boundary = kind.partition("boundary=")[2].encode()
    if boundary not in content and not {'"', "\\"} & set(name):
        assert file_in(named, kind) == (name, content)


def test_openapi_is_of_the_addresses_that_there_are_and_of_their_answers(address: str, pictures: list[Path]) -> None:
    told = requests.get(f"{address}/openapi.json", timeout=120).json()
    assert told["openapi"].startswith("3.1")
    schemas = told["components"]["schemas"]

    def resolved(of: dict) -> dict:
        while "$ref" in of:
            where, of = of["$ref"].removeprefix("#/").split("/"), told
            for key in where:
                of = of[key]
        return of

    body = {"data": pictures[0].read_bytes(), "params": {"explain": "true"}}
    asked = {"/health": ("get", {}), "/predict": ("post", body)}
    assert set(told["paths"]) == set(asked)
    for path, (method, sent) in asked.items():
        operation = told["paths"][path]
        assert set(operation) == {method}
        for response in operation[method]["responses"].values():
            assert resolved(resolved(response)["content"]["application/json"]["schema"]) in schemas.values()
        schema = resolved(operation[method]["responses"]["200"]["content"]["application/json"]["schema"])
        answer = requests.request(method, address + path, timeout=120, **sent).json()
        assert set(answer) == set(schema["properties"])
        assert set(schema["required"]) | {"seen", "heat"} == set(answer) | {"seen", "heat"}
    statuses = set(told["paths"]["/predict"]["post"]["responses"])
    assert statuses == {"200", "400", "403", "408", "413", "415", "500", "503"}


def test_openapi_is_as_its_standard_has_it() -> None:
    openapi_spec_validator.validate(json.loads((PROJECT / "scripts/serve.openapi.json").read_text(encoding="utf-8")))


def test_a_mistake_in_the_program_is_json_too(address: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(explanation, "explain", lambda *_: 1 / 0)
    status, line = error_of(classify(address, b"x"))
    assert (status, line.partition(":")[0]) == (500, "a mistake in the program")


def test_an_onnx_file_is_served_without_a_heat_map(model: Path, pictures: list[Path], tmp_path: Path) -> None:
    export(model, "onnx", tmp_path / "small.onnx")
    finished = load(tmp_path / "small.onnx")
    answer = explanation.explain(finished, explanation.looker_of(finished), pictures[0].read_bytes())
    expected = Classifier.load(model)(pictures[0])
    assert (answer["class"], answer["heat"]) == (expected.label, None)
    assert pixels(answer["seen"]).shape == (64, 64, 3)


def test_without_torch_a_network_that_needs_it_has_no_heat_map(
    model: Path, pictures: list[Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    classifier = Classifier.load(model)
    monkeypatch.setattr(classifier.backbone, "has_places", False)
    monkeypatch.setitem(sys.modules, "torch", None)
    for name in [name for name in sys.modules if name.startswith("stages.networks")]:
        monkeypatch.delitem(sys.modules, name)
    answer = explanation.explain(classifier, explanation.looker_of(classifier), pictures[0].read_bytes())
    assert (answer["class"], answer["heat"]) == (classifier(pictures[0]).label, None)


def test_it_opens_to_others_only_by_name(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr(sys, "argv", ["serve", "model.safetensors", "--host", "0.0.0.0"])
    with pytest.raises(SystemExit, match="2"):
        serve.main()
    assert "--host 0.0.0.0 opens it to others: say with --allow-host" in capsys.readouterr().err
    with serve.listen(0, "0.0.0.0") as listening:
        assert listening.getsockname()[0] == "0.0.0.0"
    with pytest.raises(ProjectError, match=r"^not\.a\.name\.invalid:0: .*; name another --port, 0 for"):
        serve.listen(0, "not.a.name.invalid")


def test_the_command_opens_to_a_name_and_at_sigterm_requests_under_way_are_answered(
    model: Path, pictures: list[Path]
) -> None:
    with start(model, "--port", 0, "--host", "0.0.0.0", "--allow-host", "pictures.example") as command:
        try:
            address = command.stdout.readline().split()[0].replace("0.0.0.0", "127.0.0.1")
            assert requests.get(f"{address}/health", headers={"Host": "pictures.example"}, timeout=120).ok
            assert requests.get(f"{address}/health", headers={"Host": "other.example"}, timeout=120).status_code == 400
            connection, body = HTTPConnection(address.removeprefix("http://"), timeout=120), pictures[0].read_bytes()
            connection.putrequest("POST", "/predict")
            connection.putheader("Content-Length", str(len(body)))
            connection.endheaders(body[:10])
            wait_for(lambda: requests.get(f"{address}/health", timeout=120).ok)
            command.send_signal(signal.SIGTERM)
            wait_for(lambda: not answers(address))
            connection.send(body[10:])
            assert connection.getresponse().status == 200
            connection.close()
            assert command.communicate(timeout=300) == ("", "")
        finally:
            command.kill()
    assert command.returncode == 0


def answers(address: str) -> bool:
    try:
        return requests.get(f"{address}/health", timeout=120).ok
    except requests.ConnectionError:
        return False


def drip(connection: socket.socket, content: bytes) -> None:
    for byte in content:
        connection.sendall(bytes([byte]))
        time.sleep(0.05)


class TestUnderLoad:
    """Quick; scripts/measuring/load.py has the full numbers."""

    def test_what_comes_too_slowly_ends_and_blocks_nobody(
        self, address: str, pictures: list[Path], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(server, "BODY_SECONDS", 3)
        slow = half_a_request(address)
        assert classify(address, pictures[0].read_bytes()).status_code == 200
        response = slow.getresponse()
        line = {"error": "the file did not come within 3 seconds"}
        assert (response.status, json.loads(response.read())) == (408, line)
        slow.close()

    def test_a_connection_without_a_request_ends_whatever_it_drips(
        self, address: str, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(patience, "SECONDS", 1)
        host, port = address.removeprefix("http://").split(":")
        for first in (b"", b"GET /health HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n"):
            with socket.create_connection((host, int(port)), timeout=120) as dripping:
                dripping.sendall(first)
                if first:
                    assert dripping.recv(1 << 16).startswith(b"HTTP/1.1 200 OK")
                with pytest.raises((BrokenPipeError, ConnectionResetError)):
                    drip(dripping, b"GET /health HTTP/1.1\r\n" + 1000 * b"X: y\r\n")

    def test_more_than_may_wait_are_told_to_ask_again(
        self, address: str, pictures: list[Path], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(server, "WAITING", 2)
        waiting = [half_a_request(address) for _ in range(2)]
        wait_for(lambda: classify(address, b"no picture").status_code == 503)
        response = classify(address, pictures[0].read_bytes())
        assert error_of(response) == (503, "2 pictures are waiting; try again")
        assert response.headers["Retry-After"] == "1"
        assert requests.get(f"{address}/health", timeout=120).ok
        for connection in waiting:
            connection.close()
        wait_for(lambda: classify(address, pictures[0].read_bytes()).status_code == 200)

    def test_fifty_at_a_time_and_bad_uploads_get_each_its_answer(
        self, model: Path, pictures: list[Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("TMPDIR", str(tmp_path))
        with start(model, "--port", 0) as command:
            try:
                address = command.stdout.readline().split()[0]
                told = load_test(
                    address.removeprefix("http://"), command.pid, tmp_path, pictures[0].read_bytes(), rounds=1, bad=100
                )
            finally:
                command.kill()
        assert (told.lost, told.wrong) == (0, [])
        assert told.answered == 50 + 100
        assert told.files_left == 0
        assert told.memory[1] < 1.1 * told.memory[0]


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
        (tmp_path / "large.jpg").write_bytes(bytes(server.LIMIT + 1))
        for name, reason in (
            ("notes.txt", ": not a whole picture, 10 bytes"),
            ("large.jpg", " is larger than 20 MiB"),
        ):
            self.choose(opened, pictures[0])
            opened.wait_until(self.SHOWN)
            self.choose(opened, tmp_path / name)
            opened.wait_until(f"{self.SAID}.innerText === '{name}{reason}'")
            assert not opened.ask(self.SHOWN), "the answer before it is gone"
        assert opened.ask("LIMIT") == server.LIMIT
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
        (tmp_path / "large.jpg").write_bytes(bytes(server.LIMIT + 1))
        self.choose(opened, tmp_path / "large.jpg")
        let_go.set()
        opened.wait_until(
            "performance.getEntriesByType('resource').some(entry => entry.name.endsWith('/predict?explain=true'))"
        )
        assert opened.ask("new Promise(done => setTimeout(() => done(said.innerText), 100))").startswith("large.jpg is")
        assert not opened.ask(self.SHOWN)

    def test_names_are_text_not_markup(
        self, opened: Browser, pictures: list[Path], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        original, name = explanation.explain, "<img src=x onerror=alert(1)>" + 40 * "z"
        answer = {"class": name, "probabilities": {"a": 0.25, name: 0.75}, "heat": None, "none_of_these": False}
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
