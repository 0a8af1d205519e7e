"""Docker or Podman: which of them there is, its commands, and a running container."""

import json
import os
import shlex
import shutil
import subprocess
import sys
import tempfile
import time
import uuid

from server import Failed

INSTALL = "Install Docker Desktop (https://docs.docker.com/get-started/get-docker/) or Podman"
# what Docker's builder would add on its own makes a list of images, which Serve refuses; and
# Podman's own image format has no place for a health check
ENVIRONMENT = {"BUILDX_NO_DEFAULT_ATTESTATIONS": "1", "BUILDAH_FORMAT": "docker"}
# an engine may need more to run a container, such as --cgroups=enabled
MORE = shlex.split(os.environ.get("DOCKER_RUN_OPTIONS", ""))
HEALTHY_S = 120


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
        f"{name} is installed, but its engine does not respond.\n"
        "Start Docker Desktop, or on Linux: sudo systemctl start docker, and see that you may use"
        f" it: `{name} info` says more."
    )


def call(engine, *arguments, **options):
    """Run one command of the engine and return the finished process."""
    options = {"env": {**os.environ, **ENVIRONMENT}, **options}
    # Podman may leave a file where it is called
    return subprocess.run([*engine, *map(str, arguments)], cwd=tempfile.gettempdir(), **options)


def ask(engine, *arguments):
    """Return what a command of the engine prints, or None if it fails."""
    ended = call(engine, *arguments, capture_output=True, text=True)
    return None if ended.returncode else ended.stdout.strip()


class Container:
    """A container that runs in the background until the end of a `with` statement."""

    def __init__(self, engine, image, options=(), command=()):
        self.engine, self.image = engine, image
        self.name = f"smoke-{uuid.uuid4().hex[:12]}"
        started = self.call("run", "-d", "--name", self.name, *MORE, *options, image, *command)
        if started.returncode:
            raise Failed(started.stderr.strip())

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.call("rm", "--force", "--volumes", self.name)

    def call(self, *arguments, **options):
        return call(self.engine, *arguments, capture_output=True, text=True, **options)

    def run_inside(self, *command):
        return self.call("exec", self.name, *command)

    def inspect(self, template):
        return ask(self.engine, "inspect", "--format", template, self.name)

    def printed(self):
        logs = self.call("logs", self.name)
        return logs.stdout + logs.stderr

    def wait_until_healthy(self):
        """Run the image's own health check until it passes, as an engine does from time to time."""
        image = json.loads(ask(self.engine, "image", "inspect", self.image))[0]
        # Docker and Podman have it in different places
        test = (image["Config"].get("Healthcheck") or image.get("Healthcheck") or {}).get("Test")
        if not test or test[0] == "NONE":
            raise Failed("the image has no health check")
        command = test[1:] if test[0] == "CMD" else ["/bin/sh", "-c", test[1]]
        deadline = time.monotonic() + HEALTHY_S
        while time.monotonic() < deadline:
            if not self.run_inside(*command).returncode:
                return
            if self.inspect("{{.State.Running}}") != "true":
                raise Failed(f"it ended on its own: {self.printed().strip()[-500:]}")
            time.sleep(0.5)
        raise Failed(f"not healthy in {HEALTHY_S} s: {self.printed().strip()[-500:]}")
