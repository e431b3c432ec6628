"""SIGKILL at random instants; the same command again must end as if nothing had been."""

import shutil
import signal
import time

from . import comparison
from .bench import Skip
from .stages import train, undisturbed
from .trial import FAULTS, Trial, slug

# Kills of each stage in the bounded run.
COUNTS = {
    "train": 14, "train, 2 threads": 6, "train, tracker down": 4, "train with SWAD": 8, "train with the diffusion model": 12,
    "sweep": 8, "ldm train vae": 8, "ldm train unet": 6, "ldm finetune, LoRA": 6, "ldm finetune, whole U-Net": 4,
    "data prepare emoji": 4, "data prepare fashion": 6, "eval --output": 4, "augment into the store": 6, "generate": 6,
    "generate by prompt": 2, "generate by image": 2, "generate by shift": 2, "eval --edit": 2, "train with features": 3,
    "train on generated images": 3,
    "generate select": 3, "ldm merge": 4, "ldm invert": 3, "eval --shift-inversion": 6, "train GenerativeClassifier": 4,
}
RESTARTS = 14


def kill_at(bench, running, instant):
    running.wait(instant)
    running.send(signal.SIGKILL)
    running.wait(60)


def expect_orphans_end(bench):
    """What the killed process had started dies with it."""
    deadline = time.monotonic() + 30
    while bench.survivors() and time.monotonic() < deadline:
        time.sleep(0.05)
    bench.expect(not bench.survivors(), f"{len(bench.survivors())} processes still run 30 s after their parent's death")


def expect_same(bench, stage, wanted):
    """The results are those of an undisturbed run, and nothing is left over."""
    words = comparison.difference(stage.results(bench), wanted.results)
    words += comparison.broken_checkpoints(bench.place)
    bench.expect(not words, f"not as an undisturbed run: {'; '.join(words[:6])}")


def kill(stage, times):
    """Kills a command once or more, then lets it end."""

    def body(bench):
        wanted = undisturbed(bench.harness, stage)
        stage.prepare(bench)
        for _ in range(times):
            kill_at(bench, stage.start(bench), bench.random.uniform(0, 1.05 * wanted.seconds))
            if stage.is_sweep and times == 1:
                expect_orphans_end(bench)
        result = stage.run(bench)
        bench.expect(result.status == 0, f"the same command after the kill: {result}")
        expect_same(bench, stage, wanted)

    return body


OLD = train()
NEW = train("run", "--seed", "1")


def finished_old_run(harness):
    """A finished run, of which each trial gets a copy."""

    def make():
        place = harness.root / "old-run"
        with harness.bench("undisturbed/old run") as bench:
            harness.stage("train").prepare(bench)
            bench.succeed(*OLD)
            shutil.copytree(bench.place, place)
        return place

    return harness.once("old run", make)


def kill_restart(bench):
    """Kills a restart over a finished run: the old run is back, or the new one has begun; never neither."""
    harness, stage = bench.harness, bench.harness.stage("train")
    new = undisturbed(harness, harness.stage("train, seed 1"))
    old = undisturbed(harness, stage)
    shutil.copytree(finished_old_run(harness), bench.place, dirs_exist_ok=True)
    kill_at(bench, bench.start(*NEW, "--restart"), bench.random.uniform(0, 1.05 * new.seconds))
    result = bench.run(*OLD)
    if result.status == 0:
        bench.expect("evaluating" not in result.errors, "the old run was lost: its command trained it anew")
        expect_same(bench, stage, old)
    else:
        bench.expect_plain_error(result, "other settings")
    result = bench.run(*NEW, *(["--restart"] if result.status == 0 else []))
    bench.expect(result.status == 0, f"the new run after the kill: {result}")
    expect_same(bench, stage, new)


def trials(harness):
    found = []
    for name, count in COUNTS.items():
        for index in range(count):
            body = kill(harness.stages[name], 1 + index % 3) if name in harness.stages else skip
            found.append(Trial(FAULTS, f"SIGKILL: {name}", f"kill/{slug(name)}/{index}", body))
    found += [Trial(FAULTS, "SIGKILL: train --restart", f"kill/restart/{index}", kill_restart)
              for index in range(RESTARTS)]
    return found


def skip(bench):
    raise Skip("no mount namespace, or no emoji-test.txt")
