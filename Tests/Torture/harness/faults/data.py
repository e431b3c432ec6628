"""Data that change between the start of a run and its resumption or use."""

import os
import shutil

from .. import finished, samples
from ..stages import SWAD, fusion, train
from ..trial import FAULTS, named

IMAGE = "set/a/cat/0.png"


def recolour(place):
    samples.write(place / IMAGE, samples.png(1000))


def swap(place):
    """Two images change places: the same names, sizes and set of contents."""
    one, other = place / "set/a/cat/0.png", place / "set/b/dog/0.png"
    first = one.read_bytes()
    samples.write(one, other.read_bytes())
    samples.write(other, first)


def add(place):
    samples.write(place / "set/a/cat/9.png", samples.png(1001))


def remove(place):
    (place / IMAGE).unlink()


def rename(place):
    (place / IMAGE).rename(place / "set/a/cat/00.png")


def move_to_other_class(place):
    (place / IMAGE).rename(place / "set/a/dog/7.png")


def add_class(place):
    samples.write(place / "set/a/fox/1.png", samples.png(1002))


def add_domain(place):
    samples.write(place / "set/d/cat/1.png", samples.png(1003))
    samples.write(place / "set/d/dog/1.png", samples.png(1004))


def corrupt(place):
    (place / IMAGE).write_bytes((place / IMAGE).read_bytes()[:200])


CHANGES = {"an image changes": recolour, "two images change places": swap, "an image more": add, "an image less": remove,
           "another name": rename, "another class": move_to_other_class, "a class more": add_class,
           "a domain more": add_domain, "an image is cut": corrupt}


def resume(prepare, command, change):
    """A resumption on other data is refused, by a line that names the data."""

    def body(bench):
        finished.copy(prepare(bench.harness), bench.place)
        change(bench.place)
        result = bench.run(*command)
        bench.expect(result.status != 0, "goes on with other data as if nothing had changed")
        bench.expect_plain_error(result, "set", "images")

    return body


def evaluate(change):
    """An evaluation on other data may differ, but is about the data as they are; or it is refused."""

    def body(bench):
        finished.copy(finished.finished(bench.harness), bench.place)
        change(bench.place)
        bench.expect_success_or_plain_error(bench.run("eval", "run", "--threads", "1"), "set")

    return body


def moved(bench):
    """Data that were moved are the same data."""
    finished.copy(finished.halfway(bench.harness), bench.place)
    (bench.place / "elsewhere").mkdir()
    shutil.move(bench.place / "set", bench.place / "elsewhere/set")
    command = train("run", *SWAD)
    command[command.index("--data") + 1] = "elsewhere/set"
    bench.succeed(*command)


def touched(bench):
    """Other times and permissions are no change."""
    finished.copy(finished.halfway(bench.harness), bench.place)
    for path in (bench.place / "set").rglob("*.png"):
        path.chmod(0o600)
        os.utime(path, (0, 0))
    bench.succeed(*train("run", *SWAD))


def gone(bench):
    """Evaluation after the data moved says how to name them."""
    finished.copy(finished.finished(bench.harness), bench.place)
    shutil.rmtree(bench.place / "set")
    bench.expect_plain_error(bench.run("eval", "run", "--threads", "1"), "--data")


def trials(harness):
    kind = "data change before the resumption"
    bodies = {name: resume(finished.halfway, train("run", *SWAD), change) for name, change in CHANGES.items()}
    found = named(FAULTS, kind, "data/resume", bodies)
    other = fusion(harness.tiny_model)
    bodies = {name: resume(finished.halfway_fusion, other, CHANGES[name]) for name in ("an image changes", "an image less")}
    found += named(FAULTS, kind, "data/resume-fusion", bodies)
    found += named(FAULTS, kind, "data/eval", {name: evaluate(change) for name, change in CHANGES.items()})
    return found + named(FAULTS, kind, "data", {"moved": moved, "touched": touched, "gone": gone})
