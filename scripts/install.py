"""Make the environments of the commands, and continue in them.

`.venv` has what the apps need. `.venv-bench` and `.venv-scale` have that and what only some
commands need, so that `.venv` stays as the apps need it. What is there already is not looked at
again, so a second start takes no time. Needs nothing but Python 3.10 or later.
"""

import hashlib
import os
import platform
import re
import shutil
import signal
import subprocess
import sys
import urllib.error
import urllib.request
from pathlib import Path

from apps import ROOT, find_app, find_apps

VENV = ROOT / ".venv"
STAMPS = VENV / "installed"
# PyTorch's own index has builds without CUDA: 200 MB instead of several GB
TORCH_INDEX = "https://download.pytorch.org/whl/cpu"


# what says where packages are, or go: those of a cluster's module, say, are for another Python
OF_OTHERS = ("PYTHONPATH", "PYTHONHOME", "PIP_TARGET", "PIP_PREFIX", "PIP_ROOT")


def own_environment():
    """Return the environment variables for a program in an environment of ours."""
    kept = {name: value for name, value in os.environ.items() if name not in OF_OTHERS}
    return {**kept, "PIP_USER": "0"}  # also against `user = true` in pip.conf


def run(*command, **options):
    """Run a program in an environment of ours, or one that makes it; return the process."""
    return subprocess.run([*map(str, command)], env=own_environment(), **options)


def venv_python(environment=VENV):
    return environment / ("Scripts/python.exe" if os.name == "nt" else "bin/python")


