"""Reference predictions: does an app predict what its model did where it was trained?

Two mistakes give no error: preprocessing that differs from training, and labels in another order.
`data/expected.json` in an app's folder finds them:

    {"tolerance": 0.02, "from": "training",
     "calls": [{"inputs": [{"file": "cat.jpg"}], "outputs": [{"tabby": 0.71, "lynx": 0.2}]}, ...]}

A call may name its "function"; a "file" is one in data/. Outputs are compared by kind: decimal
numbers with the tolerance, wherever they are; probabilities by label; tables by cell; images,
sounds and other files by what is in them; text and whole numbers exactly. {"compared": false}
stands for an output that is not compared. A list of labels names those that may come first, and
proves little: without normalisation a lion is still a lion.

The lines in docs/workshop/4-your-own-app.md write this file where the model was trained, and
`make expect` from the app itself. `make smoke`, `make docker-smoke` and `make verify` compare.
"""

import argparse
import contextlib
import csv
import hashlib
import io
import json
import math
import re
import shutil
import sys
import tempfile
import wave
import zipfile
from pathlib import Path

from apps import find_app, typed
from model import is_needed, is_there
from questions import examples, functions, inputs_of, is_in, open_client, replaced
from server import Failed

TOLERANCE, PREDICT_S, CONNECT_S = 0.02, 60, 30
FILES = {"Image": ".jpg .jpeg .png .tif .tiff", "Audio": ".wav .mp3 .flac", "Video": ".mp4 .webm"}
DECIMAL = re.compile(r"-?\d+(\.\d+([eE][-+]?\d+)?|[eE][-+]?\d+)")
VERSION = re.compile(r"app [0-9a-f]{8}(, model [0-9a-f]{8})*")  # of version.py
SKIPPED = {"compared": False}  # the reference for an output that is another one each time
SAME = "Is it the same model, prepared in the same way, with labels in its order?"
AGAIN = "If the app is right, delete data/expected.json and type {}."
TRAINING, RECORDED = "the model where it was trained", "what the author has looked at"


class Differs(Exception):
    """Predictions differ from the references, or there are no usable ones; the message says it."""


class LocalFile(str):
    """The path of a file that the app has sent, or is sent."""


class Labels(dict):
    """What a gr.Label shows: {label: probability}, the largest first."""


# ---- The file -----------------------------------------------------------------------------------


def expected_file(app):
    return app.folder / "data" / "expected.json"


def read(app):
    """Return what is in an app's expected.json, the files that it names as their paths."""
    file, again = expected_file(app), f"`{typed('expect', app)}` writes it"

    def is_named(value):
        return isinstance(value, dict) and value.keys() == {"file"}

    try:
        content = json.loads(file.read_text(encoding="utf-8"))
        for call in content["calls"]:
            call["inputs"][0], call["outputs"][0]
        float(content.setdefault("tolerance", TOLERANCE))
    except FileNotFoundError:
        raise Differs(f"There is no {file}: {again}.") from None
    except (AttributeError, LookupError, TypeError, ValueError) as error:
        reason = f"{type(error).__name__}, {error}"
        raise Differs(f"{file} cannot be read ({reason}). Delete it; {again} anew.") from None
    if not content["calls"]:
        raise Differs(f"{file} has no predictions: {again}.")
    return replaced(content, is_named, lambda named: LocalFile(file.parent / named["file"]))


def is_file(value):
    return isinstance(value, LocalFile)


def write(app, calls, tolerance):
    """Keep the outputs of an app, with copies of the files among them, as its references."""
    kept = expected_file(app).with_suffix("")
    shutil.rmtree(kept, ignore_errors=True)
    own = [file for file in expected_file(app).parent.glob("[!.]*") if file.is_file()]

    def keep(path):
        for file in own:
            if file.read_bytes() == Path(path).read_bytes():
                return {"file": file.name}
        kept.mkdir(exist_ok=True)
        name = f"{len([*kept.iterdir()])}_{Path(path).name}"
        shutil.copy(path, kept / name)
        return {"file": f"{kept.name}/{name}"}

    def plain(call):
        call = replaced(call, is_file, keep)
        outputs = call["outputs"]  # an input stays as it is
        short = replaced(outputs, lambda v: isinstance(v, float), lambda x: float(f"{x:.6g}"))
        return {**call, "outputs": short}

    content = {"tolerance": tolerance, "from": "app", "calls": [*map(plain, calls)]}
    text = json.dumps(content, indent=1, ensure_ascii=False)
    text = re.sub(r"\[[^][{}]*\]", lambda row: re.sub(r"\n *", " ", row[0]), text)  # rows in a line
    expected_file(app).write_text(text + "\n", encoding="utf-8", newline="\n")


