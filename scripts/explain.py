"""What `make help` prints, and the tables of commands in the texts: all of it from commands.py."""

import inspect

import commands

ALL = """\
For your app:
{yours}

For this repository:
{ours}

APP= takes a name from `make list`, such as APP=sepia. `make help COMMAND=run` explains one command
and its settings. On Windows: .\\make run APP=sepia. Without make: python scripts run APP=sepia."""


def settings_of(function):
    """Return {setting: its default}, which is None for one that has to be given."""
    parameters = inspect.signature(function).parameters.values()
    return {p.name: None if p.default is p.empty else p.default for p in parameters}


def lines(group):
    """Return {command with the settings that it needs: what it does} of a group."""
    found = {}
    for name, function in group.items():
        needed = [f"{key}=..." for key, default in settings_of(function).items() if default is None]
        found[" ".join(["make", name, *needed])] = inspect.getdoc(function).splitlines()[0]
    return found


def in_columns(rows):
    width = max(map(len, rows), default=0)
    return "\n".join(f"  {left:{width}}  {right}" for left, right in rows.items())


def every():
    """Return all commands, one line each, in two groups."""
    groups = commands.FOR_YOUR_APP, commands.FOR_THIS_REPOSITORY
    yours, ours = (in_columns(lines(group)) for group in groups)
    return ALL.format(yours=yours, ours=ours)


def one(name, function):
    """Return what a command does, and its settings."""
    (first,) = lines({name: function})
    settings = {}
    for key, default in settings_of(function).items():
        settings[key] = commands.SETTINGS[key] + (f" (default: {default})" if default else "")
    return "\n\n".join(filter(None, [first, inspect.getdoc(function), in_columns(settings)]))


def table(group):
    """Return a group of commands as a table in Markdown."""
    rows = [f"| `{left}` | {right} |" for left, right in lines(group).items()]
    return "\n".join(["| command | what it does |", "|---|---|", *rows, ""])
