"""Container images: their names and tags, what is said without an engine, and a real one.

The image of a step app is built and tried where an engine runs and has the base image; those of
the classifiers are larger, and are tried by `make docker-smoke APP=resnet`.
"""

import contextlib
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import requests
import torch
from apps import find_app
from calls import ask, upload
from calls import call as call_url
from conftest import BASE_IMAGE, engine_here, wait_for
from container import images
from container.engine import MORE, Container, call
from PIL import Image
from server import free_port
from test_constraints import lines_of, versions

needs_engine = pytest.mark.skipif(
    not engine_here(), reason=f"NO ENGINE for containers here, or one without {BASE_IMAGE}"
)


def test_same_files_same_tag_and_other_files_another_tag(tmp_path, monkeypatch):
    tags = {images.tree_tag(find_app(name)) for name in ("hello", "sepia", "resnet")}
    monkeypatch.setenv("TORCH_INDEX", "https://download.pytorch.org/whl/cu130")
    assert len(tags | {images.tree_tag(find_app("resnet"))}) == 4
    monkeypatch.delenv("TORCH_INDEX")
    for name in ("sepia", "resnet"):
        app = find_app(name)
        copy = shutil.copytree(app.folder, tmp_path / name, ignore=shutil.ignore_patterns("*.pth"))
        copied = app._replace(file=copy / app.file.name)
        before = images.tree_tag(copied)
        not_in_the_image = ["README.md", ".DS_Store", "__pycache__/x.pyc", "training_notes.py"]
        not_in_the_image += ["hello_app.py", "training/x.npz"] if name == "sepia" else ["x/y.csv"]
        for place in not_in_the_image:
            (copy / place).parent.mkdir(exist_ok=True)
            with (copy / place).open("a") as file:
                file.write("\n")
        assert images.tree_tag(copied) == before
        for place in (copied.file.name, "start-script.sh", "Dockerfile", "constraints.txt"):
            with (copy / place).open("a") as file:
                file.write("\n")
            before, last = images.tree_tag(copied), before
            assert before != last, place
        (copy / "start-script.sh").chmod(0o644)
        assert images.tree_tag(copied) != before


@pytest.mark.parametrize(
    ("target", "argument", "message"),
    [
        ("docker", "TAG=latest", "Set TAG=v1, next time TAG=v2"),
        ("docker-run", "TAG=a:b", "cannot be a tag"),
        ("docker-smoke", "IMAGE=Me/Hello", "cannot be the name of an image"),
        ("docker-push", "IMAGE=me/hello:v1", "cannot be the name of an image"),
        ("docker-push", "IMAGE=", "IMAGE=user/name for Docker Hub"),
    ],
)
def test_an_impossible_name_or_tag_gives_a_message(make, target, argument, message):
    ended = make(target, "APP=hello", argument)
    assert ended.returncode != 0
    assert message in ended.stdout
    assert "Traceback" not in ended.stdout


def test_what_is_published_is_named_with_its_registry(make, tmp_path):
    """With a stand-in for Docker that does nothing: no registry may be asked."""
    (tmp_path / "docker").write_text("#!/bin/sh\n")
    (tmp_path / "docker").chmod(0o755)
    for image, named in [("ada/hello", "docker.io/ada/hello"), ("ghcr.io/ada/hello",) * 2]:
        settings = ["APP=hello", f"IMAGE={image}", "TAG=v1"]
        ended = make("docker-push", *settings, DOCKER=str(tmp_path / "docker"))
        assert f"Published. Enter on SciLifeLab Serve: {named}:v1\n" in ended.stdout


@pytest.mark.parametrize("name", ["hello", "resnet"])  # before weights are downloaded
def test_without_an_engine_it_says_what_to_install(make, tmp_path, name):
    for program in ("make", "sh"):
        (tmp_path / program).symlink_to(shutil.which(program))
    python = f"PYTHON={sys.executable}"
    ended = make("docker", f"APP={name}", python, PATH=str(tmp_path), DOCKER="")
    assert ended.returncode != 0
    assert "There is no docker and no podman here." in ended.stdout
    assert "Install Docker Desktop" in ended.stdout


