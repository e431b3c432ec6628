"""Lists and files of data sets: idx, captions, the corpus, lists of duplicates."""

import gzip
import json

from .. import samples
from ..stages import finetune
from .format import Format
from .mutation import binary, lines, other_files

IDX_FIELDS = [(2, 1, "big"), (3, 1, "big"), (4, 4, "big"), (8, 4, "big"), (12, 4, "big")]


def idx_cases(part, count):
    """Of the packed file, and of what is in it."""
    packed = samples.idx_files()[part]
    plain = gzip.decompress(packed)

    def make(random):
        fields = IDX_FIELDS if "images" in part else IDX_FIELDS[:3]
        found = binary(random, packed, count // 2, [2, 10, len(packed) - 8], [(len(packed) - 4, 4, "little")])
        inner = binary(random, plain, count - len(found) - 1, [4, 8, 16], fields)
        found += [(label, gzip.compress(content)) for label, content in inner]
        return [*found, ("a bomb", gzip.compress(plain[:4] + b"\x3f\xff\xff\xff" * 3 + bytes(300_000_000), 1))]

    return make


def idx_formats(harness):
    command = ["data", "prepare", "rotated-fashion-mnist", "--source", "idx", "--output", "made"]
    files = samples.idx_files()

    def arrange(bench):
        samples.make_idx(bench.place / "idx")

    def form(part, count):
        return Format(f"idx {part}", count, idx_cases(part, count), f"idx/{part}", command, arrange,
                      lambda bench: files[part], names=("idx",), row="idx")

    return [form("train-images-idx3-ubyte.gz", 26), form("t10k-labels-idx1-ubyte.gz", 18)]


def captions(harness):
    rows = [{"file_name": f"{index}.png", "text": f"a photo of fox {index}"} for index in range(3)]
    table = b"file_name,text\n0.png,a fox\n1.png,\"a fox, sitting\"\n2.png,a fox\n"

    def arrange(bench):
        samples.make_captioned(bench.place / "foxes")

    def table_cases(random):
        odd = [("no header", b"0.png,a fox\n"), ("an open quotation mark", table + b"3.png,\"a\n"), ("NUL", table + b"\0,\0\n"),
               ("outside", b"file_name,text\n../../../etc/passwd,a\n"), ("absolute", b"file_name,text\n/etc/passwd,a\n"),
               ("too few", b"file_name,text\n0.png\n"), ("the header alone", b"file_name,text\n"),
               ("a long field", b"file_name,text\n0.png," + b"a" * 1_000_000 + b"\n"), ("twice", table + table)]
        return odd + binary(random, table, 9)

    def text_cases(random):
        texts = [b"", b"\0", b"\xff\xfe", b"\n\n", b"a" * 1_000_000, b"\x1b[31mred", "é".encode("utf-16"), b"fox\0fox"]
        return [(repr(text[:20]), text) for text in texts]

    command = finetune(harness.tiny_model, "--lora-rank", "2", "--steps", "1")
    del command[command.index("--steps"):command.index("--steps") + 2]
    listed = "".join(json.dumps(row) + "\n" for row in rows).encode()
    return [
        Format("captions jsonl", 24, lambda random: lines(random, rows, 24), "foxes/metadata.jsonl", command, arrange,
               lambda bench: listed, names=("foxes",), row="captions"),
        Format("captions csv", 18, table_cases, "foxes/metadata.csv", command, arrange, lambda bench: table, names=("foxes",),
               row="captions"),
        Format("captions txt", 8, text_cases, "foxes/0.txt", command, arrange, lambda bench: b"a fox", names=("foxes",),
               row="captions"),
    ]


def corpus(harness):
    command = ["ldm", "train", "vae", "--corpus", "corpus", "--image-size", "32", "--batch-size", "2", "--steps", "1",
               "--threads", "1", "--output", "model", "--work", "work"]

    def arrange(bench):
        samples.make_corpus(bench.place / "corpus")

    def rows(place):
        samples.make_corpus(place / "corpus")
        return [json.loads(line) for line in (place / "corpus/manifest.jsonl").read_text().splitlines()]

    records = harness.once("corpus rows", lambda: rows(harness.root / "corpus-rows"))
    return Format("corpus manifest", 20, lambda random: lines(random, records, 20), "corpus/manifest.jsonl", command, arrange,
                  lambda bench: "".join(json.dumps(row) + "\n" for row in records).encode(), names=("corpus",))


def duplicates(harness):
    valid = b"a/cat/0.png\n"

    def cases(random):
        texts = [b"../x\n", b"/etc/passwd\n", b"\0\n", b"a" * 1_000_000, b"a/cat/0.png\n" * 100_000, b"\x1b[31m\n"]
        return [(repr(text[:20]), text) for text in texts] + other_files(valid)[:6]

    def arrange(bench):
        samples.make_dataset(bench.place / "set")

    return Format("list of duplicates", 12, cases, "set/domain_net_duplicates.txt", ["data", "check", "set"], arrange,
                  lambda bench: valid)


def generated(harness):
    """What 'generate' says of its images; a selection takes them up."""
    rows = [{"path": f"a/a_b/cat/{index}.png", "sha256": f"{index}", "class": "cat", "domain": "a", "target": "b",
             "copy": index, "prompt": "a, cat", "other_prompt": "b, cat", "weight": 0.5, "guidance": 4.5, "seed": index}
            for index in range(3)]

    def arrange(bench):
        for index, row in enumerate(rows):
            samples.write(bench.place / "generated" / row["path"], samples.png(index))

    return Format("generated images", 20, lambda random: lines(random, rows, 20), "generated/manifest.jsonl",
                  ["generate", "select", "generated", "--order", "random", "--keep", "2", "--output", "kept"], arrange,
                  lambda bench: "".join(json.dumps(row) + "\n" for row in rows).encode(), names=("generated", "kept"))


def formats(harness):
    return [*idx_formats(harness), *captions(harness), corpus(harness), duplicates(harness), generated(harness)]
