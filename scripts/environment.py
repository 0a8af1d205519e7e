"""Make an environment such as .venv-bench: what .venv has, and what only some commands need.

.venv itself stays as the apps need it.
"""

import argparse
import hashlib
import os
import subprocess
import sys
import venv
from pathlib import Path

from apps import ROOT
from install import VENV


def packages(environment):
    return next(environment.glob("[Ll]ib/**/site-packages"))


def main(argv=None):
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("name", choices=["bench", "scale"], help="of a folder beside this file")
    name = parser.parse_args(argv).name
    folder = ROOT / f".venv-{name}"
    requirements = Path(__file__).parent / name / "requirements.txt"
    stamp = folder / hashlib.sha256(requirements.read_bytes()).hexdigest()[:16]
    if stamp.exists():
        return 0
    what = requirements.read_text(encoding="utf-8").splitlines()[0].removeprefix("# ")
    print(f"Making the environment {folder.name}. {what}", flush=True)
    venv.create(folder, clear=True, with_pip=True)
    # a .pth file names one more folder of packages: PyTorch need not be installed twice
    (packages(folder) / "apps.pth").write_text(f"{packages(VENV)}\n", encoding="utf-8")
    python = folder / ("Scripts/python.exe" if os.name == "nt" else "bin/python")
    command = [python, "-m", "pip", "--disable-pip-version-check", "install", "-r", requirements]
    if subprocess.run(command).returncode:
        sys.exit(f"What `{name}` needs could not be installed; pip says why above.")
    stamp.touch()
    return 0


if __name__ == "__main__":
    sys.exit(main())
