"""Make the table and the plots of docs/bench/ from the raw figures there."""

import argparse
import hashlib
import json
from pathlib import Path
from statistics import median

from apps import ROOT

NAMES = {
    "source": "the workshop's app of 2023",
    "app": "resnet as handed out",
    "litserve": "LitServe, batches of 8",
    "faster_f32": "recipe faster, float32",
    "faster_bf16": "recipe faster, bfloat16",
    "hello": "hello (Gradio alone)",
}
NOISY_LOAD, NOISY_SPREAD = 10, 0.25


def middle(rounds, what):
    return median(seen[what] for seen in rounds)


def alone(found):
    """Return the images per second of the model alone, by the size of a batch."""
    rounds = [bare["per_second"] for bare in found["bare"]]
    return {size: median(each[size] for each in rounds) for size in rounds[0]}


def ratios(found):
    """Return rows of the table: what, the figure, the figure wanted, whether less is better."""
    crowd, phone = found["crowd"], found["phone"]

    def per_second(name, users):
        return middle(crowd[name][str(users)], "per_second")

    def over(name, other):
        """Compare two servers round by round: those of one round were measured side by side."""
        pairs = zip(crowd[name]["8"], crowd[other]["8"], strict=True)
        return median(one["per_second"] / two["per_second"] for one, two in pairs)

    rest = median(
        (seen["median_ms"] - seen["reading_ms"] - seen["model_ms"]) / hello["median_ms"]
        for seen, hello in zip(found["parts"], crowd["hello"]["1"], strict=True)
    )
    rates = {users: per_second("app", users) for users in map(int, crowd["app"])}
    vgg11 = found["vgg11_memory_mb"]
    starts = [page / imports for page, imports, *_ in found["start_s"]]
    rows = [
        (
            "small image, 8 users: predictions per second, over the app of 2023",
            over("app", "source"),
            1.5,
            False,
        ),
        ("the same over LitServe", over("app", "litserve"), 0.53, False),
    ]
    for name, wanted in (("faster_f32", 0.7), ("faster_bf16", 1.2)):
        if name in crowd:
            what = f"the same with the {NAMES[name]}"
            rows.append((what, over(name, "litserve"), wanted, False))
    rows += [
        (
            "phone photo (4000 x 3000), one user: time, over the app of 2023",
            middle(phone["app"]["1"], "median_ms") / middle(phone["source"]["1"], "median_ms"),
            1 / 50,
            True,
        ),
        (
            "phone photo, 4 users: predictions per second, over LitServe",
            middle(phone["app"]["4"], "per_second") / middle(phone["litserve"]["4"], "per_second"),
            2.2,
            False,
        ),
        (
            "one user, small: time that is neither reading nor model, over hello",
            rest,
            2.5,
            True,
        ),
        ("start to page, over the imports alone", median(starts), 1.1, True),
        (
            "VGG11: peak memory, over the app without weights + the file",
            vgg11["whole"] / (vgg11["empty"] + vgg11["weights"]),
            1.1,
            True,
        ),
        (
            "predictions per second at 16, 32 and 64 users, the lowest over the best",
            min(rates[users] for users in (16, 32, 64)) / max(rates.values()),
            0.9,
            False,
        ),
    ]
    if smaller := [both[0] / page for page, _, *both in found["start_s"] if both]:
        rows.append(
            ("start to page with the recipe smaller, over the app", median(smaller), 0.5, True)
        )
    flower = {name: middle(rounds, "median_ms") for name, rounds in found["flower"].items()}
    for name, wanted in (("faster_f32", None), ("faster_bf16", 1 / 3)):
        if name in flower:
            what = f"flower, one user: time with the {NAMES[name]}, over the app"
            rows.append((what, flower[name] / flower["app"], wanted, True))
    best = max(alone(found).values())
    rows.append(
        ("small image, 8 users: predictions per second, over the model alone at its best batch",
         per_second("app", 8) / best, None, False)
    )  # fmt: skip
    return rows


def noise(found):
    """Say in a line whether the machine was busy with something else."""
    load = max(found["idle_load_percent"])
    spreads = []
    for levels in found["crowd"].values():
        for rounds in levels.values():
            rates = [seen["per_second"] for seen in rounds]
            spreads.append((max(rates) - min(rates)) / median(rates))
    spread = median(spreads)
    noisy = load > NOISY_LOAD or spread > NOISY_SPREAD
    verdict = "**The machine was noisy: do not trust these figures.**" if noisy else "Quiet."
    return f"{verdict} Load at rest: {load:.0f} %; typical spread between rounds: {spread:.0%}."


def number(value):
    return f"1/{1 / value:.0f}" if value < 0.1 else f"{value:.2f}"


