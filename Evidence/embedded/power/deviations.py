"""How far apart trainings of one setting are, for each recipe of recipes.yaml, and how many seeds then show a gain of 2 points.

    mkdir -p runs/power && tar xf Evidence/embedded/power/runs.tar.xz -C runs/power
    python Evidence/embedded/power/deviations.py runs/power

A recipe is a variant's name after its algorithm ("ERM cosine" -> "cosine") with what is read off: the run chosen by source
validation, the last step, an earlier step, or the averaged model. Figures are accuracies on the unseen domain, in percent.
deviation: between seeds, pooled over algorithms and domains (root mean square, 95 % interval by chi square).
seeds: the least n for which half the 95 % interval (Student's t) of the difference of two methods' means over the domains is at
most 2 points, with the deviation of the differences between ERM and FourierMix, paired by seed.
"""
import collections
import json
import math
import pathlib
import statistics
import sys

# Student's t, 97.5 %, by degrees of freedom 1 to 30; then normal.
T = [12.706, 4.303, 3.182, 2.776, 2.571, 2.447, 2.365, 2.306, 2.262, 2.228, 2.201, 2.179, 2.160, 2.145, 2.131, 2.120, 2.110,
     2.101, 2.093, 2.086, 2.080, 2.074, 2.069, 2.064, 2.060, 2.056, 2.052, 2.048, 2.045, 2.042]


def chi_square(probability, freedom):
    """The quantile, by Wilson and Hilferty's cube."""
    z = statistics.NormalDist().inv_cdf(probability)
    return freedom * (1 - 2 / (9 * freedom) + z * math.sqrt(2 / (9 * freedom))) ** 3


def target(row, environment, prefix=""):
    """Accuracy on all items of the unseen domain that a run may be judged by: its training and validation parts."""
    parts = [(row[f"{prefix}env{environment}_{part}_acc"], COUNTS[environment][part]) for part in ("in", "out")
             if f"{prefix}env{environment}_{part}_acc" in row]
    return 100 * sum(value * count for value, count in parts) / sum(count for _, count in parts)


# A fifth of a domain's items is its validation part.
COUNTS = collections.defaultdict(lambda: {"in": 4, "out": 1})
figures = collections.defaultdict(dict)  # (recipe, algorithm, domain) -> seed -> accuracy
costs = collections.defaultdict(list)
for folder in sorted(pathlib.Path(sys.argv[1]).iterdir()):
    if not (folder / "summary.json").exists():
        continue
    summary = json.loads((folder / "summary.json").read_text())
    rows = [json.loads(line) for line in (folder / "results.jsonl").read_text().splitlines()]
    variant = rows[-1]["args"]["algorithm"]
    algorithm, _, recipe = variant.partition(" ")
    domain = summary["testDomains"][0]
    place = rows[-1]["args"]["test_envs"][0]
    seed = summary["seed"]

    def put(name, value):
        figures[f"{recipe}, {name}", algorithm, domain][seed] = value

    put("chosen", 100 * summary["selected"]["targets"][domain]["accuracy"])
    put("last", target(rows[-1], place))
    for row in rows[:-1]:
        if row["step"] % 300 == 0:
            put(f"step {row['step']}", target(row, place))
    if summary.get("averaged"):
        put("averaged", target(rows[-1], place, "average_"))
    costs[recipe].append(rows[-1]["training_seconds"])

recipes = sorted({key[0] for key in figures})
print(f"{'recipe':38} {'runs':>4} {'deviation':>22} {'ERM':>6} {'Fourier':>7} {'difference':>17} {'seeds':>5}")
for recipe in recipes:
    cells = {key[1:]: values for key, values in figures.items() if key[0] == recipe}
    squares = freedom = 0
    for values in cells.values():
        if len(values) > 1:
            squares += statistics.variance(values.values()) * (len(values) - 1)
            freedom += len(values) - 1
    if not freedom:
        continue
    deviation = math.sqrt(squares / freedom)
    low, high = (math.sqrt(squares / chi_square(p, freedom)) for p in (0.975, 0.025))
    means = {}
    for algorithm in ("ERM", "FourierMix"):
        parts = [statistics.mean(values.values()) for (name, _), values in cells.items() if name == algorithm]
        means[algorithm] = statistics.mean(parts) if parts else math.nan
    domains = sorted({domain for _, domain in cells})
    seeds = set.intersection(*(set(values) for values in cells.values()))
    text = needed = "-"
    if len(cells) == 2 * len(domains) and len(seeds) > 1:
        differences = [statistics.mean(cells["FourierMix", d][s] - cells["ERM", d][s] for d in domains) for s in sorted(seeds)]
        spread = statistics.stdev(differences)
        text = f"{statistics.mean(differences):+.1f}, deviation {spread:.1f}"
        needed = next((n for n in range(2, 200) if (T[n - 2] if n <= 31 else 1.96) * spread / math.sqrt(n) <= 2), "> 199")
    print(f"{recipe:38} {sum(map(len, cells.values())):4} {deviation:8.2f} ({low:.2f} to {high:.2f}) "
          f"{means['ERM']:6.1f} {means['FourierMix']:7.1f} {text:>20} {needed:>5}")
