"""`make scale` and `make classify`: the same predictions from several processes and machines.

Two nodes of Ray run side by side on this machine. What dies here is killed by `kill -9`, while
users wait for their predictions.
"""

import contextlib
import csv
import json
import os
import re
import shlex
import shutil
import signal
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
import requests
import torch
from apps import find_app
from calls import BUSY, call, upload
from conftest import ROOT, SCRIPTS, import_app, wait_for
from maintain.bench.photos import make_photo
from sample_images import save_all
from scale import form
from server import Server, free_port
from torchvision.models import resnet18
from workshop_blocks import run_by

BIN = ROOT / ".venv-scale" / "bin"
NOT_THERE = "The model is being restarted"
MACOS_TEMPORARY = "/var/folders/zz/zyxvpxvq6csfxvn_n0000000000000/T"
scaled = pytest.mark.scale


# --- without Ray ---------------------------------------------------------------------------------


def test_the_two_halves_of_an_app_predict_as_the_whole(classifier):
    """What a replica runs, and what the page runs, with a function between them."""
    app = classifier("resnet")
    tree = form.read(app)
    replica = form.run(form.up_to_model(tree), app, "replica")
    assert not {"gr", "settings", "demo"} & {*vars(replica)}  # no page in a replica
    asked = []

    def between(batch):
        asked.append(batch.shape)
        return replica.model(batch)

    page = form.run(form.without_model(tree), app, "page", model=between)
    whole = import_app(app)
    image = {"path": str(next((app.folder / "data").glob("*.jpg")))}
    assert page.predict(image) == pytest.approx(whole.predict(image), abs=1e-6)
    assert asked == [(1, 3, 224, 224)]


@pytest.mark.parametrize(
    ("change", "found"),
    [
        (("\nmodel = load_model(", "\nnetwork = load_model("), "It has 0 such lines"),
        (("batch = preprocess", "model.train(); batch = preprocess"), "does something else with"),
    ],
)
def test_an_app_of_another_form_is_told_what_is_missing(classifier, tmp_path, change, found):
    text = classifier("resnet").file.read_text(encoding="utf-8")
    assert change[0] in text
    (tmp_path / "main.py").write_text(text.replace(*change), encoding="utf-8")
    with pytest.raises(form.OtherForm, match=found):
        form.read(find_app(str(tmp_path / "main.py")))


# --- what the others share -----------------------------------------------------------------------


def descendants(process):
    """Return {pid: command} of all processes that a process has started."""
    command = ["ps", "-e", "-o", "pid=,ppid=,args="]
    listed = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    rows = [line.split(None, 2) for line in listed.splitlines()]
    found, new = {}, {str(process.pid)}
    while new:
        children = {pid: args for pid, parent, args in rows if parent in new}
        new = children.keys() - found.keys()
        found |= children
    return {int(pid): args for pid, args in found.items()}


def replicas(*processes):
    """Return the process ids of the replicas below some processes."""
    below = [item for process in processes for item in descendants(process).items()]
    return [pid for pid, command in below if command.startswith("ray::ServeReplica")]


def kill(*pids):
    for pid in pids:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)


def command(*words):
    return [sys.executable, "scripts", *map(str, words)]


def run(*words, **environment):
    """Run a command of the gallery to its end; return its status and what it printed."""
    options = {"stdout": subprocess.PIPE, "stderr": subprocess.STDOUT, "text": True}
    environment = {**os.environ, **environment}
    ended = subprocess.run(command(*words), cwd=ROOT, env=environment, timeout=600, **options)
    return ended.returncode, ended.stdout


@contextlib.contextmanager
def started(log, *words, **environment):
    """Start a program, and stop it, with all that it has started."""
    with Server(words, log=log, cwd=ROOT, **environment) as server:
        try:
            yield server.process
        finally:
            below = descendants(server.process)
            server.stop(seconds=60)
            kill(*(pid for pid in below if pid in running()))


def running():
    listed = subprocess.run(["ps", "-e", "-o", "pid="], capture_output=True, text=True).stdout
    return {*map(int, listed.split())}


class Page:
    """A page of `make scale`: what one can ask it."""

    def __init__(self, process, port, log):
        self.process, self.url, self.log = process, f"http://127.0.0.1:{port}", log
        wait_for(self.is_open, 240)

    def is_open(self):
        assert self.process.poll() is None, self.log.read_text()
        with contextlib.suppress(requests.ConnectionError):
            return requests.get(self.url, timeout=20).ok

    def ask(self, image):
        """Send an image as a program does; return {label: probability}, or the message."""
        return ask(self.url, image)

    def ask_all(self, images, users=24, after=None):
        """Let users send images; call `after[1]` once `after[0]` predictions are there."""
        predictions = []
        with ThreadPoolExecutor(users) as pool:
            for number, prediction in enumerate(pool.map(self.ask, images)):
                predictions.append(prediction)
                if after and number == after[0]:
                    after[1]()
        return predictions


