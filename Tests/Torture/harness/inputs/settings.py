"""YAML settings of a run and of a sweep's variants."""

from .. import samples
from ..stages import train
from .format import Format
from .mutation import other_files

VALID = """\
algorithm:
  name: FourierMix
  hyperparameters:
    share: 0.5
    strength: 1
averaging:
  method: none
backbone:
  name: efficientnet_lite0
  weights: none
  dropout: 0.1
learningRate: 0.0003
weightDecay: 0
holdoutFraction: 0.2
testDomains: [c]
seed: 0
"""
LEAVES = ["name: FourierMix", "share: 0.5", "strength: 1", "method: none", "name: efficientnet_lite0", "weights: none",
          "dropout: 0.1", "learningRate: 0.0003", "weightDecay: 0", "holdoutFraction: 0.2", "testDomains: [c]", "seed: 0"]
VALUES = ["", "null", "true", "yes", "text", "'0'", "[]", "{}", "[1, 2]", "{a: 1}", "-1", "0", "1", "1.5", "1e300", "-1e300",
          "1e-300", ".nan", ".inf", "-.inf", "9223372036854775807", "9223372036854775808", "-9223372036854775808",
          "0.9999999999999999", "1e999", "0x10", "0o17", "2026-01-01", "!!binary aGVsbG8=", "!!python/object:os.system {}",
          "*missing", "&a [*a]", "\"\\0\"", "\"\\e[31m\"", "../../etc/passwd", "é", "|\n      text", "a: b: c", "\t", "@", "`x`",
          "%", "'", "\"", "[", "{", "5e-324", "4294967296", "2147483648"]
MORE = [
    "averaging: {method: swad, convergence: 9223372036854775807, tolerance: 9223372036854775807, evaluateEvery: 1}",
    "averaging: {method: swad, evaluateEvery: 9223372036854775807}", "averaging: {method: ema, decay: 0.9999999999999999}",
    "averaging: {method: swa, start: 1}", "averaging: {method: swad, batchNormBatches: 9223372036854775807}",
    "algorithm: {name: Mixup, hyperparameters: {alpha: 1e-300}}", "algorithm: {name: Mixup, hyperparameters: {alpha: 1e300}}",
    "algorithm: {name: FourierMix, hyperparameters: {share: 0.9999999999999999}}",
    "algorithm: {name: MLDG, hyperparameters: {beta: 1e300}}", "algorithm: {name: MMD, hyperparameters: {weight: 1e300}}",
    "algorithm: {name: ERM++, hyperparameters: {averagingStart: 9223372036854775807}}",
    "algorithm: {name: ERM++, hyperparameters: {linearSteps: 9223372036854775807}}",
    "algorithm: {name: IRM, hyperparameters: {annealSteps: 9223372036854775807}}",
    "holdoutFraction: 0.9999999999999999", "holdoutFraction: 1e-300", "adaptationFraction: 0.9999999999999999",
    "backbone: {name: efficientnet_lite0, weights: none, batchNormMomentum: 1e300}",
    "backbone: {name: efficientnet_lite0, weights: none, dropConnect: 0.9999999999999999}",
    "backbone: {name: efficientnet_lite0, weights: none, layerDecay: 1e-300}", "seed: 9223372036854775807",
    "seed: -9223372036854775808", "draw: 9223372036854775807", "weightDecay: 1e300", "learningRate: 1e-300", "learningRate: 1e300",
]
FUSION = """\
algorithm:
  name: DomainFusion
  hyperparameters:
    ldm: {model}
    distillation: {{nodes: 2, draws: 1}}
    augmentation: {{steps: 2, candidates: 1, batchSize: 2, everyEpochs: 10}}
store: store
"""
FUSION_LEAVES = {"nodes: 2": "nodes", "draws: 1": "draws", "steps: 2": "steps", "candidates: 1": "candidates",
                 "batchSize: 2": "batchSize", "everyEpochs: 10": "everyEpochs"}
FUSION_EDGES = ["9223372036854775807", "0", "-1", "1e-300", "4294967296", "1.5", ".nan", "1e300", "'1'", "true"]
FUSION_MORE = ["share: 0.9999999999999999", "share: 1e-300", "strength: 1e-300", "strength: 0.9999999999999999",
               "guidanceScale: 1e300", "fourierRadius: 9223372036854775807", "judgeThreshold: 1", "budget: 9223372036854775807",
               "seed: 9223372036854775807", "prompts: []", "prompts: ['\\0']", "weight: 1e300"]