def are_random(app):
    """Tell whether the app's weights are those of random_weights.py."""
    files = [file for file in (app.folder / "data").glob("*.pth") if zipfile.is_zipfile(file)]
    return any(zipfile.ZipFile(file).comment == b"random" for file in files)


# ---- The app ------------------------------------------------------------------------------------


def ask(app, client, call):
    """Return the outputs of a call."""
    from gradio_client import handle_file
    from gradio_client.exceptions import AppError

    known = functions(client)
    name = call.get("function") or ("/predict" if "/predict" in known else next(iter(known)))
    if name not in known:
        raise Differs(f"the app has no function {name}, but {', '.join(known)}")

    def upload(path):
        if not Path(path).exists():
            remedy = f"Put it back, or record the rest: {typed('expect', app)}"
            raise Differs(f"data/{Path(path).name} is not there any more. {remedy}")
        return handle_file(str(path))

    rest = [c["props"].get("value") for c in inputs_of(client.config, name)[len(call["inputs"]) :]]
    values = replaced(call["inputs"], is_file, upload) + rest
    try:
        result = client.submit(*values, api_name=name).result(timeout=PREDICT_S)
    except AppError as error:
        raise Differs(f"it gave no prediction: {error}") from None
    except TimeoutError:
        raise Differs(f"it took over {PREDICT_S} s") from None
    outputs = [*result] if len(known[name]["returns"]) > 1 else [result]
    outputs = replaced(outputs, is_in(client.download_files), LocalFile)
    return replaced(outputs, is_label, plain_label)


def is_label(value):
    return isinstance(value, dict) and value.keys() == {"label", "confidences"}


def plain_label(value):
    rows = value["confidences"]
    return Labels((row["label"], row["confidence"]) for row in rows) if rows else value["label"]


def calls_of(app, client):
    """Return the calls that the page's examples and the files in data/ stand for."""
    calls, files = {}, sorted((app.folder / "data").glob("[!.]*"))  # not what macOS adds: ._cat.jpg
    for name, endpoint in functions(client).items():
        rows = [*replaced([*examples(client, name)], is_in(client.download_files), LocalFile)]
        kinds = [parameter["component"] for parameter in endpoint["parameters"]]
        start = [component["props"].get("value") for component in inputs_of(client.config, name)]
        for place in [kinds.index(kind) for kind in FILES if kinds.count(kind) == 1][:1]:
            chosen = [f for f in files if f.suffix.lower() in FILES[kinds[place]].split()]
            rows += [[*start[:place], LocalFile(f), *start[place + 1 :]] for f in chosen]
        for row in rows:  # an example may be one of these files
            parts = replaced(row, is_file, lambda file: Path(file).read_bytes())
            calls.setdefault(f"{name} {parts}", {"function": name, "inputs": row})
    return [*calls.values()]


# ---- The comparison -----------------------------------------------------------------------------


