"""GitHub's workflows: each step that bash runs is run here as it stands, where that is possible.

What GitHub itself does, such as its expressions `${{ ... }}`, cannot be run here.
"""

import os
import re
import runpy
import shlex
import subprocess
import sys

import pytest
import yaml
from check import check_name
from conftest import BASE_IMAGE, ROOT, engine_here
from maintain import lint, serve_docs
from server import free_port

WORKFLOWS = {
    file.relative_to(ROOT).as_posix(): yaml.safe_load(file.read_text(encoding="utf-8"))
    for file in map(lint.Path, lint.WORKFLOWS)
}
STEPS = [
    (name, step)
    for name, workflow in WORKFLOWS.items()
    for job in workflow["jobs"].values()
    for step in job.get("steps", [])
]
WEEKLY = WORKFLOWS[".github/workflows/weekly.yml"]


@pytest.fixture
def github(tmp_path):
    """Return a function that runs the step of images.yml or weekly.yml that begins so, as GitHub.

    It returns what the step prints, its outputs and its summary.
    """
    places = {name: tmp_path / name for name in ("GITHUB_OUTPUT", "GITHUB_STEP_SUMMARY")}
    environment = {**os.environ, **{name: str(place) for name, place in places.items()}}

    def run_step(beginning, status=0, **settings):
        runs = {step["run"] for _, step in STEPS if step.get("run", "").startswith(beginning)}
        (text,) = runs
        for place in places.values():
            place.write_text("")
        script = tmp_path / "step.sh"
        script.write_text(text)
        ended = subprocess.run(
            ["bash", "-e", script],
            cwd=ROOT,
            env={**environment, **settings},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=280,
        )
        assert ended.returncode == status, ended.stdout
        return ended.stdout, *(place.read_text() for place in places.values())

    return run_step


@pytest.mark.parametrize("name", WORKFLOWS)
def test_a_workflow_may_only_read_unless_a_job_says_why(name):
    workflow = WORKFLOWS[name]
    assert workflow["permissions"] in ({}, {"contents": "read"})
    for job in workflow["jobs"].values():
        given = job.get("permissions", {})
        written = {what for what, how in given.items() if how == "write"}
        assert written <= {"packages", "pages", "id-token", "issues"}
        text = (ROOT / name).read_text(encoding="utf-8")
        for what in written:
            assert re.search(rf"{what}: write # to ", text)


def test_each_action_is_pinned_by_its_digest_and_dependabot_knows_the_folder():
    for file in map(lint.Path, lint.WORKFLOWS):
        for action in re.findall(r"uses: (.*)", file.read_text(encoding="utf-8")):
            pinned = re.fullmatch(r"[\w./-]+@[0-9a-f]{40} # v[\d.]+", action)
            assert pinned or action.startswith("./"), action
    for folder in lint.GITHUB:
        settings = yaml.safe_load((folder / "dependabot.yml").read_text(encoding="utf-8"))
        assert settings["updates"][0]["package-ecosystem"] == "github-actions"
    (ours, *_) = yaml.safe_load((ROOT / ".github/dependabot.yml").read_text())["updates"]
    assert "/scripts/on_github/.github/workflows" in ours["directories"]


def test_a_release_has_names_that_serve_takes_and_says_them(github):
    given = {"APP": "hello", "REPOSITORY": "Ada/Serve-Tutorials", "RELEASE": "v2.0 (beta)"}
    _, outputs, _ = github("tag=$(printf", **given, COMMIT="0123456789abcdef")
    values = dict(line.split("=", 1) for line in outputs.splitlines())
    assert values["image"] == "ghcr.io/ada/serve-tutorials-hello"
    assert values["tag"] == "v2.0--beta--0123456"
    assert check_name(values["image"], values["tag"]) == []
    printed, _, _ = github('make check APP="$APP" IMAGE', APP="hello", **upper(values))
    assert "hello: ready for SciLifeLab Serve" in printed
    address = f"{values['image']}:{values['tag']}"
    _, _, summary = github("{", ADDRESS=address)
    assert f"Enter on SciLifeLab Serve: `{address}`\n" in summary


def upper(values):
    return {name.upper(): value for name, value in values.items()}


def test_the_steps_that_need_no_engine_run(github):
    assert "hello needs no model" in github('make model APP="$APP"', APP="hello")[0]


