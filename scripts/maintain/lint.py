"""Check the style of the code and the form of GitHub's workflows."""

import subprocess
import sys
from pathlib import Path

from apps import ROOT


def main():
    github = ROOT / ".github"
    commands = (
        ["ruff", "check", "."],
        ["ruff", "format", "--check", "."],
        ["check-jsonschema", "--builtin-schema", "vendor.github-workflows"]
        + sorted(map(str, github.glob("workflows/*.yml"))),
        ["check-jsonschema", "--builtin-schema", "vendor.dependabot", f"{github}/dependabot.yml"],
        ["zizmor", "--offline", "--quiet", f"{github}"],
    )
    for program, *arguments in commands:
        program = Path(sys.executable).with_name(program)
        status = subprocess.run([program, *arguments], cwd=ROOT).returncode
        if status:
            return status
    return 0
