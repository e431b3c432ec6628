"""Standard error and standard output that cannot be written."""

import os
import pty
import threading

from .. import finished, kills
from ..bench import Skip
from ..process import Conditions
from ..stages import train, undisturbed
from ..trial import FAULTS, Trial, named, slug

FULL = "/dev/full"
LONG_COMMANDS = ["train", "train with the diffusion model", "sweep", "ldm train vae", "ldm finetune, LoRA",
                 "data prepare fashion"]


# Each gives the streams of a process, and what to do soon after its start.


def full(number):
    if not os.path.exists(FULL):
        raise Skip(f"no {FULL}")
    return {number: FULL}, lambda: None


def without_reader(number):
    """A pipe whose reader ends at once."""
    reader, writer = os.pipe()
    os.close(reader)
    return {number: writer}, lambda: os.close(writer)


def closed_terminal(number):
    """A terminal whose window is closed soon."""
    try:
        master, slave = pty.openpty()
    except OSError:
        raise Skip("no terminal") from None
    timer = threading.Timer(0.4, lambda: (os.close(slave), os.close(master)))
    return {number: slave}, timer.start


WAYS = {"full": full, "pipe without a reader": without_reader, "closed terminal": closed_terminal}


def quiet(stage, way):
    """Progress may be lost, the work never."""

    def body(bench):
        wanted = undisturbed(bench.harness, stage)
        stage.prepare(bench)
        result = run_with(bench, stage.arguments, 2, way)
        bench.expect(result.status == 0, f"standard error {way}: {result.ended_as}")
        kills.expect_same(bench, stage, wanted)

    return body


def run_with(bench, arguments, number, way):
    """Runs a command with one of its streams spoiled."""
    if way == "closed":
        return bench.run(*arguments, conditions=Conditions(close=[number]))
    streams, then = WAYS[way](number)
    running = bench.start(*arguments, streams=streams)
    then()
    return running.result()


# Every command that prints a result, on a finished run.
PRINTING = {
    "predict": ["predict", "set/c/cat/0.png", "--run", "run", "--json"],
    "predict text": ["predict", "set/c/cat/0.png", "--run", "run"],
    "eval": ["eval", "run", "--json", "--threads", "1"],
    "eval text": ["eval", "run", "--threads", "1"],
    "eval combined": ["eval", "run", "other", "--threads", "1"],
    "report": ["report", "sweep"], "report json": ["report", "sweep", "--format", "json"],
    "report domainbed": ["report", "--domainbed", "sweep"],
    "compare": ["compare", "sweep", "--against", "ERM"],
    "info": ["info"], "version": ["--version"], "help": ["help", "train"],
    "data check": ["data", "check", "set"], "data list": ["data", "list", "."],
    "data sheet": ["data", "sheet", "set", "--output", "sheet.png"],
    "store list": ["store", "list", "--store", "store"], "store verify": ["store", "verify", "--store", "store"],
    "store prune": ["store", "prune", "--store", "store", "--max-size", "0"],
    "sweep dry run": ["sweep", "--dataset", "set", "--data-dir", ".", "--algorithms", "ERM", "--launcher", "dry-run"],
    "train again": train("run", "--average", "swad", "--set", "averaging.evaluateEvery=2"),
}


def printing(name, arguments, way):
    """A result that nobody can have is an error, in one line."""

    def body(bench):
        arrange(bench, name)
        result = run_with(bench, arguments, 1, way)
        if result.status in (-13, 128 + 13) and way == "pipe without a reader":
            return  # As any filter ends on SIGPIPE.
        bench.expect(result.status != 0, f"standard output {way}: exit status 0, and the result is lost")
        bench.expect_plain_error(result)

    return body


def arrange(bench, name):
    """Puts what a command reads into the trial's place."""
    needs_sweep = name.startswith(("compare", "report"))
    source = finished.finished_sweep(bench.harness) if needs_sweep else finished.finished(bench.harness)
    finished.copy(source, bench.place)
    if name.startswith("store"):
        bench.succeed("augment", "set/a/cat/0.png", "--label", "cat", "--ldm", bench.harness.tiny_model, "--steps", "2",
                      "--store", "store", "--candidates", "1", "--output", "x.png")


def both(bench):
    """Neither stream can be written: the training is complete nevertheless."""
    stage = bench.harness.stages["train"]
    wanted = undisturbed(bench.harness, stage)
    stage.prepare(bench)
    result = bench.run(*stage.arguments, streams=full(1)[0] | full(2)[0])
    bench.expect_no_crash(result)
    bench.expect(result.status != 0, "exit status 0, and the result is lost")
    kills.expect_same(bench, stage, wanted)


def trials(harness):
    found = [Trial(FAULTS, f"standard error {way}", f"stderr/{slug(way)}/{slug(name)}", quiet(harness.stages[name], way))
             for way in [*WAYS, "closed"] for name in LONG_COMMANDS]
    found += [Trial(FAULTS, f"standard output {way}", f"stdout/{slug(way)}/{slug(name)}",
                    printing(name, arguments, way))
              for way in ["full", "closed", "pipe without a reader"] for name, arguments in PRINTING.items()]
    return found + named(FAULTS, "standard output and error full", "streams", {"both": both})
