"""Take a classifier's main.py apart at its seam, the line `model = ...`.

From there on, the file does nothing with `model` but call it, `model(batch)`. So a replica can run
the file as far as that line, and the page's process can run all of it but that line, with another
model. The file itself stays as it is: it is read into a syntax tree, and statements are left out.
"""

import ast
import sys
import types

PAGE_ONLY = {"gradio", "guard", "image"}  # what a replica needs only if its file says so
WHY_NOT = (
    "{file} does not have the form that can be scaled: one line `model = ...`,\n"
    "and from there on nothing but calls, `model(batch)`. {found}\n"
    "`make run APP={name}` serves it in one process."
)


class OtherForm(Exception):
    """An app's file has no such seam; the message says what was found instead."""


def makes_model(statement):
    """Tell whether a statement at the top level of a file is, or has in it, `model = ...`."""
    if isinstance(statement, ast.FunctionDef | ast.ClassDef):
        return False
    assigned = [node for node in ast.walk(statement) if isinstance(node, ast.Assign)]
    return any("model" in map(ast.unparse, node.targets) for node in assigned)


def read(app):
    """Return the syntax tree of an app's file, or raise OtherForm with a message."""
    tree = ast.parse(app.file.read_text(encoding="utf-8"), str(app.file))
    rest = [statement for statement in tree.body if not makes_model(statement)]
    nodes = [node for statement in rest for node in ast.walk(statement)]
    called = [node.func for node in nodes if isinstance(node, ast.Call)]
    others = [n for n in nodes if isinstance(n, ast.Name) and n.id == "model" and n not in called]
    found = ""
    if len(tree.body) - len(rest) != 1:
        found = f"It has {len(tree.body) - len(rest)} such lines."
    elif others:
        found = f"Line {others[0].lineno} does something else with `model`."
    if found:
        raise OtherForm(WHY_NOT.format(file=app.file, name=app.name, found=found))
    return tree


def is_for_the_page(statement, used):
    """Tell whether a statement imports what only the page needs."""
    if isinstance(statement, ast.ImportFrom):
        module = {statement.module}
    elif isinstance(statement, ast.Import):
        module = {name.name for name in statement.names}
    else:
        return False
    return module <= PAGE_ONLY and not used & {n.asname or n.name for n in statement.names}


def up_to_model(tree):
    """Return what a replica runs: the statements up to `model = ...`."""
    last = next(number for number, statement in enumerate(tree.body) if makes_model(statement))
    body = tree.body[: last + 1]
    used = {node.id for s in body for node in ast.walk(s) if isinstance(node, ast.Name)}
    kept = [statement for statement in body if not is_for_the_page(statement, used)]
    return ast.Module(kept, [])


def without_model(tree):
    """Return what the page runs: all statements but `model = ...`, which it is given."""
    return ast.Module([s for s in tree.body if not makes_model(s)], [])


def run(tree, app, name, **given):
    """Run statements as the module `name` of an app's file, and return the module.

    `given` are names that it finds, such as another model. Raises what the file raises.
    """
    module = types.ModuleType(name)
    module.__dict__.update(given, __file__=str(app.file))
    sys.path.insert(0, str(app.folder))  # as with `python main.py`
    exec(compile(tree, str(app.file), "exec"), module.__dict__)
    return module
