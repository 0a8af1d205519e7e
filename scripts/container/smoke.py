"""Try the container image of an app: as SciLifeLab Serve runs it, and by its own entry point.

As on Serve: the start script in a shell, user and group 1000, no capabilities, no new privileges,
2 CPUs, 4 GiB of memory; and stricter, a file system that cannot be written but for /tmp. Then once
by its own entry point, and with no network at all.
"""

import argparse
import contextlib
import json
import os
import shlex
import subprocess
import sys
import tempfile
import time
import uuid
from pathlib import Path

from container import images
from smoke import Failed, check_over_http, free_port, report

SCRIPTS = Path(__file__).resolve().parent.parent
HEALTHY_S, STOP_S = 120, 5
SERVE = [
    *["--user", "1000:1000", "--cap-drop", "ALL", "--security-opt", "no-new-privileges"],
    *["--cpus", "2", "--memory", "4g", "--read-only", "--tmpfs", "/tmp"],
]
START_SCRIPT = ["-c", "./start-script.sh;"]
# an engine may need more, such as --cgroups=enabled
MORE = shlex.split(os.environ.get("DOCKER_RUN_OPTIONS", ""))


class Container:
    """A running container, as the engine's commands see it."""

    def __init__(self, engine, image, options, command=()):
        self.engine, self.image = engine, image
        self.name = f"smoke-{uuid.uuid4().hex[:12]}"
        started = self.call("run", "--detach", "--name", self.name, *options, image, *command)
        if started.returncode:
            raise Failed(started.stderr.strip())

    def call(self, *arguments, **options):
        return images.engine_run(
            self.engine, *arguments, **{"capture_output": True, "text": True, **options}
        )

    def run_inside(self, *command):
        return self.call("exec", self.name, *command)

    def inspect(self, template):
        return images.ask(self.engine, "inspect", "--format", template, self.name)

    def printed(self):
        logs = self.call("logs", self.name)
        return logs.stdout + logs.stderr


@contextlib.contextmanager
def running(*arguments):
    container = Container(*arguments)
    try:
        yield container
    finally:
        container.call("rm", "--force", "--volumes", container.name)


def check_healthy(container):
    """Run the image's own health check until it passes, as an engine does from time to time."""
    image = json.loads(images.ask(container.engine, "image", "inspect", container.image))[0]
    # Docker and Podman have it in different places
    test = (image["Config"].get("Healthcheck") or image.get("Healthcheck") or {}).get("Test")
    if not test or test[0] == "NONE":
        raise Failed("the image has no health check")
    command = test[1:] if test[0] == "CMD" else ["/bin/sh", "-c", test[1]]
    deadline = time.monotonic() + HEALTHY_S
    while time.monotonic() < deadline:
        if not container.run_inside(*command).returncode:
            return
        if container.inspect("{{.State.Running}}") != "true":
            raise Failed(f"it ended on its own: {container.printed().strip()[-500:]}")
        time.sleep(0.5)
    raise Failed(f"not healthy in {HEALTHY_S} s: {container.printed().strip()[-500:]}")


def check_user(container):
    ids = [container.run_inside("id", flag).stdout.strip() for flag in ("-u", "-g")]
    if ids != ["1000", "1000"]:
        raise Failed(f"user and group are {' and '.join(ids)}")
    return "user and group 1000"


def check_confined(container):
    """Check that Serve's limits were in force, or the other checks would show nothing."""
    status = container.run_inside("cat", "/proc/1/status").stdout
    values = dict(line.split(":\t", 1) for line in status.splitlines() if ":\t" in line)
    if int(values["CapEff"], 16) or int(values["CapBnd"], 16) or values["NoNewPrivs"] != "1":
        raise Failed("it has capabilities, or may get new privileges")
    if not container.run_inside("touch", "here").returncode:
        raise Failed("it can write outside /tmp")
    files = "/sys/fs/cgroup/memory.max /sys/fs/cgroup/memory/memory.limit_in_bytes"
    limit = container.run_inside("sh", "-c", f"cat {files} 2>/dev/null").stdout.strip()
    if limit == str(4 * 2**30):
        return "no capabilities, nothing to write to but /tmp, 4 GiB"
    return "no capabilities, nothing to write to but /tmp; this engine does NOT limit memory"


