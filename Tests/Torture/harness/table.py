"""The result as a table: text for the terminal, Markdown, JSON."""

import json

from .trial import FAULTS, INPUTS

TITLES = {FAULTS: ("fault", "tries", "survived"), INPUTS: ("format", "inputs", "well ended")}


def rows(outcomes, table):
    """Kind, tries, survived, skipped reason; in the order of the kinds' first appearance."""
    kinds = {}
    for outcome in outcomes:
        if outcome.trial.table != table:
            continue
        row = kinds.setdefault(outcome.trial.kind, [0, 0, set()])
        if outcome.skipped:
            row[2].add(outcome.skipped)
        else:
            row[0] += outcome.tries
            row[1] += outcome.tries - len(outcome.failures)
    return [(kind, tries, survived, ", ".join(sorted(skipped))) for kind, (tries, survived, skipped) in sorted(kinds.items())]


def total(found):
    return sum(row[1] for row in found), sum(row[2] for row in found)


def cells(found):
    for kind, tries, survived, skipped in found:
        yield (kind, str(tries), str(survived)) if tries or not skipped else (kind, "0", f"skipped: {skipped}")
    yield ("all", *map(str, total(found)))


def text(outcomes):
    lines = []
    for table, titles in TITLES.items():
        found = list(cells(rows(outcomes, table)))
        width = max(len(row[0]) for row in [titles, *found])
        lines += [f"{first:<{width}}  {second:>6}  {third:>10}" for first, second, third in [titles, *found]] + [""]
    return "\n".join(lines)


def markdown(outcomes):
    lines = []
    for table, titles in TITLES.items():
        lines += [f"| {' | '.join(titles)} |", "|---|---:|---:|"]
        lines += [f"| {' | '.join(row)} |" for row in cells(rows(outcomes, table))] + [""]
    return "\n".join(lines)


def failures(outcomes):
    return [{"name": outcome.trial.name, "seed": outcome.seed, "failures": outcome.failures, "commands": outcome.commands,
             "folder": outcome.place} for outcome in outcomes if outcome.failures]


def write(path, outcomes, facts):
    """Writes `path`.json and `path`.md, or only that of the two that the path's ending names."""
    stem = path.with_suffix("") if path.suffix in (".json", ".md") else path
    tables = {table: [dict(zip(("kind", "tries", "survived", "skipped"), row)) for row in rows(outcomes, table)]
              for table in TITLES}
    stem.parent.mkdir(parents=True, exist_ok=True)
    record = facts | tables | {"failures": failures(outcomes)}
    stem.with_suffix(".json").write_text(json.dumps(record, indent=2, ensure_ascii=False) + "\n")
    heading = ", ".join(f"{name} {value}" for name, value in facts.items())
    stem.with_suffix(".md").write_text(f"{heading}\n\n{markdown(outcomes)}")
