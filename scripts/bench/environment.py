"""Make the environment .venv-bench: what .venv has, and what only the measurements need.

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

BENCH = ROOT / ".venv-bench"
REQUIREMENTS = Path(__file__).with_name("requirements.txt")


def packages(environment):
    return next(environment.glob("[Ll]ib/**/site-packages"))


def main(argv=None):
    argparse.ArgumentParser(description=__doc__.splitlines()[0]).parse_args(argv)
    stamp = BENCH / hashlib.sha256(REQUIREMENTS.read_bytes()).hexdigest()[:16]
    if stamp.exists():
        return 0
    venv.create(BENCH, clear=True, with_pip=True)
    # a .pth file names one more folder of packages: PyTorch need not be installed twice
    (packages(BENCH) / "apps.pth").write_text(f"{packages(VENV)}\n", encoding="utf-8")
    python = BENCH / ("Scripts/python.exe" if os.name == "nt" else "bin/python")
    command = [python, "-m", "pip", "--disable-pip-version-check", "install", "-r", REQUIREMENTS]
    if subprocess.run(command).returncode:
        sys.exit("What the measurements need could not be installed; pip says why above.")
    stamp.touch()
    return 0


if __name__ == "__main__":
    sys.exit(main())
