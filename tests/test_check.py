"""`make check` finds, from an app's files alone, what SciLifeLab Serve would stumble over."""

import re
import shutil
import subprocess
import sys

import check
import pytest
from apps import find_app
from conftest import ROOT

WEIGHTS = "image_classification_resnet18.pth"
FAKE_KEY = "AKIA" + "Z" * 16  # in two parts, so that nobody takes this file for a leak
TO_DO = r"\b(Write|Name|Make|Save|End|Remove|Run|Fix|Copy|must be)\b"


@pytest.fixture
def folder(tmp_path):
    """A copy of the ResNet app, with something that replaces its weights and more files."""
    folder = tmp_path / "my_classification"
    ignored = shutil.ignore_patterns("*.pth*", ".gradio", "__pycache__")
    shutil.copytree(find_app("resnet").folder, folder, ignore=ignored)
    for name in ("tools", "iris"):
        (folder / name).mkdir()
    for name in (WEIGHTS, "my-own.pth"):
        (folder / "data" / name).touch()
    for name in ("helper.py", "training_helper.py", "tools/a.py", "labels.txt", ".env"):
        (folder / name).touch()
    return folder


def edit(file, old, new):
    text = file.read_text(encoding="utf-8") if file.exists() else ""
    assert old in text, f"{file.name} no longer says {old!r}"
    file.write_text(text.replace(old, new) if old else text + new, encoding="utf-8", newline="\n")


def find(folder):
    """Return what is found as (rule, file), after a look at whether it says what to do."""
    findings = check.check(folder, folder / "main.py")
    assert all(re.search(TO_DO, finding.cure) for finding in findings)
    return [(finding.rule, finding.file.name) for finding in findings]


def test_a_good_app_passes_without_a_word(folder):
    assert find(folder) == []


# the rule that finds it, the file that is wrong, what it says, what it says then ("" = the end)
MISTAKES = [
    ("base", "Dockerfile", "python:3.11-slim", "python:latest"),
    ("root", "Dockerfile", "USER app", "# USER app"),
    ("root", "Dockerfile", "EXPOSE 8080", "EXPOSE 8080\nUSER root"),
    ("root", "Dockerfile", "USER app", "USER 0:1000"),
    ("user-1000", "Dockerfile", "--uid 1000", "--uid 1001"),
    ("exposed-port", "Dockerfile", "EXPOSE 8080", "# EXPOSE 8080"),
    ("exposed-port", "Dockerfile", "EXPOSE 8080", "EXPOSE 80\nENV PORT=80"),
    ("same-port", "Dockerfile", "EXPOSE 8080", "EXPOSE 8080\nENV PORT=9000"),
    ("same-port", "Dockerfile", "EXPOSE 8080", "EXPOSE 8080\nENV PORT=18080"),
    ("listening-port", "Dockerfile", "EXPOSE 8080", "EXPOSE 7860"),
    ("listening-port", "main.py", "**settings(demo)", 'server_name="0.0.0.0"'),
    ("listening-port", "guard.py", '"8080"', "find_free_port()"),
    ("host", "main.py", "**settings(demo)", 'server_port=8080, server_name="127.0.0.1"'),
    ("host", "main.py", "**settings(demo)", "server_port=8080"),
    ("share", "main.py", "**settings(demo)", "**settings(demo), share=True"),
    ("api-open", "main.py", ", api_open=False", ""),
    ("api-open", "main.py", "demo.queue(", "dict("),
    ("queue", "main.py", "preprocess=False, api_d", "queue=False, api_d"),
    ("health-check", "Dockerfile", 'CMD ["python", "-c", \\', 'CMD ["curl", "-f", \\'),
    ("start-shebang", "start-script.sh", "#!/bin/sh\n", ""),
    ("start-line-ends", "start-script.sh", "sh\n", "sh\r\n"),
    ("start-exec", "start-script.sh", "exec python main.py", "# exec it\npython main.py"),
    ("start-executable", "Dockerfile", "RUN chmod +x", "# RUN chmod +x"),
    ("imported", "main.py", "import torch\n", "import torch\nimport shap.plots\n"),
    ("auth", "main.py", "**settings(demo)", "**settings(demo, auth=('ada', 'secret'))"),
    ("pinned", "requirements.txt", "tqdm==", "tqdm>="),
    ("pinned", "requirements.txt", "tqdm==4.70.1", 'tqdm==4.*; python_version == "3.11"'),
    (
        "copied",
        "Dockerfile",
        " *.py start",
        " main.py c*.py g*.py image.py p*.py v*.py w*.py start",
    ),
    ("copied", "Dockerfile", " start-script.sh ./\n", " ./\n"),
    ("copied", "Dockerfile", "COPY --chown=app:app data", "# COPY data"),
    ("copied", "main.py", "import torch\n", "import torch\nfrom training_helper import a\n"),
    ("copied", "main.py", "TITLE =", "open('labels.txt')\nTITLE ="),
    ("copied", ".dockerignore", "", "*\n!*.py\n"),
    ("weights", "main.py", "_resnet18.pth", "_resnet50.pth"),
    ("secret-in-dockerfile", "Dockerfile", "EXPOSE", "ENV HF_TOKEN=abcdefgh\nEXPOSE"),
    ("secret-in-code", "main.py", "TITLE =", 'db_password = "hunter2-2"\nTITLE ='),
    ("secret-in-code", "main.py", "**settings(demo)", "**settings(demo), password='hunter2-2'"),
    ("secret-in-file", "cores.py", "import", f"# sk-{'a' * 30}\nimport"),
    ("secret-in-file", "data/id", "", "-----BEGIN RSA PRIVATE KEY-----\n"),
    ("secret-in-file", "data/.env", "", "A=1\n"),
    ("pointer", f"data/{WEIGHTS}", "", "version https://git-lfs.github.com/spec/v1\n"),
    ("labels", "data/labels.txt", "", "class 0 (no label yet)\n"),
    ("python", "main.py", "import torch", "import"),
]


