"""Train the flower model: a VGG19 with new last layers, on Oxford 102 Flowers.

python train_model.py                 fetch the images and the weights to start from, and train
python train_model.py --resume        continue after the last epoch that was finished
python train_model.py --data FOLDER   take the files in FOLDER, and fetch only what is missing

The app's weights and reference predictions are written into data/, all else into training/.
"""

import argparse
import errno
import re
import signal
import sys
import time
from pathlib import Path

try:
    import torch
    import training_report as report
    from cores import CORES
    from torch import nn
    from torchvision import transforms
    from torchvision.models import VGG19_Weights, vgg19
    from tqdm import tqdm
    from training_data import EXAMPLES, Images, Unreadable, check, fetch, read
    from training_set import WEIGHTS, find_images
except ImportError as error:
    sys.exit(f"{error}. Install what training needs: pip install -r requirements-train.txt")

HERE = Path(__file__).resolve().parent
LABELS = HERE / "data" / "labels.txt"  # of an app that reads its labels there
START = VGG19_Weights.IMAGENET1K_V1  # its file's name ends with the first digits of its SHA-256
SEED = 1
HEAD_SHARE = 6  # in the first sixth of the epochs, only the new last layers learn
LEARNING_RATES = {"features": 1e-5, "classifier": 1e-4}
PATIENCE = 5  # stop when the loss on the validation images has not fallen for so many epochs
NO_MEMORY = "(?i)out of memory|(enough|shared) memory|alloc"  # how PyTorch's errors say it
WORKERS = min(4, CORES)  # processes that read images
torch.set_num_threads(CORES)  # where a container may not use all, PyTorch would still start more

preprocess = START.transforms()  # as in the app: 224 x 224, normalised
augment = transforms.Compose(  # for training only: never the same image twice
    [
        transforms.RandomResizedCrop(224, scale=(0.4, 1)),
        transforms.RandomHorizontalFlip(),
        transforms.RandomRotation(20),
        transforms.ColorJitter(brightness=0.2, contrast=0.2),
        transforms.ToTensor(),
        transforms.Normalize(preprocess.mean, preprocess.std),
    ]
)


def build_network(start, labels):
    """Return the app's network; its first layers take the weights of the VGG19 in a file."""
    model = vgg19(init_weights=False)
    model.classifier = nn.Sequential(
        nn.Linear(25088, 4096),
        nn.ReLU(),
        nn.Dropout(),
        nn.Linear(4096, 2048),
        nn.ReLU(),
        nn.Dropout(),
        nn.Linear(2048, labels),
    )
    weights = torch.load(start, "cpu", weights_only=True)
    first = {name: values for name, values in weights.items() if name.startswith("features.")}
    model.features.load_state_dict({name.partition(".")[2]: first[name] for name in first})
    return model


def find_device(name):
    """Return the device called `name`, or else the fastest: CUDA, Apple's MPS, or the CPU."""
    best = torch.accelerator.current_accelerator() if torch.accelerator.is_available() else None
    if name not in (None, "cpu", best and best.type):
        sys.exit(f"PyTorch finds no {name} here. Without --device it takes {best or 'the CPU'}.")
    return best if best and name != "cpu" else torch.device("cpu")


def half_precision(device):
    """Return the type of 16 bits with which this device is faster, or None."""
    can = torch.cpu.get_capabilities()
    if device.type == "cpu" and (can.get("amx_bf16") or can.get("avx512_bf16")):
        return torch.bfloat16
    return torch.float16 if device.type == "cuda" else None


