"""Start Ray on this computer for one program, or join a cluster that is there."""

import contextlib
import logging
import os
import secrets
import socket
import sys
import tempfile

from apps import ROOT

NO_CLUSTER = """\
There is no Ray cluster at {address}: {reason}.
`ray start --head` prints its address on the first machine, such as 10.0.0.5:6379."""
LONGEST = 25  # bytes of a folder's path: Ray adds 78 for a socket, and macOS allows 103 in all
OBJECT_STORE = 200_000_000  # bytes of shared memory: images on their way to a model and back
# Ray reports its use to its developers unless told not to
os.environ["RAY_USAGE_STATS_ENABLED"] = "0"
# what goes wrong is said by these programs, in a message; the whole of it is in Ray's own logs
os.environ |= {"RAY_BACKEND_LOG_LEVEL": "fatal", "RAY_DATA_LOG_LEVEL": "CRITICAL"}


@contextlib.contextmanager
def silence():
    """Keep back what is written to standard error, also by code that is not Python."""
    kept, nowhere = os.dup(2), os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, 2)
    try:
        yield
    finally:
        os.dup2(kept, 2)
        os.close(kept)
        os.close(nowhere)


def require_address(address):
    """End the program with a message if nothing listens there; Ray would try for minutes."""
    host, _, port = address.rpartition("://")[2].rpartition(":")
    try:
        socket.create_connection((host, int(port)), timeout=10).close()
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or "it has no port, or does not respond"
        sys.exit(NO_CLUSTER.format(address=address, reason=reason))


def short_folder():
    """Return the folder for temporary files, or /tmp if that one is too deep for Ray's sockets."""
    folder = tempfile.gettempdir()  # on macOS, 49 characters
    return folder if os.name == "nt" or len(os.fsencode(folder)) <= LONGEST else "/tmp"


@contextlib.contextmanager
def joined(cpus):
    """Join the cluster that RAY_ADDRESS names, or start Ray here with so many CPUs until the end.

    Ends the program with a message if the cluster does not respond.
    """
    address = os.environ.pop("RAY_ADDRESS", "") or None
    if address:
        require_address(address)
    else:
        # whoever reaches Ray can run any code: only this program can, by a token, and from here
        os.environ["RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER"] = "0"  # on Linux as there: 127.0.0.1 only
        os.environ["RAY_AUTH_MODE"], os.environ["RAY_AUTH_TOKEN"] = "token", secrets.token_hex(32)
    import ray

    settings = {
        "log_to_driver": False,  # what replicas print is in Ray's own logs
        "logging_level": logging.ERROR,
        # the processes find these programs; on a cluster, the repository has the same path
        "runtime_env": {"env_vars": {"PYTHONPATH": str(ROOT / "scripts")}},
    }
    temporary = tempfile.TemporaryDirectory("", "ray-", short_folder(), ignore_cleanup_errors=True)
    with temporary as folder:
        if address:
            settings["address"] = address
        else:
            settings |= {"num_cpus": cpus, "_temp_dir": folder, "include_dashboard": False}
            settings |= {"object_store_memory": OBJECT_STORE}
        try:
            with silence():  # Ray says there that it says little
                ray.init(**settings)
        except (ConnectionError, RuntimeError, ValueError) as error:
            if not address:
                raise
            sys.exit(NO_CLUSTER.format(address=address, reason=str(error).splitlines()[0]))
        try:
            yield ray
        finally:
            ray.shutdown()