def gaps(reference, found, tolerance, place=""):
    """Yield how far each part of an output is from its reference, and that in words.

    The gap is 0 where they are the same, and infinite where they cannot be subtracted.
    """
    reference, found = map(as_number, (reference, found))
    parts = [dict(items(each)) for each in (reference, found)]
    before = f"{place}: " if place else ""
    if isinstance(reference, dict) and reference == SKIPPED:
        return
    if isinstance(found, Labels) and isinstance(reference, dict | list):
        for gap, said in label_gaps(reference, found, tolerance):
            yield gap, before + said
    elif is_file(reference) and is_file(found):
        contents = [content_of(file) for file in (reference, found)]
        yield from gaps(*contents, tolerance, before + Path(reference).name)
    elif type(reference) is type(found) and parts[0] and {*parts[0]} == {*parts[1]}:
        for name, part in parts[0].items():
            yield from gaps(part, parts[1][name], tolerance, f"{place} {name}".strip())
    elif {float} <= {type(reference), type(found)} <= {int, float}:
        gap = abs(reference - found)
        gap = 0 if gap < 1e-6 else gap / max(abs(reference), abs(found))
        gap = 0 if reference == found or (math.isnan(reference) and math.isnan(found)) else gap
        yield (math.inf if math.isnan(gap) else gap), f"{before}{found:.4g} and not {reference:.4g}"
    elif hasattr(reference, "dtype") or hasattr(found, "dtype"):
        yield array_gap(reference, found), f"{place} differs"
    else:
        same = reference == found and isinstance(reference, bool) == isinstance(found, bool)
        said = f"{before}{shortened(found)} and not {shortened(reference)}"
        yield (0 if same else math.inf), said


def items(value):
    """Return the parts of a list or a dictionary with their places, or none."""
    if isinstance(value, dict):
        return value.items()
    return enumerate(value, 1) if isinstance(value, list) else ()


def as_number(value):
    """Return a decimal number that is in a text as such, and anything else as it is."""
    return float(value) if type(value) is str and DECIMAL.fullmatch(value) else value


def label_gaps(reference, found, tolerance):
    """Yield the gaps between probabilities; of those as likely as the first, any may come first."""
    first, likely, gap = next(iter(found)), reference, math.inf
    if isinstance(reference, dict):
        likely = [n for n, p in reference.items() if p >= max(reference.values()) - 2 * tolerance]
        gap = abs(found[first] - reference.get(first, 0))
    said = f"it says {first} ({found[first]:.2f}) and not {' or '.join(likely)}"
    yield (0 if first in likely else gap), said
    for label in {**reference, **found} if isinstance(reference, dict) else ():
        right = reference.get(label, min(found.get(label, 0), most_of_others(reference)))
        now = found.get(label, min(right, most_of_others(found)))
        yield abs(now - right), f"{label} has {now:.3f} and not {right:.3f}"


def most_of_others(shown):
    """Return the most that a label can have which is not among those shown."""
    left = 1 - sum(shown.values())  # if one of all labels is right
    return min(shown.values()) if left < -0.001 else min(max(left, 0), *shown.values())


def content_of(file):
    """Return what is in a file: pixels, samples, values of JSON, cells of a table, or a digest."""
    content = Path(file).read_bytes()
    for parse in (pixels_of, samples_of, json.loads, table_of):
        with contextlib.suppress(Exception):  # it is a file of another kind
            return parse(content)
    return f"{len(content):,} bytes ({hashlib.sha256(content).hexdigest()[:8]})"


def pixels_of(content):
    """Return the pixels of an image with one frame."""
    import numpy as np
    from PIL import Image

    with Image.open(io.BytesIO(content)) as image:
        if getattr(image, "n_frames", 1) > 1:
            raise ValueError
        return np.asarray(image)


def samples_of(content):
    """Return the samples of a WAV file of 16 bits."""
    import numpy as np

    with wave.open(io.BytesIO(content)) as sound:
        {2: "16 bits"}[sound.getsampwidth()]
        return np.frombuffer(sound.readframes(sound.getnframes()), "<i2") / 2**15


def table_of(content):
    """Return the cells of a CSV file, without that of the version that wrote it."""
    text = content.decode("utf-8-sig")
    rows = csv.reader(text.splitlines(), csv.Sniffer().sniff(text[:10_000], ",;\t"))
    return [["" if VERSION.fullmatch(cell) else cell for cell in row] for row in rows]