def ask(url, image):
    text = call(f"{url}/", "predict", upload(f"{url}/", image))
    result = json.loads(text.rpartition("data: ")[2])
    if "event: complete" not in text:
        return result.get("detail") or result["error"]
    return {row["label"]: row["confidence"] for row in result[0]["confidences"]}


def functions(url):
    """Return what a program can call: names, and what they take and give."""
    found = requests.get(f"{url}/gradio_api/info", timeout=20).json()["named_endpoints"]
    return {
        name: [
            [(value.get("parameter_name"), value["label"], value["component"]) for value in values]
            for values in (function["parameters"], function["returns"])
        ]
        for name, function in found.items()
    }


def differs(one, two):
    """Return by how much two predictions differ; 1 if not only in the numbers."""
    if isinstance(one, str) or isinstance(two, str):
        return one != two
    return max(abs(one.get(label, 1) - two.get(label, 1)) for label in {*one, *two})


def assert_own(predictions, expected):
    """Assert that each got a prediction, and the one for what they sent."""
    assert [prediction for prediction in predictions if isinstance(prediction, str)] == []
    for number, prediction in enumerate(predictions):
        own = number % len(expected)
        distances = [differs(prediction, other) for other in expected]
        assert distances[own] < 1e-5, (number, prediction, expected[own])
        assert distances[own] == min(distances), "somebody got another's prediction"


@pytest.fixture(scope="module")
def resnet(classifier, tmp_path_factory):
    """A copy of resnet with random weights that these tests may change."""
    folder = tmp_path_factory.mktemp("scale") / "resnet"
    shutil.copytree(classifier("resnet").folder, folder)
    return find_app(str(folder / "main.py"))


@pytest.fixture(scope="module")
def photos():
    return [make_photo("small", seed) for seed in range(20)]


@pytest.fixture(scope="module")
def expected(serve, classifier, photos):
    """What the app predicts for the photos when it is one process."""
    url = serve(classifier("resnet")).url.rstrip("/")
    return [ask(url, photo) for photo in photos]


def typed(line, **settings):
    """Return a command of the text as words, with settings of our own."""
    words = [word for word in shlex.split(line) if word.partition("=")[0] not in settings]
    return [*words, *(f"{name}={value}" for name, value in settings.items())]


@contextlib.contextmanager
def page_of(app, log, line, cluster=None):
    """Serve an app by a command of the text, with two replicas at most."""
    port, cluster = free_port(), cluster or {}
    settings = {"APP": app.file, "PORT": port, "REPLICAS": 2}
    settings |= {name: value for name, value in cluster.items() if name == "RAY_ADDRESS"}
    with started(log, *typed(line, **settings), **cluster) as process:
        yield Page(process, port, log)
    assert "Traceback" not in log.read_text()


@pytest.fixture(scope="module")
def page(resnet, tmp_path_factory):
    (line,) = run_by("test_every_answer_and_message_is_that_of_the_single_process")
    with page_of(resnet, tmp_path_factory.mktemp("log") / "log.txt", line) as page:
        yield page


# --- one machine ---------------------------------------------------------------------------------


@scaled
def test_every_answer_and_message_is_that_of_the_single_process(
    page, serve, classifier, photos, expected, tmp_path
):
    single = serve(classifier("resnet")).url.rstrip("/")
    assert functions(page.url) == functions(single)
    assert_own(page.ask_all(photos * 3), expected)
    examples = [*classifier("resnet").folder.glob("data/*.jpg")]
    for file in [*examples, *save_all(tmp_path).values()]:
        image = file.read_bytes()
        assert differs(page.ask(image), ask(single, image)) < 1e-5, file
    for image in (b"no image", photos[0][:300]):
        assert page.ask(image) == ask(single, image)
        assert isinstance(page.ask(image), str)
    named = {"data": [{"path": "/etc/hosts"}]}
    assert requests.post(f"{page.url}/gradio_api/call/predict", json=named).status_code == 422


@scaled
def test_a_replica_that_is_killed_costs_nobody_an_answer(page, photos, expected):
    killed = []

    def kill_one():
        killed.append(replicas(page.process)[0])
        kill(killed[0])

    assert_own(page.ask_all(photos * 25, after=(100, kill_one)), expected)
    assert killed
    wait_for(lambda: len(set(replicas(page.process)) - set(killed)) == 2, 120)


