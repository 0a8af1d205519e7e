"""Remove the environment and the caches. Weights stay."""

import shutil

from apps import ROOT

CACHES = (
    ".venv",
    ".venv-bench",
    ".venv-scale",
    ".pytest_cache",
    ".hypothesis",
    ".ruff_cache",
    ".gradio",
    "site",
)


def main():
    for folder in (*(ROOT / name for name in CACHES), *ROOT.rglob("__pycache__")):
        shutil.rmtree(folder, ignore_errors=True)
    print("Removed .venv and the caches. Weights in data/ stay.")
