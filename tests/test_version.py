"""Each prediction can be traced to the app and the weights that made it."""

import hashlib
import shutil
import subprocess
import sys

from apps import WEIGHTS
from conftest import ROOT, import_file


def version_of(folder):
    command = [sys.executable, "-c", "import version; print(version.version())"]
    ended = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=60)
    return ended.stdout.strip()


def test_the_version_changes_with_the_code_that_runs_and_with_the_weights(classifier, tmp_path):
    folder = shutil.copytree(classifier("resnet").folder, tmp_path / "app")
    (folder / "data" / "image_classification_resnet18.pth").write_bytes(b"weights")
    before = version_of(folder)
    model = before.split(", ")[1]
    assert model == f"model {hashlib.sha256(b'weights').hexdigest()[:8]}"
    (folder / "train_model.py").write_text("# is not imported")
    main = folder / "main.py"
    main.write_bytes(main.read_bytes().replace(b"\n", b"\r\n"))  # as Git may write it on Windows
    assert version_of(folder) == before
    (folder / "network").mkdir()
    (folder / "network" / "layers.py").write_text("")
    (folder / "image.py").write_text("import os, network\n" + (folder / "image.py").read_text())
    before = version_of(folder)
    # image.py imports the first two
    for name in ("pixels.py", "network/layers.py", "data/labels.txt"):
        with open(folder / name, "a") as file:
            file.write("# another line\n")
        assert version_of(folder) != before
        assert version_of(folder).endswith(model)
        before = version_of(folder)
    (folder / "data" / "image_classification_resnet18.pth").write_bytes(b"others")
    assert not version_of(folder).endswith(model)
    assert version_of(ROOT / "example_apps") == ""  # steps of the workshop


def test_what_is_taken_for_weights_has_a_digest():
    """version.py is copied without apps.py, so it has a list of its own."""
    assert {*WEIGHTS} <= {*import_file(ROOT / "scripts" / "bare" / "version.py").WEIGHTS}
