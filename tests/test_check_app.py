"""`make check` finds, from an app's files alone, what SciLifeLab Serve would stumble over."""

import shutil
import subprocess
import sys
from pathlib import Path

import check_app
import pytest
from list_apps import find_app

RESNET = check_app.ROOT / "resnet_image_classification"
WEIGHTS = Path("data", "image_classification_resnet18.pth")
WEIGHTS_BYTES = 46_830_571
FAKE_KEY = "AKIA" + "Z" * 16  # in two parts, so that nobody takes this file for a leak


@pytest.fixture
def folder(tmp_path):
    """A copy of the ResNet app with weights of the right size, which take no room on the disk."""
    folder = tmp_path / "my_classification"
    shutil.copytree(RESNET, folder, ignore=shutil.ignore_patterns("*.pth", ".gradio"))
    with (folder / WEIGHTS).open("wb") as file:
        file.truncate(WEIGHTS_BYTES)
    return folder


def edit(file, old, new):
    text = file.read_text(encoding="utf-8") if file.exists() else ""
    assert old in text, f"{file.name} no longer says {old!r}"
    file.write_text(text.replace(old, new) if old else text + new, encoding="utf-8", newline="\n")


def rules(folder):
    return {finding.rule for finding in check_app.check(folder, folder / "main.py")}


def test_a_good_app_passes_without_a_word(folder):
    assert check_app.check(folder, folder / "main.py") == []


# what is wrong, the rule that finds it, the file, what it says, what it says then ("" = the end)
MISTAKES = [
    ("base without version", "base", "Dockerfile", "python:3.11-slim", "python"),
    ("latest base", "base", "Dockerfile", "python:3.11-slim", "python:latest"),
    ("base by an unset argument", "base", "Dockerfile", "python:3.11-slim", "python:${NO_SUCH}"),
    ("package without version", "pinned", "requirements.txt", "pillow==12.3.0", "pillow"),
    ("package with a lower bound", "pinned", "requirements.txt", "tqdm==", "tqdm>="),
    ("package with any patch", "pinned", "requirements.txt", "tqdm==4.70.1", "tqdm==4.*"),
    ("no user", "user", "Dockerfile", "USER app", ""),
    ("user commented out", "user", "Dockerfile", "USER app", "# USER app"),
    ("root again at the end", "user", "Dockerfile", "EXPOSE 8080", "EXPOSE 8080\nUSER root"),
    ("root by number", "user", "Dockerfile", "USER app", "USER 0:1000"),
    ("user who is not made", "user", "Dockerfile", "USER app", "USER guest"),
    ("user with another number", "user", "Dockerfile", "--uid 1000", "--uid 1001"),
    ("no port", "port", "Dockerfile", "EXPOSE 8080", ""),
    ("port commented out", "port", "Dockerfile", "EXPOSE 8080", "# EXPOSE 8080"),
    ("two ports", "port", "Dockerfile", "EXPOSE 8080", "EXPOSE 8080 9000"),
    ("another port", "port", "Dockerfile", "EXPOSE 8080", "EXPOSE 7860"),
    ("another port in ENV", "port", "Dockerfile", "EXPOSE 8080", "EXPOSE 8080\nENV PORT=9000"),
    ("port left to Gradio", "port", "main.py", "server_port=", "max_threads="),
    ("port unknown", "port", "main.py", "8080)", "find_port())"),
    ("never launched", "port", "main.py", "demo.launch(", "dict("),
    ("only inside", "host", "main.py", '"0.0.0.0"', '"127.0.0.1"'),
    ("only inside by default", "host", "main.py", 'server_name="0.0.0.0"', "show_error=True"),
    ("shared", "share", "main.py", "run_history=False", "share=True"),
    ("never started", "start", "Dockerfile", "ENTRYPOINT [", "LABEL start=["),
    ("no shebang", "start-shebang", "start-script.sh", "#!/bin/sh\n", ""),
    ("Windows lines", "start-line-ends", "start-script.sh", "sh\n", "sh\r\n"),
    ("no exec", "start-exec", "start-script.sh", "exec python", "python"),
    ("exec of the wrong file", "start-exec", "start-script.sh", "main.py", "app.py"),
    ("exec commented out", "start-exec", "start-script.sh", "exec python main.py", "#exec python"),
    ("exec not last", "start-exec", "start-script.sh", "", "echo done\n"),
    ("app not copied", "copied", "Dockerfile", "main.py start-script.sh", "start-script.sh"),
    ("script not copied", "copied", "Dockerfile", "main.py start-script.sh ./\n", "main.py ./\n"),
    ("data not copied", "copied", "Dockerfile", "COPY --chown=app:app data", "# COPY data"),
    ("data elsewhere", "copied", "Dockerfile", "data/ data/", "data/ app/data/"),
    ("copy of nothing", "copied", "Dockerfile", "COPY requirements", "COPY no.txt requirements"),
    ("weights ignored", "copied", ".dockerignore", "", "data/*.pth\n"),
    ("examples ignored", "copied", ".dockerignore", "", "data/*.jpg\n"),
    ("all ignored", "copied", ".dockerignore", "", "*\n"),
    ("app ignored", "copied", ".dockerignore", "", "*.py\n"),
    ("module not copied", "copied", "main.py", "import os\n", "import os\nimport helper\n"),
    ("labels not copied", "copied", "main.py", "import os\n", "open('helper.py')\n"),
    ("labels in an f-string", "copied", "main.py", "import os\n", "open(f'helper.{\"py\"}')\n"),
    ("labels beside", "copied", "main.py", "LABELS =", 'X = Path(HERE, "helper.py")\nLABELS ='),
    ("copied elsewhere", "workdir", "Dockerfile", "USER app", "WORKDIR /srv\nUSER app"),
    ("pip before copy", "requirements", "Dockerfile", "-r requirements", "-r data/requirements"),
    ("packages last", "copy-order", "Dockerfile", "COPY requirements.txt .", "COPY . ."),
    ("other weights", "weights", "download_model.py", "46_830_571", "46_830_570"),
    ("weights of another name", "weights", "main.py", "_resnet18.pth", "_resnet50.pth"),
    ("secret in ENV", "secret", "Dockerfile", "EXPOSE", "ENV HF_TOKEN=abcdefgh\nEXPOSE"),
    ("secret in ARG", "secret", "Dockerfile", "EXPOSE", "ARG PASSWORD=hunter22\nEXPOSE"),
    ("password", "secret", "main.py", "TITLE =", 'db_password = "hunter2-2"\nTITLE ='),
    ("key of AWS", "secret", "main.py", "TITLE =", f'KEY = "{FAKE_KEY}"\nTITLE ='),
    ("key of GitHub", "secret", "start-script.sh", "exec", f"# ghp_{'1' * 36}\nexec"),
    ("key of Hugging Face", "secret", "data/README.md", "", f"hf_{'a' * 34}\n"),
    ("private key", "secret", "data/id", "", "-----BEGIN RSA PRIVATE KEY-----\n"),
    ("settings file", "env-file", "data/.env", "", "A=1\n"),
    ("not Python", "python", "main.py", "import os", "import"),
]


