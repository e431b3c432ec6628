"""Every file of a run is flipped, cut, emptied or deleted before it is read again."""

import shutil

from .. import comparison, finished
from ..bench import Failure
from ..stages import SWAD, fusion, train
from ..trial import FAULTS, Trial, slug

# What reads a finished run.
READERS = {
    "predict": ["predict", "set/c/cat/0.png", "set/b/dog/1.png", "--run", "run", "--json", "--threads", "1"],
    "predict averaged": ["predict", "set/c/cat/0.png", "--run", "run", "--averaged", "--json", "--threads", "1"],
    "eval": ["eval", "run", "--json", "--threads", "1"],
    "combine": ["eval", "run", "other", "--combine", "average", "--json", "--threads", "1"],
    "train": train("run", *SWAD),
    "report": ["report", "sweep", "--format", "json"],
    "compare": ["compare", "sweep", "--against", "ERM", "--format", "json"],
}
PER_READER = {"predict": 22, "predict averaged": 10, "eval": 14, "combine": 8, "train": 12, "report": 16, "compare": 16}
RESUMPTIONS, FUSION_RESUMPTIONS = 30, 16


def flip(random, data):
    """One bit."""
    place = random.randrange(len(data))
    return data[:place] + bytes([data[place] ^ 1 << random.randrange(8)]) + data[place + 1:]


def change_digit(random, data):
    """One digit of a text, the damage that stays valid."""
    places = [index for index, byte in enumerate(data[:100_000]) if chr(byte).isdigit()]
    if not places:
        return flip(random, data)
    place = random.choice(places)
    digit = random.choice([each for each in b"0123456789" if each != data[place]])
    return data[:place] + bytes([digit]) + data[place + 1:]


def cut(random, data):
    return data[:random.randrange(len(data))]


def drop_line(random, data):
    """One whole line of a text; of something else, the end."""
    lines = data.splitlines(keepends=True)
    if len(lines) < 2:
        return cut(random, data)
    del lines[random.randrange(len(lines))]
    return b"".join(lines)


def empty(random, data):
    return b""


def zeros(random, data):
    """A block that the disk lost."""
    start = random.randrange(len(data)) // 512 * 512
    return data[:start] + bytes(len(data[start:start + 4096])) + data[start + 4096:]


DAMAGES = [flip, flip, change_digit, cut, drop_line, empty, zeros, None]


def damage(bench, folders):
    """Damages one file; returns its path and what was done."""
    paths = [path for folder in folders for name, path in comparison.files(bench.place / folder).items()
             if not comparison.IGNORED.fullmatch(name) and path.stat().st_size > 0]
    path = bench.random.choice(sorted(paths))
    way = bench.random.choice(DAMAGES)
    if way is None:
        path.unlink()
        return path, "deleted"
    before = path.read_bytes()
    after = way(bench.random, before)
    if after == before:
        after = flip(bench.random, before)
    finished.replace(path, after)
    return path, way.__name__


def places(reader):
    return ["sweep"] if reader in ("report", "compare") else ["run"]


def source(harness, reader):
    return finished.finished_sweep(harness) if reader in ("report", "compare") else finished.finished(harness)


def wanted_output(harness, reader):
    """What the command prints where nothing is damaged."""

    def make():
        with harness.bench(f"undamaged/{slug(reader)}") as bench:
            finished.copy(source(harness, reader), bench.place)
            return bench.succeed(*READERS[reader]).output

    return harness.once(f"undamaged {reader}", make)


def without_times(output):
    """What 'train' prints on times is not compared."""
    return "\n".join(line for line in output.splitlines() if not line.startswith("time: "))


def read(reader):
    """The result is unchanged, or a line names what is damaged."""

    def body(bench):
        wanted = wanted_output(bench.harness, reader)
        finished.copy(source(bench.harness, reader), bench.place)
        path, way = damage(bench, places(reader))
        result = bench.run(*READERS[reader])
        expect_honest(bench, result, wanted, path, way)

    return body


def expect_honest(bench, result, wanted, path, way):
    file = f"{path.relative_to(bench.place)} ({way})"
    is_named = any(name in result.errors for name in (path.name, path.parent.name))
    if result.status == 0:
        bench.expect_no_crash(result)
        is_same = without_times(result.output) == without_times(wanted)
        bench.expect(is_same or is_named, f"{file}: another result, without a word")
    else:
        try:
            bench.expect_plain_error(result)
        except Failure as failure:
            raise Failure(f"{file}: {failure}") from None
        bench.expect(is_named, f"{file}: not named: {result}")


def resume(prepare, command, folders):
    """The end is as without damage, or a line or a warning names what is damaged."""

    def body(bench):
        wanted = wanted_results(bench.harness, prepare, command)
        finished.copy(prepare(bench.harness), bench.place)
        path, way = damage(bench, folders)
        result = bench.run(*command)
        file = f"{path.relative_to(bench.place)} ({way})"
        if result.status != 0:
            expect_honest(bench, result, "", path, way)
            return
        bench.expect_no_crash(result)
        words = comparison.difference(comparison.results(bench.place, ["run"]), wanted)
        warned = any(name in result.errors for name in (path.name, path.parent.name))
        bench.expect(not words or warned, f"{file}: another end, without a word: {'; '.join(words[:4])}")

    return body


def wanted_results(harness, prepare, command):
    def make():
        with harness.bench(f"undamaged/{prepare.__name__}") as bench:
            finished.copy(prepare(harness), bench.place)
            bench.succeed(*command)
            return comparison.results(bench.place, ["run"])

    return harness.once(f"undamaged {prepare.__name__}", make)


def no_checkpoints(bench):
    """All checkpoints are gone: a run that is not done does not begin anew without a word."""
    finished.copy(finished.halfway(bench.harness), bench.place)
    shutil.rmtree(bench.place / "run/checkpoint")
    result = bench.run(*READERS["eval"])
    bench.expect_plain_error(result, "checkpoint")


def trials(harness):
    found = [Trial(FAULTS, f"damaged run: {reader}", f"damage/{slug(reader)}/{index}", read(reader))
             for reader, count in PER_READER.items() for index in range(count)]
    resumed = resume(finished.halfway, train("run", *SWAD), ["run"])
    found += [Trial(FAULTS, "damaged run: resumption", f"damage/resume/{index}", resumed) for index in range(RESUMPTIONS)]
    resumed = resume(finished.halfway_fusion, fusion(harness.tiny_model), ["run", "store"])
    found += [Trial(FAULTS, "damaged run or store: resumption", f"damage/fusion/{index}", resumed)
              for index in range(FUSION_RESUMPTIONS)]
    return found + [Trial(FAULTS, "damaged run: eval", "damage/no-checkpoints", no_checkpoints)]
