"""Run one command of the gallery, such as: python scripts run APP=sepia

`make run APP=sepia` does just this, so whatever make can do works without make too. commands.py
says which commands there are. Needs nothing but Python 3.10.
"""

import difflib
import os
import shlex
import signal
import sys

if sys.version_info < (3, 10):  # noqa: UP036 (where nobody has looked before)
    sys.exit("Python 3.10 to 3.14 is needed: https://www.python.org/downloads/")

import commands
import explain
from apps import ROOT


def like(word, words):
    """Return in a message which of these words may have been meant, if one is like it."""
    close = difflib.get_close_matches(word.lower(), [w.lower() for w in words], n=1)
    return next((f" Did you mean {w}?" for w in words if [w.lower()] == close), "")


def find(name):
    """Return the function of a command, or end the program with a message."""
    every = commands.FOR_YOUR_APP | commands.FOR_THIS_REPOSITORY
    if name not in every:
        sys.exit(f'There is no command "{name}".{like(name, every)} `make help` lists them all.')
    return every[name]


def value_of(name, text, default):
    """Return a setting as its command takes it, or end the program with a message."""
    if name == "ARGS":  # several words, or none
        if os.name == "nt":  # where a backslash belongs to a path
            return [word.strip('"') for word in shlex.split(text, posix=False)]
        return shlex.split(text)
    if isinstance(default, int):
        least, most = min(1, default), commands.MOST.get(name, 1_000_000)
        if not text.isdecimal() or not least <= int(text) <= most:
            sys.exit(f"{name}={text} is not a whole number from {least} to {most:,}.")
        return int(text)
    return text


def read_settings(name, words):
    """Return the settings of a command in words such as APP=sepia, or end with a message.

    One that has to be given and is not is empty: the program behind the command says what is
    missing, since it knows the names of the apps, say.
    """
    defaults = explain.settings_of(find(name))
    found = {key: "" if default is None else default for key, default in defaults.items()}
    takes = f"It takes {', '.join(defaults)}." if defaults else "It takes none."
    for word in words:
        key, equals, text = word.partition("=")
        if not equals:
            sys.exit(f'"{word}" is not a setting; settings look like APP=sepia. {takes}')
        if key not in defaults and key.upper() in defaults:
            sys.exit(f"Settings are in capital letters: {key.upper()}={text}")
        if key not in defaults:
            sys.exit(f"`make {name}` has no setting {key}.{like(key, defaults)} {takes}")
        found[key] = value_of(key, text, defaults[key])
    return found


def explained(words):
    """Return what `make help` prints, or `make help COMMAND=run`."""
    chosen = [word.removeprefix("COMMAND=") for word in words]
    return "\n\n".join(explain.one(name, find(name)) for name in chosen) or explain.every()


def main(words):
    name, *words = words or ["help"]
    if name in ("help", "--help", "-h"):
        print(explained(words))
        return None
    settings = read_settings(name, words)
    for key in commands.ENVIRONMENT & settings.keys():
        if settings[key]:
            os.environ[key] = settings[key]
    os.chdir(ROOT)
    return find(name)(**settings)


if __name__ == "__main__":
    for stop in (signal.SIGINT, signal.SIGTERM):  # also when started in the background
        signal.signal(stop, signal.default_int_handler)
    try:
        status = main(sys.argv[1:])
        sys.stdout.flush()
    except KeyboardInterrupt:
        sys.exit("\nStopped.")
    except BrokenPipeError:  # as in `make list | head -1`
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(1)
    sys.exit(status)