def first_words(rows):
    return [row[0].replace(" ", "-") for row in rows]


@pytest.mark.parametrize(
    ("what", "rule", "file", "old", "new"), MISTAKES, ids=first_words(MISTAKES)
)
def test_each_mistake_is_found_and_nothing_else(folder, what, rule, file, old, new):
    (folder / "helper.py").write_text("")
    edit(folder / file, old, new)
    assert rules(folder) == {rule}


# other right ways to say the same
CHOICES = [
    ("user by number", "Dockerfile", "USER app", "USER 1000"),
    ("user and group by number", "Dockerfile", "USER app", "USER 1000:1000"),
    ("user as in Alpine", "Dockerfile", "useradd --create-home --uid 1000", "adduser -D -u 1000"),
    ("user without full name", "Dockerfile", "--uid 1000", '-c "" --uid=1000'),
    ("root for a while", "Dockerfile", "USER app", "USER root\nRUN true\nUSER app"),
    ("mistake commented out", "Dockerfile", "EXPOSE 8080", "EXPOSE 8080\n# USER root\n# EXPOSE 1"),
    ("base by digest", "Dockerfile", ":3.11-slim", "@sha256:" + "0" * 64),
    ("base of a registry", "Dockerfile", "python:3.11-slim", "ghcr.io/owner/python:3.11"),
    ("base by argument", "Dockerfile", "FROM python:3.11", "ARG V=3.11\nFROM python:${V}"),
    ("two stages", "Dockerfile", "COPY --chown=app:app d", "FROM python:3.11-slim AS a\n"
     "RUN useradd -u 1000 app\nWORKDIR /home/app\nCOPY --chown=app:app d"),
    ("stage on a stage", "Dockerfile", "USER app", "FROM first\nUSER app"),
    ("files of a stage", "Dockerfile", "USER app", "FROM python:3.11-slim\nWORKDIR /home/app\n"
     "COPY --from=first /home/app .\nUSER 1000"),
    ("copy with a mode", "Dockerfile", "RUN chmod +x", "COPY --chmod=755 *.sh .\nRUN ls"),
    ("copy as a list", "Dockerfile",
     "main.py start-script.sh ./", '["main.py", "start-script.sh", "."]'),
    ("copy by pattern", "Dockerfile", "main.py start-script.sh", "*.py *.sh"),
    ("copy by variable", "Dockerfile", "main.py start", "${NAME:-main}.py start"),
    ("copy of all", "Dockerfile",
     "COPY --chown=app:app main.py start-script.sh ./", "COPY . /home/app"),
    ("start by CMD", "Dockerfile", "ENTRYPOINT", "CMD"),
    ("start by a shell", "Dockerfile", '["./start-script.sh"]', "exec ./start-script.sh"),
    ("port by variable", "Dockerfile", "EXPOSE 8080", "ENV PORT=9000\nEXPOSE $PORT/tcp"),
    ("port in the file", "main.py", 'int(os.environ.get("PORT", 8080))', "8080"),
    ("port by getenv", "main.py", 'os.environ.get("PORT", 8080)', 'os.getenv("PORT") or 8080'),
    ("port by name", "main.py", 'int(os.environ.get("PORT", 8080))', "PORT"),
    ("address in ENV", "main.py", 'server_name="0.0.0.0",', ""),
    ("ignored but for some", ".dockerignore", "", "*\n!*.py\n!*.sh\n!*.txt\n!data/*.*\n"),
    ("ignored elsewhere only", ".dockerignore", "", "data/data\nx.jpg\n# *.py\n"),
    ("other requirements", "requirements.txt", "pillow==12.3.0", "pillow==12.3.0  # for pictures"),
    ("no secrets", "main.py", "TITLE =", 'token = os.environ.get("TOKEN")\n'
     'tokenizer = "a-long-name"\nTITLE ='),
    ("exec after other commands", "start-script.sh", "exec", "cd /home/app && exec"),
    ("exec over two lines", "start-script.sh", "python main.py",
     "python \\\n  main.py 2>&1  # it's"),
    ("message that names a file", "main.py", "TITLE =", 'HELP = f"see {HERE}/README.md"\nTITLE ='),
]  # fmt: skip