def go_through(model, loader, device, bar, optimizer=None, scaler=None):
    """Show all images to the network, which learns from them if there is an optimizer.

    Returns the probabilities (images x labels) and the numbers of the right labels (images).
    """
    half = half_precision(device)
    model.train(optimizer is not None)
    scores, truths = [], []
    for images, labels in loader:
        images = images.to(device, memory_format=torch.channels_last)
        with torch.set_grad_enabled(optimizer is not None):
            with torch.autocast(device.type, half, enabled=half is not None):
                outputs = model(images).float()
            loss = nn.functional.cross_entropy(outputs, labels.to(device))
        if optimizer:
            optimizer.zero_grad()
            scaler.scale(loss).backward()  # scaled, since float16 has no very small numbers
            scaler.step(optimizer)
            scaler.update()
        scores.append(outputs.detach().softmax(1).cpu())
        truths.append(labels)
        bar.update(len(labels))
    return torch.cat(scores), torch.cat(truths)


def load_checkpoint(file, settings, learners):
    """Bring the learners to where they were; return the history of the epochs until then."""
    try:
        saved = torch.load(file, "cpu", weights_only=True)
    except (MemoryError, OSError):
        raise
    except Exception:  # torch has many errors for a damaged file
        sys.exit(f"{file} is damaged. Delete it, and start again.")
    if saved["settings"] != settings:
        epochs = saved["settings"]["epochs"]
        sys.exit(
            f"{file} is of a training run with --epochs {epochs}, or of other images, labels or "
            "weights to start from. Continue as it began, or delete it."
        )
    for name, learner in learners.items():
        if saved[name]:  # only a card has a scaler
            learner.load_state_dict(saved[name])
    print(f"Continuing after epoch {len(saved['history'])} of {settings['epochs']}.")
    return saved["history"]