def aliases(levels, width):
    lines = ["a0: &a0 [x, x]"]
    lines += [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * width)}]" for n in range(1, levels)]
    return "\n".join(lines) + "\n"


def structures():
    return [
        ("aliases that multiply", aliases(9, 9)), ("more aliases", aliases(30, 2)), ("an alias of itself", "a: &a [*a]\n"),
        ("deep lists", "a: " + "[" * 50_000), ("deep mappings", "".join(" " * n + "a:\n" for n in range(3000))),
        ("deep flow", "{a: " * 20_000), ("a merge", VALID + "<<: {seed: 1}\n"), ("two documents", VALID + "---\n" + VALID),
        ("a key twice", VALID + "seed: 1\n"), ("an unknown key", VALID + "sed: 1\n"), ("a list", "- a\n- b\n"), ("a text", "hello"),
        ("a number key", "1: 2\n"), ("a null key", "~: 2\n"), ("a list as key", "? [a]\n: 1\n"), ("tabs", "a:\n\tb: 1\n"),
        ("NUL", VALID + "\0"), ("a long key", "a" * 1_000_000 + ": 1\n"), ("a long line", "seed: " + "1" * 1_000_000 + "\n"),
        ("many keys", "".join(f"k{n}: {n}\n" for n in range(100_000))), ("a directive", "%YAML 9.9\n---\nseed: 0\n"),
        ("carriage returns", VALID.replace("\n", "\r")), ("a comment alone", "# nothing\n"), ("an escape", "\"\\e[31mseed\": 1\n"),
    ]


def mutated(random, text, count):
    """Leaves with other values."""
    found = []
    for _ in range(count):
        leaf, value = random.choice(LEAVES), random.choice(VALUES)
        found.append((f"{leaf} becomes {value}", text.replace(leaf, f"{leaf.split(':')[0]}: {value}", 1)))
    return found


def as_files(cases):
    return [(label, text if isinstance(text, bytes) else text.encode()) for label, text in cases]


def run_cases(random):
    found = structures() + mutated(random, VALID, 40) + [(text, text + "\n") for text in MORE]
    return as_files(found + other_files(VALID.encode()))


def fusion_cases(model):
    def make(random):
        text = FUSION.format(model=model)
        found = [(f"{name}: {edge}", text.replace(leaf, f"{name}: {edge}"))
                 for leaf, name in FUSION_LEAVES.items() for edge in FUSION_EDGES]
        found += [(more, text.replace("candidates: 1,", f"candidates: 1, {more},")) for more in FUSION_MORE]
        random.shuffle(found)
        return as_files(found)[:40]

    return make


def variant_cases(random):
    variants = [(label, "A: " + text.replace("\n", "\n  ")) for label, text in mutated(random, VALID, 12)]
    names = ["", "../x", "a/b", "a b", "\"\\0\"", "é", "x" * 300, "\"\\e[31m\""]
    variants += [(f"named {name}", f"{name}: {{algorithm: {{name: ERM}}}}\n") for name in names]
    return as_files(variants)


SETTINGS = ("averaging", "backbone", "algorithm", "hyperparameters", "holdoutFraction", "adaptationFraction", "seed", "draw",
            "learningRate", "weightDecay", "testDomains", "testDomain", "split", "loss", "gradient", "domain")


def formats(harness):
    def dataset(bench):
        samples.make_dataset(bench.place / "set")

    run = ["train", "--config", "run.yaml", *train("run", steps=1)[1:]]
    fusion = ["train", "--config", "run.yaml", *train("run", steps=2)[1:]]
    plan = ["sweep", "--dataset", "set", "--data-dir", ".", "--variants", "variants.yaml", "--output", "sweep", "--launcher",
            "dry-run", "--trials", "1"]
    for command in (run,):
        where = command.index("--test-domain")
        del command[where:where + 2]
    return [
        Format("YAML", 99, run_cases, "run.yaml", run, dataset, lambda bench: VALID.encode(), names=SETTINGS),
        Format("YAML, diffusion", 40, fusion_cases(harness.tiny_model), "run.yaml", fusion, dataset,
               lambda bench: FUSION.format(model=harness.tiny_model).encode(),
               names=("augmentation", "distillation", "hyperparameters", "loss"), row="YAML"),
        Format("YAML, variants", 20, variant_cases, "variants.yaml", plan, dataset, lambda bench: b"A: {algorithm: {name: ERM}}\n",
               names=SETTINGS, row="YAML"),
    ]