def test_an_engine_that_does_not_run_is_named(make, tmp_path):
    """A real client that finds no engine, or, where there is none, a program that fails like it."""
    stopped = tmp_path / "docker"
    stopped.write_text("#!/bin/sh\necho 'Cannot connect to the Docker daemon' >&2\nexit 1\n")
    stopped.chmod(0o755)
    client = shutil.which("docker") if shutil.which("docker") else str(stopped)
    nowhere = f"unix://{tmp_path}/no.sock"
    ended = make("docker", "APP=hello", f"DOCKER={client}", DOCKER_HOST=nowhere)
    assert ended.returncode != 0
    assert "is installed, but its engine does not respond" in ended.stdout
    assert "Traceback" not in ended.stdout


@needs_engine
def test_an_image_that_was_not_built_is_said_to_be_missing(make):
    ended = make("docker-run", "APP=hello", "TAG=never-built")
    assert ended.returncode != 0
    assert "There is no image hello:never-built yet" in ended.stdout
    assert "make docker APP=hello" in ended.stdout


@pytest.fixture(scope="module")
def built():
    """The image of the app `sepia`, built by make; return its name."""
    command = ["make", "docker", "APP=sepia", f"DOCKER={engine_here()[0]}"]
    root = find_app("sepia").folder.parent
    ended = subprocess.run(command, cwd=root, capture_output=True, text=True, timeout=900)
    assert ended.returncode == 0, ended.stdout + ended.stderr
    return re.search(r"^Built (\S+) \(\d+ MB\)$", ended.stdout, re.MULTILINE)[1]


def run_smoke(tag):
    engine = engine_here()[0]
    command = ["make", "docker-smoke", "APP=sepia", f"DOCKER={engine}", f"TAG={tag}"]
    root = find_app("sepia").folder.parent
    return subprocess.run(command, cwd=root, capture_output=True, text=True, timeout=300)


def limits_memory(image):
    """Tell whether the engine limits the memory of containers, which some cannot do."""
    files = "/sys/fs/cgroup/memory.max /sys/fs/cgroup/memory/memory.limit_in_bytes"
    command = ["run", "--rm", *MORE, "--memory", "400m", "--entrypoint", "sh", image, "-c"]
    ended = call(engine_here(), *command, f"cat {files}", capture_output=True, text=True)
    return ended.stdout.strip() == str(400 * 2**20)


@needs_engine
@pytest.mark.slow
def test_the_image_of_a_step_app_runs_as_serve_runs_it(built):
    assert built == f"sepia:{images.tree_tag(find_app('sepia'))}"
    ended = run_smoke(built.partition(":")[2])
    assert ended.returncode == 0, ended.stdout + ended.stderr
    for line in (
        "as on Serve: becomes healthy",
        "as on Serve: is confined: no capabilities, nothing to write to but /tmp",
        "as on Serve: runs as: user and group 1000",
        "/sepia answers: a file, image.png",
        "/sepia is closed: only uploads are opened",
        "as on Serve: stops in 10 s: status 0",
        "no network: answers: 4 checks",
        "no network: stops in 10 s: status 0",
        f"All is well: SciLifeLab Serve can run {built}",
    ):
        assert line in ended.stdout
    assert ("/tmp, 4 GiB" in ended.stdout) == limits_memory(built)


@needs_engine
@pytest.mark.slow
def test_an_image_holds_the_versions_of_constraints_txt(built):
    freeze = ["run", "--rm", "--entrypoint", "pip", built, "freeze"]
    listed = call(engine_here(), *freeze, capture_output=True, text=True).stdout
    found = versions(line for line in listed.splitlines() if "==" in line)
    assert "gradio" in found
    assert found.items() <= versions(lines_of("example_apps")).items()


