"""Start one app, on a host and port of one's choice, and say which address to open.

The app's file runs unchanged, as with `python FILE`, but for two things: the server's name and
port, which the file fixes for containers and for the workshop, are replaced; and an app that has no
`guard.py`, such as `hello`, is protected by it as well.
"""

import argparse
import errno
import os
import runpy
import signal
import socket
import sys

from apps import ROOT, find_app

GUARD = ROOT / "example_apps" / "guard.py"


def parse_port(text):
    if not text.isdigit() or not 1 <= int(text) <= 65535:
        raise argparse.ArgumentTypeError(f"{text!r} is no port; choose one from 1024 to 65535")
    return int(text)


def end_port_taken(port):
    other = port + 1 if 1024 <= port < 65535 else 8080
    sys.exit(
        f"Port {port} is taken, perhaps by an app in another terminal.\n"
        f"Stop that one with Ctrl-C, or choose another port: PORT={other}"
    )


def require_free_port(host, port):
    """End the program with a message if the port cannot be had."""
    with socket.socket() as probe:
        if os.name != "nt":  # as the server does it: a port closed a moment ago is free
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError as error:
            if error.errno in (errno.EADDRINUSE, errno.EACCES):
                end_port_taken(port)
            sys.exit(f"This computer has no address {host}. Try HOST=127.0.0.1 or HOST=0.0.0.0")


def address_in_network():
    """Return this computer's address in its network; nothing is sent to find it."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            probe.connect(("192.0.2.1", 9))
        except OSError:
            return "the address of this computer"
        return probe.getsockname()[0]


def guard():
    """Return the settings of launch() that protect an app, and make its folder of uploads.

    It is in the folder that the environment names now.
    """
    return runpy.run_path(str(GUARD))["GUARD"]


def start_on(host, port, name):
    """Make every Gradio app that is launched from now on listen on `host` and `port`."""
    import gradio as gr

    launch, closed = gr.Blocks.launch, {"app_kwargs": guard()}

    def launch_here(demo, *args, **kwargs):
        here = {"server_name": host, "server_port": port, "quiet": True}
        try:
            launch(demo, *args, **{**closed, **kwargs, **here, "prevent_thread_lock": True})
        except OSError as error:
            if "empty port" not in str(error):
                raise
            end_port_taken(port)  # by another program, while this app was loading
        local = host in ("127.0.0.1", "localhost")
        print(f"{name} runs. Open http://localhost:{port} in your browser.")
        if local:
            print("Only this computer can open it. Ctrl-C stops it.", flush=True)
        else:
            print(f"Everybody in your network can open it: http://{address_in_network()}:{port}")
            print("Ctrl-C stops it.", flush=True)
        demo.block_thread()

    gr.Blocks.launch = launch_here


def main(argv=None):
    parser = argparse.ArgumentParser(description="Start one app.")
    parser.add_argument("app", help="its name, as in `make list`")
    parser.add_argument("--host", default="127.0.0.1", help="0.0.0.0 shares it with the network")
    parser.add_argument("--port", default=8080, type=parse_port)
    arguments = parser.parse_args(argv)
    app = find_app(arguments.app)
    require_free_port(arguments.host, arguments.port)
    # Gradio asks its own server whether it is up; a proxy must not respond to that
    os.environ["NO_PROXY"] = ",".join(
        filter(None, [os.environ.get("NO_PROXY"), "localhost,127.0.0.1", arguments.host])
    )
    os.environ.setdefault("GRADIO_ANALYTICS_ENABLED", "False")
    for stop in (signal.SIGINT, signal.SIGTERM):  # also when started in the background
        signal.signal(stop, signal.default_int_handler)
    print(f"Starting {app.file.relative_to(app.file.parents[1])} ...", flush=True)
    try:
        start_on(arguments.host, arguments.port, app.name)
        sys.path[0] = str(app.folder)  # as with `python main.py`
        runpy.run_path(str(app.file), run_name="__main__")
    except KeyboardInterrupt:
        print("Stopped.")


if __name__ == "__main__":
    main()