def make_venv():
    """Create `.venv`, or end the program with a message that says what is missing."""
    if sys.version_info >= (3, 15):  # there are no builds of NumPy and PyTorch for it
        sys.exit(
            f"Python 3.10 to 3.14 is needed, and this is {platform.python_version()}. Install 3.14 "
            "from\nhttps://www.python.org/downloads/, and on Windows type: py -3.14 -m venv .venv"
        )
    print("Making the environment .venv ...", flush=True)
    command = [sys.executable, "-m", "venv", "--clear", VENV]
    made = run(*command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    if made.returncode:
        shutil.rmtree(VENV, ignore_errors=True)
        if "ensurepip" in made.stdout or "No module named venv" in made.stdout:
            sys.exit(
                "This Python cannot make environments: its venv module is incomplete.\n"
                "On Debian and Ubuntu: sudo apt install python3-venv"
            )
        sys.exit("The environment .venv could not be made:\n" + made.stdout.strip())


def has_pip():
    command = [venv_python(), "-c", "import pip._internal"]
    return not run(*command, stderr=subprocess.DEVNULL).returncode


def pip(*arguments, python=None):
    command = [python or venv_python(), "-m", "pip", "--disable-pip-version-check", *arguments]
    if run(*command).returncode:
        sys.exit(
            "\nThe packages could not be installed; pip says why in the lines above.\n"
            "Offline or behind a proxy: docs/reference/first-app.md. `make clean` starts afresh."
        )


def installed():
    """Return the installed packages as a set of "name-version.dist-info"."""
    return {path.name for path in VENV.glob("[Ll]ib/**/site-packages/*.dist-info")}


def index_responds(index):
    """Ask `index` once: pip would try again and again for every single package."""
    try:
        urllib.request.urlopen(index.rstrip("/") + "/torch/", timeout=10).close()
    except (OSError, ValueError):
        return False
    return True


def requirement_lines(file):
    """Return the requirements in `file` and in the files that it names with -r.

    A file of constraints is named by a line of its own: -c and its path.
    """
    lines = []
    for line in file.read_text(encoding="utf-8").splitlines():
        line = line.split("#")[0].strip()
        if line.startswith("-r "):
            lines += requirement_lines(file.parent / line[3:].strip())
        elif line.startswith("-c "):
            constraints = file.parent / line[3:].strip()
            if not constraints.is_file():
                sys.exit(f"{constraints} is missing. It names the versions of all packages.")
            lines.append(f"-c {constraints}")
        elif line:
            lines.append(line)
    return list(dict.fromkeys(lines))


def package_name(requirement):
    return re.match(r"[\w.-]*", requirement).group().lower().replace("_", "-")


def install(requirements):
    """Install `requirements` (as requirement_lines gives them) into `.venv`, unless it was done."""
    constraints = [Path(line[3:]) for line in requirements if line.startswith("-c ")]
    requirements = [line for line in requirements if not line.startswith("-c ")]
    wanted = "\n".join([*requirements, *(file.read_text(encoding="utf-8") for file in constraints)])
    if not venv_python().exists():
        make_venv()
    stamp = STAMPS / hashlib.sha256(wanted.encode()).hexdigest()[:16]
    if stamp.exists():
        return
    if not has_pip():  # a .venv that uv made, or one that was left half made
        run(venv_python(), "-m", "ensurepip")
        if not has_pip():
            make_venv()
    before = installed()
    torch = [line for line in requirements if package_name(line) in ("torch", "torchvision")]
    index = os.environ.get("TORCH_INDEX", TORCH_INDEX)
    if torch and platform.system() == "Linux" and index:
        if index_responds(index):
            # --no-deps: only these packages are looked for there, the others come as always
            pip("install", "--no-deps", "--extra-index-url", index, *torch)
        else:
            print(f"PyTorch's own index ({index}) does not respond.")
            print("Taking the default build, which brings several GB for graphics cards.")
    print("Installing", ", ".join(package_name(line) for line in requirements), flush=True)
    pip("install", *requirements, *(word for file in constraints for word in ("-c", str(file))))
    if before - installed():  # other versions than before: look again at what others need
        shutil.rmtree(STAMPS, ignore_errors=True)
    STAMPS.mkdir(exist_ok=True)
    stamp.write_text("\n".join(requirements) + "\n", encoding="utf-8")


def requirements_of(name):
    """Return the requirements.txt of the app of that name, or of every app for "all"."""
    apps = find_apps() if name == "all" else [find_app(name)]
    return list(dict.fromkeys(app.folder / "requirements.txt" for app in apps))


def provide(*files, only=(), more=None):
    """Install what these requirements.txt name into `.venv`, and return its Python.

    `only` are the packages to install, if not all. `more` is a requirements.txt that is installed
    into an environment of its own beside `.venv`, whose Python is returned instead.
    """
    lines = []
    for file in files:
        if not file.is_file():
            sys.exit(f"{file} is missing. It names the packages to install.")
        lines += requirement_lines(file)
    if only:
        lines = [line for line in lines if package_name(line) in ("-c", *only)]
    try:
        if any(not line.startswith("-c ") for line in lines):
            install(list(dict.fromkeys(lines)))
        return make_more(more) if more else venv_python()
    except KeyboardInterrupt:
        sys.exit("\nStopped. The same command continues where it was.")


def make_more(requirements):
    """Make the environment for a requirements.txt, `.venv-bench` for that in bench/."""
    folder = ROOT / f".venv-{requirements.parent.name}"
    stamp = folder / hashlib.sha256(requirements.read_bytes()).hexdigest()[:16]
    if stamp.exists():
        return venv_python(folder)
    what = requirements.read_text(encoding="utf-8").splitlines()[0].removeprefix("# ")
    print(f"Making the environment {folder.name}. {what}", flush=True)
    # made by the Python of .venv: packages are for one version of Python
    run(venv_python(), "-m", "venv", "--clear", folder, check=True)
    # a .pth file names one more folder of packages: PyTorch need not be installed twice
    own, shared = (next(place.glob("[Ll]ib/**/site-packages")) for place in (folder, VENV))
    (own / "apps.pth").write_text(f"{shared}\n", encoding="utf-8")
    pip("install", "-r", str(requirements), python=venv_python(folder))
    stamp.touch()
    return venv_python(folder)


def enter(*files, **options):
    """Continue with the packages of these files (see `provide`): start this command again there.

    It returns only where they are. A command may enter one environment, not several.
    """
    python = provide(*files, **options)
    if not os.path.samefile(sys.prefix, python.parents[1]) or "PYTHONPATH" in os.environ:
        become(Path(__file__).parent, *sys.argv[1:], python=python)


def become(*arguments, python=None):
    """Continue as another program in Python: it gets Ctrl-C and the like itself."""
    command = [str(python or venv_python()), *map(str, arguments)]
    sys.stdout.flush()
    if os.name != "nt":
        os.execve(command[0], command, own_environment())
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # there, a program cannot become another one
    sys.exit(run(*command).returncode)
