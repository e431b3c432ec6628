"""The command line."""

import argparse
import os
import random
import signal
import sys
import time
from pathlib import Path

from . import inputs, kills, process, signals, table
from .faults import damage, data, limits, paths, sharing, storage, streams, training
from .harness import REPOSITORY, Harness
from .runner import Runner, interleaved

SECTIONS = [kills, signals, streams, storage, limits, sharing, paths, data, damage, training, inputs]
BOUNDED_SECONDS = 600


def options(arguments):
    parser = argparse.ArgumentParser(prog="torture", description="Kills, faults and hostile inputs for the real program.")
    parser.add_argument("--binary", type=Path, default=REPOSITORY / ".build/release/domainfusion",
                        help="the program (default: the release build)")
    time_limit = parser.add_mutually_exclusive_group()
    time_limit.add_argument("--seconds", type=float, default=BOUNDED_SECONDS, help="end after so long (default: 600)")
    time_limit.add_argument("--long", type=float, metavar="HOURS", help="go on for hours, with new seeds")
    parser.add_argument("--seed", type=int, help="repeats a run's instants and inputs (default: random, printed)")
    parser.add_argument("--only", action="append", metavar="NAME", help="only trials whose name begins so; repeatable")
    parser.add_argument("--model", type=Path, metavar="FOLDER", help="the diffusion model (default: a tiny one)")
    parser.add_argument("--patience", type=float, default=process.patience, metavar="SECONDS",
                        help="a command may take so long (default: %(default)s)")
    parser.add_argument("--jobs", type=int, default=os.cpu_count(), help="trials at a time (default: the cores)")
    parser.add_argument("--report", type=Path, metavar="FILE", help="write the table as FILE.json and FILE.md")
    parser.add_argument("--keep", action="store_true", help="keep the folders of failures")
    return parser.parse_args(arguments)


def main(arguments):
    chosen = options(arguments)
    if not os.access(chosen.binary, os.X_OK):
        print(f"torture: {chosen.binary}: no such program; build it with make build, or name it with --binary",
              file=sys.stderr)
        return 64
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, lambda number, _: sys.exit(128 + number))
    process.patience = chosen.patience
    seed = random.randrange(1 << 32) if chosen.seed is None else chosen.seed
    deadline = time.monotonic() + (chosen.long * 3600 if chosen.long else chosen.seconds)
    print(f"torture: seed {seed}", flush=True)
    outcomes, seeds = [], 0
    while True:
        outcomes += one_pass(chosen, seed + seeds, deadline)
        seeds += 1
        if not chosen.long or time.monotonic() > deadline:
            break
    return conclude(chosen, outcomes, seed, seeds)


def one_pass(chosen, seed, deadline):
    """All trials once, or as many as the time allows."""
    harness = Harness(chosen.binary, seed, chosen.keep, chosen.model)
    runner = Runner(harness, deadline, lambda line: print(line, flush=True))
    try:
        trials = [trial for section in SECTIONS for trial in section.trials(harness)]
        if chosen.only:
            trials = [trial for trial in trials if trial.name.startswith(tuple(chosen.only))]
        return runner.run(interleaved(trials, random.Random(seed)), max(1, chosen.jobs))
    finally:
        harness.close()


def conclude(chosen, outcomes, seed, seeds):
    facts = {"seed": seed, "passes": seeds, "program": chosen.binary.parent.name}
    if chosen.report:
        table.write(chosen.report, outcomes, facts)
    print()
    print(table.text(outcomes))
    bad = [outcome for outcome in outcomes if outcome.failures]
    for outcome in bad:
        where = f"; its folder: {outcome.place}" if outcome.place else ""
        print(f"again: Tests/Torture/torture --seed {outcome.seed} --only {outcome.trial.name} --keep{where}")
    failed = sum(len(outcome.failures) for outcome in bad)
    tries = sum(outcome.tries for outcome in outcomes if not outcome.skipped)
    print(f"torture: {tries - failed} passed, {failed} failed")
    return 1 if failed else 0
