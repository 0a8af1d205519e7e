"""Installing what an app needs, with real pip, from package indexes on this machine.

The packages are stand-ins of one line: what counts is which of them is chosen.
"""

import hashlib
import os
import re
import shutil
import subprocess
import sys
import zipfile

import pytest
from conftest import SCRIPTS
from server import Server, free_port


def add_package(folder, name, version):
    """Put a wheel of an empty package into the index `folder`."""
    shelf = folder / name
    shelf.mkdir(parents=True, exist_ok=True)
    wheel = shelf / f"{name}-{version}-py3-none-any.whl"
    info = f"{name}-{version}.dist-info"
    files = {
        f"{name}.py": f"__version__ = {version!r}\n",
        f"{info}/METADATA": f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n",
        f"{info}/WHEEL": "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
    }
    with zipfile.ZipFile(wheel, "w") as archive:
        for file, text in files.items():
            archive.writestr(file, text)
        archive.writestr(f"{info}/RECORD", "".join(f"{file},,\n" for file in files))
    links = []
    for file in sorted(shelf.glob("*.whl")):
        digest = hashlib.sha256(file.read_bytes()).hexdigest()
        links.append(f'<a href="{file.name}#sha256={digest}">{file.name}</a>')
    (shelf / "index.html").write_text("<!DOCTYPE html>" + "".join(links))


@pytest.fixture
def index(tmp_path):
    """A server with two indexes, /simple and /cpu, that prints what it is asked."""
    folder = tmp_path / "index"
    for name in ("torch", "torchvision"):
        add_package(folder / "simple", name, "2.0")
        add_package(folder / "cpu", name, "2.0+cpu")
    for version in ("1.0", "1.1"):
        add_package(folder / "simple", "leaf", version)
    words = ["-m", "http.server", "{PORT}", "--bind", "127.0.0.1", "--directory", folder]
    with Server([sys.executable, "-u", *words]) as server:
        yield server.wait()


@pytest.fixture
def install(tmp_path, index):
    """Return a function that installs `lines` in a copy of the tools; it returns the process."""
    shutil.copytree(SCRIPTS, tmp_path / "scripts", ignore=shutil.ignore_patterns("__pycache__"))

    def run(*lines, torch_index=index.url + "cpu", only=(), **more):
        (tmp_path / "requirements.txt").write_text("\n".join(lines) + "\n")
        # pip asks this index alone, whatever this machine's settings are
        environment = {k: v for k, v in os.environ.items() if not k.startswith("PIP_")}
        environment |= {"PIP_CONFIG_FILE": os.devnull, "PIP_INDEX_URL": index.url + "simple"}
        environment |= {"TORCH_INDEX": torch_index, **more}
        program = (
            "import sys; from install import ROOT, provide;"
            'provide(ROOT / "requirements.txt", only=sys.argv[1:])'
        )
        return subprocess.run(
            [sys.executable, "-c", program, *only],
            cwd=tmp_path / "scripts",
            env=environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=120,
        )

    return run


def version(tmp_path, name):
    program = f"import importlib.metadata as m; print(m.version({name!r}))"
    command = [tmp_path / ".venv" / "bin" / "python", "-c", program]
    return subprocess.run(command, capture_output=True, text=True).stdout.strip()


linux = pytest.mark.skipif(sys.platform != "linux", reason="elsewhere torch is small anyway")


@linux
@pytest.mark.long
def test_torch_comes_from_pytorch_s_own_index_where_that_responds(install, tmp_path):
    ended = install("torch==2.0", "torchvision==2.0", "leaf==1.0")
    assert ended.returncode == 0, ended.stdout
    assert version(tmp_path, "torch") == "2.0+cpu"
    assert version(tmp_path, "torchvision") == "2.0+cpu"
    assert version(tmp_path, "leaf") == "1.0"


@linux
@pytest.mark.long
def test_torch_comes_without_that_index_too_and_is_asked_for_once(install, tmp_path):
    dead = f"http://127.0.0.1:{free_port()}"
    ended = install("torch==2.0", "leaf==1.0", torch_index=dead)
    assert ended.returncode == 0, ended.stdout
    assert version(tmp_path, "torch") == "2.0"
    assert f"({dead}) does not respond" in ended.stdout
    assert "Retrying" not in ended.stdout


@pytest.mark.long
def test_a_step_app_installs_no_torch_and_does_not_ask_for_it(install, index, tmp_path):
    assert install("leaf==1.0").returncode == 0
    assert "/leaf/" in index.printed()
    assert "torch" not in index.printed()
    assert version(tmp_path, "torch") == ""


@pytest.mark.long
def test_a_second_start_asks_nobody_until_something_changes(install, index, tmp_path):
    assert install("leaf==1.0").returncode == 0
    asked = index.printed()
    again = install("leaf==1.0")
    assert (again.returncode, again.stdout) == (0, "")
    assert index.printed() == asked
    assert install("leaf==1.1").returncode == 0
    assert version(tmp_path, "leaf") == "1.1"
    # an app that needs the first version gets it back
    assert install("leaf==1.0").returncode == 0
    assert version(tmp_path, "leaf") == "1.0"


