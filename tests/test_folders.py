"""The apps' folders: each stands alone, and what they share is the same everywhere."""

import json
import os
import re
import subprocess

import pytest
from apps import find_app, find_apps
from conftest import ROOT, SCRIPTS
from container.context import FLAGS, read
from gallery.assemble import assemble
from maintain.sync import differing
from test_new import copy_gallery, new

BARE = SCRIPTS / "bare"


def test_what_is_meant_to_be_the_same_is():
    assert {*differing(find_app("resnet").folder)} == set()


def test_the_dockerfiles_share_all_but_the_files_that_they_copy():
    files = [
        folder / "Dockerfile" for folder in (find_app("resnet").folder, BARE, ROOT / "example_apps")
    ]
    classifier, *others = [file.read_text(encoding="utf-8").split("\n\n") for file in files]
    for word in ("FROM ", "RUN useradd ", "ENV ", "LABEL ", "USER ", "ENTRYPOINT "):
        (stanza,) = [s for s in classifier if f"\n{word}" in f"\n{s}"]
        instructions = stanza[f"\n{stanza}".index(f"\n{word}") :].strip()
        for other in others:
            assert instructions in "\n\n".join(other), word


def needs_buildkit(dockerfile):
    """Return the lines of a Dockerfile that Docker cannot build without BuildKit, as on Debian 12.

    There, the place for several files must end with a slash, and some options are not known.
    """
    text, found = read(dockerfile), []
    for line in re.findall(r"^(?:COPY|ADD) .*", text, FLAGS):
        words = re.sub(r"^\w+ (--\S+ )*", "", line)
        *sources, place = json.loads(words) if words.startswith("[") else words.split()
        several = len(sources) > 1 or re.search(r"[*?[]", sources[0])
        if several and not place.endswith("/"):
            found.append(line)
    option = r"^(?:RUN --(?:mount|network|security)|(?:COPY|ADD) .*--(?!chown=|from=)\w+|.*<<).*"
    return found + re.findall(option, text, FLAGS)


def test_every_dockerfile_can_be_built_without_buildkit(tmp_path, monkeypatch):
    files = [*ROOT.glob("[!.]*/**/*Dockerfile")]
    assert len(files) >= 6
    steps = [app for app in find_apps() if app.is_step]  # the others may have large weights
    monkeypatch.setattr("gallery.assemble.find_apps", lambda: steps)
    made, gallery = [assemble(tmp_path / "gallery_app").folder], copy_gallery(tmp_path)
    made += [new(gallery, f"my_{source}", source) for source in ("sepia", "vgg11", "table")]
    files += [folder / "Dockerfile" for folder in made]
    assert {file: needs_buildkit(file) for file in files} == {file: [] for file in files}


def test_what_needs_buildkit_is_found(tmp_path):
    wrong = ["COPY a b .", "COPY --chown=app:app *.py /app", 'COPY ["a", "b", "c"]']
    wrong += ["COPY a b .", "COPY --link a b", "RUN --mount=type=cache,target=/c pip", "RUN <<EOF"]
    right = ["FROM a", "COPY a b ./", "COPY ${A}_app.py app.py", "RUN a && b"]
    (tmp_path / "Dockerfile").write_text("\n".join([*right, *wrong]).replace(" b .", " \\\n  b ."))
    assert len(needs_buildkit(tmp_path / "Dockerfile")) == len(wrong)


@pytest.mark.parametrize("needs", ["", "torch==2.14.1\ntorchvision==0.29.1\n"])
def test_the_smallest_app_gets_pytorch_s_build_for_the_cpu_once_it_needs_pytorch(tmp_path, needs):
    """By the command of its Dockerfile, with a pip that writes down what it is asked for."""
    command = re.search(r"(?m)^RUN (if .*)$", read(BARE / "Dockerfile"))[1]
    (tmp_path / "pip").write_text('#!/bin/sh\necho "$@" >> asked\n')
    (tmp_path / "pip").chmod(0o755)
    (tmp_path / "requirements.txt").write_text(f"gradio==6.31.0\n{needs}")
    places = {"PATH": f"{tmp_path}:{os.environ['PATH']}", "TORCH_INDEX": "https://index/cpu"}
    subprocess.run(["sh", "-ec", command], cwd=tmp_path, env=places, check=True, timeout=20)
    *before, last = (tmp_path / "asked").read_text().splitlines()
    assert last.endswith("-r requirements.txt")
    packages = [line.partition("--extra-index-url https://index/cpu ")[2] for line in before]
    assert packages == ([" ".join(needs.split())] if needs else [])
