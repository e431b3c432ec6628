"""Disks that are full, folders that cannot be written, that vanish, or are something else."""

import os
import shutil
import signal
import subprocess

from .. import comparison, finished, kills
from ..bench import Skip
from ..process import MARK, Conditions
from ..stages import undisturbed
from ..trial import FAULTS, Trial, named, slug

STAGES = ["train", "train with SWAD", "train with the diffusion model", "sweep", "ldm train vae", "ldm finetune, LoRA",
          "data prepare fashion", "augment into the store", "generate", "generate select",
          "eval --output", "ldm merge", "ldm invert"]
PAGE = 4096
NOBODY = 65534


def boundaries(random, wanted):
    """A size in bytes at which some write of the command must fail: within a file, or just before or after one."""
    before = 0
    starts = []
    for size in wanted.sizes:
        starts.append((before, size))
        before += -(-size // PAGE) * PAGE
    start, size = random.choice(starts)
    return max(PAGE, start + random.choice([0, PAGE, random.randrange(size + 1), size - 1]))


def small_files(random, wanted):
    """A limit on the size of one file: zero, or a part of some file."""
    size = random.choice(wanted.sizes)
    return random.choice([0, 1, size // 2, max(0, size - 1), random.randrange(size + 1)])


def file_limit(stage):
    """No file may grow beyond a size, as with a quota; then the limit goes, and the same command ends well."""

    def body(bench):
        wanted = undisturbed(bench.harness, stage)
        stage.prepare(bench)
        limit = small_files(bench.random, wanted)
        result = stage.run(bench, limits={"FSIZE": limit}, ignore=["SIGXFSZ"])
        # The harness's own files of the output have the limit, too: with nothing in them, status and rest count.
        if limit > PAGE:
            bench.expect_success_or_plain_error(result)
        else:
            bench.expect_no_crash(result)
        again = stage.run(bench)
        bench.expect(again.status == 0, f"the same command after a limit of {limit} bytes: {again}")
        kills.expect_same(bench, stage, wanted)

    return body


# In a mount namespace of its own: a small disk under the results; what it says; room; the same command again.
FULL_DISK = """
set -e
cd "$1"; size=$2; shift 2
mkdir disk
mount -t tmpfs -o size=2G torture disk
for root in $INPUTS; do cp -r "$root" disk/; done
cd disk
mount -o "remount,size=$(( $(du -s --block-size=1 . | cut -f1) + size ))" .
set +e
"$@" >../first.out 2>../first.err; echo $? >../first.status
mount -o remount,size=2G .
"$@" >../second.out 2>../second.err; echo $? >../second.status
cp -r . ../kept
"""


def full_disk(stage):
    """A disk with room for a part of what the command writes, and then for all."""

    def body(bench):
        if not bench.harness.can_mount:
            raise Skip("no mount namespace")
        wanted = undisturbed(bench.harness, stage)
        stage.prepare(bench)
        size = boundaries(bench.random, wanted)
        first, second = run_on_small_disk(bench, stage, size)
        if first[0] != 0:
            expect_says_full(bench, first, size)
        bench.expect(second[0] == 0, f"the same command after a disk of {size} bytes: status {second[0]}, {second[1]!r}")
        words = comparison.difference(comparison.results(bench.place / "kept", stage.roots), wanted.results)
        bench.expect(not words, f"after a disk of {size} bytes not as an undisturbed run: {'; '.join(words[:6])}")

    return body


def run_on_small_disk(bench, stage, size):
    """Status and standard error of the first and the second run."""
    own = {"HOME": str(bench.place), "INPUTS": " ".join(os.listdir(bench.place)), MARK: str(bench.place)}
    command = ["/usr/bin/unshare", "-m", "sh", "-c", FULL_DISK, "sh", str(bench.place), str(size),
               str(bench.harness.binary), *map(str, stage.arguments)]
    bench.commands.append(f"on a tmpfs of {size} bytes beyond its input: {stage.arguments}")
    subprocess.run(command, env=bench.harness.environment | own, timeout=300, check=True, capture_output=True)
    ends = []
    for name in ("first", "second"):
        errors = (bench.place / f"{name}.err").read_text(errors="replace")
        ends.append((int((bench.place / f"{name}.status").read_text()), errors))
    return ends


def expect_says_full(bench, end, size):
    status, errors = end
    lines = [line for line in errors.splitlines() if line.startswith("error: ")]
    bench.expect(status == 1 and len(lines) == 1 and errors.rstrip().endswith(lines[-1]),
                 f"a disk of {size} bytes: exit status {status}, standard error {errors[-300:]!r}")


def unprivileged(bench):
    """Conditions of a user who may not write everything, and the check that this user can run the program at all."""
    if os.geteuid() != 0:
        return Conditions()
    conditions = Conditions(user=NOBODY)
    if bench.run("--version", conditions=conditions).status != 0:
        raise Skip("the user nobody cannot run the program here")
    return conditions


def read_only(roots):
    """Folders that the user may not write: one line, and afterwards nothing is lost."""

    def body(bench):
        conditions = unprivileged(bench)
        for root in ["", *roots]:
            (bench.place / root).mkdir(parents=True, exist_ok=True)
        stage = bench.harness.stages["train with the diffusion model"]
        stage.prepare(bench)
        for path in [bench.place, *bench.place.rglob("*")]:
            path.chmod(0o777 if path.is_dir() else 0o666)
        for root in roots:
            (bench.place / root).chmod(0o555)
        result = bench.run(*stage.arguments, conditions=conditions)
        bench.expect_plain_error(result, *roots)

    return body


def unreadable(path, command):
    """A file or folder that the user may not read."""

    def body(bench):
        conditions = unprivileged(bench)
        finished.copy(finished.finished(bench.harness), bench.place)
        target = bench.place / path
        target.chmod(0)
        result = bench.run(*command, conditions=conditions)
        target.chmod(0o755)
        bench.expect_plain_error(result, path)

    return body


def vanish(stage, root):
    """A folder of the command is removed while it runs: a clear line, or the end as if it had not been."""

    def body(bench):
        wanted = undisturbed(bench.harness, stage)
        stage.prepare(bench)
        running = stage.start(bench)
        running.wait(bench.random.uniform(0.2, 1) * wanted.seconds)
        shutil.rmtree(bench.place / root, ignore_errors=True)
        result = running.result()
        bench.expect_success_or_plain_error(result)
        lacking = [name for name in wanted.results if name.startswith(stage.roots[0] + "/")
                   and not comparison.CHECKPOINT.fullmatch(name) and not (bench.place / name).exists()]
        # What was removed after the last write cannot be noticed.
        if result.status == 0 and (bench.place / stage.roots[0]).exists():
            bench.expect(not lacking, f"exit status 0 without {', '.join(lacking[:4])}")

    return body


def spoil_with_file(path):
    shutil.rmtree(path, ignore_errors=True)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.unlink(missing_ok=True)
    path.write_text("something else")


def spoil_with_folder(path):
    spoil_with_file(path)
    path.unlink()
    (path / "inside").mkdir(parents=True)


def spoil_with_broken_link(path):
    spoil_with_file(path)
    path.unlink()
    path.symlink_to("/nowhere/at/all")


def spoil_with_loop(path):
    spoil_with_file(path)
    path.unlink()
    path.symlink_to(path)


SPOILERS = {"a file": spoil_with_file, "a folder": spoil_with_folder, "a broken link": spoil_with_broken_link,
            "a loop of links": spoil_with_loop}
# What is spoiled, and a command that uses it.
PLACES = {
    "run": "train", "run/checkpoint": "train", "run/results.jsonl": "train", "run/config.yaml": "train",
    "run/done": "train", "run/.lock": "train", "run/environment.json": "train", "run/synthetic":
    "train with the diffusion model", "store": "train with the diffusion model", "store/curve":
    "train with the diffusion model", "sweep": "sweep", "sweep/members": "sweep", "work": "ldm train vae",
    "work/log.jsonl": "ldm train vae", "model": "ldm train vae", "model/vae": "ldm train vae",
    "lora": "ldm finetune, LoRA", "lora/training": "ldm finetune, LoRA", "made": "data prepare fashion",
    "both.safetensors": "eval --output", "x.png": "augment into the store", "merged": "ldm merge",
    "inverted": "ldm invert", "generated": "generate", "generated/.pieces": "generate", "kept": "generate select",
    "set": "train",
    "set/a": "train", "set/a/cat": "train", "set/a/cat/0.png": "train", "set/d": "train",
}


def spoil(place, stage, way):
    """Something else lies where the command has its file or folder: success, or a line that names it."""

    def body(bench):
        stage.prepare(bench)
        SPOILERS[way](bench.place / place)
        result = stage.run(bench)
        bench.expect_success_or_plain_error(result, *place.split("/"))

    return body


def trials(harness):
    found = []
    for name in STAGES:
        stage = harness.stages[name]
        found += [Trial(FAULTS, "limit of a file's size", f"fsize/{slug(name)}/{index}", file_limit(stage))
                  for index in range(4)]
        found += [Trial(FAULTS, "disk full", f"disk/{slug(name)}/{index}", full_disk(stage)) for index in range(4)]
    for place, name in PLACES.items():
        found += named(FAULTS, "something else in the place", f"place/{slug(place)}",
                       {way: spoil(place, harness.stages[name], way) for way in SPOILERS})
    found += named(FAULTS, "read-only folder", "readonly", {
        "place": read_only([""]), "run": read_only(["run"]), "store": read_only(["store"]),
        "checkpoint": read_only(["run/checkpoint"]), "curves": read_only(["store/curve"]),
        "synthetic": read_only(["run/synthetic"])})
    predict = ["predict", "set/a/cat/0.png", "--run", "run"]
    found += named(FAULTS, "unreadable file", "unreadable", {
        path: unreadable(path, command) for path, command in [
            ("set/a/cat/0.png", predict), ("run/config.yaml", predict), ("run/summary.json", predict),
            ("run/classes.json", predict), ("run/results.jsonl", ["report", "."]), ("set/a/cat", ["data", "check", "set"]),
            ("set/a", ["data", "check", "set"]), ("set", ["data", "check", "set"])]})
    for name, roots in {"train": ["run", "set"], "train with the diffusion model": ["run", "store"], "sweep": ["sweep"],
                        "ldm train vae": ["work", "corpus"], "data prepare fashion": ["made", "idx"]}.items():
        for root in roots:
            found += [Trial(FAULTS, "a folder vanishes", f"vanish/{slug(name)}/{root}/{index}",
                            vanish(harness.stages[name], root)) for index in range(2)]
    return found
