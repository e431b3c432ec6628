"""Paths as users write them: one character, a slash at the end, not ASCII, not UTF-8, very long."""

import os
import shutil

from .. import finished, samples
from ..stages import train
from ..trial import FAULTS, named

NAMES = ["x", "k/", "é", ".hidden", "a b", "-", "./y//", "x/../z", "日本", "'q'", 'a"b', "a\tb", "a%20b", "~", "$HOME", "*",
         "n" * 255]


def run_folder(name):
    def body(bench):
        samples.make_dataset(bench.place / "set")
        os.makedirs(bench.place / "x", exist_ok=True)
        command = train(name, steps=1)
        command[command.index("--run-dir"):] = [f"--run-dir={name}"]
        bench.succeed(*command)
        bench.expect((bench.place / name / "done").exists(), f"no run in {name!r}")
        bench.succeed("eval", f"{name}" if not name.startswith("-") else f"./{name}", "--threads", "1")

    return body


def output(name, *command):
    """A file or folder of this name is written."""

    def body(bench):
        samples.make_dataset(bench.place / "set")
        samples.make_corpus(bench.place / "corpus")
        bench.succeed(*[word.replace("NAME", name) for word in map(str, command)])
        bench.expect(os.path.lexists(bench.place / name), f"no {name!r}")

    return body


def data_folder(name):
    """The data set's folder of this name; `name` may be bytes that are not UTF-8."""

    def body(bench):
        place = os.fsencode(bench.place / "set")
        samples.make_dataset(bench.place / "set")
        target = os.path.join(os.path.dirname(place), os.fsencode(name))
        shutil.move(place, target)
        bench.succeed("data", "check", f"./{os.fsdecode(target.rsplit(b'/', 1)[1])}")

    return body


def image_name(name):
    def body(bench):
        finished.copy(finished.finished(bench.harness), bench.place)
        target = os.fsencode(bench.place / "set/a/cat") + b"/" + name
        with open(target, "wb") as file:
            file.write(samples.png(99))
        bench.succeed("data", "check", "set")
        result = bench.succeed("predict", os.fsdecode(target), "--run", "run", "--json")
        bench.expect("\x1b" not in result.output + result.errors, "an escape sequence reaches the terminal")

    return body


def trials(harness):
    short = ["x", "k/", "é"]
    tiny = str(harness.tiny_model)
    bodies = {}
    for name in NAMES:
        bodies[f"run {NAMES.index(name)}"] = run_folder(name)
        bodies[f"data {NAMES.index(name)}"] = data_folder(name.strip("/") if "/" not in name.strip("/") else "y")
    for index, name in enumerate(short):
        folders = {
            "sweep": ["sweep", "--dataset", "set", "--data-dir", ".", "--algorithms", "ERM", "--test-domains", "a",
                      "--weights", "none", "--image-size", "32", "--batch-size", "2", "--steps", "1", "--trials", "1",
                      "--threads", "1", "--output", "NAME"],
            "work": ["ldm", "train", "vae", "--corpus", "corpus", "--image-size", "32", "--batch-size", "2", "--steps", "1",
                     "--threads", "1", "--output", "model", "--work", "NAME"],
            "model": ["ldm", "train", "vae", "--corpus", "corpus", "--image-size", "32", "--batch-size", "2", "--steps",
                      "1", "--threads", "1", "--work", "work", "--output", "NAME"],
            "merge": ["ldm", "merge", "--ldm", tiny, "--lora", harness.lora, "--output", "NAME"],
            "store": ["augment", "set/a/cat/0.png", "--label", "cat", "--ldm", tiny, "--steps", "2", "--candidates", "1",
                      "--output", "x.png", "--store", "NAME"],
        }
        bodies |= {f"{label} {index}": output(name, *command) for label, command in folders.items()}
    odd = [b"\xff\xfe.png", b"caf\xe9.png", b"\x1b[31m.png", b"a\nb.png", b"\xe2\x80\xae.png", b"0" * 251 + b".png"]
    bodies |= {f"image {index}": image_name(name) for index, name in enumerate(odd)}
    return named(FAULTS, "odd paths", "path", bodies)
