"""Run one command of the gallery, such as: python scripts run APP=sepia

`make run APP=sepia` does just this, so whatever make can do works without make too. Each command
is one or more of the programs beside this file, started in turn. Needs nothing but Python 3.10.
"""

import os
import re
import shlex
import signal
import subprocess
import sys
from pathlib import Path

SCRIPTS = Path(__file__).resolve().parent
BENCH = ("install --app resnet", "environment bench")
# one after the other: an app, and Ray in an environment of its own
SCALE = ("install --app {APP}", "environment scale")
TEST_TOOLS = ("install tests/requirements.txt", ".venv maintain.browser")
PYTEST = ".venv pytest -n 2 --dist loadfile --no-loadscope-reorder"  # two files of tests at a time
ALL = "not recipes and not long and not training and not scale"
MARKS = {"ALL": ALL, "QUICK": f"not slow and {ALL}"}  # which tests
IMAGE = "{APP} --image={IMAGE} --tag={TAG}"

# what each command runs: a program here, with this Python or with that of an environment (.venv)
COMMANDS = {
    "list": ("apps", "recipes"),
    "run": (
        "install --app {APP}",
        ".venv model {APP} --if-missing",
        ".venv run {APP} --host {HOST} --port {PORT}",
    ),
    "gallery": (
        "gallery.assemble --install",
        ".venv gallery.serve --host {HOST} --port {PORT}",
    ),
    "new": ("new --from={FROM} --with={WITH} -- {NAME}",),
    "model": ("install --app {APP} --only pooch,requests,tqdm", ".venv model {APP}"),
    "train": ("train {APP} {ARGS}",),
    "smoke": ("install --app {APP}", ".venv smoke {APP}"),
    "expect": ("install --app {APP}", ".venv expect {APP} {ARGS}"),
    "verify": (
        "install example_apps/requirements.txt",
        ".venv verify {APP} --url={URL}",
    ),
    "check": (f"check {IMAGE} {{ARGS}}",),
    "docker": (f"container.build {IMAGE}",),
    "docker-run": (f"container.run {IMAGE} --host {{HOST}} --port {{PORT}}",),
    "docker-smoke": (
        "install example_apps/requirements.txt",
        f".venv container.smoke {IMAGE}",
    ),
    "docker-push": (f"container.push {IMAGE}",),
    "test": (*TEST_TOOLS, f"{PYTEST} -m {{ALL}} {{ARGS}}"),
    "test-quick": (*TEST_TOOLS, f"{PYTEST} -m {{QUICK}} {{ARGS}}"),
    "test-long": (*TEST_TOOLS, f"{PYTEST} -m long {{ARGS}}"),
    "test-scale": (*TEST_TOOLS, "environment scale", f"{PYTEST} -m scale {{ARGS}}"),
    "test-recipes": (*TEST_TOOLS, f"{PYTEST} -m recipes {{ARGS}}"),
    "test-train": (*TEST_TOOLS, f"{PYTEST} -m training {{ARGS}}"),
    "fuzz": (
        *TEST_TOOLS,
        f"{PYTEST} tests/test_fuzz.py --hypothesis-profile=long --timeout=3600 {{ARGS}}",
    ),
    "bench": (*BENCH, ".venv-bench bench.measure {ARGS}"),
    "bench-memory": (*BENCH, ".venv-bench bench.memory {ARGS}"),
    "bench-scale": (
        *BENCH,
        "environment scale",
        ".venv-bench scale.measure {ARGS}",
        ".venv-bench scale.report",
    ),
    "load": (
        *BENCH,
        ".venv-bench bench.load {APP} --users={USERS} --seconds={SECONDS}",
    ),
    "scale": (
        *SCALE,
        ".venv-scale model {APP} --if-missing",
        ".venv-scale scale.page {APP} --replicas={REPLICAS} --host {HOST} --port {PORT}",
    ),
    "classify": (
        *SCALE,
        ".venv-scale model {APP} --if-missing",
        ".venv-scale scale.classify {APP} {IN} {OUT}",
    ),
    "lint": ("install tests/requirements-lint.txt", ".venv maintain.lint"),
    "constraints": (*TEST_TOOLS[:1], ".venv maintain.constraints"),
    "audit": (
        "install --app resnet tests/requirements-audit.txt",
        ".venv maintain.audit",
    ),
    "sync": ("maintain.sync --from={FROM}",),
    "workshop": ("maintain.workshop {ARGS}",),
    "site": (
        "install scripts/website/requirements.txt",
        ".venv website.build --port {PORT} {ARGS}",
    ),
    "screenshots": (*TEST_TOOLS, ".venv maintain.screenshots {ARGS}"),
    "clean": ("maintain.clean",),
}
DEFAULTS = {"APP": "", "HOST": "127.0.0.1", "PORT": "8080", "NAME": "", "FROM": "", "IMAGE": ""}
DEFAULTS |= {"USERS": "50", "SECONDS": "60", "TAG": "", "ARGS": "", "DOCKER": "", "TORCH_INDEX": ""}
DEFAULTS |= {"WITH": "", "URL": "", "REPLICAS": "2", "IN": "", "OUT": "", "RAY_ADDRESS": ""}
HELP = """\
make list                    the apps and the recipes: name, file, what for
make run APP=sepia           start an app, then open http://localhost:8080
     PORT=9000               on another port
     HOST=0.0.0.0            open to everyone in your network
make gallery                 one page with all apps, at http://localhost:8080
make new NAME=leaf_disease FROM=resnet
                             make a folder for your own app; FROM=hello for a bare start
     WITH=many_images,not_sure
                             with recipes; `make list` names them, and more to begin with
make model APP=resnet        fetch the weights of an app, nothing else
make train APP=flower        train the model of an app that has a train_model.py
     ARGS=--help             what can be set: epochs, folder of the data, ...
make smoke APP=sepia         start an app, call it as a client would, check the response
     APP=all                 the same for every app
make expect APP=resnet       look at its predictions for the images in data/ and keep them
make verify APP=resnet URL=https://my-app.serve.scilifelab.se
                             does the hosted page give these predictions?
make check APP=resnet        will SciLifeLab Serve run it? read from its files, no Docker needed
     APP=all                 the same for every app
make docker APP=resnet       build the container image of an app (fetches its weights)
make docker-run APP=resnet   run it, then open http://localhost:8080
make docker-smoke APP=resnet try it as SciLifeLab Serve will run it
make docker-push APP=resnet IMAGE=user/name
                             publish it on Docker Hub (ghcr.io/owner/name: on GitHub)
     TAG=v1                  a tag of your own; DOCKER=podman another engine
make test                    test everything (the first time, it installs what it needs)
make test-quick              the quick part
make test-long               what takes several minutes more, such as an image of several GB
make test-recipes            the recipes whole, in some minutes
make test-train              a whole training run, on small made-up data
make test-scale              several copies, several machines, in some minutes
make fuzz                    10,000 damaged images, in about 15 minutes
make bench                   measure how fast the apps respond, into docs/bench (15 minutes)
make bench-memory            the memory and rate of 10,000 predictions
make bench-scale             the same for `make scale` and `make classify` (20 minutes)
make load APP=resnet         let 50 users use an app for a minute and check their responses
     USERS=200 SECONDS=60    more of them, or longer
make scale APP=resnet        serve an app with several copies of its model; installs Ray
     REPLICAS=4              at most so many
     RAY_ADDRESS=10.0.0.5:6379
                             on the machines of a Ray cluster
make classify APP=resnet IN=folder OUT=predictions.csv
                             classify a folder of images, or a list (CSV, Parquet) of them
make lint                    check the style of the code
make constraints             take the newest versions of all packages that fit
make audit                   known vulnerabilities and licences of the packages (needs a network)
make sync FROM=resnet        copy a shared change to the other folders
make workshop                refresh the code listings in docs/workshop
make site                    make a site of the texts in docs/
     ARGS=--serve            show it, and keep it up to date while you write
make screenshots             refresh the screenshots in docs/images
make clean                   remove .venv and caches; weights stay

On Windows: .\\make run APP=sepia. Without make: python scripts run APP=sepia."""


