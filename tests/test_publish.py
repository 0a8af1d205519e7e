"""Without Docker: what `make new` puts into a folder so that GitHub builds and publishes its image.

Its steps are run as GitHub runs them, with a real engine where there is one. What GitHub itself
does, such as its expressions `${{ ... }}`, cannot be run here.
"""

import contextlib
import json
import os
import re
import shutil
import subprocess

import pytest
import yaml
from check import check_name
from conftest import BASE_IMAGE, ROOT, engine_here
from container.context import files_in_image
from container.engine import call
from registry import registry
from test_new import ON_GITHUB, copy_gallery, new

TEMPLATE = ROOT / "scripts" / "on_github" / ".github" / "workflows" / "publish.yml"
WORKFLOW = yaml.safe_load(TEMPLATE.read_text(encoding="utf-8"))
(JOB,) = WORKFLOW["jobs"].values()
STEPS = {step.get("name", step.get("uses")): step for step in JOB["steps"]}
SCRIPT = TEMPLATE.parents[1] / "publish.sh"
ORDER = ["choose", "fetch", "build", "try", "publish", "say"]
needs_engine = pytest.mark.skipif(
    not engine_here(), reason=f"NO ENGINE for containers here, or one without {BASE_IMAGE}"
)


@pytest.fixture
def gallery(tmp_path):
    return copy_gallery(tmp_path)


@pytest.fixture
def github(tmp_path):
    """Return a function that runs a step in a folder, as GitHub does; `kept` is what it leaves."""
    (tmp_path / "programs").mkdir()
    if engine_here() and engine_here() != ["docker"]:  # the workflow says "docker"
        (tmp_path / "programs" / "docker").symlink_to(shutil.which(engine_here()[0]))
    for name in ("GITHUB_ENV", "GITHUB_STEP_SUMMARY"):
        (tmp_path / name).touch()
    environment = {name: str(tmp_path / name) for name in ("GITHUB_ENV", "GITHUB_STEP_SUMMARY")}
    environment |= {"GITHUB_SERVER_URL": "https://github.com", "RUNNER_TEMP": str(tmp_path)}
    environment |= {"GITHUB_REPOSITORY": "Ada/Leaf_Disease", "GITHUB_ACTOR": "Ada"}
    environment |= {"GITHUB_RUN_NUMBER": "1", "BUILDAH_FORMAT": "docker"}
    environment["PATH"] = f"{tmp_path / 'programs'}{os.pathsep}{os.environ['PATH']}"

    def run_step(name, folder=tmp_path, works=True, **settings):
        exported = dict(
            line.split("=", 1) for line in (tmp_path / "GITHUB_ENV").read_text().splitlines()
        )
        ended = subprocess.run(
            ["bash", SCRIPT, name],
            cwd=folder,
            env={**os.environ, **environment, **exported, **settings},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=900,
        )
        assert (ended.returncode == 0) == works, ended.stdout
        return ended.stdout

    return run_step


# --- the files -----------------------------------------------------------------------------------


def test_a_copy_of_an_own_app_has_the_workflow_of_that_app(gallery):
    workflow = new(gallery, "leaf", "hello") / ".github" / "workflows" / "publish.yml"
    workflow.write_text("# my own\n")
    copied = new(gallery, "flour", "leaf") / ".github" / "workflows" / "publish.yml"
    assert copied.read_text() == "# my own\n"


def test_nothing_of_git_and_github_goes_into_an_image(gallery):
    for source in ("hello", "resnet"):
        folder = new(gallery, f"my_{source}", source)
        (folder / ".git").mkdir()
        (folder / ".git" / "config").touch()
        taken = files_in_image(folder, "COPY . .")
        names = {file.relative_to(folder).as_posix() for file in taken}
        assert {"main.py", "guard.py", "start-script.sh"} <= names
        assert [name for name in names if name.startswith(".")] == [".dockerignore"]


def in_git(folder):
    """Return what a first commit of a folder has in it."""
    for command in (["init", "-q"], ["add", "-A"]):
        subprocess.run(["git", *command], cwd=folder, check=True)
    listed = subprocess.run(["git", "ls-files"], cwd=folder, capture_output=True, text=True)
    return {*listed.stdout.splitlines()}


def test_in_a_repository_of_its_own_weights_go_along_and_caches_do_not(gallery):
    folder = shutil.move(new(gallery, "leaf", "resnet"), gallery.parent / "leaf")
    caches = [".venv/a.py", "__pycache__/a.pyc", ".gradio/a", "data/.download-new/a.pth"]
    caches += ["data/a.pth.replaced", ".DS_Store", "training/a.npz"]
    for name in ["data/own.pth", *caches]:
        (folder / name).parent.mkdir(exist_ok=True)
        (folder / name).touch()
    committed = in_git(folder)
    assert {"main.py", "Dockerfile", "data/own.pth", *ON_GITHUB} <= committed
    assert committed.isdisjoint(caches)
    # for weights over 100 MB, as the last lines of the file say
    ignore = folder / ".gitignore"
    lines = ignore.read_text().splitlines()
    lines[-1] = lines[-1].removeprefix("# ")
    ignore.write_text("\n".join(lines))
    shutil.rmtree(folder / ".git")
    assert in_git(folder) == committed - {"data/own.pth"}


# --- the workflow --------------------------------------------------------------------------------


