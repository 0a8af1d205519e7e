"""Reference predictions: does an app predict what its model did where it was trained?

Two mistakes give no error: preprocessing that differs from training, and labels in another order.
`data/expected.json` in an app's folder finds them:

    {"tolerance": 0.02, "from": "training",
     "calls": [{"inputs": [{"file": "cat.jpg"}], "outputs": [{"tabby": 0.71, "lynx": 0.2}]}, ...]}

A call may name its "function"; a "file" is one in data/. Outputs are compared by kind: numbers with
the tolerance, wherever they are; probabilities by label; tables by cell; images, sounds and other
files by what is in them; text exactly. A list of labels names those that may come first, and
proves little: without normalisation a lion is still a lion.

The lines in docs/workshop/4-your-own-app.md write this file where the model was trained, and
`make expect` from the app itself. `make smoke`, `make docker-smoke` and `make verify` compare.
"""

import argparse
import csv
import io
import json
import math
import re
import shutil
import sys
import tempfile
import wave
import zipfile
from contextlib import closing
from pathlib import Path

from apps import find_app, typed
from model import is_needed, is_there
from questions import examples, inputs_of, is_in, replaced
from server import Failed

TOLERANCE, PREDICT_S, CONNECT_S = 0.02, 60, 30
FILES = {"Image": ".jpg .jpeg .png .tif .tiff", "Audio": ".wav .mp3 .flac", "Video": ".mp4 .webm"}
NUMBER = r"-?\d+(\.\d+)?([eE][-+]?\d+)?"
SAME = "Is it the same model, prepared in the same way, with labels in its order?"
AGAIN = "If the app is right, delete data/expected.json and type make expect again."
TRAINING, RECORDED = "the model where it was trained", "what the author has looked at"


class Differs(Exception):
    """Predictions differ from the references, or there are no usable ones; the message says it."""


# ---- The file -----------------------------------------------------------------------------------


def expected_file(app):
    return app.folder / "data" / "expected.json"


def read(app):
    """Return what is in an app's expected.json."""
    file, again = expected_file(app), f"`{typed('expect', app)}` writes it"
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
    return content


def write(app, calls, tolerance):
    """Keep the outputs of an app, with copies of the files among them, as its references."""
    kept = expected_file(app).with_name("expected")
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
        call = replaced(call, lambda value: isinstance(value, LocalFile), keep)
        outputs = call["outputs"]  # an input stays as it is
        short = replaced(outputs, lambda v: isinstance(v, float), lambda x: float(f"{x:.6g}"))
        return {**call, "outputs": short}

    content = {"tolerance": tolerance, "from": "app", "calls": [*map(plain, calls)]}
    text = json.dumps(content, indent=1, ensure_ascii=False)
    expected_file(app).write_text(text + "\n", encoding="utf-8", newline="\n")


def are_random(app):
    """Tell whether the app's weights are those of random_weights.py."""
    files = [file for file in (app.folder / "data").glob("*.pth") if zipfile.is_zipfile(file)]
    return any(zipfile.ZipFile(file).comment == b"random" for file in files)


# ---- The app ------------------------------------------------------------------------------------


class LocalFile(str):
    """The path of a file that the app has sent, or is sent."""


class Labels(dict):
    """What a gr.Label shows: {label: probability}, the largest first."""


def open_client(url, folder, seconds=PREDICT_S, trust_env=False):
    """Return a client of an app that keeps the files it is sent in a folder.

    `trust_env`: whether a proxy of the environment is asked; never for this computer.
    """
    from gradio_client import Client

    options = {"verbose": False, "analytics_enabled": False, "download_files": folder}
    return Client(url, **options, httpx_kwargs={"timeout": seconds, "trust_env": trust_env})


def functions(client):
    """Return {"/name": its parameters and returns}, those too that "Use via API" does not name."""
    import httpx

    where = f"{client.src_prefixed}info?all_endpoints=true"
    named = httpx.get(where, **client.httpx_kwargs).raise_for_status().json()["named_endpoints"]
    # not those of gr.Examples and of the health check
    return {name: named[name] for name in named if "load_example" not in name and name != "/alive"}


def ask(app, client, call):
    """Return the outputs of a call."""
    from gradio_client import handle_file
    from gradio_client.exceptions import AppError

    known = functions(client)
    name = call.get("function") or ("/predict" if "/predict" in known else next(iter(known)))
    if name not in known:
        raise Differs(f"the app has no function {name}, but {', '.join(known)}")

    def upload(value):
        path = path_of(value, app.folder / "data")
        if not path.exists():
            remedy = f"Put it back, or record the rest: {typed('expect', app)}"
            raise Differs(f"data/{value['file']} is not there any more. {remedy}")
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


def is_file(value):
    return isinstance(value, LocalFile) or (isinstance(value, dict) and value.keys() == {"file"})


def path_of(file, data):
    return Path(file if isinstance(file, LocalFile) else data / file["file"])


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


