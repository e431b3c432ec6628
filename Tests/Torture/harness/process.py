"""Starts the program, waits for it, and says how it ended."""

import json
import os
import shlex
import signal
import sys
import threading
import time
from dataclasses import dataclass, field
from pathlib import Path

LAUNCHER = str(Path(__file__).with_name("launcher.py"))
MARK = "DOMAINFUSION_TORTURE"
# More of a text than this says nothing new.
LONGEST_TEXT = 200_000


@dataclass
class Conditions:
    """What is odd about the process: limits, closed descriptors, ignored signals, another user, files bound over others."""

    limits: dict = field(default_factory=dict)
    close: list = field(default_factory=list)
    ignore: list = field(default_factory=list)
    bind: list = field(default_factory=list)
    user: int | None = None

    def order(self, folder):
        order = {"folder": str(folder), "parent": os.getpid(), "limits": self.limits, "close": self.close}
        order |= {"ignore": self.ignore, "bind": self.bind}
        return order if self.user is None else order | {"user": self.user}


@dataclass
class Result:
    """How a process ended: status is negative for a signal, None where it had to be killed after its time."""

    command: str
    status: int | None
    output: str
    errors: str
    seconds: float
    peak: int

    @property
    def error_lines(self):
        return [line for line in self.errors.splitlines() if line.startswith("error: ")]

    @property
    def ended_as(self):
        if self.status is None:
            return f"no end after {self.seconds:.0f} s"
        if self.status < 0:
            return f"ended by {signal.Signals(-self.status).name}"
        return f"exit status {self.status}"

    def __str__(self):
        last = " | ".join(self.errors.splitlines()[-3:])
        return f"{self.ended_as}; standard error ends with: {last[-400:]!r}"


# Seconds that a command may take.
patience = 180


class Running:
    """A started process; its output goes to files."""

    def __init__(self, arguments, folder, environment, conditions, streams, texts):
        self.arguments = arguments
        self.texts = texts
        self.start = time.monotonic()
        command = [sys.executable, "-I", "-S", LAUNCHER, json.dumps(conditions.order(folder)), *arguments]
        if conditions.bind:
            command = ["/usr/bin/unshare", "-m", *command]
        self.pid = os.posix_spawn(command[0], command, environment, file_actions=self.actions(streams))
        self.status = None
        self.peak = 0
        self.seconds = 0.0
        self.lock = threading.Lock()

    def actions(self, streams):
        """Standard input is empty; output and errors go to a file, or to the path or descriptor in `streams`."""
        actions = [(os.POSIX_SPAWN_OPEN, 0, "/dev/null", os.O_RDONLY, 0)]
        for number, text in ((1, self.texts[0]), (2, self.texts[1])):
            target = streams.get(number, text)
            if isinstance(target, int):
                actions.append((os.POSIX_SPAWN_DUP2, target, number))
            else:
                flags = os.O_WRONLY | os.O_CREAT
                actions.append((os.POSIX_SPAWN_OPEN, number, str(target), flags, 0o666))
        return actions

    def poll(self):
        """Whether it has ended."""
        with self.lock:
            if self.status is not None:
                return True
            pid, status, usage = os.wait4(self.pid, os.WNOHANG)
            if pid == 0:
                return False
            self.seconds = time.monotonic() - self.start
            self.status = os.waitstatus_to_exitcode(status)
            self.peak = usage.ru_maxrss * 1024
            return True

    def send(self, number):
        with self.lock:
            if self.status is None:
                os.kill(self.pid, number)

    def wait(self, seconds):
        """Waits for the end, but not longer. Returns whether it has ended."""
        return self.wait_until(lambda: False, seconds) is False

    def wait_until(self, is_so, seconds):
        """Waits until something is so (True), the process has ended (False), or the time is over (None)."""
        deadline = time.monotonic() + seconds
        while True:
            if self.poll():
                return False
            if is_so():
                return True
            if time.monotonic() > deadline:
                return None
            time.sleep(0.002)

    def result(self, seconds=None):
        """Waits for the end; a process that takes longer is killed, and its status is None."""
        is_late = not self.wait(seconds or patience)
        if is_late:
            self.send(signal.SIGKILL)
            self.wait(60)
        output, errors = (read_text(path) for path in self.texts)
        status = None if is_late else self.status
        return Result(shlex.join(self.arguments), status, output, errors, self.seconds, self.peak)


def read_text(path):
    try:
        with open(path, "rb") as file:
            return file.read(LONGEST_TEXT).decode("utf-8", "replace")
    except OSError:
        return ""


def marked(mark):
    """Processes that were started with this mark in their environment, and their descendants."""
    wanted = f"{MARK}={mark}".encode()
    found = []
    for entry in os.listdir("/proc"):
        if not entry.isdigit():
            continue
        try:
            environment = Path(f"/proc/{entry}/environ").read_bytes().split(b"\0")
            state = Path(f"/proc/{entry}/stat").read_text().rpartition(")")[2].split()[0]
        except OSError:
            continue
        if wanted in environment and state not in "ZX":
            found.append(int(entry))
    return found


def end_marked(mark):
    """Kills what is left of a trial."""
    for pid in marked(mark):
        try:
            os.kill(pid, signal.SIGKILL)
        except ProcessLookupError:
            pass
