"""The commands that are tortured, each small enough to take a second or two."""

from dataclasses import dataclass, field
from typing import Callable

from . import comparison, samples
from .bench import Skip
from .process import Conditions


@dataclass
class Stage:
    """A command with its input and the folders or files that it leaves."""

    name: str
    arguments: list
    make_input: Callable
    roots: list
    # Commands that must have been run before, whose results count as input.
    before: list = field(default_factory=list)
    # Files bound over the system's, for the program alone.
    bind: list = field(default_factory=list)
    is_sweep: bool = False
    # Files without which it cannot be tried: those that a setup downloads.
    needs: list = field(default_factory=list)

    def prepare(self, bench):
        for path in self.needs:
            if not path.exists():
                raise Skip(f"no {path.name}")
        self.make_input(bench)
        for command in self.before:
            bench.succeed(*command)

    def start(self, bench, **conditions):
        return bench.start(*self.arguments, conditions=Conditions(bind=self.bind, **conditions))

    def run(self, bench, **conditions):
        return self.start(bench, **conditions).result()

    def results(self, bench):
        return comparison.results(bench.place, self.roots)


@dataclass
class Undisturbed:
    """What a stage leaves and how long it takes when nothing disturbs it."""

    results: dict
    seconds: float
    peak: int
    # Sizes of the files it leaves, in the order in which they were written.
    sizes: list


def undisturbed(harness, stage):
    """Runs a stage once for all trials."""

    def make():
        with harness.bench(f"undisturbed/{stage.name}") as bench:
            stage.prepare(bench)
            result = stage.run(bench)
            if result.status != 0:
                raise RuntimeError(f"the undisturbed command fails: {result.command}: {result}")
            return Undisturbed(stage.results(bench), result.seconds, result.peak, sizes(bench, stage))

    return harness.once(f"undisturbed {stage.name}", make)


def sizes(bench, stage):
    roots = [bench.place / root for root in stage.roots]
    paths = [path for root in roots for path in ([root] if root.is_file() else comparison.files(root).values())]
    return [path.stat().st_size for path in sorted(paths, key=lambda path: path.stat().st_mtime)]


# Inputs


def dataset(bench):
    samples.make_dataset(bench.place / "set")


def corpus(bench):
    samples.make_corpus(bench.place / "corpus")


def captioned(bench):
    samples.make_captioned(bench.place / "foxes")


def idx(bench):
    samples.make_idx(bench.place / "idx")


def nothing(bench):
    pass


# Commands


def train(folder="run", *more, steps=8, threads=1):
    """The smallest network for eight steps, with a checkpoint at every second one."""
    return ["train", "--data", "set", "--test-domain", "c", "--weights", "none", "--image-size", "32",
            "--batch-size", "2", "--steps", str(steps), "--save-every", "2", "--evaluate-every", "4",
            "--threads", str(threads), "--device", "cpu", "--run-dir", folder, *more]


def settings(prefix, **values):
    """'--set' options."""
    return [word for name, value in values.items() for word in ("--set", f"{prefix}{name.replace('__', '.')}={value}")]


SWAD = ["--average", "swad", "--set", "averaging.evaluateEvery=2"]


def fusion(model, *more):
    """DomainFusion with LD curves and two rounds of OLA."""
    own = settings("algorithm.hyperparameters.", ldm=model, distillation__nodes=3, distillation__draws=2,
                   augmentation__steps=3, augmentation__everyEpochs=1, augmentation__batchSize=2,
                   augmentation__candidates=2)
    return train("run", "--algorithm", "DomainFusion", "--store", "store", *own, *more, steps=6)


def sweep(*more):
    return ["sweep", "--dataset", "set", "--data-dir", ".", "--algorithms", "ERM", "--test-domains", "a,c",
            "--weights", "none", "--image-size", "32", "--batch-size", "2", "--steps", "4", "--trials", "1",
            "--output", "sweep", "--jobs", "2", "--threads", "1", "--device", "cpu",
            *settings("", saveEvery=2, evaluateEvery=2), *more]


def ldm(part, *more):
    return ["ldm", "train", part, "--corpus", "corpus", "--image-size", "32", "--batch-size", "4", "--work", "work",
            "--output", "model", "--steps", "4", "--evaluate-every", "2", "--threads", "1", *more]


def ldm_vae(work):
    return ["ldm", "train", "vae", "--corpus", "corpus", "--image-size", "32", "--batch-size", "4", "--work", work,
            "--output", "model", "--steps", "1", "--threads", "1"]


def finetune(model, *more):
    return ["ldm", "finetune", "--ldm", str(model), "--data", "foxes", "--output", "lora", "--steps", "6",
            "--log-every", "1", "--save-every", "2", "--threads", "1", *more]


def evaluate(model, *how):
    """A run's test images moved towards its source domains by one diffusion model."""
    return ["eval", "run", *how, "--ldm", str(model), "--steps", "2", "--noise", "0.5,1", "--batch-size",
            "4", "--store", "store", "--threads", "1"]