def gaps(reference, found, tolerance, data, place=""):
    """Yield how far each part of an output is from its reference, and that in words.

    The gap is 0 where they are the same, and infinite where they cannot be subtracted. Files that
    a reference names are in the folder `data`.
    """
    before = f"{place}: " if place else ""
    if is_file(reference) and isinstance(found, LocalFile):
        path = path_of(reference, data)
        yield from file_gaps(path, found, tolerance, f"{place} {path.name}".strip())
    elif is_number(reference) and is_number(found):
        gap = 0 if reference == found else abs(reference - found) / max(1, abs(reference))
        gap = 0 if math.isnan(reference) and math.isnan(found) else gap
        yield (math.inf if math.isnan(gap) else gap), f"{before}{found:.4g} and not {reference:.4g}"
    elif isinstance(reference, dict) and isinstance(found, Labels):
        yield from label_gaps(reference, found, tolerance, before)
    elif isinstance(reference, list) and isinstance(found, Labels):
        first = next(iter(found))
        said = f"{before}it says {first} ({found[first]:.2f}) and not {' or '.join(reference)}"
        yield (0 if first in reference else math.inf), said
    elif isinstance(reference, dict) and isinstance(found, dict) and {*reference} == {*found}:
        for name, part in reference.items():
            yield from gaps(part, found[name], tolerance, data, f"{place} {name}".strip())
    elif isinstance(reference, list) and isinstance(found, list) and len(reference) == len(found):
        for number, (part, other) in enumerate(zip(reference, found, strict=True), 1):
            yield from gaps(part, other, tolerance, data, f"{place} {number}".strip())
    else:
        said = f"{before}{shortened(found)} and not {shortened(reference)}"
        same = reference == found and isinstance(reference, bool) == isinstance(found, bool)
        yield (0 if same else math.inf), said


def is_number(value):
    return isinstance(value, (int, float)) and not isinstance(value, bool)


def shortened(value):
    text = value if isinstance(value, str) else repr(value)
    return text if len(text) < 80 else f"{text[:80]}..."


def label_gaps(reference, found, tolerance, before):
    """Yield the gaps between probabilities; of those as likely as the first, any may come first."""
    first = next(iter(found))
    likely = [n for n, p in reference.items() if p >= max(reference.values()) - 2 * tolerance]
    if first not in likely:
        said = f"it says {first} ({found[first]:.2f}) and not {' or '.join(likely)}"
        yield abs(found[first] - reference.get(first, 0)), before + said
    for label in {**reference, **found}:
        right = reference.get(label, min(found.get(label, 0), most_of_others(reference)))
        now = found.get(label, min(right, most_of_others(found)))
        yield abs(now - right), f"{before}{label} has {now:.3f} and not {right:.3f}"


def most_of_others(shown):
    """Return the most that a label can have which is not among those shown."""
    left = 1 - sum(shown.values())  # if one of all labels is right
    return min(shown.values()) if left < -0.001 else min(max(left, 0), *shown.values())


def file_gaps(reference, found, tolerance, place):
    """Yield the gaps between two files: by pixel, sample, cell or value, or else by byte."""
    contents = [Path(file).read_bytes() for file in (reference, found)]
    if contents[0] == contents[1]:
        yield 0, place
        return
    for parse in (pixels_of, samples_of, json.loads, table_of):
        try:
            parsed = [parse(content) for content in contents]
        except Exception:  # it is a file of another kind
            continue
        if parse in (json.loads, table_of):
            yield from gaps(*parsed, tolerance, None, place)
        else:
            yield array_gap(*parsed), f"{place} differs"
        return
    yield math.inf, f"{place} differs"


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
    """Return the cells of a CSV file, those with numbers as such."""
    text = content.decode("utf-8-sig")
    rows = csv.reader(text.splitlines(), csv.Sniffer().sniff(text[:10_000], ",;\t"))
    return [[float(c) if re.fullmatch(NUMBER, c) else c for c in row] for row in rows]


def array_gap(reference, found):
    """Return the gap within which 99.5 % of values are; of a mask, the share of it that differs."""
    import numpy as np

    if (reference.shape, reference.dtype) != (found.shape, found.dtype):
        return math.inf
    whole = reference.dtype.kind in "biu"  # 16 bits, or few values: numbers of classes or objects
    if whole and (reference.dtype != np.uint8 or len(np.unique(reference)) < 32):
        return float((reference != found).sum() / max(1, ((reference != 0) | (found != 0)).sum()))
    gap = np.abs(reference.astype(float) - found) / (255 if whole else 1)
    return float(np.quantile(gap, 0.995))