@pytest.mark.parametrize(("what", "file", "old", "new"), CHOICES, ids=first_words(CHOICES))
def test_other_right_ways_pass(folder, what, file, old, new):
    edit(folder / "Dockerfile", ":3.11-slim\n", ":3.11-slim AS first\n")
    edit(folder / "Dockerfile", "ENV ", "ENV GRADIO_SERVER_NAME=0.0.0.0 ")
    edit(folder / "main.py", "TITLE =", "PORT = 8080\nTITLE =")
    edit(folder / file, old, new)
    assert check_app.check(folder, folder / "main.py") == []


def test_requirements_are_followed_into_other_files(folder):
    (folder / "more.txt").write_text("scipy\n")
    edit(folder / "requirements.txt", "", "-r more.txt\n")
    findings = check_app.check(folder, folder / "main.py")
    assert [(f.rule, f.file.name, f.line) for f in findings] == [("pinned", "more.txt", 1)]


def test_start_script_must_be_a_program_here_or_in_the_image(folder):
    (folder / "start-script.sh").chmod(0o644)
    assert rules(folder) == set()
    edit(folder / "Dockerfile", "RUN chmod +x", "# RUN chmod +x")
    assert rules(folder) == {"start-executable"}
    edit(folder / "Dockerfile", "app main.py", "app --chmod=644 main.py")
    assert rules(folder) == {"start-executable"}
    (folder / "start-script.sh").chmod(0o755)
    edit(folder / "Dockerfile", " --chmod=644", "")
    assert rules(folder) == set()


@pytest.mark.parametrize("file", ["Dockerfile", "start-script.sh", "requirements.txt"])
def test_a_file_that_is_not_there_is_found(folder, file):
    (folder / file).unlink()
    assert rules(folder) == {"copied"}


def test_missing_weights_come_with_the_command_that_fetches_them(folder):
    (folder / WEIGHTS).unlink()
    (finding,) = check_app.check(folder, folder / "main.py", "mine")
    assert finding.rule == "weights"
    assert "make model APP=mine" in finding.text
    assert check_app.check(folder, folder / "main.py", "mine", allow_missing_weights=True) == []


