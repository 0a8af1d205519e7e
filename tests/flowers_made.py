"""A data set in the form of Oxford 102 Flowers, and weights of a VGG19, made for the tests.

The images can be learned: petals of five of the 102 kinds, each with a colour of its own.
"""

import hashlib
import io
import random
import tarfile

import torch
from PIL import Image
from scipy.io import savemat
from torchvision.models import VGG19_Weights, vgg19

# the number of the label, from 1, as in imagelabels.mat; its name; the colour of its petals
KINDS = {
    (26, "corn poppy"): (210, 30, 30),
    (54, "sunflower"): (250, 210, 20),
    (25, "grape hyacinth"): (50, 60, 200),
    (49, "oxeye daisy"): (245, 245, 245),
    (93, "ball moss"): (60, 140, 60),
}
SPLITS = {"trnid": 6, "valid": 2, "tstid": 2}  # images of each kind


def draw_petal(colour, chance, size=(150, 130)):
    """Return an image of a colour, a little different each time, with some noise."""
    shade = tuple(max(0, min(255, value + chance.randint(-15, 15))) for value in colour)
    noise = Image.frombytes("L", size, chance.randbytes(size[0] * size[1])).convert("RGB")
    return Image.blend(Image.new("RGB", size, shade), noise, 0.2)


def make_data_set(folder, splits=SPLITS, kinds=KINDS):
    """Write the three files of the data set into folder/flowers-102; return their MD5 digests."""
    folder = folder / "flowers-102"
    folder.mkdir(parents=True)
    chance, labels, ids = random.Random(0), [], {split: [] for split in splits}
    with tarfile.open(folder / "102flowers.tgz", "w:gz") as archive:
        for split, count in splits.items():
            for (number, _), colour in list(kinds.items()) * count:
                labels.append(number)
                ids[split].append(len(labels))
                stream = io.BytesIO()
                draw_petal(colour, chance).save(stream, "JPEG", quality=90)
                member = tarfile.TarInfo(f"jpg/image_{len(labels):05}.jpg")
                member.size = stream.tell()
                stream.seek(0)
                archive.addfile(member, stream)
    savemat(folder / "imagelabels.mat", {"labels": [labels]})
    savemat(folder / "setid.mat", {split: [numbers] for split, numbers in ids.items()})
    names = ("102flowers.tgz", "imagelabels.mat", "setid.mat")
    return [hashlib.md5((folder / name).read_bytes()).hexdigest() for name in names]


def make_start(folder):
    """Save the first layers of a real VGG19, with random numbers, under a name with its digest.

    Random layers give nearly the same output for all images. So those of the last one are shifted
    and scaled: what is left of a grey image has the mean 0 and the deviation 1.
    """
    torch.manual_seed(0)
    model = vgg19().eval()
    grey = VGG19_Weights.IMAGENET1K_V1.transforms()(draw_petal((128, 128, 128), random.Random(0)))
    last = model.features[34]
    with torch.no_grad():
        output = model.features[:35](grey.unsqueeze(0))
        mean, deviation = output.mean((0, 2, 3)), output.std((0, 2, 3))
        last.weight /= deviation[:, None, None, None]
        last.bias.sub_(mean).div_(deviation)
    weights = {n: v for n, v in model.state_dict().items() if n.startswith("features.")}
    folder.mkdir(parents=True, exist_ok=True)
    torch.save(weights, folder / "start.pth")
    digest = hashlib.sha256((folder / "start.pth").read_bytes()).hexdigest()
    return (folder / "start.pth").rename(folder / f"vgg19-{digest[:8]}.pth")
