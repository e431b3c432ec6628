"""Signals that mean «stop»: the state is saved, the status tells the signal, the same command goes on."""

import signal
import time

from . import kills
from .bench import SIGNALS
from .stages import undisturbed
from .trial import FAULTS, Trial, slug

STAGES = ["train", "train with SWAD", "train with the diffusion model", "sweep", "ldm train vae", "ldm train unet",
          "ldm finetune, LoRA", "generate"]


def stop(stage, number):
    """Sends a signal at a random instant, then lets the same command end."""

    def body(bench):
        wanted = undisturbed(bench.harness, stage)
        stage.prepare(bench)
        running = stage.start(bench)
        running.wait(bench.random.uniform(0.1, 1) * wanted.seconds)
        has_begun = (bench.place / stage.roots[0]).exists()
        running.send(number)
        result = running.result()
        expect_saved(bench, result, number, has_begun)
        kills.expect_orphans_end(bench)
        again = stage.run(bench)
        bench.expect(again.status == 0, f"the same command after {number.name}: {again}")
        kills.expect_same(bench, stage, wanted)

    return body


def expect_saved(bench, result, number, has_begun):
    """Before it has begun nothing can be saved; after its end nothing is left to stop."""
    if result.status == 0 or (result.status == -number and not has_begun):
        return
    bench.expect(result.status == 128 + number, f"{number.name} after the run's beginning: {result}")
    bench.expect("the same command goes on" in result.errors, f"says nothing of going on: {result}")


def ignore(stage, number):
    """A signal that the caller ignores (as nohup does) stays ignored."""

    def body(bench):
        wanted = undisturbed(bench.harness, stage)
        stage.prepare(bench)
        running = stage.start(bench, ignore=[number.name])
        for _ in range(4):
            running.wait(wanted.seconds / 5)
            running.send(number)
        result = running.result()
        bench.expect(result.status == 0, f"an ignored {number.name}: {result}")
        kills.expect_same(bench, stage, wanted)

    return body


def second_signal(stage):
    """A second Ctrl-C ends it at once; the same command still goes on."""

    def body(bench):
        wanted = undisturbed(bench.harness, stage)
        stage.prepare(bench)
        running = stage.start(bench)
        running.wait(bench.random.uniform(0.3, 1) * wanted.seconds)
        running.send(signal.SIGINT)
        time.sleep(bench.random.uniform(0, 0.1))
        running.send(signal.SIGINT)
        bench.expect(running.wait(60), "still runs a minute after the second signal")
        result = running.result()
        bench.expect(result.status in (0, -signal.SIGINT, 128 + signal.SIGINT), result)
        again = stage.run(bench)
        bench.expect(again.status == 0, f"the same command after two signals: {again}")
        kills.expect_same(bench, stage, wanted)

    return body


def trials(harness):
    found = []
    for name in STAGES:
        stage = harness.stages[name]
        kind = "signals: sweep" if stage.is_sweep else f"signals: {name.split(',')[0]}"
        stem = f"signal/{slug(name)}"
        found += [Trial(FAULTS, kind, f"{stem}/{number.name}", stop(stage, number)) for number in SIGNALS]
        found.append(Trial(FAULTS, "signals that the caller ignores", f"{stem}/ignored", ignore(stage, signal.SIGHUP)))
        found.append(Trial(FAULTS, "a second signal", f"{stem}/second", second_signal(stage)))
    return found
