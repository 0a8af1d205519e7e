"""Run the container image of an app, and say which address to open."""

import argparse
import contextlib
import subprocess
import sys

from container import images
from run import parse_port, require_free_port


def main(argv=None):
    parser = argparse.ArgumentParser(description="Run the container image of an app.")
    parser.add_argument("--host", default="127.0.0.1", help="0.0.0.0 shares it with the network")
    parser.add_argument("--port", default=8080, type=parse_port)
    options = images.parse_arguments(parser, argv)
    with images.app_to_package(options.app) as app:
        engine = images.find_engine()
        name = images.image_name(app, options.image, options.tag)
    images.require_image(engine, app, name, options.tag)
    require_free_port(options.host, options.port)
    print(f"Open http://localhost:{options.port} as soon as it says that it runs.", flush=True)
    print("Ctrl-C stops it.", flush=True)
    ports = f"{options.host}:{options.port}:8080"
    terminal = ["--interactive", "--tty"] if sys.stdin.isatty() else []
    command = [*engine, "run", "--rm", *terminal, "--publish", ports, name]
    with subprocess.Popen(command) as running:
        while running.poll() is None:
            # Ctrl-C reaches the engine as well, which stops the container; that takes a moment
            with contextlib.suppress(KeyboardInterrupt):
                running.wait()
    sys.exit(0 if running.returncode in (130, 143) else running.returncode)


if __name__ == "__main__":
    try:
        main()
    except KeyboardInterrupt:
        print("Stopped.")