def generative(model):
    own = settings("algorithm.hyperparameters.", ldm=model, draws=4, parts=2)
    return ["train", "--data", "set", "--test-domain", "c", "--algorithm", "GenerativeClassifier", "--store", "store",
            "--threads", "1", "--device", "cpu", "--run-dir", "run", *own]


STYLES = ["--style", "a=ink", "--style", "b=oil"]


def generate(model, method="fds", *more):
    """Images of two domains, or between them: two pieces of work."""
    own = ["--copies", "36"] if method == "fds" else ["--copies", "4", "--strength", "0.5"]
    return ["generate", "--data", "set", "--ldm", str(model), "--method", method, "--domains", "a,b", "--steps", "2",
            "--batch-size", "4", "--store", "store", "--threads", "1", "--output", "generated", *own, *more]


def stages(harness):
    """All stages by name."""
    model, vocabulary = harness.model, harness.vocabulary
    lora = ["--lora-rank", "4", "--train-text-encoder"]
    combine = ["eval", "one", "two", "--combine", "average", "--output", "both.safetensors", "--threads", "1"]
    every = [
        Stage("train", train(), dataset, ["run"]),
        Stage("train, 2 threads", train(threads=2), dataset, ["run"]),
        Stage("train with SWAD", train("run", *SWAD), dataset, ["run"]),
        Stage("train with the diffusion model", fusion(model), dataset, ["run", "store"]),
        # Nobody listens there.
        Stage("train, tracker down", train("run", "--track", "mlflow=http://127.0.0.1:9"), dataset, ["run"]),
        Stage("train, seed 1", train("run", "--seed", "1"), dataset, ["run"]),
        Stage("sweep", sweep(), dataset, ["sweep"], is_sweep=True),
        Stage("ldm train vae", ldm("vae"), corpus, ["work", "model"]),
        Stage("ldm train unet", ldm("unet", "--vocabulary", str(vocabulary)), corpus, ["work", "model"],
              before=[ldm_vae("vae-work")], needs=[vocabulary]),
        Stage("ldm finetune, LoRA", finetune(model, *lora), captioned, ["lora"]),
        Stage("ldm finetune, whole U-Net", finetune(model), captioned, ["lora"]),
        Stage("data prepare fashion", ["data", "prepare", "rotated-fashion-mnist", "--source", "idx", "--output",
              "made"], idx, ["made"]),
        Stage("eval --output", combine, dataset, ["both.safetensors"],
              before=[train("one", steps=1), train("two", "--seed", "0", "--learning-rate", "0.01", steps=1)]),
        Stage("eval --shift-inversion", evaluate(model, "--shift-inversion"), dataset, ["run-dsi", "store"],
              before=[train(steps=1)]),
        Stage("eval --edit", evaluate(model, "--edit", *STYLES), dataset, ["run-edit", "store"], before=[train(steps=1)]),
        Stage("train with features", train("run", "--features", "ldm", "--ldm", str(model), "--store", "store", steps=4),
              dataset, ["run", "store"]),
        Stage("train on generated images", train("run", "--generated", "generated", steps=4), dataset, ["run"],
              before=[generate(model)]),
        Stage("train GenerativeClassifier", generative(model), dataset, ["run", "store"]),
        Stage("augment into the store", ["augment", "set/a/cat/0.png", "--label", "cat", "--ldm", str(model),
              "--candidates", "4", "--steps", "4", "--store", "store", "--threads", "1", "--output", "x.png"],
              dataset, ["store", "x.png"]),
        Stage("generate", generate(model), dataset, ["generated", "store"]),
        Stage("generate by prompt", generate(model, "cdga-pg", "--prompt", "{style} of {a class}", *STYLES), dataset,
              ["generated", "store"]),
        Stage("generate by image", generate(model, "cdga-ig"), dataset, ["generated", "store"]),
        Stage("generate by shift", generate(model, "shift"), dataset, ["generated", "store"]),
        Stage("generate select", ["generate", "select", "generated", "--judge", "run", "--keep", "9", "--threads", "1",
              "--output", "kept"], dataset, ["kept"], before=[generate(model), train(steps=1)]),
        Stage("ldm merge", ["ldm", "merge", "--ldm", str(model), "--lora", str(harness.lora), "--output", "merged"],
              nothing, ["merged"]),
        Stage("ldm invert", ["ldm", "invert", "set/a/cat/0.png", "set/a/dog/3.png", "--ldm", str(model),
              "--output", "inverted"], dataset, ["inverted"]),
    ]
    if harness.emoji_list is not None:
        every.append(emoji(harness))
    return {stage.name: stage for stage in every}


EMOJI_TEST = "/usr/share/unicode/emoji/emoji-test.txt"


def emoji(harness):
    """Drawn from a short list of emoji, which is bound over the system's for the program alone."""
    command = ["data", "prepare", "emoji", "--packages", str(harness.packages), "--output", "drawn"]
    return Stage("data prepare emoji", command, nothing, ["drawn"],
                 bind=[[str(harness.emoji_list), EMOJI_TEST]], needs=[harness.packages])
