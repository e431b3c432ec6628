"""Where one trial works: a folder, random numbers of its own, and the program."""

import os
import random
import shlex
import shutil
import signal
import threading
from pathlib import Path

from .process import MARK, Conditions, Running, end_marked, marked

# What a user sees of a crash. A plain error has none of it.
CRASH_WORDS = ("Fatal error", "Stack dump", "Program crashed", "Backtrace", "Thread 0", "terminate called", "libc++abi")


class Failure(Exception):
    """Something that must not happen happened."""


class Skip(Exception):
    """The machine does not allow this trial."""


class Bench:
    def __init__(self, harness, name):
        self.harness = harness
        self.name = name
        self.random = random.Random(f"{harness.seed}/{name}")
        self.place = harness.root / "trials" / name.replace("/", "-")
        self.place.mkdir(parents=True)
        self.commands = []
        self.counter = 0
        self.lock = threading.Lock()

    # The program

    def start(self, *arguments, conditions=None, streams=None, folder=None):
        """Starts the program in the trial's folder (or in `folder`)."""
        if self.harness.is_closing:
            raise Skip("the harness ends")
        with self.lock:
            self.counter += 1
            number = self.counter
        folder = folder or self.place
        texts = [self.harness.root / "texts" / f"{self.place.name}-{number}.{kind}" for kind in ("out", "err")]
        command = [str(self.harness.binary), *map(str, arguments)]
        self.commands.append(f"(cd {shlex.quote(str(folder))} && {shlex.join(command)})")
        environment = self.harness.environment | {MARK: str(self.place), "HOME": str(self.place)}
        return Running(command, folder, environment, conditions or Conditions(), streams or {}, texts)

    def run(self, *arguments, seconds=None, **more):
        """Runs the program to its end."""
        return self.start(*arguments, **more).result(seconds)

    def succeed(self, *arguments, **more):
        """Runs the program, which must end with status 0."""
        result = self.run(*arguments, **more)
        self.expect(result.status == 0, result)
        return result

    def survivors(self):
        """The processes of this trial that live."""
        return marked(self.place)

    # Judgement

    def expect(self, is_so, reason):
        if not is_so:
            raise Failure(str(reason))

    def expect_no_crash(self, result):
        """It ended by itself, and not by a trap."""
        self.expect(result.status is not None and result.status >= 0, result)
        self.expect(not any(word in result.errors for word in CRASH_WORDS), result)

    def expect_plain_error(self, result, *names, statuses=(1, 64)):
        """It ended as a mistake of the user should: a status, and one line that names what is wrong."""
        self.expect_no_crash(result)
        self.expect(result.status in statuses, result)
        lines = result.error_lines
        self.expect(len(lines) == 1, f"{len(lines)} lines 'error: …': {result}")
        self.expect("\n" + lines[0] in "\n" + result.errors and result.errors.rstrip().endswith(lines[0]),
                    f"the error is not the last line: {result}")
        if names:
            self.expect(any(str(name) in lines[0] for name in names), f"names none of {names}: {lines[0][:400]!r}")

    def expect_success_or_plain_error(self, result, *names, **more):
        if result.status == 0:
            self.expect_no_crash(result)
        else:
            self.expect_plain_error(result, *names, **more)

    # The end

    def close(self, keep):
        end_marked(self.place)
        if keep:
            return
        make_writable(self.place)
        shutil.rmtree(self.place, ignore_errors=True)
        for text in (self.harness.root / "texts").glob(f"{self.place.name}-*.*"):
            text.unlink(missing_ok=True)


def make_writable(folder):
    for path, names, _ in os.walk(folder):
        for name in [path, *(os.path.join(path, each) for each in names)]:
            if not os.path.islink(name):
                os.chmod(name, 0o755)


SIGNALS = [signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGUSR1, signal.SIGUSR2, signal.SIGALRM]
