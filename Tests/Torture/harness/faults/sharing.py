"""Two processes in one folder."""

from .. import kills
from ..stages import undisturbed
from ..trial import FAULTS, Trial, slug

# What a command ends with where another process holds its folder.
BUSY = 75


def together(stage):
    """The same command twice at once: one is refused, or both end well; the results are those of one."""

    def body(bench):
        wanted = undisturbed(bench.harness, stage)
        stage.prepare(bench)
        first = stage.start(bench)
        first.wait(bench.random.uniform(0, 0.9) * wanted.seconds)
        second = stage.start(bench)
        results = [first.result(), second.result()]
        if stage.is_sweep:
            for result in results:
                bench.expect(result.status == 0, f"one of two sweeps: {result}")
        else:
            bench.expect(any(result.status == 0 for result in results), results[0])
            for result in results:
                bench.expect_success_or_plain_error(result, statuses=(1, 64, BUSY))
        again = stage.run(bench)
        bench.expect(again.status == 0, f"the same command once more: {again}")
        kills.expect_same(bench, stage, wanted)

    return body


COUNTS = {"train": 4, "train with the diffusion model": 3, "sweep": 4, "ldm train vae": 3, "ldm finetune, LoRA": 3,
          "data prepare fashion": 3, "augment into the store": 3, "generate": 3,
          "generate select": 2, "ldm merge": 2, "eval --output": 2}


def trials(harness):
    return [Trial(FAULTS, "two processes in one folder", f"together/{slug(name)}/{index}", together(harness.stages[name]))
            for name, count in COUNTS.items() for index in range(count)]
