"""Make the tables and the plot of docs/bench/ from the raw figures of `make bench-scale`.

Among them is what it takes on paper: cores, replicas and memory for many users or many images,
calculated from the processor time of one prediction.
"""

import argparse
import json
import math
from statistics import median

from apps import ROOT
from maintain.bench.report import digest

BENCH, IMAGES = ROOT / "docs" / "bench", ROOT / "docs" / "images"
BUSY = 0.7  # of a core: with more, users wait behind one another
PAGE_CORES = 1  # Python runs one thing at a time: a page's process uses about one core
USERS, THINK_S = 1_000, 30  # each sends an image, looks at the prediction, and sends the next
BULK = 10_000_000


def middle(found, kind, *names):
    values = []
    for value in found["pages"][kind]:
        for name in names:
            value = value[name]
        values.append(value)
    return median(values)


def costs(found):
    """Return the CPU seconds of a prediction: in the page, in the model, and in Ray beside them."""
    kinds = ("page", "model", "Ray")
    return {kind: middle(found, "2 replicas", "cpu_ms", kind) / 1000 for kind in kinds}


def per_image(points, what):
    """Return what each image took after the first ones, when all processes had started.

    None if all came at once, as in a small run.
    """
    first, last = points[0], points[-1]
    more = last["images"] - first["images"]
    return (last[what] - first[what]) / more if more else None


def paper(found):
    """Return rows: what, for the users, and for the images of a bulk run."""
    cost = costs(found)
    rate = USERS / THINK_S
    replicas = math.ceil(rate * cost["model"] / BUSY)
    pages = math.ceil(rate * cost["page"] / (BUSY * PAGE_CORES))
    cores = math.ceil(rate * sum(cost.values()) / BUSY)
    memory = replicas * middle(found, "2 replicas", "memory_mb", "model") / 2
    memory += pages * middle(found, "2 replicas", "memory_mb", "page")
    memory += middle(found, "2 replicas", "memory_mb", "Ray")
    image = per_image(found["bulk"][-1], "cpu_s")
    return [
        ("predictions per second", f"{rate:.0f}"),
        ("replicas, of one core each", f"{replicas}"),
        ("processes of the page", f"{pages}"),
        ("cores in all", f"{cores}"),
        ("memory, GB", f"{memory / 1000:.0f}"),
        ("vCPU-hours for a million predictions", f"{1e6 * sum(cost.values()) / 3600:.1f}"),
        (f"vCPU-hours for {BULK:,} images in a bulk run", f"{BULK * image / 3600:,.0f}"),
    ]


def table(found):
    """Return the page scale.md."""
    lines = [
        f"| {found['users']} users, small images | predictions per second | one prediction, ms"
        " | CPU ms per prediction: page, model, Ray | memory, MB: page, model, Ray |",
        "|---|---|---|---|---|",
    ]
    for kind in found["pages"]:
        cpu = [f"{middle(found, kind, 'cpu_ms', what):.0f}" for what in ("page", "model", "Ray")]
        memory = [f"{middle(found, kind, 'memory_mb', w):,.0f}" for w in ("page", "model", "Ray")]
        lines.append(
            f"| {kind} | {middle(found, kind, 'per_second'):.1f} "
            f"| {middle(found, kind, 'median_ms'):,.0f} | {', '.join(cpu)} | {', '.join(memory)} |"
        )
    lines += [
        "",
        "| a bulk run of | start, s | then, s for 1,000 | CPU s for 1,000 | most memory, MB |",
        "|---|---|---|---|---|",
    ]
    for points in found["bulk"]:
        after = [per_image(points, what) for what in ("seconds", "cpu_s")]
        lines.append(
            f"| {points[-1]['images']:,} images | {points[0]['seconds']:.0f} "
            f"| {' | '.join('all at once' if a is None else f'{1000 * a:.0f}' for a in after)} "
            f"| {max(point['memory_mb'] for point in points):,.0f} |"
        )
    if "nodes" in found:
        seconds = 1000 * per_image(found["nodes"], "seconds")
        wanted = 1000 * per_image(found["bulk"][-1], "cpu_s") / 2
        lines += [
            "",
            f"Two nodes of one core each: {seconds:.0f} s for 1,000 images. On paper, with two"
            f" cores to themselves: {wanted:.0f} s.",
        ]
    machine = found["machine"]
    lines += ["", "| on paper | |", "|---|---|"]
    lines += [f"| {what} | {value} |" for what, value in paper(found)]
    lines += [
        "",
        f"{machine['processor']}, {machine['cores']} cores, {found['began']}, medians of"
        f" {len(found['pages']['2 replicas'])} rounds. Load at rest:"
        f" {median(found['idle_load_percent']):.0f} %.",
    ]
    return "\n".join(lines) + "\n"


