"""What can be tested of Windows without it: the line of make.bat, and what Python lacks there."""

import os
import re
import shlex
import subprocess
import sys

import pytest
from conftest import ROOT
from test_new import copy_gallery

# Python on Windows has none of these
WITHOUT = """
import os, signal, sys
for module in ("fcntl", "grp", "pwd", "resource", "termios", "pty", "readline"):
    sys.modules[module] = None
for name in ("fork", "forkpty", "getuid", "geteuid", "getgid", "killpg", "setsid", "mkfifo"):
    delattr(os, name)
for name in ("SIGKILL", "SIGHUP", "SIGALRM", "SIGUSR1", "SIGUSR2", "SIGSTOP", "SIGCONT", "alarm"):
    delattr(signal, name)
"""


@pytest.fixture
def gallery(tmp_path):
    """A copy of the gallery, in a folder with spaces and an apostrophe in its name."""
    (tmp_path / "sitecustomize.py").write_text(WITHOUT)
    return copy_gallery(tmp_path / "Ada's own work")


def type_line(gallery, typed):
    """Run the line of make.bat that does the work, as cmd fills it in, with what was typed."""
    batch = (ROOT / "make.bat").read_bytes().decode("ascii")
    assert batch.count("\r\n") == batch.count("\n"), "cmd needs these line ends"
    (line,) = re.findall(r"^@py (.+)\r$", batch, re.MULTILINE)
    assert line.startswith("-3 ")
    line = line.removeprefix("-3 ").replace("%~dp0", f"{gallery}/").replace("%*", typed)
    return subprocess.run(
        f"{shlex.quote(sys.executable)} {line}",
        shell=True,
        cwd=gallery,
        env={**os.environ, "PYTHONPATH": str(gallery.parent.parent)},
        capture_output=True,
        text=True,
        timeout=60,
    )


def test_the_line_of_make_bat_hands_on_what_was_typed(gallery):
    assert "make run APP=sepia" in type_line(gallery, "").stdout
    listed = type_line(gallery, "list")
    assert (listed.returncode, "sepia" in listed.stdout) == (0, True), listed.stderr
    made = type_line(gallery, "new NAME=leaf_disease FROM=hello")
    assert made.returncode == 0, made.stderr
    assert (gallery / "leaf_disease" / "main.py").exists()
    checked = type_line(gallery, "check APP=leaf_disease")
    assert "leaf_disease" in checked.stdout
    assert "Traceback" not in checked.stderr
    wrong = type_line(gallery, 'check "APP=no such app"')
    assert wrong.returncode != 0
    assert "no such app" in wrong.stderr


@pytest.mark.slow
def test_the_launcher_s_programs_need_nothing_that_windows_lacks(gallery):
    """Each can be loaded: none imports, or asks at its start, what only Linux and macOS have."""
    programs = "install, model, run, smoke, reference_predictions, recipes"
    programs += ", gallery.assemble, gallery.serve"
    code = f"import gradio, gradio_client\n{WITHOUT}\nsys.path[0] = {str(gallery / 'scripts')!r}\n"
    command = [sys.executable, "-c", f"{code}import {programs}"]
    ended = subprocess.run(command, capture_output=True, text=True, timeout=60)
    assert ended.returncode == 0, ended.stderr