def table(found):
    """Return the page bench.md."""
    m = found["machine"]
    packages = ", ".join(f"{name} {number}" for name, number in m["packages"].items())
    lines = [
        "| on this machine | measured | wanted | |",
        "|---|---|---|---|",
    ]
    for what, value, wanted, less in ratios(found):
        met = "" if wanted is None else "yes" if (value <= wanted) == less else "no"
        limit = "" if wanted is None else f"{'at most' if less else 'at least'} {number(wanted)}"
        lines.append(f"| {what} | {number(value)} | {limit} | {met} |")
    lines += [
        "",
        "| | one user, ms | 8 users, per second | phone photo, one user, ms"
        " | phone photo, 4 users, per second | memory, MB |",
        "|---|---|---|---|---|---|",
    ]
    for name, levels in found["crowd"].items():
        phone = found["phone"].get(name, {})
        one = f"{middle(phone['1'], 'median_ms'):,.0f}" if "1" in phone else ""
        four = f"{middle(phone['4'], 'per_second'):.1f}" if "4" in phone else ""
        lines.append(
            f"| {NAMES[name]} | {middle(levels['1'], 'median_ms'):.0f}"
            f" | {middle(levels['8'], 'per_second'):.0f} | {one} | {four}"
            f" | {found['resting'][name]:,.0f} |"
        )
    best = alone(found)
    size = max(best, key=best.get)
    whole, reading, model = (
        middle(found["parts"], f"{part}_ms") for part in ("median", "reading", "model")
    )
    lines += [
        "",
        f"One prediction of resnet, a small image: {whole:.1f} ms, of which {reading:.1f} for"
        f" reading and {model:.1f} for the model, timed inside the app.",
        "",
        f"The model alone, float32, in batches of {size}: {best[size]:.0f} images per second;"
        f" one at a time: {best['1']:.0f}.",
        "",
        f"{m['processor']}, {m['cores']} cores, {m['memory_gb']} GB, {m['system']}; Python"
        f" {m['python']}, {packages}. {found['began']}, {found['minutes']} minutes,"
        f" {found['rounds']} rounds, medians. {noise(found)}",
    ]
    return "\n".join(lines) + "\n"


def digest(file):
    return hashlib.sha256(file.read_bytes()).hexdigest()


def plot(found, file, source):
    """Draw predictions per second and the slowest of twenty, from 1 to 64 users."""
    import matplotlib

    matplotlib.use("agg")
    from matplotlib import pyplot

    figure, (rate, slow) = pyplot.subplots(1, 2, figsize=(11, 4.2), layout="constrained")
    for name, levels in found["crowd"].items():
        users = [int(level) for level in levels]
        rate.plot(
            users, [middle(r, "per_second") for r in levels.values()], "o-", label=NAMES[name]
        )
        slow.plot(users, [middle(r, "p95_ms") for r in levels.values()], "o-")
    rate.set(title="Predictions per second", xlabel="users at once")
    title = "95 of 100 predictions take less than (ms)"
    slow.set(title=title, xlabel="users at once", yscale="log")
    for axes in (rate, slow):
        axes.set_xscale("log", base=2)
        axes.set_xticks(users, users)
        axes.grid(alpha=0.3)
    rate.set_ylim(0)
    rate.legend(fontsize="small")
    figure.savefig(file, dpi=90, metadata={"Description": source, "Software": None})
    pyplot.close(figure)


def plot_memory(found, file, source):
    """Draw memory and rate over the predictions."""
    import matplotlib

    matplotlib.use("agg")
    from matplotlib import pyplot

    figure, memory = pyplot.subplots(figsize=(8, 4), layout="constrained")
    rate = memory.twinx()
    predictions = [point["answers"] for point in found["points"]]
    (one,) = memory.plot(predictions, [p["memory_mb"] for p in found["points"]], "o-", color="C0")
    (two,) = rate.plot(predictions, [p["per_second"] for p in found["points"]], "s--", color="C1")
    title = "resnet over many predictions"
    memory.set(xlabel="predictions so far", ylabel="memory, MB", title=title)
    memory.set_ylim(0, 1.3 * max(p["memory_mb"] for p in found["points"]))
    rate.set_ylabel("predictions per second")
    rate.set_ylim(0, 1.5 * max(p["per_second"] for p in found["points"]))
    memory.legend([one, two], ["memory", "predictions per second"], loc="lower right")
    figure.savefig(file, dpi=90, metadata={"Description": source, "Software": None})
    pyplot.close(figure)


def write(folder):
    """Write the table and the plots that belong to the raw figures in `folder`."""
    for name, draw in (("bench", plot), ("memory", plot_memory)):
        raw = folder / f"{name}.json"
        if raw.exists():
            found = json.loads(raw.read_text(encoding="utf-8"))
            draw(found, folder / f"{name}.png", digest(raw))
            if name == "bench":
                page = folder / "bench.md"
                page.write_text(table(found), encoding="utf-8", newline="\n")


def main(argv=None):
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", nargs="?", type=Path, default=ROOT / "docs" / "bench")
    write(parser.parse_args(argv).folder)


if __name__ == "__main__":
    main()