def plot(found, file, source):
    """Draw predictions per second, and what an image costs in bulk runs of each size."""
    import matplotlib

    matplotlib.use("agg")
    from matplotlib import pyplot

    figure, (rate, cost) = pyplot.subplots(1, 2, figsize=(10, 3.8), layout="constrained")
    kinds = list(found["pages"])
    rate.bar(kinds, [middle(found, kind, "per_second") for kind in kinds], color="C0")
    for place, kind in enumerate(kinds):
        rounds = [seen["per_second"] for seen in found["pages"][kind]]
        rate.plot([place] * len(rounds), rounds, "k.")
    rate.set(title=f"Predictions per second, {found['users']} users")
    for points in found["bulk"]:
        later = [point for point in points if point["images"] > points[0]["images"]]
        if not later:
            continue
        so_far = [1000 * per_image([points[0], point], "cpu_s") for point in later]
        label = f"a run of {points[-1]['images']:,}"
        cost.plot([point["images"] for point in later], so_far, ".-", label=label)
    cost.set(title="CPU ms per image, bulk run", xlabel="images so far", xscale="log")
    cost.set_ylim(0)
    cost.legend()
    cost.grid(alpha=0.3)
    figure.savefig(file, dpi=90, metadata={"Description": source, "Software": None})
    pyplot.close(figure)


def boxes(axes, rows, arrows):
    for x, y, width, text, colour in rows:
        axes.text(
            x, y, text, ha="center", va="center", fontsize=9,
            bbox={"boxstyle": f"round,pad={width}", "facecolor": colour, "edgecolor": "0.4"},
        )  # fmt: skip
    for start, end in arrows:
        axes.annotate("", end, start, arrowprops={"arrowstyle": "-|>", "color": "0.3"})
    axes.set(xlim=(0, 10), ylim=(0, 6))
    axes.axis("off")


def draw_forms(file):
    """Draw the two forms: several whole apps, or one page with several replicas of the model."""
    import matplotlib

    matplotlib.use("agg")
    from matplotlib import pyplot

    figure, (plain, scaled) = pyplot.subplots(1, 2, figsize=(11, 4), layout="constrained")
    plain.set_title("app.yaml: the plain image, several times")
    boxes(
        plain,
        [(1, 4.5, 0.5, "Ada", "#eef3fb"), (1, 1.5, 0.5, "Bo", "#eef3fb"),
         (4.4, 3, 0.6, "Service\nwith a cookie for\neach user", "#fdf3d8"),
         (8.4, 4.5, 0.6, "page + model", "#e2f2e4"), (8.4, 1.5, 0.6, "page + model", "#e2f2e4")],
        [((1.6, 4.4), (3, 3.4)), ((1.6, 1.6), (3, 2.6)),
         ((5.8, 3.4), (7, 4.4)), ((5.8, 2.6), (7, 1.6))],
    )  # fmt: skip
    scaled.set_title("scaled.yaml: one page, the model several times")
    boxes(
        scaled,
        [(1, 4.5, 0.5, "Ada", "#eef3fb"), (1, 1.5, 0.5, "Bo", "#eef3fb"),
         (4, 3, 0.6, "page\n(stand-in\nfor the model)", "#fdf3d8"),
         *[(8.2, y, 0.6, "model", "#e2f2e4") for y in (5, 3, 1)]],
        [((1.6, 4.4), (2.9, 3.4)), ((1.6, 1.6), (2.9, 2.6)),
         *[((5.1, 3), (7.4, y)) for y in (5, 3, 1)]],
    )  # fmt: skip
    figure.savefig(file, dpi=90, metadata={"Software": None})
    pyplot.close(figure)


def main(argv=None):
    argparse.ArgumentParser(description=__doc__.splitlines()[0]).parse_args(argv)
    raw = BENCH / "scale.json"
    draw_forms(IMAGES / "scale.png")
    if raw.exists():
        found = json.loads(raw.read_text(encoding="utf-8"))
        plot(found, BENCH / "scale.png", digest(raw))
        (BENCH / "scale.md").write_text(table(found), encoding="utf-8", newline="\n")


if __name__ == "__main__":
    main()