def array_gap(reference, found):
    """Return the gap within which 99.5 % of values are; of a mask, the share of it that differs."""
    import numpy as np

    if len({(getattr(each, "dtype", 0), np.shape(each)) for each in (reference, found)}) > 1:
        return math.inf
    whole = reference.dtype.kind in "biu"  # 16 bits, or few values: numbers of classes or objects
    if whole and (reference.dtype != np.uint8 or len(np.unique(reference)) < 32):
        return float((reference != found).sum() / max(1, ((reference != 0) | (found != 0)).sum()))
    most = 255 if whole else np.abs(reference).max(initial=0) or 1
    gap = float(np.quantile(np.abs(reference.astype(float) - found) / most, 0.995))
    return math.inf if math.isnan(gap) else gap


def compare_call(app, client, call, tolerance):
    """Return the largest gap of a call, and that in words."""
    try:
        found, references = ask(app, client, call), call["outputs"]
    except Differs as error:
        return math.inf, str(error)
    if len(found) > len(references):  # the training gives only the labels
        found = [each for each in found if isinstance(each, Labels)]
    if len(found) != len(references):
        return math.inf, f"{len(found)} outputs and not {len(references)}"
    places = [f"output {n}" if len(found) > 1 else "" for n in range(1, len(found) + 1)]
    all_parts = zip(references, found, places, strict=True)
    parts = [p for r, f, place in all_parts for p in gaps(r, f, tolerance, place)]
    gap, said = max(parts, key=lambda part: part[0], default=(0, ""))
    return gap, said + f", with a tolerance of {tolerance:g}" * (tolerance < gap < math.inf)


def compare(app, client, show=None, content=None):
    """Compare an app with its references; return what was compared, or raise Differs.

    `show` gets a line about each call. `content`, if given, replaces that of expected.json.
    """
    content, wrong, largest = content or read(app), [], 0
    calls, tolerance = content["calls"], content["tolerance"]
    origin = TRAINING if content.get("from") == "training" else RECORDED
    for call in calls:
        gap, said = compare_call(app, client, call, tolerance)
        largest = max(largest, gap)
        if gap > tolerance:
            wrong.append(f"{in_words(call)}: {said}.")
        if show:
            show(f"{in_words(call)}: {said if gap > tolerance else f'within {gap:.4f}'}")
    if wrong:
        again = AGAIN.format(typed("expect", app))
        wrong.append(SAME if origin == TRAINING else f"{SAME} {again}")
        raise Differs("\n      ".join(wrong))
    number = f"{len(calls)} call{'s' * (len(calls) > 1)}"
    if all(map(names_labels, calls)):
        return (
            f"{number}, the first label alone: it shows the order of labels and "
            f"not the preprocessing. `{typed('expect', app)}`, where the trained weights are, "
            "adds the probabilities"
        )
    return f"{number}, within {largest:.4f} of {origin}"


def names_labels(call):
    """Tell whether the reference of a call is a list of the labels that may come first."""
    output = call["outputs"][0]
    return isinstance(output, list) and all(isinstance(label, str) for label in output)


def compare_unless_random(app, client):
    return "not compared: the weights are random" if are_random(app) else compare(app, client)


def shortened(value):
    text = value if isinstance(value, str) else repr(value)
    return text if len(text) < 80 else f"{text[:80]}..."


def in_words(call):
    """Return a call in a few words: its files, or what is typed."""
    inputs = []
    replaced(call["inputs"], lambda v: is_file(v) or not isinstance(v, dict | list), inputs.append)
    said = ", ".join(shown(value) for value in inputs if value is not None)
    return shortened(said) or call.get("function", "")


# ---- The commands -------------------------------------------------------------------------------


def expect(argv=None):
    """Keep what an app predicts as its references, or compare it with those of the training."""
    parser = argparse.ArgumentParser(description="Write the reference predictions of an app.")
    parser.add_argument("app", help="its name, as in `make list`")
    parser.add_argument("--yes", action="store_true", help="you have checked them: write them")
    many = "how far a number may be off (default: 0.02; bfloat16 needs about 0.05)"
    parser.add_argument("--tolerance", type=float, default=TOLERANCE, help=many)
    options = parser.parse_args(argv)
    from smoke import start_app  # which needs this module

    app = find_app(options.app)
    if app.is_step:
        sys.exit("Only an app with a folder of its own has reference predictions.")
    if is_needed(app) and not is_there(app):
        sys.exit(f"The trained weights are missing. Fetch them: {typed('model', app)}")
    try:
        if are_random(app):
            raise Differs("The weights are random, so these predictions mean nothing.")
        with (
            tempfile.TemporaryDirectory() as folder,
            start_app(app) as server,
            contextlib.closing(open_client(server.wait().url, folder)) as client,
        ):
            record(app, client, options)
    except (Differs, Failed) as error:
        sys.exit(f"Nothing was written. {error}")
    except (KeyboardInterrupt, EOFError):
        sys.exit("\nNothing was written.")


