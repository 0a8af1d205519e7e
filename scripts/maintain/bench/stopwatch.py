"""Time the two parts of a prediction that are not Gradio, in a running app: reading and model.

They are timed where they run. The same model takes a third longer there than in a loop of its own:
where several threads use OpenMP, as in a server, its helpers sleep between two layers, and have to
be woken for each.
"""

from statistics import median

from maintain.bench.edit import edit

BEFORE = "@share_cores()"
LINES = """def timed(function):
    from time import perf_counter

    def call(*values, **more):
        start = perf_counter()
        result = function(*values, **more)
        print(perf_counter() - start, file=took)
        return result

    return call


took = open(HERE / "took.txt", "a", buffering=1)
read_image, preprocess, model = map(timed, (read_image, preprocess, model))


"""


def put_in(folder):
    """Put the stopwatch into a copied classifier; the app is otherwise the same."""
    edit(folder, BEFORE, LINES + BEFORE)


def read(folder):
    """Return the median ms of each part of the predictions for one user since the last reading."""
    file = folder / "took.txt"
    seconds = list(map(float, file.read_text(encoding="utf-8").split()))
    file.write_text("", encoding="utf-8")
    opened, prepared, model = seconds[::3], seconds[1::3], seconds[2::3]
    reading = map(sum, zip(opened, prepared, strict=True))
    return {"reading_ms": 1000 * median(reading), "model_ms": 1000 * median(model)}