@scaled
def test_who_finds_the_queue_full_is_told_so(page, photos, expected):
    predictions = page.ask_all(photos * 20, users=350)
    busy = [prediction for prediction in predictions if isinstance(prediction, str)]
    assert {*busy} == {BUSY}
    assert len(busy) < 200
    for number, prediction in enumerate(predictions):
        assert prediction == BUSY or differs(prediction, expected[number % 20]) < 1e-5


@scaled
def test_new_weights_are_rolled_out_and_no_request_is_dropped(page, resnet, photos, expected):
    weights = resnet.folder / "data" / "image_classification_resnet18.pth"
    new = weights.with_name("new")
    torch.manual_seed(1)
    torch.save(resnet18().state_dict(), new)
    os.replace(new, weights)
    predictions = []
    deadline = time.monotonic() + 200
    while "All replicas have the new weights." not in page.log.read_text():
        assert time.monotonic() < deadline
        predictions += page.ask_all(photos)
    predictions += page.ask_all(photos)
    assert [prediction for prediction in predictions if isinstance(prediction, str)] == []
    old = [differs(a, expected[i % 20]) < 1e-5 for i, a in enumerate(predictions)]
    assert old[0]  # the predictions went on while the replicas were exchanged
    assert not any(old[-20:])
    for i, prediction in enumerate(predictions):
        assert old[i] or differs(prediction, predictions[len(predictions) - 20 + i % 20]) < 1e-5


@scaled
def test_weights_that_cannot_be_used_change_nothing(page, resnet, photos):
    weights = resnet.folder / "data" / "image_classification_resnet18.pth"
    good, before = weights.read_bytes(), page.ask(photos[0])
    now = len(page.log.read_text())
    weights.write_bytes(good[:1000])
    wait_for(lambda: "The new weights cannot be used" in page.log.read_text()[now:], 120)
    assert f"{weights} is damaged or was cut off." in page.log.read_text()
    assert differs(page.ask(photos[0]), before) < 1e-5
    weights.write_bytes(good)
    wait_for(lambda: "All replicas have the new weights." in page.log.read_text()[now:], 120)


@scaled
def test_while_there_is_no_replica_the_page_says_so(page, resnet, photos):
    weights = resnet.folder / "data" / "image_classification_resnet18.pth"
    hidden = resnet.folder / "hidden"
    os.replace(weights, hidden)
    try:
        kill(*replicas(page.process))
        assert page.ask(photos[0]).startswith(NOT_THERE)
    finally:
        os.replace(hidden, weights)
    wait_for(lambda: isinstance(page.ask(photos[0]), dict), 300)


# --- two nodes -----------------------------------------------------------------------------------


# how the text starts the first machine, another one, and the page
OF_THE_TEXT = run_by("test_a_node_that_is_killed_costs_nobody_an_answer")


@contextlib.contextmanager
def node(folder, line, *options):
    """A node of Ray with one processor, in the foreground, started as the text says."""
    line = line.strip().replace("ray start", f"ray start {' '.join(options)}", 1)
    line += " --block --num-cpus=1 --object-store-memory=200000000"
    log, home = folder / "ray.txt", str(folder.parent)
    with started(log, "bash", "-c", line, RAY_TMPDIR=str(folder), HOME=home) as process:
        try:
            wait_for(lambda: "runtime started" in log.read_text(), 120)
        except AssertionError:
            raise AssertionError(log.read_text()) from None
        yield process


@pytest.fixture(scope="module")
def short_folder():
    """A folder with a short name: the sockets in it have names of at most 107 letters."""
    folder = Path("/tmp") / f"r{os.getpid()}"
    folder.mkdir()
    yield folder
    shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture(scope="module")
def head(short_folder):
    """Yield the first node of a cluster, and what a program needs to join it."""
    port = free_port()
    (short_folder / "a").mkdir()
    line = OF_THE_TEXT[0].replace("--port=6379", f"--port={port}")
    with node(short_folder / "a", line, "--include-dashboard=false") as process:
        address = f"127.0.0.1:{port}"
        home = str(short_folder)  # where the token is
        yield process, {"RAY_ADDRESS": address, "RAY_AUTH_MODE": "token", "HOME": home}


@pytest.fixture
def second(head, short_folder):
    """Start the second node, with resources of its own."""
    folder = short_folder / "b"
    folder.mkdir(exist_ok=True)
    line = OF_THE_TEXT[1].replace("10.0.0.5:6379", head[1]["RAY_ADDRESS"])
    with node(folder, line, """--resources='{"second": 1}'""") as process:
        yield process