@pytest.mark.long
def test_constraints_choose_the_version_and_a_change_of_them_counts(install, tmp_path):
    for version_ in ("1.0", "1.1"):
        (tmp_path / "constraints.txt").write_text(f"leaf=={version_}\n")
        ended = install("-c constraints.txt", "leaf", only=["leaf"])
        assert ended.returncode == 0, ended.stdout
        assert version(tmp_path, "leaf") == version_


@pytest.mark.long
def test_a_package_that_cannot_be_had_gives_a_message_and_is_tried_again(install, tmp_path):
    ended = install("leaf==9.9")
    assert ended.returncode != 0
    assert "Traceback" not in ended.stdout
    assert "The packages could not be installed" in ended.stdout
    assert install("leaf==1.0").returncode == 0
    assert install("leaf==9.9").returncode != 0


@pytest.mark.long
def test_an_environment_that_was_left_half_made_is_mended(install, tmp_path):
    assert install("leaf==1.0").returncode == 0
    shutil.rmtree(next(tmp_path.glob(".venv/lib/python*/site-packages/pip")))
    assert install("leaf==1.1").returncode == 0
    assert version(tmp_path, "leaf") == "1.1"
    (tmp_path / ".venv" / "bin" / "python").unlink()
    assert install("leaf==1.0").returncode == 0
    assert version(tmp_path, "leaf") == "1.0"


@pytest.mark.parametrize("name", ["pip.conf", "PIP_TARGET", "PYTHONPATH"])
@pytest.mark.long
def test_settings_meant_for_another_python_change_nothing(install, tmp_path, name):
    """By which pip is to install elsewhere, or sees packages of another Python."""
    (tmp_path / "pip.conf").write_text("[install]\nuser = true\n")
    module = tmp_path / "module"  # as a cluster's `module load` puts it into PYTHONPATH
    (module / "leaf-1.0.dist-info").mkdir(parents=True)
    (module / "leaf-1.0.dist-info" / "METADATA").write_text("Name: leaf\nVersion: 1.0\n")
    (module / "leaf.py").write_text("raise ImportError('of another Python')\n")
    for broken in ("pip", "ensurepip"):
        (module / f"{broken}.py").write_text("raise ImportError('of another Python')\n")
    settings = {
        "pip.conf": {"PIP_CONFIG_FILE": str(tmp_path / "pip.conf")},
        "PIP_TARGET": {"PIP_TARGET": str(tmp_path / "target")},
        "PYTHONPATH": {"PYTHONPATH": str(module)},
    }
    ended = install("leaf==1.0", **settings[name])
    assert ended.returncode == 0, ended.stdout
    assert version(tmp_path, "leaf") == "1.0"


def test_a_command_continues_without_the_packages_of_another_python(tmp_path, monkeypatch):
    (tmp_path / "leaf.py").write_text("print('of another Python')")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    code = (
        "import sys; from install import become; become('-c', 'import leaf', python=sys.executable)"
    )
    ended = subprocess.run(
        [sys.executable, "-c", code], cwd=SCRIPTS, capture_output=True, text=True
    )
    assert "No module named 'leaf'" in ended.stderr
    assert ended.stdout == ""


@pytest.mark.slow
def test_a_python_that_is_too_new_gives_a_message(install, tmp_path):
    """PyTorch has no builds for it. A .venv of another version goes on working."""
    newer = tmp_path / "newer"
    newer.mkdir()
    (newer / "sitecustomize.py").write_text("import sys; sys.version_info = (3, 15, 0)")
    ended = install("leaf==1.0", PYTHONPATH=str(newer))
    assert ended.returncode != 0
    assert ended.stdout.startswith("Python 3.10 to 3.14 is needed, and this is ")
    assert len(ended.stdout.splitlines()) == 2
    assert not (tmp_path / ".venv").exists()
    assert install("leaf==1.0").returncode == 0
    assert install("leaf==1.1", PYTHONPATH=str(newer)).returncode == 0


def python_without_venv():
    """Debian's Python without the package python3-venv, if this machine has it."""
    python = "/usr/bin/python3"
    if not os.access(python, os.X_OK):
        return None
    probe = "import sys, ensurepip; sys.exit(sys.version_info < (3, 10))"
    ended = subprocess.run([python, "-c", probe], capture_output=True, text=True)
    return python if re.search("No module named .ensurepip", ended.stderr) else None


@pytest.mark.skipif(not python_without_venv(), reason="this machine's Python has its venv module")
def test_a_python_without_its_venv_module_gives_a_message(install, tmp_path, monkeypatch):
    monkeypatch.setattr(sys, "executable", python_without_venv())
    ended = install("leaf==1.0")
    assert ended.returncode != 0
    assert "sudo apt install python3-venv" in ended.stdout
    assert "Traceback" not in ended.stdout
    assert not (tmp_path / ".venv").exists()
