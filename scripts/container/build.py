"""Build the container image of an app, and say how to try and publish it."""

import argparse
import subprocess
import sys
from pathlib import Path

from container import images

SCRIPTS = Path(__file__).resolve().parent.parent


def fetch_missing_weights(app):
    """Fetch an app's weights if it needs some that are not there."""
    if not (app.folder / "download_model.py").exists() or (app.weights and app.weights.exists()):
        return
    from install import venv_python

    tools = ["--only", "pooch,requests,tqdm"]
    subprocess.run([sys.executable, SCRIPTS / "install.py", "--app", app.name, *tools], check=True)
    command = [venv_python(), SCRIPTS / "model.py", app.name, "--if-missing"]
    if subprocess.run(command).returncode:
        sys.exit("Without the weights there is nothing to package.")


def build(engine, app, name):
    """Build the image called `name`; end the program if that fails."""
    arguments = {**images.build_arguments(app), "VERSION": name.rpartition(":")[2]}
    options = [o for pair in arguments.items() for o in ("--build-arg", "=".join(pair))]
    # Serve's computers are of this kind; those with Apple's own processors are not
    command = ["build", "--platform", "linux/amd64", "--tag", name, *options, app.folder]
    if images.engine_run(engine, *command).returncode:
        sys.exit(f"\nThe image was not built; {engine[0]} says why in the lines above.")


def main(argv=None):
    parser = argparse.ArgumentParser(description="Build the container image of an app.")
    options = images.parse_arguments(parser, argv)
    with images.app_to_package(options.app) as app:
        if not (app.folder / "Dockerfile").exists():
            sys.exit(f"{app.folder.name} has no Dockerfile. Copy one from another app's folder.")
        engine = images.find_engine()
        fetch_missing_weights(app)
        name = images.image_name(app, options.image, options.tag)
        build(engine, app, name)
    size = int(images.ask(engine, "image", "inspect", "--format", "{{.Size}}", name))
    tag = f" TAG={options.tag}" if options.tag else ""
    image = f" IMAGE={options.image}" if options.image else ""
    own = image or f" IMAGE=USER/{name.partition(':')[0]}"
    print(f"\nBuilt {name} ({size / 1e6:,.0f} MB)")
    print(f"Try it:       make docker-run APP={app.name}{image}{tag}")
    print(f"  or:         {engine[0]} run --rm -p 8080:8080 {name}")
    print(f"Check it:     make docker-smoke APP={app.name}{image}{tag}")
    print(f"Publish it:   make docker-push APP={app.name}{own}{tag}")


if __name__ == "__main__":
    try:
        main()
    except (KeyboardInterrupt, subprocess.CalledProcessError):
        sys.exit("\nStopped.")