@needs_engine
@pytest.mark.slow
def test_a_changed_app_is_packaged_without_installing_anything_again(built, tmp_path):
    copy = shutil.copytree(find_app("sepia").folder, tmp_path / "apps")
    file = copy / "sepia_app.py"
    file.write_text(file.read_text() + "# changed\n")
    command = [*engine_here(), "build", "--build-arg", "APP=sepia", "-t", "sepia:changed", copy]
    ended = call(command[:1], *command[1:], capture_output=True, text=True)
    assert ended.returncode == 0, ended.stderr
    printed = ended.stdout + ended.stderr
    assert "Collecting gradio" not in printed
    assert re.search(r"cache|CACHED", printed)


CHANGES = [
    ("USER root", "no network: runs as: user and group are 0 and 0"),
    ('ENTRYPOINT ["sh", "-c", "python main.py; exit"]', "no network: stops in 10 s"),
    ("USER root\nRUN ln -sf dash /bin/sh\nUSER app", "as on Serve: stops in 10 s"),
    ("HEALTHCHECK NONE", "as on Serve: becomes healthy: the image has no health check"),
    ("ENV GRADIO_TEMP_DIR=/home/app/uploads", "as on Serve: becomes healthy"),
]


@needs_engine
@pytest.mark.parametrize(("change", "failure"), CHANGES)
@pytest.mark.long
def test_an_image_that_serve_would_not_run_well_is_caught(built, tmp_path, change, failure):
    (tmp_path / "Dockerfile").write_text(f"FROM {built}\n{change}\n")
    engine, tag = engine_here(), "broken"
    build = ["build", "-t", f"sepia:{tag}", tmp_path]
    assert not call(engine, *build, capture_output=True).returncode
    ended = run_smoke(tag)
    assert ended.returncode != 0
    assert re.search(rf"^FAIL +sepia: {failure}", ended.stdout, re.MULTILINE), ended.stdout


@needs_engine
@pytest.mark.long
def test_an_image_beyond_the_memory_of_a_container_costs_others_nothing(built, tmp_path):
    """One of 45 megapixels: the engine ends the process that reads it, or the app, and restarts."""
    port = free_port()
    url = f"http://127.0.0.1:{port}/"
    limits = ["--memory", "400m", "--memory-swap", "400m", "--restart", "always"]

    def use(size):
        Image.new("RGB", size, "red").save(tmp_path / "a.png")
        return ask(url, "sepia", upload(url, tmp_path / "a.png"))

    def is_open():
        with contextlib.suppress(requests.RequestException):
            return requests.get(url, timeout=5).ok

    options = ["--publish", f"127.0.0.1:{port}:8080", *limits]
    with Container(engine_here(), built, options):
        wait_for(is_open, 60)
        assert use((100, 100))
        Image.new("RGB", (7000, 6400), "red").save(tmp_path / "a.png")
        try:
            said = call_url(url, "sepia", upload(url, tmp_path / "a.png"))
            assert "takes too much memory" in said
        except requests.Timeout:
            raise  # that would be a hang
        except requests.RequestException:
            pass  # it was the app
        wait_for(is_open, 60)
        assert use((100, 100))


@needs_engine
@pytest.mark.slow
def test_a_container_with_one_core_gets_one_thread(built):
    """As on a large computer, where PyTorch would start four. Its packages are those of here."""
    packages, folder = Path(torch.__file__).parents[1], find_app("resnet").folder
    if sys.version_info[:2] != (3, 11):
        pytest.skip("the packages here are for another Python than that of the image")
    run = ["run", "--rm", "--cpus", "1", *MORE]
    run += ["--volume", f"{packages}:/packages:ro", "--env", "PYTHONPATH=/packages"]
    run += ["--volume", f"{folder / 'cores.py'}:/tmp/cores.py:ro", "--workdir", "/tmp"]
    run += ["--entrypoint", "python", built, "-c"]
    code = "import torch; torch.set_num_threads(4); import cores; print(cores.CORES)"
    ended = call(engine_here(), *run, code, capture_output=True, text=True)
    assert ended.stdout == "1\n", ended.stderr
