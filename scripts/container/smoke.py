"""Try the container image of an app: as SciLifeLab Serve runs it, and by its own entry point.

As on Serve: the start script in a shell, user and group 1000, no capabilities, no new privileges,
2 CPUs, 4 GiB of memory; and stricter, a file system that cannot be written but for /tmp. Then once
by its own entry point, and with no network at all.
"""

import sys
import tempfile
from pathlib import Path

from container import engine, images
from container.engine import Container
from origin import GALLERY, NOTE
from server import Failed, free_port
from smoke import check_over_http, report

SCRIPTS = Path(__file__).resolve().parent.parent
STOP_S = 10  # what Docker waits for an app to end; Kubernetes waits 30 s
SERVE = [
    *["--user", "1000:1000", "--cap-drop", "ALL", "--security-opt", "no-new-privileges"],
    *["--cpus", "2", "--memory", "4g", "--read-only", "--tmpfs", "/tmp"],
]
START_SCRIPT = ["-c", "./start-script.sh;"]


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
    container.call("stop", "--time", str(STOP_S), container.name)
    status = container.inspect("{{.State.ExitCode}}")
    if status not in ("0", "143"):
        raise Failed(f"it ended with status {status}" + ", so it was killed" * (status == "137"))
    if "Traceback" in container.printed():
        raise Failed(f"it printed: {container.printed()[-500:]}")
    return f"status {status}"


def check_packages(command, image):
    """Check that no package for graphics cards is inside a build for the CPU."""
    words = ["run", "--rm", "--entrypoint", "pip", image, "list", "--format=freeze"]
    listed = engine.ask(command, *words)
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


def check_labels(command, image, app):
    """Check that the image of a copy does not say that its code is in the gallery."""
    template = '{{index .Config.Labels "org.opencontainers.image.source"}}'
    source = engine.ask(command, "image", "inspect", "--format", template, image)
    if source == GALLERY and (app.folder / NOTE).exists():
        raise Failed(
            "they say that its code is in the gallery: write ARG SOURCE=https://... of yours"
        )
    return source or "no address of its code: the workflow publish, or ARG SOURCE=, gives one"


def check_inside(container, app):
    """Call the app from inside the container; there the image's own Python has all it needs."""
    container.call("cp", f"{SCRIPTS}/.", f"{container.name}:/tmp/scripts", check=True)
    command = ["python", "/tmp/scripts/smoke.py", "main.py", "--url", "http://127.0.0.1:8080"]
    ended = container.run_inside(*command)
    if ended.returncode:
        raise Failed(ended.stdout + ended.stderr)
    return f"{ended.stdout.count('ok  ')} checks"


def smoke_as_on_serve(command, image, app):
    """Return whether the image passes every check in the way in which Serve runs it."""
    port = free_port()
    options = ["--publish", f"127.0.0.1:{port}:8080", *SERVE, "--entrypoint", "/bin/sh"]
    with Container(command, image, options, START_SCRIPT) as container:
        if not report(app, "as on Serve: becomes healthy", Container.wait_until_healthy, container):
            return False
        passed = report(app, "as on Serve: is confined", check_confined, container)
        passed &= report(app, "as on Serve: runs as", check_user, container)
        with tempfile.TemporaryDirectory() as folder:
            url = f"http://127.0.0.1:{port}/"
            passed &= check_over_http(app, url, folder, container.printed)
        passed &= report(app, "as on Serve: memory", check_memory, container)
        return report(app, f"as on Serve: stops in {STOP_S} s", check_stops, container) and passed


def smoke_on_its_own(command, image, app):
    """Return whether the image passes by its own entry point, and without a network."""
    with Container(command, image, ["--network", "none"]) as container:
        if not report(app, "no network: becomes healthy", Container.wait_until_healthy, container):
            return False
        passed = report(app, "no network: runs as", check_user, container)
        passed &= report(app, "no network: answers", check_inside, container, app)
        return report(app, f"no network: stops in {STOP_S} s", check_stops, container) and passed


def main(name, image, tag):
    command, app, built = images.find_built(name, image, tag)
    print(f"      {app.name}: {built}", flush=True)
    passed = report(app, "packages", check_packages, command, built)
    passed &= report(app, "labels", check_labels, command, built, app)
    for smoke in (smoke_as_on_serve, smoke_on_its_own):
        try:
            passed &= smoke(command, built, app)
        except Failed as error:
            print(f"FAIL  {app.name}: does not start: {error}")
            passed = False
    if not passed:
        sys.exit(f"Failed: {built}")
    print(f"All is well: SciLifeLab Serve can run {built}")