def train(args):
    since, device = time.monotonic(), find_device(args.device)
    work, source = args.out / "training", args.data or args.out / "training"
    checkpoint, best = work / "checkpoint.pth", work / "best.pth"
    if checkpoint.exists() and not args.resume:
        sys.exit(
            f"A training run was interrupted here. Continue with --resume, or delete {checkpoint}"
        )
    for folder in (work, source, args.out / "data"):
        folder.mkdir(parents=True, exist_ok=True)
    labels, samples = find_images(source, args.md5)
    start = args.start or source / Path(START.url).name
    if not start.exists():
        fetch({start: START.url}, torch.hub.download_url_to_file, START.url, start)
    check(start, "sha256", start.stem.rpartition("-")[2])
    for example in (args.out / "data").glob(EXAMPLES):
        read(example)  # now, not after all epochs

    torch.manual_seed(SEED)
    model = build_network(start, len(labels)).to(device, memory_format=torch.channels_last)
    parts = [(getattr(model, part), rate) for part, rate in LEARNING_RATES.items()]
    groups = [{"params": [*part.parameters()], "lr": rate} for part, rate in parts]
    optimizer = torch.optim.AdamW(groups, fused=True)  # in one go over the memory
    half = half_precision(device)
    scaler = torch.amp.GradScaler(device.type, enabled=half == torch.float16)
    learners = {"model": model, "optimizer": optimizer, "scaler": scaler}
    sizes = {split: len(samples[split]) for split in samples}
    settings = {"epochs": args.epochs, "labels": [*labels], "images": sizes, "start": start.name}
    resumed = checkpoint.exists()
    history = load_checkpoint(checkpoint, settings, learners) if resumed else []
    head_epochs = max(1, args.epochs // HEAD_SHARE)
    print(f"{len(labels)} labels, images: {sizes}, {device}, {half or torch.float32}", flush=True)

    def go(split, epoch=None):
        """Go through the images of a split: in an epoch, to learn from them."""
        learn = epoch is not None
        loader = torch.utils.data.DataLoader(
            Images(samples[split], augment if learn else preprocess),
            batch_size=args.batch_size,
            shuffle=learn,
            num_workers=WORKERS,
            generator=torch.Generator().manual_seed(SEED + (epoch or 0)),
            pin_memory=device.type == "cuda",
        )
        return go_through(model, loader, device, bar, *[optimizer, scaler] * learn)

    todo = (args.epochs - len(history)) * (sizes["train"] + sizes["val"])
    with tqdm(total=todo + sizes["val"] + sizes["test"], unit=" images") as bar:
        for epoch in range(len(history), args.epochs):
            if epoch - 1 - max(report.best_epoch(history), head_epochs) >= PATIENCE:
                break
            torch.manual_seed(SEED + epoch)  # for dropout: as in a run that was not cut off
            model.features.requires_grad_(epoch >= head_epochs)
            row = {"train": report.measure(*go("train", epoch)), "val": report.measure(*go("val"))}
            history.append(row | {"seconds": time.monotonic() - since})
            since = time.monotonic()
            bar.write(f"Epoch {epoch + 1}: loss {row['val'][0]:.3f}, {row['val'][1]:.1%} right")
            if report.best_epoch(history) == epoch:
                report.save(best, {name: v.cpu() for name, v in model.state_dict().items()})
            states = {name: learner.state_dict() for name, learner in learners.items()}
            report.save(checkpoint, {"settings": settings, "history": history, **states})
            report.draw_curves(work / "curves.png", history, head_epochs)
        model.load_state_dict(torch.load(best, "cpu", weights_only=True))
        scores = {split: go(split) for split in ("val", "test")}
    model.cpu()

    @torch.inference_mode()
    def predict(file):
        p = model(preprocess(read(file)).unsqueeze(0))[0].softmax(0)
        return {labels[i]: p[i].item() for i in p.topk(min(5, len(labels))).indices}

    seconds = sum(row["seconds"] for row in history) + time.monotonic() - since
    details = {"images": sizes, "start": start.name, "seed": SEED, "seconds": round(seconds)}
    details |= {"batch_size": args.batch_size, "device": f"{device}, {half or torch.float32}"}
    report.write(work, labels, scores, {**details, "history": history}, best)
    report.write_reference_predictions(args.out / "data" / "expected.json", predict)
    if LABELS.exists():
        names = "".join(f"{label}\n" for label in labels)
        (args.out / "data" / LABELS.name).write_text(names, encoding="utf-8")
    report.put_in_place(best, args.out / "data" / WEIGHTS)
    checkpoint.unlink()


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    add = parser.add_argument
    add("--data", type=Path, help="a folder with the images and the weights to start from")
    add("--epochs", type=int, default=30, help="how often to see all images, at most (30)")
    add("--batch-size", type=int, default=32, help="how many images at a time (32)")
    add("--device", choices=["cpu", "cuda", "mps"], help="default: the fastest")
    add("--out", type=Path, default=HERE, help="the folder of the app (default: this one)")
    add("--resume", action="store_true", help="continue a training run that was cut off")
    add("--start", type=Path, help="weights of another VGG19, in a file called NAME-SHA256.pth")
    add("--md5", nargs=3, help="of another data set of this form")
    args = parser.parse_args()
    if min(args.epochs, args.batch_size) < 1:
        parser.error("--epochs and --batch-size must be 1 or more")
    try:
        train(args)
    except KeyboardInterrupt:
        print("\nStopped. With --resume it continues after the last whole epoch.", file=sys.stderr)
        sys.exit(130)
    except Unreadable as error:  # comes from another process, with its lines before
        image = str(error).strip().splitlines()[-1].rpartition("Unreadable: ")[2]
        sys.exit(f"{image}\nReplace it, then start again with --resume")
    except OSError as error:
        full = error.errno in (errno.ENOSPC, errno.EDQUOT)
        room = f"The disk or your quota is full. Make room in {args.out}, then: --resume"
        sys.exit(room if full else str(error))
    except (MemoryError, RuntimeError) as error:
        if isinstance(error, RuntimeError) and not re.search(NO_MEMORY, str(error)):
            raise
        smaller = max(1, args.batch_size // 2)
        sys.exit(
            f"Out of memory with --batch-size {args.batch_size}. "
            f"Try --batch-size {smaller} --resume"
        )


if __name__ == "__main__":
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # as Slurm stops a job
    main()