def compare(app, client, show=None, content=None):
    """Compare an app with its references; return what was compared, or raise Differs.

    `show` gets a line about each call. `content`, if given, replaces that of expected.json.
    """
    content, wrong, largest = content or read(app), [], 0
    calls, tolerance = content["calls"], content["tolerance"]
    origin = TRAINING if content.get("from") == "training" else RECORDED
    for call in calls:
        try:
            found = ask(app, client, call)
            if len(found) > len(call["outputs"]):  # the training gives only the labels
                found = [each for each in found if isinstance(each, Labels)]
            parts = gaps(call["outputs"], found, tolerance, app.folder / "data")
            gap, said = max(parts, key=lambda part: part[0])
            if gap > tolerance:
                said += f", with a tolerance of {tolerance:g}" * (gap < math.inf)
        except Differs as error:
            gap, said = math.inf, str(error)
        if len(call["outputs"]) == 1:
            said = re.sub(r"^1(: | )", "", said)
        wrong += [f"{in_words(call)}: {said}."] * (gap > tolerance)
        largest = max(largest, gap)
        if show:
            show(f"{in_words(call)}: {said if gap > tolerance else f'within {gap:.4f}'}")
    if wrong:
        wrong.append(SAME if origin == TRAINING else f"{SAME} {AGAIN}")
        raise Differs("\n      ".join(wrong))
    number = f"{len(calls)} call{'s' * (len(calls) > 1)}"
    if all(is_list_of_labels(call["outputs"][0]) for call in calls):
        return (
            f"{number}, the first label alone: it shows the order of labels and "
            f"not the preprocessing. `{typed('expect', app)}`, where the trained weights are, "
            "adds the probabilities"
        )
    return f"{number}, within {largest:.4f} of {origin}"


def is_list_of_labels(output):
    return isinstance(output, list) and all(isinstance(label, str) for label in output)


def compare_unless_random(app, client):
    return "not compared: the weights are random" if are_random(app) else compare(app, client)


def in_words(call):
    """Return a call in a few words: its files, or what is typed."""
    inputs = []
    replaced(call["inputs"], lambda v: is_file(v) or not isinstance(v, (dict, list)), inputs.append)
    names = [str(v["file"] if isinstance(v, dict) else v).rpartition("/")[2] for v in inputs]
    return shortened(", ".join(names)) or call.get("function", "")


# ---- The commands -------------------------------------------------------------------------------


def expect(argv=None):
    """Keep what an app predicts as its references, or compare it with those of the training."""
    parser = argparse.ArgumentParser(description="Write the reference predictions of an app.")
    parser.add_argument("app", help="its name, as in `make list`")
    parser.add_argument("--yes", action="store_true", help="you have looked: write them")
    parser.add_argument(
        "--tolerance",
        type=float,
        default=TOLERANCE,
        help="how far a number may be off (default: 0.02; bfloat16 needs about 0.05)",
    )
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
            closing(open_client(server.wait().url, folder)) as client,
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
    for call in [each for each in before["calls"] if is_list_of_labels(each["outputs"][0])]:
        compare(app, client, content={**before, "calls": [call]})  # what the author calls right
    calls = calls_of(app, client)
    if not calls:
        raise Differs("Add examples to the page (gr.Examples), or put images into data/.")
    for call in calls:
        call["outputs"] = ask(app, client, call)
        print(f"{in_words(call)}: {', '.join(map(shown, call['outputs']))}")
    if not options.yes:
        if not sys.stdin.isatty():
            raise Differs("If each is right: the same command with --yes, or ARGS=--yes")
        if input("Is each of them right? Type yes to write them: ").strip().lower() != "yes":
            sys.exit("Nothing was written.")
    write(app, calls, options.tolerance)
    print(f"Written: {expected_file(app)}. Note in README.md what you compared against.")


def shown(output):
    if isinstance(output, Labels):
        return ", ".join(f"{label} {p:.3f}" for label, p in output.items())
    return Path(output).name if isinstance(output, LocalFile) else shortened(output)


def open_page(url, folder):
    """Return a client of the app at an address; raise Differs if there is none."""
    import httpx

    if not url.startswith(("http://", "https://")):
        raise Differs(f'"{url}" is no address. Set URL=https://..., as in a browser.')
    local = httpx.URL(url).host in ("127.0.0.1", "localhost")
    try:
        return open_client(url, folder, CONNECT_S, trust_env=not local)
    except Exception as error:  # whatever an address may respond
        reason = f"{type(error).__name__}: {str(error).splitlines()[0] if str(error) else ''}"
        raise Differs(
            f"No Gradio app answers at {url} ({reason.rstrip(': ')}).\n"
            "Does the page open in a browser? An app that was just started takes a minute."
        ) from None


def verify(name, url):
    """Compare a hosted page's predictions with the reference predictions of this folder."""
    app = find_app(name)
    with tempfile.TemporaryDirectory() as folder:
        try:
            read(app)  # before the page is asked
            with closing(open_page(url, folder)) as client:
                print(f"{url}: {compare(app, client)}.")
        except Differs as error:
            sys.exit(f"{app.name}: {error}")
        except KeyboardInterrupt:
            sys.exit("\nStopped.")
        except Exception as error:  # what the network does
            sys.exit(f"{url} gave no prediction: {error}")


if __name__ == "__main__":
    expect()