def test_the_workflow_may_do_no_more_than_it_needs():
    starts = WORKFLOW[True]  # "on", which YAML takes for a truth value
    assert starts == {"push": {"branches": ["main"]}, "workflow_dispatch": None}
    assert WORKFLOW["permissions"] == {}
    assert JOB["permissions"] == {"contents": "read", "packages": "write"}
    ours = (ROOT / ".github" / "workflows" / "images.yml").read_text(encoding="utf-8")
    pinned = re.findall(r"uses: (actions/checkout@.*)", ours)
    assert re.findall(r"uses: (.*)", TEMPLATE.read_text(encoding="utf-8")) == [pinned[0]]
    assert STEPS[pinned[0].partition(" ")[0]]["with"]["persist-credentials"] is False
    # it is published after it was tried, and the token reaches only the step that needs it
    run = [step["run"] for step in STEPS.values() if "run" in step]
    assert run == [f"bash .github/publish.sh {name}" for name in ORDER]
    (with_token,) = [step for step in STEPS.values() if "github.token" in str(step)]
    assert with_token["run"].endswith("publish")


@pytest.mark.parametrize("number", ["1", "27"])
def test_each_run_has_a_tag_of_its_own_that_serve_takes(github, tmp_path, number):
    github("choose", GITHUB_RUN_NUMBER=number)
    tag, name = (tmp_path / "GITHUB_ENV").read_text().splitlines()
    assert (tag, name) == (f"TAG=v{number}", f"IMAGE=ghcr.io/ada/leaf_disease:v{number}")
    assert check_name(*name.removeprefix("IMAGE=").split(":")) == []


def test_at_the_end_it_says_what_to_enter(github, tmp_path):
    github("say", IMAGE="ghcr.io/ada/leaf_disease:v1")
    said = (tmp_path / "GITHUB_STEP_SUMMARY").read_text()
    assert "Enter on SciLifeLab Serve, with port 8080: `ghcr.io/ada/leaf_disease:v1`" in said
    assert "(https://github.com/Ada/Leaf_Disease/pkgs/container/leaf_disease)" in said
    assert "**make it public**" in said


# --- with an engine ------------------------------------------------------------------------------


def remove(*what):
    call(engine_here(), *what, capture_output=True)


@needs_engine
@pytest.mark.long
def test_an_app_is_built_and_tried_and_one_that_does_not_start_shows_why(
    github, gallery, workshop_ports_free
):
    folder = new(gallery, "leaf", "hello")
    with contextlib.ExitStack() as stack:
        stack.callback(remove, "image", "rm", "--force", "ghcr.io/ada/leaf_disease:v1")
        stack.callback(remove, "rm", "--force", "app")
        github("choose")
        github("build", folder)
        described = call(
            engine_here(),
            *["image", "inspect", "ghcr.io/ada/leaf_disease:v1"],
            capture_output=True,
            text=True,
        )
        (image,) = json.loads(described.stdout)
        labels = image["Config"]["Labels"]
        assert (image["Os"], image["Architecture"]) == ("linux", "amd64")
        assert labels["org.opencontainers.image.source"] == "https://github.com/Ada/Leaf_Disease"
        assert labels["org.opencontainers.image.version"] == "v1"
        printed = github("try", folder)
        assert "The page opened at attempt" in printed
        assert "/greet answers: 'Hello Ada!'" in printed

        # an app that opens and gives wrong results is not published either
        main = folder / "main.py"
        text = main.read_text()
        main.write_text(text.replace('"Hello " + name + "!"', "None"))
        github("build", folder)
        printed = github("try", folder, works=False)
        assert "/greet answers: the app returned nothing" in printed
        assert "::error::The app does not work in its image." in printed
        main.write_text(text)

        main = folder / "main.py"
        main.write_text(main.read_text().replace("import gradio", "import no_such, gradio", 1))
        github("build", folder)
        printed = github("try", folder, works=False)
        assert "No module named 'no_such'" in printed
        assert "::error::The app does not work in its image." in printed


@needs_engine
@pytest.mark.slow
def test_an_image_is_published_once_and_never_over_another(github, tmp_path):
    """To a registry on this computer instead of ghcr.io."""
    folder = tmp_path / "leaf"
    folder.mkdir()
    (folder / "Dockerfile").write_text("FROM scratch\nCOPY Dockerfile /\n")
    with registry() as (address, kept), contextlib.ExitStack() as stack:
        (tmp_path / "registries.conf").write_text(
            f'[[registry]]\nlocation = "{address}"\ninsecure = true\n'
        )
        image = f"{address}/ada/leaf:v1"
        settings = {"IMAGE": image, "TAG": "v1", "TOKEN": "secret"}
        settings["CONTAINERS_REGISTRIES_CONF"] = str(tmp_path / "registries.conf")  # Podman's
        settings["REGISTRY_AUTH_FILE"] = str(tmp_path / "auth.json")
        settings["DOCKER_CONFIG"] = str(tmp_path / "config")
        stack.callback(remove, "image", "rm", "--force", image)
        github("build", folder, **settings)
        printed = github("publish", **settings)
        assert "secret" not in printed
        kind, manifest = kept["/v2/ada/leaf/manifests/v1"]
        assert kind.endswith(("manifest.v1+json", "manifest.v2+json")), kind  # not a list
        assert "layers" in json.loads(manifest)

        (folder / "Dockerfile").write_text("FROM scratch\nCOPY Dockerfile /another/image\n")
        github("build", folder, **settings)
        printed = github("publish", works=False, **settings)
        assert f"::error::{image} is there already." in printed
        assert kept["/v2/ada/leaf/manifests/v1"] == (kind, manifest)
        other = settings | {"IMAGE": f"{address}/ada/leaf:v2"}
        stack.callback(remove, "image", "rm", "--force", other["IMAGE"])
        github("build", folder, **other)
        github("publish", **other)
        assert kept["/v2/ada/leaf/manifests/v2"][1] != manifest