@pytest.mark.slow
@pytest.mark.parametrize(("rule", "file", "old", "new"), MISTAKES)
def test_each_mistake_is_found_and_nothing_else(folder, rule, file, old, new):
    edit(folder / file, old, new)
    if rule == "start-executable":
        (folder / file).with_name("start-script.sh").chmod(0o644)
    assert [found for found, _ in find(folder)] == [rule]


def test_each_rule_has_a_mistake_that_it_finds():
    rules = {check.name_of(function) for function in check.RULES}
    assert rules - {rule for rule, *_ in MISTAKES} == {"linked", "source-label"}


def test_a_copy_whose_label_names_the_gallery_is_found(folder):
    (folder / "copied_from.json").touch()
    assert find(folder) == [("source-label", "Dockerfile")]
    edit(folder / "Dockerfile", check.GALLERY, "https://github.com/ada/leaf")
    assert find(folder) == []


@pytest.mark.parametrize("name", [WEIGHTS, ""])
def test_weights_that_are_a_link_out_of_the_folder_are_found(folder, tmp_path, name):
    """An image gets the link and not what it leads to."""
    elsewhere = tmp_path / "elsewhere"
    shutil.move(folder / "data", elsewhere)
    if name:
        shutil.copytree(elsewhere, folder / "data")
        (folder / "data" / name).unlink()
    (folder / "data" / name).symlink_to(elsewhere / name)
    assert find(folder) == [("linked", "Dockerfile")]
    # within the folder, a link is a link in the image as well
    (folder / "data" / name).unlink()
    shutil.copytree(elsewhere, folder / "data", dirs_exist_ok=True)
    (folder / "data" / WEIGHTS).unlink()
    (folder / "data" / WEIGHTS).symlink_to("my-own.pth")
    assert find(folder) == []