def read_settings(words):
    """Return the settings in words such as APP=sepia, or end with a message."""
    settings = dict(DEFAULTS)
    for word in words:
        name, equals, value = word.partition("=")
        if not equals or name not in DEFAULTS:
            sys.exit(f'"{word}" is no setting. Settings look like APP=sepia: {", ".join(DEFAULTS)}')
        settings[name] = value
    for name in ("DOCKER", "TORCH_INDEX", "RAY_ADDRESS"):  # read where they are used
        if settings[name]:
            os.environ[name] = settings[name]
    return settings


def fill_in(step, settings):
    """Return a step as a list of words, each {NAME} replaced by its setting."""
    words = []
    for word in step.split():
        if word == "{ARGS}":  # several words, or none
            windows = os.name == "nt"  # where a backslash belongs to a path
            options = shlex.split(settings["ARGS"], posix=not windows)
            words += [option.strip('"') for option in options] if windows else options
        else:
            words.append(re.sub(r"\{(\w+)\}", lambda match: settings[match[1]], word))
    return words


def call(python, module, *arguments):
    """Run a module with a Python, and return its status; programs here find each other."""
    here = f"sys.path[0] = {str(SCRIPTS)!r}" if module != "pytest" else "sys.path.pop(0)"
    code = f"import runpy, sys; {here}; runpy.run_module({module!r}, None, '__main__', True)"
    process = subprocess.Popen([python, "-c", code, *arguments], cwd=SCRIPTS.parent)
    signal.signal(signal.SIGTERM, lambda *_: process.terminate())
    while True:
        try:
            return process.wait()
        except KeyboardInterrupt:
            pass  # Ctrl-C has reached the program as well, which then ends on its own


def main():
    command, *words = sys.argv[1:] or ["help"]
    if command in ("help", "--help", "-h"):
        print(HELP)
        return 0
    if command not in COMMANDS:
        sys.exit(f'There is no command "{command}". There are: {", ".join(COMMANDS)}')
    settings = {**read_settings(words), **MARKS}
    for step in COMMANDS[command]:
        module, *arguments = fill_in(step, settings)
        python = sys.executable
        if module.startswith(".venv"):
            bin_folder = SCRIPTS.parent / module / ("Scripts" if os.name == "nt" else "bin")
            python = str(bin_folder / ("python.exe" if os.name == "nt" else "python"))
            module, *arguments = arguments
        if status := call(python, module, *arguments):
            return status if status > 0 else 128 - status  # ended by a signal
    return 0


if __name__ == "__main__":
    sys.exit(main())
