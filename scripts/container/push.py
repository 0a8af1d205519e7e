"""Publish the container image of an app in a registry, under a name of your own."""

import argparse
import sys

from container import images


def main(argv=None):
    parser = argparse.ArgumentParser(description="Publish the container image of an app.")
    options = images.parse_arguments(parser, argv)
    if "/" not in options.image:
        sys.exit(
            "Under which name? Set IMAGE=user/name for Docker Hub (your user name there), or\n"
            "IMAGE=ghcr.io/owner/name for GitHub."
        )
    with images.app_to_package(options.app) as app:
        engine = images.find_engine()
        published = images.image_name(app, options.image, options.tag)
        by_default = images.image_name(app, "", options.tag)
    built = published
    if images.ask(engine, "image", "inspect", built) is None:
        built = by_default
        images.require_image(engine, app, built, options.tag)
    first = options.image.partition("/")[0]
    registry = first if "." in first or ":" in first else "docker.io"
    address = published if registry == first else f"docker.io/{published}"
    images.engine_run(engine, "tag", built, address, check=True)
    if images.engine_run(engine, "push", address).returncode:
        sys.exit(
            f"\nThe image was not published; {engine[0]} says why in the lines above.\n"
            f"If you are not signed in: {engine[0]} login {registry}"
        )
    print(f"\nPublished. Enter on SciLifeLab Serve: {published}")
    print("Serve fetches it without a password: make sure that it is public.")


if __name__ == "__main__":
    try:
        main()
    except KeyboardInterrupt:
        sys.exit("\nStopped.")
