"""One thing that is tried, and what came out."""

import re
from dataclasses import dataclass, field
from typing import Callable

FAULTS, INPUTS = "faults", "inputs"


@dataclass
class Trial:
    """`body` gets a Bench. It raises Failure or Skip, or returns nothing, or the Counts of several inputs."""

    table: str
    kind: str
    name: str
    body: Callable


@dataclass
class Counts:
    """Of a trial of several inputs: how many were tried, and what was wrong with which."""

    tries: int = 1
    failures: list = field(default_factory=list)


@dataclass
class Outcome:
    trial: Trial
    seed: int
    tries: int
    failures: list
    skipped: str | None = None
    commands: list = field(default_factory=list)
    place: str = ""


def slug(text):
    """A text as a part of a trial's name."""
    return re.sub(r"[^A-Za-z0-9.]+", "-", text).strip("-").lower()


def named(table, kind, section, bodies):
    """Trials of one kind by label."""
    return [Trial(table, kind, f"{section}/{slug(label)}", body) for label, body in bodies.items()]
