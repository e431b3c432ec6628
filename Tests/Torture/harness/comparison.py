"""What a command leaves, without times: two runs of the same command must leave the same."""

import hashlib
import json
import re

# Times, rates, memory, and names of the machine.
VOLATILE = re.compile(r".*_seconds|seconds|step_time|mem_gb|images_per_second|started|host")
# How much of the diffusion model's work came from the store, after a kill: work that was done is not done again.
SHARED_WORK = re.compile(r".*(Made|FromStore)|unetEvaluations|vaePasses|bytes")
# Not the same twice, and not a result.
IGNORED = re.compile(r"(.*/)?(events\.out\.tfevents\..*|tracking\.json|\.tracking|\.lock|log\.txt|.*\.log|\.pieces/.*)")
# Their content tells times and digests of files with times: that they are there is what counts.
TIMED = re.compile(r"(.*/)?(done|checkpoints?/step-\d+/state\.json)")
# A checkpoint of any step but the last, which depends on where the run was interrupted.
CHECKPOINT = re.compile(r"(.*/)?checkpoint(s)?/step-\d+/[^/]+")

CHECKPOINT_LISTING = re.compile(r"step-\d+/manifest.json$")


def without_volatile(value, pattern):
    if isinstance(value, dict):
        return {key: without_volatile(each, pattern) for key, each in value.items() if not pattern.fullmatch(key)}
    if isinstance(value, list):
        return [without_volatile(each, pattern) for each in value]
    return value


def content(path):
    """The part of a file that must be the same, as bytes."""
    if TIMED.fullmatch(str(path)):
        return b""
    data = path.read_bytes()
    if path.suffix not in (".json", ".jsonl"):
        return data
    pattern = VOLATILE
    if path.name == "ledger.json":
        # Its own digest is of its times, too.
        pattern = re.compile(f"{VOLATILE.pattern}|{SHARED_WORK.pattern}|sha256")
    if CHECKPOINT_LISTING.search(str(path)):
        # The state has times, and so its digest changes.
        pattern = re.compile(f"{VOLATILE.pattern}|state.json")
    try:
        values = [json.loads(line) for line in data.splitlines() if line.strip()] if path.suffix == ".jsonl" else [
            json.loads(data)]
    except ValueError:
        return data
    return "\n".join(json.dumps(without_volatile(value, pattern), sort_keys=True) for value in values).encode()


def digest(data):
    return hashlib.sha256(data).hexdigest()


def files(folder):
    """All files and links in a folder by relative path."""
    return {str(path.relative_to(folder)): path for path in sorted(folder.rglob("*"))
            if path.is_symlink() or not path.is_dir()}


def results(place, roots):
    """Digests of all results under some folders or files of a trial's place."""
    found = {}
    for root in roots:
        path = place / root
        paths = {root: path} if path.is_file() else {f"{root}/{name}": each for name, each in files(path).items()}
        for name, each in paths.items():
            if not IGNORED.fullmatch(name):
                found[name] = digest(content(each))
    return found


def last_steps(found):
    """The newest checkpoint's files of every run."""
    newest = {}
    for name in found:
        if CHECKPOINT.fullmatch(name):
            folder, step = name.rsplit("/", 2)[:2]
            newest[folder] = max(newest.get(folder, 0), int(step[5:]))
    return newest


def difference(found, wanted):
    """What differs between the results of two runs, in words; empty where nothing does."""
    newest = last_steps(wanted)
    words = []
    for name in sorted(wanted.keys() | found.keys()):
        if CHECKPOINT.fullmatch(name):
            folder, step = name.rsplit("/", 2)[:2]
            if int(step[5:]) != newest.get(folder):
                continue
        if name not in found:
            words.append(f"{name} is missing")
        elif name not in wanted:
            words.append(f"{name} is left over")
        elif found[name] != wanted[name]:
            words.append(f"{name} differs")
    return words


def broken_checkpoints(folder):
    """Checkpoint folders that are not whole by their own manifest."""
    words = []
    for path in sorted(folder.rglob("step-*")):
        if path.is_dir() and path.parent.name.startswith("checkpoint"):
            words += [f"{path.relative_to(folder)}: {problem}" for problem in checkpoint_problems(path)]
    return words


def checkpoint_problems(path):
    try:
        listed = json.loads((path / "manifest.json").read_bytes())["files"]
    except (OSError, ValueError, KeyError):
        return ["no manifest"]
    problems = []
    for name, entry in listed.items():
        file = path / name
        if not file.is_file():
            problems.append(f"no {name}")
        elif digest(file.read_bytes()) != entry["sha256"]:
            problems.append(f"{name} is not as the manifest says")
    return problems
