"""Small valid inputs that are made here: images, data sets, a corpus, captions, files of MNIST's format."""

import gzip
import json
import random
import struct
import zlib

DOMAINS, CLASSES, IMAGES = ("a", "b", "c"), ("cat", "dog"), 4


def png_chunk(kind, content):
    return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))


def png(seed, side=32):
    """A PNG of random pixels in red, green and blue."""
    pixels = random.Random(seed)
    rows = b"".join(b"\0" + pixels.randbytes(side * 3) for _ in range(side))
    header = struct.pack(">IIBBBBB", side, side, 8, 2, 0, 0, 0)
    chunks = png_chunk(b"IHDR", header) + png_chunk(b"IDAT", zlib.compress(rows)) + png_chunk(b"IEND", b"")
    return b"\x89PNG\r\n\x1a\n" + chunks


def write(path, content):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content if isinstance(content, bytes) else content.encode())


def make_dataset(folder):
    """Three domains of two classes, four images each."""
    seed = 0
    for domain in DOMAINS:
        for label in CLASSES:
            for index in range(IMAGES):
                seed += 1
                write(folder / domain / label / f"{index}.png", png(seed))


def make_corpus(folder):
    """Forty captioned images, as 'data prepare emoji --ldm-corpus' draws them."""
    lines = []
    for index in range(40):
        item = f"{0x1F400 + index:X}"
        path = f"noto/animal/{item}.png"
        write(folder / path, png(index))
        record = {"path": path, "item": item, "name": f"beast {index}", "subgroup": "animal-mammal"}
        record |= {"class": "animal", "domain": "noto", "style": "shaded colour", "split": "corpus", "unseen": False}
        record |= {"licence": "none", "package": "none", "version": "1", "sha256": ""}
        lines.append(json.dumps(record) + "\n")
    write(folder / "manifest.jsonl", "".join(lines))


def make_captioned(folder):
    """Three images with captions in text files beside them."""
    for index in range(3):
        write(folder / f"{index}.png", png(100 + index))
        write(folder / f"{index}.txt", f"a photo of fox {index}")


def idx_files(images=30):
    """The four files of MNIST's format by name."""
    pixels = random.Random(7)
    files = {}
    for part, count in (("train", images), ("t10k", images // 5)):
        size = struct.pack(">I", count)
        content = b"\0\0\x08\x03" + size + struct.pack(">II", 28, 28) + pixels.randbytes(count * 784)
        labels = b"\0\0\x08\x01" + size + bytes(index % 10 for index in range(count))
        files[f"{part}-images-idx3-ubyte.gz"] = gzip.compress(content, mtime=0)
        files[f"{part}-labels-idx1-ubyte.gz"] = gzip.compress(labels, mtime=0)
    return files


def make_idx(folder):
    for name, content in idx_files().items():
        write(folder / name, content)


def short_emoji_list(path):
    """Unicode's list with the first item of every second subgroup: drawn in seconds."""
    kept, subgroups, is_first = [], 0, False
    for line in open(path, encoding="utf-8"):
        if line.startswith("#"):
            kept.append(line)
            if line.startswith("# subgroup"):
                subgroups, is_first = subgroups + 1, True
        elif line.strip() and is_first and subgroups % 2:
            kept.append(line)
            is_first = False
    return "".join(kept)