def kill_node(process):
    """End a node as when its plug is pulled: all its processes at once."""
    kill(process.pid, *descendants(process))


@scaled
def test_a_node_that_is_killed_costs_nobody_an_answer(
    head, second, classifier, photos, expected, tmp_path
):
    nodes = [head[0], second]
    log = tmp_path / "log.txt"
    with page_of(classifier("resnet"), log, OF_THE_TEXT[2], head[1]) as page:
        wait_for(lambda: [len(replicas(node)) for node in nodes] == [1, 1], 120)
        predictions = page.ask_all(photos * 25, after=(100, lambda: kill_node(second)))
        assert_own(predictions, expected)
        assert not replicas(second)
        assert_own(page.ask_all(photos), expected)
    assert not replicas(head[0])  # the page has taken them along


@pytest.fixture(scope="module")
def many(photos, tmp_path_factory):
    """A folder with 2,000 images, some of them bad."""
    folder = tmp_path_factory.mktemp("many")
    for number in range(1997):
        (folder / f"photo_{number:04}.jpg").write_bytes(photos[number % 20])
    (folder / "broken.jpg").write_bytes(photos[0][:300])
    (folder / "notes.jpg").write_text("no image")
    (folder / "=1+1.jpg").write_bytes(photos[0])
    return folder


def assert_whole(table, folder, expected):
    """Assert that a table has one row for each image, each with its own prediction or a reason."""
    with table.open(newline="", encoding="utf-8") as lines:
        rows = list(csv.DictReader(lines))
    names = [row["file"] for row in rows]
    wanted = {file.name for file in folder.iterdir()} - {"=1+1.jpg"} | {"'=1+1.jpg"}
    assert len(names) == len(wanted)
    assert {*names} == wanted
    for row in rows:
        assert re.fullmatch(r"app [0-9a-f]{8}, model [0-9a-f]{8}", row["version"])
        if row["file"] in ("broken.jpg", "notes.jpg"):
            assert row["reason"].startswith("This file cannot be read as an image.")
            assert row["label_1"] == row["probability_5"] == ""
            continue
        assert row["reason"] == ""
        number = int(re.sub(r"\D", "", row["file"]) if "photo" in row["file"] else 0)
        prediction = expected[number % 20]
        found = {row[f"label_{i}"]: float(row[f"probability_{i}"]) for i in range(1, 6)}
        assert found == pytest.approx(prediction, abs=1e-4)


@scaled
def test_a_bulk_run_goes_on_after_kill_and_loses_nothing_when_a_node_dies(
    head, second, classifier, many, expected, tmp_path
):
    table = tmp_path / "predictions.csv"
    words = command("classify", f"APP={classifier('resnet').file}", f"IN={many}", f"OUT={table}")

    def rows():
        return table.read_bytes().count(b"\n") if table.exists() else 0

    with started(tmp_path / "1.txt", *words, **head[1]) as process:
        wait_for(lambda: rows() > 300, 300)
        kill(*descendants(process), process.pid)
    with table.open("ab") as out:  # as if it had been killed while it wrote
        out.write(b'"photo_1')
    before = rows()
    log = tmp_path / "2.txt"
    with started(log, *words, **head[1]) as process:
        wait_for(lambda: rows() > before + 300, 300)
        kill_node(second)
        assert process.wait(600) == 0, log.read_text()
    printed = log.read_text()
    assert f"{before - 1:,} of 2,000 images are in {table} already." in printed
    assert "Traceback" not in printed
    assert_whole(table, many, expected)
    status, printed = run(*words[2:])
    assert (status, rows()) == (0, 2001), printed


@scaled
def test_lists_and_parquet(classifier, photos, expected, tmp_path):
    """A list in CSV, predictions in Parquet; then those as the list, and predictions in CSV.

    With a folder for temporary files as deep as that of macOS.
    """
    temporary = tmp_path / MACOS_TEMPORARY[1:]
    temporary.mkdir(parents=True)
    folder = tmp_path / "images"
    folder.mkdir()
    for number in range(5):
        (folder / f"photo_{number}.jpg").write_bytes(photos[number])
    listed = folder / "list.csv"
    names = [*(f"photo_{number}.jpg" for number in range(5)), "gone.jpg"]
    listed.write_text("Number;File\n" + "".join(f"1;{name}\n" for name in names), "utf-8-sig")
    (line,) = run_by("test_lists_and_parquet")
    app, predictions = classifier("resnet").file, folder / "predictions.parquet"
    words = typed(line, APP=app, IN=listed, OUT=predictions)[1:]
    status, printed = run(*words, TMPDIR=str(temporary))
    assert status == 0, printed
    assert "6 images: 5 with a prediction, 1 with a reason why not." in printed
    status, printed = run(
        *typed(line, APP=app, IN=predictions, OUT=tmp_path / "predictions.csv")[1:]
    )
    assert status == 0, printed
    with (tmp_path / "predictions.csv").open(newline="", encoding="utf-8") as lines:
        rows = {row["file"]: row for row in csv.DictReader(lines)}
    assert {*rows} == {*names}
    assert "cannot be opened" in rows["gone.jpg"]["reason"]
    for number in range(5):
        row = rows[f"photo_{number}.jpg"]
        assert row["label_1"] == max(expected[number], key=expected[number].get)


