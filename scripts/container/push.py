"""Publish the container image of an app in a registry, under a name of your own."""

import sys

from container import engine, images


def main(name, image, tag):
    images.require_possible(image, tag)
    if "/" not in image:
        sys.exit(
            "Under which name? Set IMAGE=user/name for Docker Hub (your user name there), or\n"
            "IMAGE=ghcr.io/owner/name for GitHub."
        )
    with images.app_to_package(name) as app:
        command = engine.find_engine()
        published = images.image_name(app, image, tag)
        by_default = images.image_name(app, "", tag)
    built = published
    if engine.ask(command, "image", "inspect", built) is None:
        built = by_default
        images.require_image(command, app, built, tag)
    first = image.partition("/")[0]
    registry = first if "." in first or ":" in first else "docker.io"
    address = published if registry == first else f"docker.io/{published}"
    engine.call(command, "tag", built, address, check=True)
    if engine.call(command, "push", address).returncode:
        sys.exit(
            f"\nThe image was not published; {command[0]} says why in the lines above.\n"
            f"If you are not signed in: {command[0]} login {registry}"
        )
    print(f"\nPublished. Enter on SciLifeLab Serve: {address}")
    print("Make sure that it is public, because Serve downloads it without a password.")
