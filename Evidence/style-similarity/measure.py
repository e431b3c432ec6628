"""How well a similarity of Fourier amplitudes tells vendors apart: the probability that a pair of images by the same
vendor is more alike than a pair by two vendors (0.5 is chance), on EmojiDG.

    python Evidence/style-similarity/measure.py data/EmojiDG > Evidence/style-similarity/result.json
"""
import glob
import json
import random
import sys

import numpy as np
from PIL import Image

random.seed(0)
images, vendors = [], []
for vendor in ["noto", "emojione", "openmoji", "symbola", "unifont"]:
    files = sorted(glob.glob(f"{sys.argv[1]}/{vendor}/*/*.png"))
    for file in random.sample(files, 80):
        images.append(np.asarray(Image.open(file).convert("RGB"), dtype=np.float64) / 255)
        vendors.append(vendor)
vendors = np.array(vendors)
amplitude = np.abs(np.fft.rfft2(np.stack(images).transpose(0, 3, 1, 2))).reshape(len(images), -1)


def cosine(styles):
    styles = styles / np.linalg.norm(styles, axis=1, keepdims=True)
    return styles @ styles.T


def euclidean(styles):
    squares = (styles**2).sum(1)
    return -np.sqrt(np.maximum(squares[:, None] + squares[None] - 2 * styles @ styles.T, 0))


def discrimination(similarity):
    pairs = np.triu_indices(len(vendors), 1)
    values, same = similarity[pairs], (vendors[:, None] == vendors[None])[pairs]
    ranks = np.argsort(np.argsort(values))
    ones, zeros = same.sum(), (~same).sum()
    return (ranks[same].sum() - ones * (ones - 1) / 2) / (ones * zeros)


print(json.dumps({
    "images": len(images),
    "cosine": round(float(discrimination(cosine(amplitude))), 3),
    "euclidean": round(float(discrimination(euclidean(amplitude))), 3),
    "logarithmic": round(float(discrimination(euclidean(np.log1p(amplitude)))), 3),
}))
