"""Build the container image of an app, and say how to try and publish it."""

import re
import subprocess
import sys

from container import engine, images


def source(app):
    """Return {"SOURCE": where the code of an app is}, if its folder's own repository says so."""
    if not (app.folder / ".git").exists():
        return {}
    words = ["git", "-C", str(app.folder), "remote", "get-url", "origin"]
    try:
        ended = subprocess.run(words, capture_output=True, text=True)
    except OSError:  # no git here
        return {}
    address = re.sub(r"^git@([\w.-]+):", r"https://\1/", ended.stdout.strip())
    address = re.sub(r"(//)[^/@]*@|\.git$", r"\1", address)  # no password
    return {"SOURCE": address} if address.startswith("https://") else {}


def build(command, app, name):
    """Build the image called `name`; end the program if that fails."""
    arguments = {**images.build_arguments(app), **source(app), "VERSION": name.rpartition(":")[2]}
    options = [o for pair in arguments.items() for o in ("--build-arg", "=".join(pair))]
    # Serve's computers are of this kind; those with Apple's own processors are not
    words = ["build", "--platform", "linux/amd64", "--tag", name, *options, app.folder]
    if engine.call(command, *words).returncode:
        sys.exit(f"\nThe image was not built; {command[0]} says why in the lines above.")


def main(name, image, tag):
    with images.app_to_package(name) as app:
        if not (app.folder / "Dockerfile").exists():
            sys.exit(f"{app.folder.name} has no Dockerfile. Copy one from another app's folder.")
        command = engine.find_engine()
        built = images.image_name(app, image, tag)
        build(command, app, built)
    size = int(engine.ask(command, "image", "inspect", "--format", "{{.Size}}", built))
    tag = f" TAG={tag}" if tag else ""
    own = f" IMAGE={image or f'USER/{app.name}'}"
    image = f" IMAGE={image}" if image else ""
    print(f"\nBuilt {built} ({size / 1e6:,.0f} MB)")
    print(f"Try it:       make docker-run APP={app.name}{image}{tag}")
    print(f"  or:         {command[0]} run --rm -p 8080:8080 {built}")
    print(f"Check it:     make docker-smoke APP={app.name}{image}{tag}")
    print(f"Publish it:   make docker-push APP={app.name}{own}{tag}")