def record(app, client, options):
    """Show what an app predicts, and keep it if the author agrees; raises Differs."""
    before = read(app) if expected_file(app).exists() else {"calls": []}
    if before.get("from") == "training":
        print(f"Its reference predictions are of {TRAINING}, and stay as they are.")
        print(f"The app: {compare(app, client, print)}.")
        return
    if named := [*filter(names_labels, before["calls"])]:
        compare(app, client, content={**before, "calls": named})  # what the author calls right
    calls = calls_of(app, client)
    for call in calls:
        call["outputs"] = ask(app, client, call)
        words = [*map(shown, call["outputs"])]
        between = "\n  " if any("\n" in each for each in words) else ", "
        print(f"{in_words(call)}: {between.join(words)}")
        for place, again in enumerate(ask(app, client, call)):
            parts = gaps(call["outputs"][place], again, options.tolerance)
            if max((gap for gap, _ in parts), default=0) > options.tolerance:
                print(f"  Output {place + 1} is another one each time, so it is not compared.")
                call["outputs"][place] = SKIPPED
    calls = [call for call in calls if any(output != SKIPPED for output in call["outputs"])]
    if not calls:
        raise Differs("Add examples to the page (gr.Examples), or put images into data/.")
    if not options.yes:
        if not sys.stdin.isatty():
            raise Differs("If each is right: the same command with --yes, or ARGS=--yes")
        if input("Is each of them right? Type yes to write them: ").strip().lower() != "yes":
            sys.exit("Nothing was written.")
    write(app, calls, options.tolerance)
    print(f"Written: {expected_file(app)}. Note in README.md what you compared against.")


def shown(output):
    """Return an output in a few words, so that the author can check it."""
    if isinstance(output, Labels):
        return ", ".join(f"{label} {p:.3f}" for label, p in output.items())
    if isinstance(output, dict) and {"headers", "data"} <= output.keys():  # a table: its first rows
        rows = [output["headers"], *output["data"][:5]]
        return "\n  ".join(" | ".join(map(str, row[:6])) for row in rows)
    named = replaced(output, is_file, lambda file: Path(file).name)
    return shortened(named)


def open_page(url, folder):
    """Return a client of the app at an address; raise Differs if there is none."""
    import httpx

    if not url.startswith(("http://", "https://")):
        raise Differs(f'"{url}" is not an address. Set URL=https://..., as in a browser.')
    local = httpx.URL(url).host in ("127.0.0.1", "localhost")
    try:
        return open_client(url, folder, CONNECT_S, trust_env=not local)
    except Exception as error:  # whatever an address may respond
        reason = f"{type(error).__name__}: {str(error).splitlines()[0] if str(error) else ''}"
        raise Differs(
            f"No Gradio app responds at {url} ({reason.rstrip(': ')}).\n"
            "Does the page open in a browser? An app that was just started takes a minute."
        ) from None


def verify(name, url):
    """Compare a hosted page's predictions with the reference predictions of this folder."""
    app = find_app(name)
    with tempfile.TemporaryDirectory() as folder:
        try:
            read(app)  # before the page is asked
            with contextlib.closing(open_page(url, folder)) as client:
                print(f"{url}: {compare(app, client)}.")
        except Differs as error:
            sys.exit(f"{app.name}: {error}")
        except KeyboardInterrupt:
            sys.exit("\nStopped.")
        except Exception as error:  # what the network does
            sys.exit(f"{url} gave no prediction: {error}")


if __name__ == "__main__":
    expect()
