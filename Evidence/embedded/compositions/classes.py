"""classes.py RUNS: percent right of each class on the held-out domain, means over seeds, of what the page compares."""
import collections
import json
import pathlib
import sys

METHODS = ["ERM cosine 300", "FourierMix cosine 300", "OLA candidate", "FourierMix + OLA candidate", "OLA fourier",
           "OLA fourier, amplitudes of sources"]


def accuracies(runs, method, domain):
    classes = collections.defaultdict(list)
    name = "".join(letter if letter.isalnum() or letter in "+-_." else "_" for letter in method)
    for run in sorted(runs.glob(f"EmojiDG-{name}-{domain}-trial*")):
        right, count = collections.Counter(), collections.Counter()
        for line in (run / "predictions.jsonl").read_text().splitlines():
            row = json.loads(line)
            if row["domain"] == domain:
                right[row["class"]] += row["predicted"] == row["class"]
                count[row["class"]] += 1
        for label in count:
            classes[label].append(100 * right[label] / count[label])
    return {label: sum(values) / len(values) for label, values in classes.items()}


def main():
    runs = pathlib.Path(sys.argv[1])
    for domain in ["unifont", "symbola"]:
        print(f"{domain}: " + " | ".join(METHODS))
        columns = [accuracies(runs, method, domain) for method in METHODS]
        for label in sorted(columns[0]):
            print(f"{label:>10} " + " ".join(f"{column[label]:6.1f}" for column in columns))


main()
