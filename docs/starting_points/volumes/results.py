"""Save the number for a volume as a CSV file, with what it was calculated from."""

import tempfile
from pathlib import Path

import safe_csv
from version import with_version


def save(volume, name, number, file, uploads):
    """Return the path of a CSV file in the folder `uploads`; `name` is that of the number."""
    row = {"file": Path(file).name, name: number, "kind": volume.kind, "stored": volume.stored}
    row |= {f"voxels_{axis}": n for axis, n in zip("xyz", volume.shape, strict=True)}
    row |= {f"mm_{axis}": n for axis, n in zip("xyz", volume.mm, strict=True)}
    row |= {"notes": " ".join(volume.notes)}
    path = Path(tempfile.mkdtemp(dir=uploads), "result.csv")
    safe_csv.write(path, with_version([row.keys(), row.values()]))
    return str(path)
