"""Find, for each class, above which probability the model's predictions can be relied on.

    pip install scikit-learn==1.7.2 matplotlib==3.10.9
    python fit_thresholds.py scores.csv --test test_scores.csv

scores.csv is a table of what the trained model says about images that it was not trained on,
with a line for each image, as CSV:

    true,cat,dog,horse
    dog,0.031,0.962,0.007

First the name of the class that it really is, then a probability for each class (from 0 to 1, and
together 1), in columns that are called as in the app. test_scores.csv is the same table for
other images. The thresholds were chosen to look good on the first ones, so only others tell how
good they are.

The criterion: the threshold of a class is the lowest probability from which on at least 95 % of
the predictions of this class were right (the precision), and at least 20 of them are left.
A class that was predicted fewer than 20 times takes the threshold that all classes together get
in this way. If the predictions of a class are too often wrong however high their probability, the
app is never sure of it.

Written are data/thresholds.json, for the app, and reliability.png, for the model card.
"""

import argparse
import json
import math
import sys
from pathlib import Path

import numpy as np
from excel_csv import read_rows
from matplotlib.figure import Figure
from sklearn.calibration import calibration_curve
from sklearn.metrics import precision_recall_curve

HERE = Path(__file__).resolve().parent
FEWEST = 20  # predictions that a threshold must leave: with fewer, a precision is mere luck


def read_scores(file):
    """Read a table of scores, or end the program with a message.

    Returns the names of the n classes, the place of the right class for each of the m images
    (m), and the probabilities (m x n).
    """
    try:
        (_, *labels), *rows = read_rows(file)
    except (OSError, ValueError) as error:
        sys.exit(f"{file} cannot be read as a table: {error}")
    if len(labels) < 2:
        sys.exit(f"{file} must have two or more columns of classes, after the true class.")
    right, scores = [], []
    for number, (true, *values) in enumerate(rows, 1):
        if labels.count(true) != 1:
            columns = "no column" if true not in labels else "two columns"
            sys.exit(f'{file}, image {number}: "{true}" is the name of {columns}.')
        try:
            values = [float(value.replace(",", ".")) for value in values]
        except ValueError:
            values = []
        if len(values) != len(labels) or min(values) < 0 or not 0.99 < math.fsum(values) < 1.01:
            sys.exit(
                f"{file}, image {number}: there must be {len(labels)} numbers from 0 to 1, "
                "together 1. Save what comes out of the softmax."
            )
        right.append(labels.index(true))
        scores.append(values)
    if not rows:
        sys.exit(f"{file} has no images.")
    return labels, np.array(right), np.array(scores)


def lowest_threshold(correct, probabilities, precision):
    """Return the lowest threshold that reaches a precision, or None if none does.

    `correct` tells of each prediction (m) whether it was right, `probabilities` how likely the
    model thought it (m). A prediction counts if its probability is the threshold, or above.
    """
    if not correct.any():
        return None
    reached, _, thresholds = precision_recall_curve(correct, probabilities)
    left = len(correct) - np.searchsorted(np.sort(probabilities), thresholds)
    good = thresholds[(reached[:-1] >= precision) & (left >= FEWEST)]
    return float(good.min()) if len(good) else None


def fit(labels, right, scores, precision):
    """Return what data/thresholds.json holds."""
    predictions, probabilities = scores.argmax(1), scores.max(1)
    correct = predictions == right
    classes = {}
    for i, label in enumerate(labels):
        of_class = predictions == i
        if of_class.sum() >= FEWEST and labels.count(label) == 1:
            classes[label] = lowest_threshold(correct[of_class], probabilities[of_class], precision)
    criterion = (
        f"The thresholds were chosen so that at least {100 * precision:g} % of the predictions "
        f"above them were right, on {len(right):,} validation images."
    )
    default = lowest_threshold(correct, probabilities, precision)
    return {"criterion": criterion, "default": default, "classes": classes}


def describe(thresholds, labels, right, scores):
    """Return in a sentence how many of some images get a name, and how many a right one."""
    predictions, probabilities = scores.argmax(1), scores.max(1)
    limits = [thresholds["classes"].get(label, thresholds["default"]) for label in labels]
    limits = np.array([math.inf if limit is None else limit for limit in limits])
    sure = probabilities >= limits[predictions]
    correct = predictions == right
    named = f"{100 * sure.mean():.1f} % of {len(right):,} images get a name"
    if sure.any():
        named += f", and {100 * correct[sure].mean():.1f} % of these the right one"
    return f"{named}. Without thresholds: {100 * correct.mean():.1f} % right."


def draw(file, right, scores):
    """Save the reliability plot: of predictions that are given 80 %, are 80 % right?"""
    correct, probabilities = scores.argmax(1) == right, scores.max(1)
    share, said = calibration_curve(correct, probabilities, n_bins=10)
    figure = Figure(figsize=(5, 6), layout="constrained")
    above, below = figure.subplots(2, 1, sharex=True, height_ratios=(3, 1))
    above.plot([0, 1], [0, 1], ":", color="grey", label="as it should be")
    above.plot(said, share, "o-", label="this model")
    above.set(ylabel="share of right predictions", xlim=(0, 1), ylim=(0, 1.02))
    above.legend()
    below.hist(probabilities, bins=10, range=(0, 1))
    below.set(xlabel="probability of the most likely class", ylabel="images")
    figure.savefig(file, dpi=120)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("scores", help="the table of validation scores (CSV)")
    parser.add_argument("--test", help="such a table of other images, to see how well it does")
    parser.add_argument("--precision", type=float, default=0.95, help="wanted; usually 0.95")
    arguments = parser.parse_args()
    if not 0 < arguments.precision <= 1:
        parser.error("--precision must be above 0, and at most 1.")
    table = read_scores(arguments.scores)
    test = read_scores(arguments.test) if arguments.test else table
    if test[0] != table[0]:
        sys.exit("The two tables must have the same columns, in the same order.")
    labels = table[0]
    thresholds = fit(*table, arguments.precision)
    own = thresholds["classes"]
    never = [label for label, threshold in own.items() if threshold is None]
    print(f"{len(own)} of {len(labels)} classes have a threshold of their own.")
    print(f"The others, with fewer than {FEWEST} predictions, share one: {thresholds['default']}.")
    if never:
        print(f"The app will never be sure of: {', '.join(never)}.")
    print(f"In {arguments.test or arguments.scores}, {describe(thresholds, *test)}")
    if not arguments.test:
        print("This is too good, since the thresholds were chosen on these images: see --test.")
    text = json.dumps(thresholds, indent=2, ensure_ascii=False)
    (HERE / "data" / "thresholds.json").write_text(f"{text}\n", encoding="utf-8")
    draw(HERE / "reliability.png", *test[1:])
    print("Written: data/thresholds.json and reliability.png")


if __name__ == "__main__":
    main()
