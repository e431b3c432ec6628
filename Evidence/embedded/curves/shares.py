"""What an image's LD curve depends on: the shares of the variance of its mean over p, over all training images of EmojiDG, that
the domain, the class, and both together fix. Reads a store's curves (guidance 7.5, 13 nodes, 8 draws), writes shares.json.

    mkdir -p store && tar xf Evidence/embedded/store.tar.xz -C store
    pip install safetensors numpy
    python Evidence/embedded/curves/shares.py store
"""
import json
import pathlib
import sys

import numpy
from safetensors.numpy import load_file


def share(values, groups):
    """The part of the values' sum of squares that is between the groups."""
    values, groups = numpy.array(values), numpy.array(groups)
    between = 0.0
    for group in set(groups.tolist()):
        members = values[groups == group]
        between += len(members) * (members.mean() - values.mean()) ** 2
    return between / ((values - values.mean()) ** 2).sum()


wanted = {"guidance": 7.5, "nodes": 13, "draws": 8, "weight": "1-alpha", "scaling": "black", "objective": "distillation"}
means, domains, classes = [], [], []
for entry in sorted(pathlib.Path(sys.argv[1], "curve").glob("*/*.json")):
    description = json.loads(entry.read_text())["description"]
    if any(description.get(name) != value for name, value in wanted.items()):
        continue
    values = load_file(entry.with_suffix(".safetensors"))["values"].astype(float)
    domain, category = description["prompt"].removeprefix("a ").removeprefix("an ").split(" emoji of ")
    means.append(values.mean())
    domains.append(domain)
    classes.append(category)
both = [f"{domain} {category}" for domain, category in zip(domains, classes)]
result = {
    "images": len(means),
    "mean": numpy.mean(means),
    "deviation": numpy.std(means),
    "domain": share(means, domains),
    "class": share(means, classes),
    "domain and class": share(means, both),
    "by chance": (len(set(both)) - 1) / (len(means) - 1),
}
pathlib.Path(__file__).with_name("shares.json").write_text(json.dumps(result, indent=2) + "\n")
print(json.dumps(result, indent=2))