# --- messages ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (
            ["scale", "APP=resnet", "REPLICAS=many"],
            "REPLICAS=many is not a whole number from 1 to 1,000",
        ),
        (["classify", "APP=resnet"], "make classify APP=resnet IN=my_images OUT=predictions.csv"),
        (["classify", "APP=resnet", "IN=nowhere", "OUT=a.csv"], "IN=nowhere: there is no such"),
        (["classify", "APP=resnet", "IN=docs", "OUT=a.xlsx"], "end in .csv or .parquet"),
        (["classify", "APP=resnet", "IN=docs", "OUT=no/a.csv"], "there is no folder no"),
    ],
)
def test_a_mistake_gets_a_message_before_anything_is_installed(words, message):
    status, printed = run(*words)
    assert status != 0
    assert message in printed
    assert "Traceback" not in printed
    assert len(printed.strip().splitlines()) <= 2  # nothing of an installation


@scaled
def test_missing_weights_get_the_message_of_the_app(classifier, tmp_path):
    folder = tmp_path / "leaf"
    shutil.copytree(classifier("resnet").folder, folder)
    (folder / "download_model.py").unlink()
    (folder / "data" / "image_classification_resnet18.pth").unlink()
    images = f"IN={folder / 'data'}"
    for words in (["scale"], ["classify", images, f"OUT={tmp_path / 'a.csv'}"]):
        status, printed = run(words[0], f"APP={folder / 'main.py'}", *words[1:])
        assert status != 0
        assert "image_classification_resnet18.pth is missing." in printed
        assert "Traceback" not in printed


@scaled
def test_a_wrong_address_gets_a_message(classifier):
    app = f"APP={classifier('resnet').file}"
    for address in (f"127.0.0.1:{free_port()}", "head"):
        settings = [f"RAY_ADDRESS={address}", f"PORT={free_port()}"]
        status, printed = run("scale", app, *settings)
        assert status != 0
        assert f"There is no Ray cluster at {address}: " in printed
        assert "Traceback" not in printed


# --- Kubernetes ----------------------------------------------------------------------------------


KUBERNETES = ROOT / "deploy" / "kubernetes"


@scaled
@pytest.mark.parametrize("name", ["app.yaml", "ingress.yaml", "scaled.yaml"])
def test_what_kubernetes_gets_has_its_schema(name):
    """Checked offline; no package ships the schema of a RayService."""
    uv = Path(sys.executable).with_name("uv")
    words = [uv, "tool", "run", "--from", "kubernetes-validate==1.37.0", "kubernetes-validate"]
    ended = subprocess.run([*words, "--strict", KUBERNETES / name], capture_output=True, text=True)
    printed = ended.stdout + ended.stderr
    assert ended.returncode == 0, printed
    unknown = re.findall(r"Couldn't find schema for kind (\w+)", printed)
    assert unknown == (["RayService"] if name == "scaled.yaml" else [])


@scaled
def test_ray_understands_the_configuration_of_the_rayservice():
    code = (
        "import sys, yaml; from ray.serve.schema import ServeDeploySchema as Schema\n"
        "from scale.replicas import build\n"
        "kinds = {one['kind']: one for one in yaml.safe_load_all(open(sys.argv[1]))}\n"
        "config = yaml.safe_load(kinds['RayService']['spec']['serveConfigV2'])\n"
        "(application,) = Schema.model_validate(config).applications\n"
        "assert application.import_path == 'scale.replicas:build'\n"
        "build(application.args)\n"
    )
    environment = {**os.environ, "PYTHONPATH": str(SCRIPTS), "RAY_USAGE_STATS_ENABLED": "0"}
    words = [BIN / "python", "-c", code, KUBERNETES / "scaled.yaml"]
    ended = subprocess.run(words, capture_output=True, text=True, env=environment)
    assert ended.returncode == 0, ended.stderr