@pytest.mark.skipif(not engine_here(), reason=f"NO ENGINE for containers, or not {BASE_IMAGE}")
@pytest.mark.long
def test_the_steps_that_need_an_engine_run(github):
    assert "Built hello:" in github('make docker APP="$APP"', APP="hello")[0]
    assert "All is well" in github('make docker-smoke APP="$APP"', APP="hello")[0]


def test_each_weekly_command_is_one_with_its_settings():
    program = runpy.run_path(str(ROOT / "scripts" / "__main__.py"))  # which begins with nothing
    for command in WEEKLY["jobs"]["long"]["strategy"]["matrix"]["command"]:
        name, *words = shlex.split(command)
        program["read_settings"](name, words)  # ends the program if there is none


# --- SciLifeLab Serve's documentation -------------------------------------------------------------


def test_each_statement_is_one_that_our_files_rely_on():
    for *_, file, ours in serve_docs.STATEMENTS:
        assert ours in " ".join((ROOT / file).read_text(encoding="utf-8").split()), file


@pytest.fixture
def look(github, httpserver, tmp_path):
    """Return a function that runs the weekly step, and returns its issue and what it printed.

    `changes` are made to the page about DOIs. Apart from them, the pages say what we rely on.
    """
    programs = {
        "python3": f'exec {sys.executable} "$1" "$ADDRESS"',
        "gh": """case $2 in list) echo "$OPEN" ;; create) cp "$6" "$ISSUE" ;; esac""",
    }
    for name, text in programs.items():
        (tmp_path / name).write_text(f"#!/bin/sh\n{text}\n")
        (tmp_path / name).chmod(0o755)
    issue = tmp_path / "issue.md"

    def run(changes=(), address="", already_open="", status=0):
        text = "".join(
            f"<p>So:\n<b>{said.upper()}</b></p>" for _, said, *_ in serve_docs.STATEMENTS
        )
        for page in {page for page, *_ in serve_docs.STATEMENTS}:
            response = {"response_data": text, **(dict(changes) if page == serve_docs.DOI else {})}
            httpserver.expect_request(f"/{page}_source/").respond_with_data(**response)
        settings = {"ADDRESS": address or httpserver.url_for("/"), "RUNNER_TEMP": str(tmp_path)}
        settings |= {"OPEN": already_open, "ISSUE": str(issue)}
        settings |= {"PATH": f"{tmp_path}{os.pathsep}{os.environ['PATH']}"}
        said, *_ = github("python3 scripts/maintain/serve_docs.py", status, **settings)
        return issue.read_text() if issue.exists() else None, said

    return run


def test_while_the_pages_say_what_we_rely_on_there_is_no_issue(look):
    assert look() == (None, "")


CHANGED = {"response_data": "All apps are assigned a DOI."}


@pytest.mark.parametrize(
    ("changes", "line"),
    [
        (CHANGED, r'lacks "automatically assigned a DOI", and docs/workshop/3-hosting\.md says .*'),
        ({"status": 301, "headers": {"Location": "/doi/new/"}}, "has moved: http://.*/doi/new/"),
        ({"status": 404}, "has moved: HTTP Error 404: NOT FOUND"),
    ],
)
def test_a_page_that_changed_or_moved_becomes_an_issue(look, httpserver, changes, line):
    moved = "<i>automatically</i> assigned a DOI"
    httpserver.expect_request("/doi/new/").respond_with_data(moved)
    issue, _ = look(changes)
    address = re.escape(httpserver.url_for("/doi/_source/"))
    assert re.match(rf"- {address} {line}\n", issue)
    assert "application-hosting" not in issue


def test_an_issue_that_is_still_open_is_not_opened_again(look):
    assert look(CHANGED, already_open="SciLifeLab Serve's documentation has changed")[0] is None


@pytest.mark.slow
def test_a_page_that_does_not_respond_fails_the_job_and_is_no_issue(look):
    issue, said = look({"status": 503}, status=1)
    assert issue is None
    assert re.search("/doi/_source/ could not be read: HTTP Error 503", said)
    issue, said = look(address=f"http://127.0.0.1:{free_port()}/", status=1)
    assert issue is None
    assert issue is None
    assert "Connection refused" in said


# --- the linters ---------------------------------------------------------------------------------
