"""Damaged checkpoints of a diffusion model's training: the one before is taken, with a warning."""

import shutil

from .. import comparison, finished, kills
from ..stages import undisturbed
from ..trial import FAULTS, Trial, slug
from .damage import damage

# Stages, and the folder with their checkpoints and log.
FOLDERS = {"ldm train vae": "work", "ldm train unet": "work", "ldm finetune, LoRA": "lora/training",
           "ldm finetune, whole U-Net": "lora/training"}
COUNT = 8


def trained(harness, stage):
    """What a stage leaves at its end, with its input."""

    def make(bench):
        stage.prepare(bench)
        bench.succeed(*stage.arguments)

    return finished.made(harness, f"trained {slug(stage.name)}", make)


def checkpoints(bench, folder):
    """The checkpoints, the oldest first."""
    return sorted((bench.place / folder / "checkpoint").glob("step-*"), key=lambda path: int(path.name[5:]))


def newest(stage, folder):
    """Its newest checkpoint is damaged: the same command says so, goes on from the one before, and ends with the same bytes."""

    def body(bench):
        wanted = undisturbed(bench.harness, stage)
        finished.copy(trained(bench.harness, stage), bench.place)
        found = checkpoints(bench, folder)
        bench.expect(len(found) > 1, f"only {len(found)} checkpoints")
        path, way = damage(bench, [found[-1].relative_to(bench.place)])
        result = bench.run(*stage.arguments)
        file = f"{path.relative_to(bench.place)} ({way})"
        bench.expect(result.status == 0, f"{file}: {result}")
        bench.expect_no_crash(result)
        bench.expect(any(line.startswith("warning: ") and found[-1].name in line for line in result.errors.splitlines()),
                     f"{file}: no warning names it: {result}")
        kills.expect_same(bench, stage, wanted)

    return body


def every(stage, folder):
    """All its checkpoints are damaged: one line, and nothing is trained anew over them."""

    def body(bench):
        finished.copy(trained(bench.harness, stage), bench.place)
        for path in checkpoints(bench, folder):
            damage(bench, [path.relative_to(bench.place)])
        before = comparison.files(bench.place)
        bench.expect_plain_error(bench.run(*stage.arguments), "checkpoint")
        bench.expect(before.keys() <= comparison.files(bench.place).keys(), "files are gone")

    return body


def gone(stage, folder):
    """Its checkpoints are gone, its log is not: the same result, or one line that names the folder."""

    def body(bench):
        wanted = undisturbed(bench.harness, stage)
        finished.copy(trained(bench.harness, stage), bench.place)
        shutil.rmtree(bench.place / folder / "checkpoint")
        result = bench.run(*stage.arguments)
        bench.expect_success_or_plain_error(result, folder)
        if result.status == 0:
            kills.expect_same(bench, stage, wanted)

    return body


def trials(harness):
    found = []
    for name, folder in FOLDERS.items():
        stage, kind, stem = harness.stages[name], f"damaged checkpoint: {name.split(',')[0]}", f"damage/{slug(name)}"
        found += [Trial(FAULTS, kind, f"{stem}/newest/{index}", newest(stage, folder)) for index in range(COUNT)]
        found += [Trial(FAULTS, kind, f"{stem}/every", every(stage, folder)),
                  Trial(FAULTS, kind, f"{stem}/gone", gone(stage, folder))]
    return found
