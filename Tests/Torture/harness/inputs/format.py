"""A format, and how the program reads it."""

from dataclasses import dataclass, field
from random import Random
from typing import Callable

from ..bench import Failure
from ..process import Conditions
from ..trial import INPUTS, Counts, Trial, slug

GIBIBYTE = 1 << 30
# Beyond what the valid file takes.
MOST_MEMORY = 1 * GIBIBYTE
# An allocation beyond this fails.
ADDRESS_SPACE = 24 * GIBIBYTE
# Generous: the debug build on a machine that does other things, too.
SECONDS = 180


@dataclass
class Format:
    """`cases(random)` gives labels and contents of malformed files; each lies at `path` (see ``find``) when `command` runs."""

    name: str
    count: int
    cases: Callable
    path: str
    command: list
    # Makes the other files that the command needs.
    arrange: Callable
    # The contents of a file that the command accepts.
    valid: Callable
    # What an error may name beside the file.
    names: tuple = ()
    # Files of a batch lie beside each other, with a number before the name.
    batch: int = 1
    bind: list = field(default_factory=list)
    row: str = ""

    def cases_of(self, harness):
        """The malformed files of this pass, made once."""
        return harness.once(f"cases {self.name}", lambda: self.cases(Random(f"{harness.seed}/{self.name}")))


def find(place, path):
    """A path, whose `*` stand for what is there: the last of several."""
    if "*" not in path:
        return place / path
    return max(place.glob(path), key=lambda each: (len(each.name), len(each.parent.name), str(each)))


def put(bench, path, content):
    """Writes the file, not through links. Returns its path."""
    target = find(bench.place, path)
    target.parent.mkdir(parents=True, exist_ok=True)
    target.unlink(missing_ok=True)
    target.write_bytes(content)
    return target


def normal(harness, form):
    """The memory that the valid file takes; it must be accepted."""

    def make():
        with harness.bench(f"valid/{slug(form.name)}") as bench:
            form.arrange(bench)
            put(bench, form.path, form.valid(bench))
            result = bench.run(*form.command, conditions=Conditions(bind=form.bind))
            if result.status != 0:
                raise RuntimeError(f"the valid file is refused: {result.command}: {result}")
            return result.peak

    return harness.once(f"valid {form.name}", make)


def read(bench, form):
    """Runs the command within limits."""
    conditions = Conditions(limits={"AS": ADDRESS_SPACE, "CORE": 0}, bind=form.bind)
    return bench.run(*form.command, conditions=conditions, seconds=SECONDS)


def judge(bench, form, result, peak, *names):
    """Success, or one line that names the file or the setting; in bounded time and memory."""
    bench.expect_success_or_plain_error(result, *names, *form.names)
    more = result.peak - peak
    bench.expect(more < MOST_MEMORY, f"{more / GIBIBYTE:.1f} GiB more memory than with a valid file")
    bench.expect(not any(ord(each) < 32 and each not in "\n\t\r" for each in result.errors + result.output),
                 f"a control character reaches the terminal: {result}")


def one(form, index):
    def body(bench):
        label, content = form.cases_of(bench.harness)[index]
        peak = normal(bench.harness, form)
        form.arrange(bench)
        file = put(bench, form.path, content)
        try:
            judge(bench, form, read(bench, form), peak, file.name, *file.relative_to(bench.place).parts[:-1])
        except Failure as failure:
            raise Failure(f"{label}: {failure}") from None

    return body


def several(form, first):
    """Several files in one call; where that goes wrong, each by itself."""

    def body(bench):
        cases = form.cases_of(bench.harness)[first:first + form.batch]
        peak = normal(bench.harness, form)
        form.arrange(bench)
        folder, name = form.path.rsplit("/", 1)
        paths = [f"{folder}/{first + index}-{name}" for index in range(len(cases))]
        for path, (_, content) in zip(paths, cases):
            put(bench, path, content)
        try:
            judge(bench, form, read(bench, form), peak, name)
            return Counts(len(cases))
        except Failure:
            return Counts(len(cases), culprits(bench, form, peak, dict(zip(paths, cases))))

    def culprits(bench, form, peak, cases):
        for path in cases:
            (bench.place / path).unlink()
        failures = []
        for path, (label, content) in cases.items():
            put(bench, path, content)
            try:
                judge(bench, form, read(bench, form), peak, path.rsplit("/", 1)[-1])
                (bench.place / path).unlink()
            except Failure as failure:
                failures.append(f"{path}: {label}: {failure}")
                (bench.place / path).rename(bench.place / f"culprit-{len(failures)}-{path.rsplit('/', 1)[-1]}")
        return failures or ["the files are well read one by one, not together"]

    return body


def trials_of(form):
    kind = form.row or form.name
    if form.batch > 1:
        return [Trial(INPUTS, kind, f"input/{slug(form.name)}/{first}", several(form, first))
                for first in range(0, form.count, form.batch)]
    return [Trial(INPUTS, kind, f"input/{slug(form.name)}/{index}", one(form, index)) for index in range(form.count)]
