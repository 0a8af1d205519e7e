"""Put the lines of a recipe into an app's main.py, each where it belongs by what it is.

An import          replaces the import of the same name, or is added to the imports
@decorator         is put above `def predict`
name = ...         is put below the line that makes this name if it uses it, or else replaces that
call(demo, new=1)  adds its settings to the call of that function that is there already
any other call     is put at the end of the page, `with gr.Blocks(...) as demo:`

Nothing else is changed: what the author wrote around these places does not matter.
"""

import ast
import builtins
import re
import symtable
import sys
import textwrap

LONGEST = 100  # characters of a line


class NoPlace(Exception):
    """A line has no place in this main.py; the message says what is missing there."""


def split(block):
    """Return the lines of a block of code without their comments; one may be of several rows."""
    marked = re.sub(r"(?m)^@.*", lambda match: f"{match[0]}\ndef predict(): pass", block)
    found = []
    for node in ast.parse(marked).body:
        if isinstance(node, ast.FunctionDef):
            found += [f"@{ast.get_source_segment(marked, each)}" for each in node.decorator_list]
        else:
            found.append(ast.get_source_segment(marked, node))
    return found


def parse(line):
    """Return the syntax tree of a line; of a decorator, that of what is behind its @."""
    return ast.parse(line.removeprefix("@")).body[0]


def given(line):
    """Return what a line decides for the whole app: names, and settings of calls.

    Two recipes that decide the same do not go together.
    """
    node = parse(line)
    if isinstance(node, ast.Import | ast.ImportFrom):
        return {*names_of(node)}
    if isinstance(node, ast.Assign):
        name = ast.unparse(node.targets[0])
        return set() if name in reads(node) else {name}
    call = node.value
    keywords = {keyword.arg for keyword in call.keywords if keyword.arg}
    return {f"{ast.unparse(call.func)}({keyword}=)" for keyword in keywords}


def place(text, lines):
    """Return the text of a main.py with these lines in it; raises NoPlace if one has none."""
    before = text
    for line in lines:
        if isinstance(node := parse(line), ast.Import | ast.ImportFrom):
            text = place_import(text, line)
            continue
        if missing := sorted(reads(node) - bound(text) - {*dir(builtins)}):
            raise NoPlace(f"has no `{missing[0]}`")
        if line.startswith("@"):
            text = place_decorator(text, line)
        elif isinstance(node, ast.Assign):
            text = place_assignment(text, line)
        else:
            text = place_call(text, line)
    new = {name for line in lines for name in imported(line)}
    # such as the network that another one has replaced, or what this app does not need
    for name in (used(before) | new) - used(text):
        text = without_import(text, name)
    return text


def bound(text):
    """Return the names that a file gives a value at its top level."""
    symbols = symtable.symtable(text, "main.py", "exec").get_symbols()
    return {each.get_name() for each in symbols if each.is_assigned() or each.is_imported()}


def used(text):
    return {node.id for node in ast.walk(ast.parse(text)) if isinstance(node, ast.Name)}


def reads(node):
    """Return the names that a line takes from elsewhere."""
    nodes = [*ast.walk(node)]
    own = {each.arg for each in nodes if isinstance(each, ast.arg)}
    names = [each for each in nodes if isinstance(each, ast.Name)]
    return {each.id for each in names if isinstance(each.ctx, ast.Load)} - own


def insert(text, row, new):
    """Insert a line below so many rows."""
    rows = text.splitlines(keepends=True)
    return "".join([*rows[:row], f"{new}\n", *rows[row:]])


def replace(text, old, new):
    """Replace a statement at the top level by a line, or by nothing."""
    first, last = old.lineno, old.end_lineno
    if sum(n.lineno <= last and n.end_lineno >= first for n in ast.parse(text).body) > 1:
        raise NoPlace(f"has two statements in line {first}")
    rows = text.splitlines(keepends=True)
    return "".join([*rows[: first - 1], *([f"{new}\n"] if new else []), *rows[last:]])


# ---- Imports ----


def names_of(node):
    return [alias.asname or alias.name.partition(".")[0] for alias in node.names]


def imported(line):
    node = parse(line)
    return names_of(node) if isinstance(node, ast.Import | ast.ImportFrom) else []


def imports(text):
    nodes = ast.parse(text).body
    return [node for node in nodes if isinstance(node, ast.Import | ast.ImportFrom)]