@pytest.mark.parametrize("link", ["an absolute path", "what is not copied", "what is left out"])
def test_weights_that_are_a_link_to_what_the_image_has_not_are_found(folder, link):
    """Within the folder, too."""
    weights = folder / "data" / WEIGHTS
    place = {"what is not copied": "runs/best", "what is left out": "training"}.get(link, "data")
    own = folder / place / "my-own.pth"
    own.parent.mkdir(parents=True, exist_ok=True)
    weights.rename(own)
    weights.symlink_to(own if link == "an absolute path" else f"../{place}/my-own.pth")
    assert find(folder) == [("linked", "Dockerfile")]


# other right ways to say the same: the file, what it says, what it says then
CHOICES = [
    ("Dockerfile", "python:3.11-slim", "ghcr.io/owner/python@sha256:" + "0" * 64),
    ("Dockerfile", "USER app", "FROM first\nCOPY --from=first /home/app .\nUSER 1000:1000"),
    ("Dockerfile", "USER app", "USER root\nRUN true\nUSER app\n# USER root"),
    ("Dockerfile", "useradd --create-home --uid 1000", "adduser -D -u 1000"),
    ("Dockerfile", "USER app\nEXPOSE 8080", "user\tapp\r\n  expose  8080/tcp \r"),
    ("Dockerfile", "EXPOSE 8080", "ENV PORT=9000\nEXPOSE $PORT"),
    ("Dockerfile", "*.py start-script.sh ./", '["*.py","start-script.sh","./"]'),
    ("Dockerfile", "*.py start", "${X:-main}.py c*.py g*.py i*.py mid*.py p*.py v*.py w*.py start"),
    (".dockerignore", "", "*\n!*.py\n!*.sh\n!*.txt\n!data/*.*\n"),
    (".dockerignore", "", "**.log\n*.pth\ndata/data\nx.jpg\n# *.py\n"),
    ("main.py", WEIGHTS, "my-own.pth"),
    ("main.py", "**settings(demo)", 'server_name="0.0.0.0", server_port=PORT'),
    ("main.py", "**settings(demo)", "server_port=int(os.environ.get('PORT', 8080))"),
    ("main.py", "demo.launch(", 'uvicorn.run(app, host="0.0.0.0", port=8080, '),
    ("main.py", "\nTITLE =", "\ntry:\n    import shap\nexcept OSError:\n    pass\nTITLE ="),
    ("requirements.txt", "-c ", "opencv-python-headless==4.1\n-c "),
    ("main.py", '"""Image', '"""demo.launch(share=True)\nimport helper\n'),
    ("main.py", "TITLE =", 'password = os.environ["DB_PASSWORD"]; token = "a-long-name"\nTITLE ='),
    ("main.py", "TITLE =", 'HELP = f"see {HERE}/README.md", "iris"\nTITLE ='),
    ("main.py", "TITLE =", 'import iris\n(X / "iris").mkdir()\nopen("labels.txt", "a")\nTITLE ='),
    ("requirements.txt", "tqdm==4.70.1", "a @ git+https://b.c/d\n-r e.txt\n./f\ng==1  # h"),
    ("start-script.sh", "exec python main.py", "cd . && exec python \\\n  main.py 2>&1  # it's"),
]  # fmt: skip


@pytest.mark.slow
@pytest.mark.parametrize(("file", "old", "new"), CHOICES)
def test_other_right_ways_pass(folder, file, old, new):
    edit(folder / "Dockerfile", ":3.11-slim\n", ":3.11-slim AS first\n")
    edit(folder / "Dockerfile", "ENV ", "ENV GRADIO_SERVER_NAME=0.0.0.0 ")
    edit(folder / "main.py", "TITLE =", "PORT = 8080\nTITLE =")
    edit(folder / file, old, new)
    assert find(folder) == []


def test_a_server_that_the_start_script_names_passes(folder):
    edit(folder / "main.py", "demo.launch(**settings(demo))", "pass")
    edit(folder / "start-script.sh", "python main.py", "uvicorn main:a --host 0.0.0.0 --port 8080")
    assert find(folder) == []


