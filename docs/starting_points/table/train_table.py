"""Train a small scikit-learn model, and save it as data/model.skops with a table to try it on."""

import zipfile
from pathlib import Path

import skops.io
from sklearn.datasets import load_iris
from sklearn.ensemble import RandomForestClassifier
from sklearn.model_selection import train_test_split

DATA = Path(__file__).resolve().parent / "data"

# 150 flowers: four lengths in cm, in columns with names, and which of three species it is
iris = load_iris(as_frame=True)
species = iris.target_names[iris.target]
split = train_test_split(iris.data, species, test_size=0.2, stratify=species, random_state=0)
lengths, held_out, known, held_out_known = split
model = RandomForestClassifier(30, max_depth=4, random_state=0).fit(lengths, known)

# unlike a pickle, a skops file runs no code of its own when it is opened
skops.io.dump(model, DATA / "model.skops", compression=zipfile.ZIP_DEFLATED)
example = held_out.assign(species=held_out_known)
example.to_csv(DATA / "example.csv", index_label="flower", lineterminator="\n")
right = model.score(held_out, held_out_known)
print(f"Saved data/model.skops: right for {right:.0%} of {len(held_out)} flowers not trained on.")