def check_memory(container):
    """Return the most memory that the app's processes have used."""
    status = container.run_inside("sh", "-c", "cat /proc/[0-9]*/status").stdout.splitlines()
    peak = sum(int(line.split()[1]) for line in status if line.startswith("VmHWM"))
    if peak > 4 * 2**20:
        raise Failed(f"it has used {peak // 1024} MiB, and Serve ends it at 4096")
    return f"{peak // 1024} MiB at most"


def check_stops(container):
    start = time.monotonic()
    container.call("stop", "--time", "10", container.name)
    seconds = time.monotonic() - start
    status = container.inspect("{{.State.ExitCode}}")
    if seconds > STOP_S or status not in ("0", "143"):
        raise Failed(f"it took {seconds:.1f} s and ended with status {status}")
    if "Traceback" in container.printed():
        raise Failed(f"it printed: {container.printed()[-500:]}")
    return f"status {status}"


def check_packages(engine, image):
    """Check that no package for graphics cards is inside a build for the CPU."""
    listed = images.ask(
        engine, "run", "--rm", "--entrypoint", "pip", image, "list", "--format=freeze"
    )
    if listed is None:
        raise Failed("pip list does not run in it")
    packages = listed.splitlines()
    torch = next((line for line in packages if line.startswith("torch==")), None)
    cuda = [line for line in packages if line.startswith("nvidia-")]
    if not torch:
        return f"{len(packages)} packages, no torch"
    if "+cpu" in torch and cuda:
        raise Failed(f"{torch} is for the CPU, but these came along: {', '.join(cuda)}")
    if cuda:
        return f"{torch} with {len(cuda)} packages for graphics cards: PyTorch's index was not used"
    return f"{torch}, nothing for graphics cards"


def check_inside(container, app):
    """Call the app from inside the container; there the image's own Python has all it needs."""
    container.call("cp", f"{SCRIPTS}/.", f"{container.name}:/tmp/scripts", check=True)
    command = ["python", "/tmp/scripts/smoke.py", "main.py", "--url", "http://127.0.0.1:8080"]
    ended = container.run_inside(*command)
    if ended.returncode:
        raise Failed(ended.stdout + ended.stderr)
    return f"{ended.stdout.count('ok  ')} checks"


def smoke_as_on_serve(engine, image, app):
    """Return whether the image passes every check in the way in which Serve runs it."""
    port = free_port()
    options = ["--publish", f"127.0.0.1:{port}:8080", *SERVE, "--entrypoint", "/bin/sh", *MORE]
    with running(engine, image, options, START_SCRIPT) as container:
        if not report(app, "as on Serve: becomes healthy", check_healthy, container):
            return False
        passed = report(app, "as on Serve: is confined", check_confined, container)
        passed &= report(app, "as on Serve: runs as", check_user, container)
        with tempfile.TemporaryDirectory() as folder:
            passed &= check_over_http(app, f"http://127.0.0.1:{port}/", folder)
        passed &= report(app, "as on Serve: memory", check_memory, container)
        return report(app, f"as on Serve: stops in {STOP_S} s", check_stops, container) and passed


def smoke_on_its_own(engine, image, app):
    """Return whether the image passes by its own entry point, and without a network."""
    with running(engine, image, ["--network", "none", *MORE]) as container:
        if not report(app, "no network: becomes healthy", check_healthy, container):
            return False
        passed = report(app, "no network: runs as", check_user, container)
        passed &= report(app, "no network: answers", check_inside, container, app)
        return report(app, f"no network: stops in {STOP_S} s", check_stops, container) and passed


def main(argv=None):
    parser = argparse.ArgumentParser(description="Try the image of an app as Serve runs it.")
    options = images.parse_arguments(parser, argv)
    with images.app_to_package(options.app) as app:
        engine = images.find_engine()
        image = images.image_name(app, options.image, options.tag)
    images.require_image(engine, app, image, options.tag)
    print(f"      {app.name}: {image}", flush=True)
    passed = report(app, "packages", check_packages, engine, image)
    for smoke in (smoke_as_on_serve, smoke_on_its_own):
        try:
            passed &= smoke(engine, image, app)
        except Failed as error:
            print(f"FAIL  {app.name}: does not start: {error}")
            passed = False
    if not passed:
        sys.exit(f"Failed: {image}")
    print(f"All is well: SciLifeLab Serve can run {image}")


if __name__ == "__main__":
    try:
        main()
    except (KeyboardInterrupt, subprocess.CalledProcessError) as error:
        sys.exit(f"Stopped. {error}")
