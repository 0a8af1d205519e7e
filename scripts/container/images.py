"""Each container image's name and tag. Needs nothing but Python."""

import contextlib
import hashlib
import os
import re
import sys
import tempfile
from pathlib import Path

from apps import find_app
from container import engine
from container.context import files_in_image, read

REFERENCE = re.compile(r"([a-z0-9.-]+(:\d+)?/)?[a-z0-9]+([._/-]+[a-z0-9]+)*")
TAG = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,127}")


@contextlib.contextmanager
def app_to_package(name):
    """Give the app called `name`, and the gallery of all apps as one that is put together."""
    if name != "gallery":
        yield find_app(name)
        return
    from gallery.assemble import assemble

    with tempfile.TemporaryDirectory() as folder:
        yield assemble(Path(folder))


def build_arguments(app):
    """Return the build arguments that make one app's image what it is."""
    arguments = {"APP": app.file.stem.removesuffix("_app")} if app.is_step else {}
    if os.environ.get("TORCH_INDEX"):
        arguments["TORCH_INDEX"] = os.environ["TORCH_INDEX"]
    return arguments


def tree_tag(app):
    """Return a tag made from all that the image is built from: same files, same tag."""
    arguments = build_arguments(app)
    digest = hashlib.sha256(repr(sorted(arguments.items())).encode())
    dockerfile = app.folder / "Dockerfile"
    for file in sorted({dockerfile, *files_in_image(app.folder, read(dockerfile), **arguments)}):
        name = file.relative_to(app.folder).as_posix()
        digest.update(f"{name} {os.access(file, os.X_OK)} {file.stat().st_size}\n".encode())
        with file.open("rb") as stream:
            while block := stream.read(2**20):
                digest.update(block)
    return digest.hexdigest()[:12]


def require_possible(image, tag):
    """End the program with a message if there cannot be an image of this name and tag."""
    if image and not REFERENCE.fullmatch(image):
        sys.exit(
            f'"{image}" cannot be the name of an image. Set IMAGE=user/name for Docker Hub, or\n'
            "IMAGE=ghcr.io/owner/name: lower-case letters, digits and . _ - between. The tag: TAG=."
        )
    if tag == "latest":
        sys.exit(
            "SciLifeLab Serve would keep using an older image with the tag latest.\n"
            "Set TAG=v1, next time TAG=v2; or leave TAG out, and one is made from the files."
        )
    if tag and not TAG.fullmatch(tag):
        sys.exit(f'"{tag}" cannot be a tag. Take letters, digits, and . _ - such as TAG=v1.')


def image_name(app, image="", tag=""):
    """Return the name:tag of an app's image; by default, its own name and `tree_tag`."""
    return f"{image or app.name.lower()}:{tag or tree_tag(app)}"


def require_image(command, app, name, tag=""):
    """End the program if there is no image `name`; `tag` is the one that was asked for."""
    if engine.ask(command, "image", "inspect", name) is None:
        own = f" TAG={tag}" if tag else ""
        sys.exit(
            f"There is no image {name} yet, or the files have changed since it was built.\n"
            f"Build it: make docker APP={app.name}{own}"
        )


def find_built(name, image, tag):
    """Return an engine, an app and the name of its image; end with a message if it is not there."""
    require_possible(image, tag)
    with app_to_package(name) as app:
        command = engine.find_engine()
        built = image_name(app, image, tag)
    require_image(command, app, built, tag)
    return command, app, built
