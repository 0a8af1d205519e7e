"""Run the container image of an app, and say which address to open."""

import contextlib
import subprocess
import sys

from container import images
from run import require_free_port


def main(name, image, tag, host, port):
    command, _, built = images.find_built(name, image, tag)
    require_free_port(host, port)
    print(f"Open http://localhost:{port} as soon as it says that it runs.", flush=True)
    print("Ctrl-C stops it.", flush=True)
    terminal = ["--interactive", "--tty"] if sys.stdin.isatty() else []
    words = [*command, "run", "--rm", *terminal, "--publish", f"{host}:{port}:8080", built]
    with subprocess.Popen(words) as running:
        while running.poll() is None:
            # Ctrl-C reaches the engine as well, which stops the container; that takes a moment
            with contextlib.suppress(KeyboardInterrupt):
                running.wait()
    return 0 if running.returncode in (130, 143) else running.returncode
