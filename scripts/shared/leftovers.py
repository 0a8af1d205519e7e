"""What file managers, Jupyter and ZIP programs leave behind in folders of images."""

import os
from pathlib import Path

# of macOS, Windows, network drives and disks; in lower case
NAMES = {"__macosx", "icon\r", "network trash folder", "temporary items"}
NAMES |= {"thumbs.db", "ehthumbs.db", "ehthumbs_vista.db", "desktop.ini", "picasa.ini"}
NAMES |= {"$recycle.bin", "system volume information", "@eadir", "#recycle", "lost+found"}


def is_leftover(name):
    """Tell by its name whether a file or folder is hidden, or was left behind by a program."""
    hidden = name.startswith(".") and name.strip(".")  # but . and .. are places
    return bool(hidden) or name.lower() in NAMES or name.startswith("~$")


def files_below(folder, links=False):
    """Yield the files in a folder and in those below it, without what programs left behind.

    With `links`, also those in folders to which a link leads.
    """
    for place, folders, files in os.walk(folder, followlinks=links):
        folders[:] = sorted(name for name in folders if not is_leftover(name))
        yield from (Path(place, name) for name in sorted(files) if not is_leftover(name))
