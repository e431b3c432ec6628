"""Few descriptors, little memory, no threads; a file that is cut while it is mapped."""

import os
import shutil

from .. import finished
from ..stages import train
from ..trial import FAULTS, Trial
from ..process import Conditions

COMMANDS = {
    "train": train(),
    "predict": ["predict", "set/c/cat/0.png", "--run", "run", "--json"],
    "check": ["data", "check", "set"],
}
GIBIBYTE = 1 << 30
# What the dynamic loader says of its own before the program's first instruction.
LOADER = "error while loading shared libraries"


def starts(result):
    """Whether the program itself was reached."""
    return not (result.status == 127 and LOADER in result.errors)


def limited(name, command, limits):
    def body(bench):
        finished.copy(finished.finished(bench.harness), bench.place)
        if name == "train":
            shutil.rmtree(bench.place / "run")
        result = bench.run(*command, conditions=Conditions(limits=limits))
        if starts(result):
            bench.expect_success_or_plain_error(result)

    return body


def cut_model(bench):
    """A model's file is cut while a command reads it: success, or one line; never a signal."""
    harness = bench.harness
    model = bench.place / "model"
    shutil.copytree(harness.large_model, model)
    running = bench.start("ldm", "sample", "--model", "model", "--prompt", "a horse", "--steps", "4", "--output", "x.png")
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
        for count in (4, 6, 8, 10, 12, 14, 16, 20, 24, 32):
            found.append(Trial(FAULTS, "few file descriptors", f"nofile/{name}/{count}",
                               limited(name, command, {"NOFILE": count})))
        for eighths in (2, 4, 6, 8, 10, 12, 16, 24):
            found.append(Trial(FAULTS, "little memory", f"memory/{name}/{eighths}",
                               limited(name, command, {"AS": eighths * GIBIBYTE // 8})))
    found += [Trial(FAULTS, "a mapped file is cut", f"cut/model/{index}", cut_model) for index in range(6)]
    found += [Trial(FAULTS, "a mapped file is cut", f"cut/run/{index}", cut_run) for index in range(4)]
    return found
