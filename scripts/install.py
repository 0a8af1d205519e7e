"""Make the environment `.venv` and install into it what an app needs, and no more.

What is there already is not looked at again, so a second start takes no time. Needs nothing but
Python 3.10 or later.
"""

import argparse
import hashlib
import os
import platform
import re
import shutil
import subprocess
import sys
import urllib.error
import urllib.request
from pathlib import Path

from apps import ROOT, find_app, find_apps

VENV = ROOT / ".venv"
STAMPS = VENV / "installed"
# PyTorch's own index has builds without CUDA: 200 MB instead of several GB
TORCH_INDEX = os.environ.get("TORCH_INDEX", "https://download.pytorch.org/whl/cpu")


def venv_python():
    return VENV / ("Scripts/python.exe" if os.name == "nt" else "bin/python")


def make_venv():
    """Create `.venv`, or end the program with a message that says what is missing."""
    print("Making the environment .venv ...", flush=True)
    command = [sys.executable, "-m", "venv", "--clear", str(VENV)]
    made = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    if made.returncode:
        shutil.rmtree(VENV, ignore_errors=True)
        if "ensurepip" in made.stdout or "No module named venv" in made.stdout:
            sys.exit(
                "This Python cannot make environments: its venv module is not whole.\n"
                "On Debian and Ubuntu: sudo apt install python3-venv"
            )
        sys.exit("The environment .venv could not be made:\n" + made.stdout.strip())


def has_pip():
    command = [str(venv_python()), "-c", "import pip._internal"]
    return not subprocess.run(command, stderr=subprocess.DEVNULL).returncode


def pip(*arguments):
    command = [str(venv_python()), "-m", "pip", "--disable-pip-version-check", *arguments]
    if subprocess.run(command).returncode:
        sys.exit(
            "\nThe packages could not be installed; pip says why in the lines above.\n"
            "Without a network, or behind a proxy, see the README. `make clean` starts afresh."
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
        subprocess.run([str(venv_python()), "-m", "ensurepip"])
        if not has_pip():
            make_venv()
    before = installed()
    torch = [line for line in requirements if package_name(line) in ("torch", "torchvision")]
    if torch and platform.system() == "Linux" and TORCH_INDEX:
        if index_responds(TORCH_INDEX):
            # --no-deps: only these packages are looked for there, the others come as always
            pip("install", "--no-deps", "--extra-index-url", TORCH_INDEX, *torch)
        else:
            print(f"PyTorch's own index ({TORCH_INDEX}) does not answer.")
            print("Taking the default build, which brings several GB for graphics cards.")
    print("Installing", ", ".join(package_name(line) for line in requirements), flush=True)
    pip("install", *requirements, *(word for file in constraints for word in ("-c", str(file))))
    if before - installed():  # other versions than before: look again at what others need
        shutil.rmtree(STAMPS, ignore_errors=True)
    STAMPS.mkdir(exist_ok=True)
    stamp.write_text("\n".join(requirements) + "\n", encoding="utf-8")


def main(argv=None):
    parser = argparse.ArgumentParser(description="Install into .venv what an app needs.")
    parser.add_argument("requirements", nargs="*", type=Path, help="a requirements.txt")
    parser.add_argument("--app", help="the app whose requirements.txt to install, or all")
    parser.add_argument("--only", help="packages of these files to install: a,b (default: all)")
    arguments = parser.parse_args(argv)
    files = list(arguments.requirements)
    if arguments.app is not None:
        apps = find_apps() if arguments.app == "all" else [find_app(arguments.app)]
        files += [app.folder / "requirements.txt" for app in apps]
    lines = []
    for file in files:
        if not file.is_file():
            sys.exit(f"{file} is missing. It names the packages to install.")
        lines += requirement_lines(file)
    if arguments.only:
        only = ["-c", *arguments.only.split(",")]
        lines = [line for line in lines if package_name(line) in only]
    if any(not line.startswith("-c ") for line in lines):
        install(list(dict.fromkeys(lines)))


if __name__ == "__main__":
    try:
        main()
    except KeyboardInterrupt:
        sys.exit("\nStopped. The same command continues where it was.")
