"""Few descriptors, little memory, no threads; a file that is cut while it is mapped."""

import os
import shutil

from .. import finished
from ..bench import Skip
from ..stages import train
from ..trial import FAULTS, Trial
from ..process import Conditions

COMMANDS = {
    "train": train(),
    "predict": ["predict", "set/c/cat/0.png", "--run", "run", "--json"],
    "check": ["data", "check", "set"],
}
GIBIBYTE = 1 << 30
# The program says so where it may open fewer files.
FEWEST_FILES = 64
# What the dynamic loader says of its own before the program's first instruction.
LOADER = "error while loading shared libraries"


def starts(result):
    """Whether the program itself was reached."""
    return not (result.status == 127 and LOADER in result.errors)


def few_files(name, command, count):
    """Below the fewest that it works with, it says how many it needs; from there on it does its work."""

    def body(bench):
        arrange(bench, name)
        result = bench.run(*command, conditions=Conditions(limits={"NOFILE": count}))
        if count >= FEWEST_FILES:
            bench.expect(result.status == 0, f"{count} open files: {result}")
        elif starts(result):
            bench.expect_plain_error(result, f"ulimit -n {FEWEST_FILES}")

    return body


def arrange(bench, name):
    finished.copy(finished.finished(bench.harness), bench.place)
    if name == "train":
        shutil.rmtree(bench.place / "run")


def limited(name, command, limits):
    def body(bench):
        arrange(bench, name)
        result = bench.run(*command, conditions=Conditions(limits=limits))
        if starts(result):
            bench.expect_success_or_plain_error(result)

    return body


def cut_model(bench):
    """A model's file is cut while a command reads it: success, or one line; never a signal."""
    harness = bench.harness
    if not (harness.large_model / "tokenizer/vocab.json").exists():
        raise Skip("no whole Models/emoji-ldm")
    model = bench.place / "model"
    shutil.copytree(harness.large_model, model)
    running = bench.start("ldm", "sample", "--ldm", "model", "--prompt", "a horse", "--steps", "4", "--output", "x.png")
    part = bench.random.choice(["unet/diffusion_pytorch_model.safetensors", "text_encoder/model.safetensors"])
    running.wait(bench.random.uniform(0.2, 2))
    os.truncate(model / part, bench.random.randrange(1 << 20))
    bench.expect_success_or_plain_error(running.result(), part)


def cut_run(bench):
    """The same of a run's weights."""
    finished.copy(finished.finished(bench.harness), bench.place)
    for file in (bench.place / "run/checkpoint").glob("*/model.safetensors"):
        finished.replace(file, file.read_bytes())
    running = bench.start("eval", "run", "--threads", "1")
    running.wait(bench.random.uniform(0.2, 0.9))
    for file in (bench.place / "run/checkpoint").glob("*/model.safetensors"):
        os.truncate(file, bench.random.randrange(1 << 20))
    bench.expect_success_or_plain_error(running.result(), "model.safetensors")


def trials(harness):
    found = []
    for name, command in COMMANDS.items():
        for count in (4, 8, 12, 16, 24, 32, 48, 63, 64, 65, 80, 128):
            found.append(Trial(FAULTS, "few file descriptors", f"nofile/{name}/{count}",
                               few_files(name, command, count)))
        for eighths in (16, 18, 20, 22, 24, 28, 32, 40):
            found.append(Trial(FAULTS, "little memory", f"memory/{name}/{eighths}",
                               limited(name, command, {"AS": eighths * GIBIBYTE // 8})))
    found += [Trial(FAULTS, "a mapped file is cut", f"cut/model/{index}", cut_model) for index in range(6)]
    found += [Trial(FAULTS, "a mapped file is cut", f"cut/run/{index}", cut_run) for index in range(4)]
    return found
