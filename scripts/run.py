"""Start one app, on a host and port of one's choice, and say which address to open.

The app's file runs as it stands, as by `python FILE`. Only its launch is taken over: it listens
where this command says, and an app without a guard.py, such as `hello`, is protected as well.
"""

import contextlib
import errno
import os
import runpy
import signal
import socket
import sys

from apps import ROOT, find_app

LOCAL = ("127.0.0.1", "localhost")


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
            if error.errno == errno.EACCES and os.name != "nt":
                sys.exit(f"Only an administrator may use port {port}. Choose another: PORT=8080")
            if error.errno in (errno.EADDRINUSE, errno.EACCES):
                end_port_taken(port)
            sys.exit(f"This computer has no address {host}. Try HOST=127.0.0.1 or HOST=0.0.0.0")
    # by another protocol: "localhost" would lead there
    with contextlib.suppress(OSError), socket.create_connection(("::1", port), timeout=1):
        end_port_taken(port)


def address_in_network():
    """Return this computer's address for others in the room; nothing is sent to find it."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            probe.connect(("192.0.2.1", 9))
        except OSError:
            return "the address of this computer"
        return probe.getsockname()[0]


def import_launcher():
    """Return the modules launcher and guard of the step apps; an app still finds its own guard."""
    folder = ROOT / "example_apps"
    sys.path.insert(0, str(folder))
    try:
        import guard
        import launcher
    finally:
        sys.path.remove(str(folder))
    forget_modules(folder)
    return launcher, guard


def forget_modules(folder):
    """Let the next app import modules of its own where this folder has some of the same name."""
    for name, module in list(sys.modules.items()):
        if str(getattr(module, "__file__", "")).startswith(f"{folder}{os.sep}"):
            del sys.modules[name]


def serve(host, port, name, queue=None, **changes):
    """Return a context in which an app that launches itself is served on `host` and `port`.

    `queue` and `changes` replace what the app gives to queue() and launch(). It runs until Ctrl-C.
    """
    launcher, _ = import_launcher()

    def launch(demo, given):
        here = {"server_name": host, "server_port": port, "quiet": True}
        given = launcher.protected(demo, given, **{**changes, **here})
        if queue:
            demo.queue(**queue)
        try:
            demo.launch(**given, prevent_thread_lock=True)
        except OSError as error:
            if "empty port" not in str(error):
                raise
            end_port_taken(port)  # by somebody else, while this app was loading
        print(f"{name} runs. Open http://localhost:{port} in your browser.")
        if host in LOCAL:
            print("Only this computer can open it. Ctrl-C stops it.", flush=True)
        else:
            print(f"Everyone on your network can open it: http://{address_in_network()}:{port}")
            print("Ctrl-C stops it.", flush=True)
        demo.block_thread()

    return launcher.launched_by(launch)


def prepare(host, port):
    """Get this program ready for an app that is going to listen on `host` and `port`."""
    os.environ["GRADIO_SERVER_NAME"], os.environ["PORT"] = host, str(port)  # read by settings()
    os.environ.setdefault("GRADIO_ANALYTICS_ENABLED", "False")
    for stop in (signal.SIGINT, signal.SIGTERM):  # also when started in the background
        signal.signal(stop, signal.default_int_handler)
    _, guard = import_launcher()
    guard.prepare_uploads()


def main(name, host, port):
    app = find_app(name)
    require_free_port(host, port)
    print(f"Starting {app.file.relative_to(app.file.parents[1])} ...", flush=True)
    try:
        prepare(host, port)
        sys.path[0] = str(app.folder)  # as with `python main.py`
        with serve(host, port, app.name):
            runpy.run_path(str(app.file), run_name="__main__")
    except KeyboardInterrupt:
        print("Stopped.")


if __name__ == "__main__":  # python run.py APP PORT
    main(sys.argv[1], "127.0.0.1", int(sys.argv[2]))
