"""Remove the environments and the caches. Weights stay."""

import shutil

from apps import ROOT

MADE = (".venv*", ".*_cache", ".hypothesis", ".gradio", "site", "**/__pycache__")


def main():
    for pattern in MADE:
        for folder in [*ROOT.glob(pattern)]:
            shutil.rmtree(folder, ignore_errors=True)
    print("Removed .venv and the caches. Weights in data/ stay.")
