"""What the programs for container images share: the engine, and each image's name and tag.

Needs nothing but Python.
"""

import contextlib
import hashlib
import os
import re
import shlex
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from apps import find_app

INSTALL = "Install Docker Desktop (https://docs.docker.com/get-started/get-docker/) or Podman"
# what Docker's builder would add on its own makes a list of images, which Serve refuses; and
# Podman's own image format has no place for a health check
ENVIRONMENT = {"BUILDX_NO_DEFAULT_ATTESTATIONS": "1", "BUILDAH_FORMAT": "docker"}
REFERENCE = re.compile(r"([a-z0-9.-]+(:\d+)?/)?[a-z0-9]+([._/-]+[a-z0-9]+)*")
TAG = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,127}")


def find_engine():
    """Return the command of an engine that runs, as a list, or end with what to install."""
    chosen = os.environ.get("DOCKER")
    candidates = [shlex.split(chosen)] if chosen else [["docker"], ["podman"]]
    installed = [command for command in candidates if shutil.which(command[0])]
    for command in installed:
        if not subprocess.run([*command, "info"], capture_output=True).returncode:
            return command
    if not installed:
        sys.exit(f"There is no {chosen or 'docker and no podman'} here.\n{INSTALL}, and try again.")
    name = installed[0][0]
    sys.exit(
        f"{name} is installed, but its engine does not answer.\n"
        "Start Docker Desktop, or on Linux: sudo systemctl start docker, and see that you may use"
        f" it: `{name} info` says more."
    )


def engine_run(engine, *arguments, **options):
    """Run one command of the engine and return the finished process."""
    environment = {**os.environ, **ENVIRONMENT}
    return subprocess.run([*engine, *map(str, arguments)], env=environment, **options)


def ask(engine, *arguments):
    """Return what a command of the engine prints, or None if it fails."""
    ended = engine_run(engine, *arguments, capture_output=True, text=True)
    return None if ended.returncode else ended.stdout.strip()


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
    """Return a tag made from all that the image is built from: same tree, same tag."""
    digest = hashlib.sha256(repr(sorted(build_arguments(app).items())).encode())
    for file in sorted(app.folder.rglob("*")):
        name = file.relative_to(app.folder).as_posix()
        passing = re.search(r"(^|/)(__pycache__|\.gradio|\.venv|\.download-.*)(/|$)", name)
        other_step = app.is_step and name.endswith("_app.py") and file != app.file
        if file.is_file() and not passing and not other_step:
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
            "IMAGE=ghcr.io/owner/name: small letters, digits, and . _ - between; the tag is TAG=."
        )
    if tag == "latest":
        sys.exit(
            "SciLifeLab Serve would go on with an older image of the tag latest.\n"
            "Set TAG=v1, next time TAG=v2; or leave TAG out, and one is made from the files."
        )
    if tag and not TAG.fullmatch(tag):
        sys.exit(f'"{tag}" cannot be a tag. Take letters, digits, and . _ - such as TAG=v1.')


def image_name(app, image="", tag=""):
    """Return the name:tag of an app's image; by default, its own name and `tree_tag`."""
    return f"{image or app.name.lower()}:{tag or tree_tag(app)}"


def require_image(engine, app, name, tag=""):
    """End the program if there is no image `name`; `tag` is the one that was asked for."""
    if ask(engine, "image", "inspect", name) is None:
        own = f" TAG={tag}" if tag else ""
        sys.exit(
            f"There is no image {name} yet, or the files have changed since it was built.\n"
            f"Build it: make docker APP={app.name}{own}"
        )


def parse_arguments(parser, argv):
    """Return the parsed arguments, with an image name and a tag that can be."""
    parser.add_argument("app", help="its name, as in `make list`")
    parser.add_argument("--image", default="", help="the image's name (default: the app's)")
    parser.add_argument("--tag", default="", help="its tag (default: made from the files)")
    options = parser.parse_args(argv)
    require_possible(options.image, options.tag)
    return options
