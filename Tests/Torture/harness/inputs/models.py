"""The small files of a model's folder: configurations, tokenizer, index; the hub's cache."""

import json
import shutil

from . import mutation
from .format import Format
from .mutation import binary, documents
from .tensors import sample

# Small files, their number of malformed copies, and what an error may name beside the file.
FILES = {
    "scheduler/scheduler_config.json": 30, "unet/config.json": 40, "vae/config.json": 30, "text_encoder/config.json": 30,
    "tokenizer/vocab.json": 16, "tokenizer/tokenizer_config.json": 16, "tokenizer/special_tokens_map.json": 8,
    "model_index.json": 16,
}


def small(value):
    """A vocabulary's mutations are made of its first words, the rest stays."""
    return dict(list(value.items())[:30])


def configuration(harness, name, count):
    original = (harness.tiny_model / name).read_bytes()
    value = json.loads(original)

    def cases(random):
        found = documents(random, value, count)
        return found if len(original) < 5000 else found[:count // 2] + documents(random, small(value), count - count // 2)

    def arrange(bench):
        shutil.copytree(harness.tiny_model, bench.place / "model", dirs_exist_ok=True)

    part = name.split("/")[0]
    return Format(name, count, cases, f"model/{name}", sample("model"), arrange, lambda bench: original, names=(part,),
                  row=f"model: {part}")


def merges(harness):
    original = (harness.tiny_model / "tokenizer/merges.txt").read_bytes()

    def cases(random):
        odd = [("three words", b"#version: 0.2\na b c\n"), ("one word", b"#version: 0.2\nabc\n"), ("no version", b"a b\n"),
               ("unknown words", b"#version: 0.2\nqqqq zzzz\n"), ("a long line", b"#version: 0.2\n" + b"a" * 10_000_000),
               ("many lines", b"#version: 0.2\n" + b"i n\n" * 1_000_000), ("only the version", b"#version: 0.2\n")]
        return odd + binary(random, original, 13)

    def arrange(bench):
        shutil.copytree(harness.tiny_model, bench.place / "model", dirs_exist_ok=True)

    return Format("merges.txt", 20, cases, "model/tokenizer/merges.txt", sample("model"), arrange, lambda bench: original,
                  names=("tokenizer",), row="model: tokenizer")


def fast_tokenizer(harness, name, file, count):
    """A file of a tokenizer's folder as today's diffusers writes it: tokenizer.json and tokenizer_config.json alone."""
    folder = harness.tokenizers / name
    original = (folder / file).read_bytes()
    value = json.loads(original)

    def cases(random):
        return documents(random, value, count - count // 2) + around_lists(random, value, count // 2)

    def arrange(bench):
        shutil.copytree(harness.tiny_model, bench.place / "model", dirs_exist_ok=True)
        shutil.rmtree(bench.place / "model/tokenizer")
        shutil.copytree(folder, bench.place / "model/tokenizer")

    return Format(f"{name} {file}", count, cases, f"model/tokenizer/{file}", sample("model"), arrange,
                  lambda bench: original, names=("tokenizer",), row="model: tokenizer.json")


def around_lists(random, value, count):
    """Mutations of what is beside the long lists of words and merges, which stay as they are."""
    lists = {name: value["model"][name] for name in ("vocab", "merges")} if "model" in value else {}
    if lists:
        value = value | {"model": value["model"] | {name: f"@{name}@" for name in lists}}
    found = []
    for label, content in documents(random, value, count):
        for name, each in lists.items():
            content = content.replace(f'"@{name}@"'.encode(), json.dumps(each, ensure_ascii=False).encode())
        found.append((label, content))
    return found


COMMIT = "0123456789abcdef0123456789abcdef01234567"


def hub(harness):
    """The file that says which commit a name stands for."""

    def cases(random):
        texts = ["", "\n", "main", "../../..", "/etc", COMMIT[:39], COMMIT + "0", COMMIT.upper(), COMMIT + "\n", "\0" * 40,
                 "x" * 1_000_000, "\x1b[31m" + COMMIT[:35], "0" * 40, "é" * 40]
        return [(text[:20], text.encode()) for text in texts] + mutation.other_files(COMMIT.encode())[:6]

    cache = ".cache/huggingface/hub/models--some--model"

    def arrange(bench):
        shutil.copytree(harness.tiny_model, bench.place / cache / "snapshots" / COMMIT, dirs_exist_ok=True)

    return Format("hub cache", 20, cases, f"{cache}/refs/main", sample("some/model"), arrange, lambda bench: COMMIT.encode(),
                  names=("some/model", "models--some--model"))


def formats(harness):
    found = [configuration(harness, name, count) for name, count in FILES.items()]
    found += [fast_tokenizer(harness, name, file, count) for name in ("small1", "small2")
              for file, count in (("tokenizer.json", 30), ("tokenizer_config.json", 12))]
    return [*found, merges(harness), hub(harness)]
