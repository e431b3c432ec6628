"""Runs that are made once: trials work on copies, whose large files are links until they are replaced."""

import os
import shutil

from . import comparison
from .bench import Skip
from .stages import SWAD, fusion, sweep, train


def copy(source, target):
    """Copies a folder. Weights, which the program only ever replaces as a whole, are hard links."""
    def one(file, place):
        link = file.endswith(".safetensors") and os.path.getsize(file) > 1 << 20
        (os.link if link else shutil.copy2)(file, place)

    shutil.copytree(source, target, symlinks=True, dirs_exist_ok=True, copy_function=one)


def replace(path, content):
    """Changes a file without changing others that are linked to it."""
    path.unlink()
    path.write_bytes(content)


def made(harness, name, make):
    """The folder with what `make(bench)` left in its place."""

    def build():
        target = harness.root / "made" / name
        with harness.bench(f"made/{name}") as bench:
            make(bench)
            target.parent.mkdir(exist_ok=True)
            shutil.move(bench.place, target)
            bench.place.mkdir()
        return target

    return harness.once(f"made {name}", build)


def finished(harness):
    """`set`, and a finished run of it in `run`, with SWAD, and one of other seed in `other`."""

    def make(bench):
        harness.stages["train"].prepare(bench)
        bench.succeed(*train("run", *SWAD))
        bench.succeed(*train("other", "--seed", "1", *SWAD))

    return made(harness, "finished", make)


def halfway(harness):
    """`set`, and in `run` a run with SWAD that a signal ended after a checkpoint, before its end."""
    return made(harness, "halfway", lambda bench: interrupt(bench, train("run", *SWAD), "step-4"))


def halfway_fusion(harness):
    """The same of a run with a diffusion model, with its `store`."""
    return made(harness, "halfway-fusion", lambda bench: interrupt(bench, fusion(harness.tiny_model), "step-2"))


def finished_sweep(harness):
    """`set`, and a finished sweep of it in `sweep`."""

    def make(bench):
        harness.stages["sweep"].prepare(bench)
        bench.succeed(*sweep())

    return made(harness, "sweep", make)


def interrupt(bench, command, checkpoint):
    """Ends the run with a signal as soon as a checkpoint is there; where it was too fast, tries again."""
    bench.harness.stages["train"].prepare(bench)
    for _ in range(5):
        shutil.rmtree(bench.place / "run", ignore_errors=True)
        running = bench.start(*command)
        wanted = bench.place / "run/checkpoint" / checkpoint
        running.wait_until(wanted.exists, 120)
        running.send(15)
        result = running.result()
        if result.status == 143 and not (bench.place / "run/done").exists():
            return
    raise Skip(f"the run is too fast to be interrupted between its steps: {result}")


def results(bench, *roots):
    return comparison.results(bench.place, roots)
