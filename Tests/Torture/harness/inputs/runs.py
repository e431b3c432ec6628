"""Files of runs that others made: results, summaries, states; sweeps of DomainBed; a training's log; the store."""

import json

from .. import finished, samples
from ..stages import SWAD, train
from .format import Format, find
from .mutation import documents, lines, other_files
from .tensors import mutated

# What reads a run's file, by its name: the row of the table, the number of malformed copies, the command.
EVAL = ["eval", "run", "--threads", "1"]
PREDICT = ["predict", "set/a/cat/0.png", "--run", "run", "--threads", "1"]
RUN_FILES = {
    "summary.json": (16, PREDICT), "classes.json": (14, PREDICT), "environment.json": (10, EVAL),
    "results.jsonl": (12, EVAL), "config.yaml": (16, PREDICT),
}
CHECKPOINT_FILES = {"manifest.json": 14, "state.json": 10}
SWEEP_FILES = {"results.jsonl": (24, ["report", "sweep"]), "summary.json": (14, ["compare", "sweep", "--against", "ERM"]),
               "predictions.jsonl": (16, ["compare", "sweep", "--against", "ERM"]),
               "config.yaml": (12, ["compare", "sweep", "--against", "ERM"])}


def parsed(data, name):
    text = data.decode()
    return [json.loads(line) for line in text.splitlines()] if name.endswith("l") else json.loads(text)


def malformed(original, name, count):
    """Of JSON, of JSON lines, or of YAML with other leaves. `original()` gives the valid file's bytes."""
    if name.endswith(".yaml"):
        return lambda random: leaves(random, original().decode(), count)
    make = lines if name.endswith(".jsonl") else documents
    return lambda random: make(random, parsed(original(), name), count)


def of_copy(source, path, count, command, label, row, names=()):
    """A file in a copy of the folder that `source()` gives; it is made when the first trial needs it."""

    def original():
        return find(source(), path).read_bytes()

    name = path.rsplit("/", 1)[-1]
    return Format(label, count, malformed(original, name, count), path, command,
                  lambda bench: finished.copy(source(), bench.place), lambda bench: original(), names, row=row)


def leaves(random, text, count):
    from .settings import VALUES, structures

    rows = text.splitlines()
    found = [(label, each.encode()) for label, each in structures()[:4]] + other_files(text.encode())[:4]
    while len(found) < count:
        row = random.randrange(len(rows))
        key, value = rows[row].split(":")[0], random.choice(VALUES)
        changed = [*rows[:row], f"{key}: {value}", *rows[row + 1:]]
        found.append((f"{key.strip()}: {value}", "\n".join(changed).encode()))
    random.shuffle(found)
    return found[:count]


def run_formats(harness):
    found = [of_copy(lambda: finished.finished(harness), f"run/{name}", count, command, f"run {name}", "run's files")
             for name, (count, command) in RUN_FILES.items()]
    return found + [of_copy(lambda: finished.halfway(harness), f"run/checkpoint/step-*/{name}", count, train("run", *SWAD),
                            f"checkpoint {name}", "run's files") for name, count in CHECKPOINT_FILES.items()]


def sweep_formats(harness):
    return [of_copy(lambda: finished.finished_sweep(harness), f"sweep/set-ERM-a-*/{name}", count, command, f"sweep {name}",
                    "sweep's files") for name, (count, command) in SWEEP_FILES.items()]


ROW = {"args": {"algorithm": "ERM", "dataset": "PACS", "hparams_seed": 0, "test_envs": [0], "trial_seed": 0, "steps": 300},
       "env0_in_acc": 0.25, "env0_out_acc": 0.5, "env1_in_acc": 0.25, "env1_out_acc": 0.5, "env2_in_acc": 0.5,
       "env2_out_acc": 0.5, "env3_in_acc": 0.5, "env3_out_acc": 0.75, "step": 0, "hparams": {"lr": 0.001}}


def domainbed(harness):
    rows = [ROW, ROW | {"step": 300}]

    def nothing(bench):
        (bench.place / "theirs/run").mkdir(parents=True, exist_ok=True)

    return Format("DomainBed sweep", 32, lambda random: lines(random, rows, 32), "theirs/run/results.jsonl",
                  ["report", "--domainbed", "theirs"], nothing,
                  lambda bench: "".join(json.dumps(row) + "\n" for row in rows).encode(), names=("theirs",))


def training_log(harness):
    rows = [{"step": step, "images": step * 4, "loss": 1 / step, "images_per_second": 3.5} for step in range(1, 9)]
    return Format("training log", 20, lambda random: lines(random, rows, 20), "log.jsonl",
                  ["ldm", "plot", "log.jsonl", "--output", "x.png"], lambda bench: None,
                  lambda bench: "".join(json.dumps(row) + "\n" for row in rows).encode())


def filled_store(harness):
    """`set`, and a `store` with candidates."""

    def make(bench):
        samples.make_dataset(bench.place / "set")
        bench.succeed(*augment(harness))

    return finished.made(harness, "store", make)


def augment(harness):
    return ["augment", "set/a/cat/0.png", "--label", "cat", "--ldm", str(harness.tiny_model), "--steps", "2", "--candidates",
            "2", "--threads", "1", "--store", "store", "--output", "x.png"]


def store_formats(harness):
    def source():
        return filled_store(harness)

    def content(random):
        return mutated(find(source(), image).read_bytes(), 10)(random)

    sidecar, image, listing = "store/candidate/*/*.json", "store/candidate/*/*.png", ["store", "list", "--store", "store"]
    return [
        of_copy(source, sidecar, 16, listing, "store listed", "store"),
        of_copy(source, sidecar, 10, augment(harness), "store used", "store"),
        Format("store content", 10, content, image, augment(harness), lambda bench: finished.copy(source(), bench.place),
               lambda bench: find(source(), image).read_bytes(), row="store"),
    ]


def formats(harness):
    return [*run_formats(harness), *sweep_formats(harness), domainbed(harness), training_log(harness), *store_formats(harness)]