def test_a_copy_of_the_whole_folder_takes_what_dockerignore_lets_through(folder):
    edit(folder / "Dockerfile", "*.py start-script.sh ./", ". .")
    assert find(folder) == [("secret-in-file", ".env")]
    edit(folder / ".dockerignore", "", "**/.env\n")
    assert find(folder) == []


@pytest.mark.parametrize("file", ["Dockerfile", "start-script.sh", "main.py"])
def test_a_file_that_is_not_there_is_found(folder, file):
    (folder / file).unlink()
    assert find(folder) == [("files", file)]


def test_missing_weights_come_with_the_command_that_fetches_them(folder):
    (folder / "data" / WEIGHTS).unlink()
    edit(folder / "main.py", f'"{WEIGHTS}"', "NAME")  # download_model.py names them
    (finding,) = check.check(folder, folder / "main.py")
    assert f"data/{WEIGHTS} is missing. Run make model" in finding.cure


def test_a_step_is_checked_as_the_app_of_its_image(tmp_path):
    step = find_app("sepia").file
    step = shutil.copytree(step.parent, tmp_path / "steps") / step.name
    assert check.check(step.parent, step) == []
    edit(step, "demo.launch(", "demo.launch(share=True, ")
    assert [(f.rule, f.file) for f in check.check(step.parent, step)] == [("share", step)]


NAMES = {
    "owner/name:v1 docker.io/owner/name:2026-01-31 ghcr.io/owner/repo-app:v1.2.0-0a1b2c3": [],
    "registry.example.org:5000/group/owner/name:v1": [],
    "name:v1 Owner/name:v1 ghcr.io/name:v1 owner/name/more:v1 owner//name:v1": ["image"],
    "https://ghcr.io/owner/name:v1 localhost:5000/owner/name:v1": ["image"],
    "owner/name owner/name:latest owner/name:-v1 owner/name:v~1": ["tag"],
    "Name:latest": ["image", "tag"],
}


@pytest.mark.parametrize(
    ("name", "rules"), [(name, rules) for names, rules in NAMES.items() for name in names.split()]
)
def test_names_that_serve_cannot_fetch_are_found(name, rules):
    image, tag = re.fullmatch(r"(.*?)(?::([^:/]*))?", name).groups("")
    for arguments in ((name, ""), (image, tag)):
        assert [finding.rule for finding in check.check_name(*arguments)] == rules


def test_every_app_of_the_gallery_is_ready(capsys, monkeypatch):
    monkeypatch.setattr(check, "RULES", [rule for rule in check.RULES if rule != check.weights])
    assert check.main("all", "ghcr.io/owner/name", "v1") == 0
    ready = r"(\w[\w-]*): ready for SciLifeLab Serve \(\d+ rules\)"
    names = [re.fullmatch(ready, line)[1] for line in capsys.readouterr().out.splitlines()]
    assert {"hello", "sepia", "flower", "resnet", "vgg11"} <= {*names}


def test_findings_are_printed_and_fail_the_command(folder):
    more = f'**settings(demo), share=True, api_key="{FAKE_KEY}"'
    edit(folder / "main.py", "**settings(demo)", more)
    edit(folder / "requirements.txt", "tqdm==", "tqdm>=")
    words = [f"APP={folder / 'main.py'}", "IMAGE=Name", "TAG=v1"]
    command = [sys.executable, "scripts", "check", *words]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=60)
    assert (done.returncode, done.stderr) == (1, "")
    assert done.stdout.startswith("my_classification: 5 to fix for SciLifeLab Serve\n  main.py: sh")
    assert "\n  requirements.txt: pinned: With tqdm>=4.70.1, the next build" in done.stdout
    assert '\n  image: Serve cannot fetch "Name". Write owner/name for Docker Hub' in done.stdout
    assert FAKE_KEY not in done.stdout