def test_own_weights_without_a_download_program_pass(folder):
    (folder / WEIGHTS).rename(folder / "data" / "mine.pth")
    edit(folder / "main.py", WEIGHTS.name, "mine.pth")
    (folder / "download_model.py").unlink()
    assert rules(folder) == set()


def test_several_mistakes_are_all_found_with_their_places(folder):
    edit(folder / "Dockerfile", "USER app", "USER root")
    edit(folder / "main.py", "run_history=False", "share=True")
    user, share = check_app.check(folder, folder / "main.py")
    dockerfile = (folder / "Dockerfile").read_text().splitlines()
    main = (folder / "main.py").read_text().splitlines()
    assert (user.rule, dockerfile[user.line - 1]) == ("user", "USER root")
    assert (share.rule, "demo.launch(" in main[share.line - 1]) == ("share", True)


def test_a_found_secret_is_not_printed(folder):
    edit(folder / "main.py", "TITLE =", f'KEY = "{FAKE_KEY}"\nTITLE =')
    assert FAKE_KEY not in str(check_app.check(folder, folder / "main.py"))


@pytest.mark.parametrize("name", ["hello", "sepia", "themed"])
def test_a_step_is_checked_as_the_main_py_of_its_image(name, tmp_path):
    folder = shutil.copytree(check_app.ROOT / "example_apps", tmp_path / "steps")
    step = folder / find_app(name).file.name
    assert check_app.check(folder, step) == []
    edit(step, 'server_name="0.0.0.0"', 'server_name="localhost"')
    assert [(f.rule, f.file.name) for f in check_app.check(folder, step)] == [("host", step.name)]


@pytest.mark.parametrize(
    ("image", "tag"),
    [
        ("", ""),
        ("", "v1"),
        ("owner/name", "v1"),
        ("owner/name:v1", ""),
        ("docker.io/owner/name", "2026-01-31"),
        ("ghcr.io/owner/repo-app", "v1.2.0-0a1b2c3"),
        ("registry.example.org:5000/group/owner/name", "v1"),
    ],
)
def test_names_that_serve_can_fetch_pass(image, tag):
    assert check_app.check_name(image, tag) == []


@pytest.mark.parametrize(
    ("image", "tag", "rule"),
    [
        ("name", "v1", "image"),
        ("Owner/name", "v1", "image"),
        ("ghcr.io/name", "v1", "image"),
        ("owner/name/more", "v1", "image"),
        ("owner//name", "v1", "image"),
        ("https://ghcr.io/owner/name", "v1", "image"),
        ("localhost:5000/owner/name", "v1", "image"),
        ("owner/name", "", "tag"),
        ("owner/name", "latest", "tag"),
        ("owner/name:latest", "", "tag"),
        ("owner/name", "-v1", "tag"),
        ("", "v 1", "tag"),
    ],
)
def test_names_that_serve_cannot_fetch_are_found(image, tag, rule):
    assert [finding.rule for finding in check_app.check_name(image, tag)] == [rule]


def run(*arguments):
    command = [sys.executable, check_app.__file__, *arguments]
    return subprocess.run(command, capture_output=True, text=True, timeout=60)


def test_every_app_of_the_gallery_is_ready():
    done = run("all", "--allow-missing-weights", "--image", "ghcr.io/owner/name", "--tag", "v1")
    assert (done.returncode, done.stderr) == (0, "")
    names = [line.partition(":")[0] for line in done.stdout.splitlines()]
    assert {"hello", "sepia", "flower", "resnet", "vgg11"} <= set(names)
    assert done.stdout.count("ready for SciLifeLab Serve") == len(names)


def test_findings_are_printed_and_fail_the_command():
    done = run("hello", "--image", "Name", "--tag", "latest")
    assert done.returncode == 1
    assert "image: " in done.stdout
    assert "tag: " in done.stdout


def test_a_warning_does_not_fail_the_command(folder, capsys):
    edit(folder / "Dockerfile", "COPY requirements.txt .", "COPY . .")
    assert check_app.main([str(folder / "main.py")]) == 0
    assert "copy-order (a warning)" in capsys.readouterr().out


def test_an_unknown_app_is_answered_with_the_names():
    done = run("nosuch")
    assert done.returncode == 1
    assert 'There is no app "nosuch". The apps are: hello,' in done.stderr
