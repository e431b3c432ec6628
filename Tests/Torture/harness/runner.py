"""Runs trials on all cores until they are done or the time is over."""

import threading
import time
import traceback

from .bench import Bench, Failure, Skip
from .trial import Counts, Outcome

# How long the trials that run at the deadline may go on, and how long their processes may take to be ended.
GRACE, STOP_SECONDS = 3, 5


class Runner:
    def __init__(self, harness, deadline, say):
        self.harness = harness
        self.deadline = deadline
        self.say = say
        self.lock = threading.Lock()
        self.outcomes = []

    def run(self, trials, jobs):
        """Runs the trials in their order, `jobs` at a time; ends what runs when it is interrupted."""
        waiting = list(reversed(trials))
        threads = [threading.Thread(target=self.work, args=(waiting,), daemon=True) for _ in range(jobs)]
        for thread in threads:
            thread.start()
        try:
            for thread in threads:
                # In parts: Ctrl-C comes through.
                while thread.is_alive() and time.monotonic() < self.deadline + GRACE:
                    thread.join(0.2)
            # What has not ended by now is abandoned: it says nothing.
            self.stop(threads)
        except BaseException:
            self.stop(threads)
            raise
        return self.outcomes

    def stop(self, threads):
        self.harness.is_closing = True
        deadline = time.monotonic() + STOP_SECONDS
        while any(thread.is_alive() for thread in threads) and time.monotonic() < deadline:
            self.harness.end_processes()
            time.sleep(0.05)

    def work(self, waiting):
        while time.monotonic() < self.deadline and not self.harness.is_closing:
            with self.lock:
                if not waiting:
                    return
                trial = waiting.pop()
            outcome = self.attempt(trial)
            if self.harness.is_closing:
                return
            with self.lock:
                self.outcomes.append(outcome)
            self.tell(outcome)

    def attempt(self, trial):
        bench = Bench(self.harness, trial.name)
        skipped, failures, tries = None, [], 1
        try:
            counts = trial.body(bench)
            if isinstance(counts, Counts):
                failures, tries = counts.failures, counts.tries
        except Skip as reason:
            skipped = str(reason)
        except Failure as failure:
            failures = [str(failure)]
        except Exception as error:
            failures = [f"the harness: {error!r}, {where(error)}"]
        place = str(bench.place) if failures and self.harness.keep else ""
        bench.close(keep=bool(place))
        return Outcome(trial, self.harness.seed, tries, failures, skipped, bench.commands, place)

    def tell(self, outcome):
        for failure in outcome.failures:
            self.say(f"FAILED {outcome.trial.name}: {printable(failure)}")


def printable(text):
    """In one line, without control characters."""
    return "".join(each if each.isprintable() else f"\\x{ord(each):02x}" for each in text)[:800]


def where(error):
    """File and line of the harness at which an error arose."""
    last = traceback.extract_tb(error.__traceback__)[-1]
    return f"{last.filename.rsplit('/', 1)[-1]}:{last.lineno}"


def interleaved(trials, random):
    """Every kind makes progress in the same proportion, so that a run that is cut short has tried some of each."""
    kinds = {}
    for trial in trials:
        kinds.setdefault((trial.table, trial.kind), []).append(trial)
    placed = []
    for members in kinds.values():
        random.shuffle(members)
        shift = random.random()
        placed += [((index + shift) / len(members), trial) for index, trial in enumerate(members)]
    return [trial for _, trial in sorted(placed, key=lambda pair: pair[0])]
