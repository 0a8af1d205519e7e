"""Look for known vulnerabilities and unusual licences among the apps' packages.

pip-audit queries PyPI's database of known vulnerabilities and needs a network; pip-licenses reads
what is installed.
"""

import subprocess
import sys

from apps import ROOT

# what the packages of the apps say of themselves; any other licence has to be checked by hand
FOLDERS = ("resnet_image_classification", "example_apps")  # the others need no more than these
LICENCES = "MIT;BSD;Apache;PSF;Python Software Foundation;ISC;MPL;Mozilla;HPND;CC0;Unlicense;Zlib"


def run(module, *arguments):
    return subprocess.run([sys.executable, "-m", module, *arguments], cwd=ROOT).returncode


def main():
    failed = 0
    names = set()
    for folder in FOLDERS:
        print(f"\n{folder}/constraints.txt: known vulnerabilities", flush=True)
        file = ROOT / folder / "constraints.txt"
        names |= {line.split("==")[0] for line in file.read_text(encoding="utf-8").splitlines()}
        failed += bool(run("pip_audit", "--disable-pip", "--no-deps", "-r", str(file)))
    print("\nLicences of what is installed in .venv", flush=True)
    options = ("--order=license", "--partial-match", f"--allow-only={LICENCES}")
    failed += bool(run("piplicenses", *options, "--packages", *sorted(names)))
    if failed:
        sys.exit("\nSomething was found, or the database did not respond: see above.")