def order(node):
    """Return the place of an import among others, as ruff sorts them."""
    module = getattr(node, "module", None) or node.names[0].name
    is_package = module.partition(".")[0] not in sys.stdlib_module_names
    return is_package, isinstance(node, ast.ImportFrom), module.lower()


def place_import(text, line):
    new = parse(line)
    if ast.unparse(new) in map(ast.unparse, imports(text)):
        return text
    for name in names_of(new):
        text = without_import(text, name)
    if not imports(text):
        raise NoPlace("imports nothing")
    # below those that come before it; the first of a group is above the others of its group
    group = [node for node in imports(text) if order(node)[0] == order(new)[0]] or imports(text)
    before = [node.end_lineno for node in group if order(node) <= order(new)]
    return insert(text, max(before) if before else group[0].lineno - 1, line)


def without_import(text, name):
    """Return a text without the import of a name."""
    for node in imports(text):
        if name in names_of(node):
            kept = [a for a, n in zip(node.names, names_of(node), strict=True) if n != name]
            node.names = kept
            line = ast.unparse(node) if kept else ""
            if len(line) > LONGEST:
                start, _, rest = line.partition(" import ")
                line = f"{start} import (\n    {rest.replace(', ', f',{chr(10)}    ')},\n)"
            return replace(text, node, line)
    return text


# ---- All others ----


def place_decorator(text, line):
    for node in ast.parse(text).body:
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and node.name == "predict":
            above = [each.lineno for each in node.decorator_list]
            if ast.unparse(parse(line)) in map(ast.unparse, node.decorator_list):
                return text
            row = min([node.lineno, *above]) - 1
            return insert(text, row, line)
    raise NoPlace("has no function `predict`")


def place_assignment(text, line):
    new = parse(line)
    name = ast.unparse(new.targets[0])
    nodes = [node for node in ast.parse(text).body if isinstance(node, ast.Assign)]
    nodes = [node for node in nodes if name in map(ast.unparse, node.targets)]
    if ast.unparse(new) in map(ast.unparse, nodes):
        return text
    if name in reads(new):
        if not nodes:
            raise NoPlace(f"has no line `{name} = ...`")
        return insert(text, nodes[-1].end_lineno, line)
    nodes = [node for node in nodes if name not in reads(node)]
    if not nodes:
        raise NoPlace(f"has no line `{name} = ...`")
    return replace(text, nodes[-1], line)


def place_call(text, line):
    new, tree = parse(line).value, ast.parse(text)
    calls = [node for node in ast.walk(tree) if isinstance(node, ast.Call)]
    there = [node for node in calls if ast.unparse(node.func) == ast.unparse(new.func)]
    if there and new.keywords:
        return add_settings(text, there[-1], new)
    if ast.unparse(new) in map(ast.unparse, there):
        return text
    pages = [node for node in tree.body if isinstance(node, ast.With)]
    pages = [node for node in pages if re.match(r"(\w+\.)?Blocks\(", ast.unparse(node.items[0]))]
    if not pages:
        raise NoPlace("has no page that begins with `with gr.Blocks(...) as demo:`")
    indent = " " * pages[-1].body[0].col_offset
    return insert(text, pages[-1].end_lineno, textwrap.indent(line, indent))


def add_settings(text, call, new):
    """Add the keywords of one call to those of another one that is there."""
    there = {keyword.arg: ast.unparse(keyword.value) for keyword in call.keywords}
    function = ast.unparse(call.func)
    added = ""
    for keyword in new.keywords:
        if keyword.arg in there and there[keyword.arg] != ast.unparse(keyword.value):
            raise NoPlace(f"gives `{function}()` a `{keyword.arg}` of its own")
        if keyword.arg not in there:
            added += f", {ast.unparse(keyword)}"
    values = [*call.args, *(keyword.value for keyword in call.keywords)]
    if not values:
        raise NoPlace(f"calls `{function}()` with nothing in it")
    last = max(values, key=lambda value: (value.end_lineno, value.end_col_offset))
    rows = text.splitlines(keepends=True)
    row = rows[last.end_lineno - 1].encode()
    row = row[: last.end_col_offset] + added.encode() + row[last.end_col_offset :]
    rows[last.end_lineno - 1] = row.decode()
    return "".join(rows)
