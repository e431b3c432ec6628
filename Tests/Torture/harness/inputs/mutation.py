"""Turns a valid file into malformed ones."""

import json
import re

HTML = b"<!DOCTYPE html>\n<html><head><title>404 Not Found</title></head><body>Not Found</body></html>\n"
LFS = b"version https://git-lfs.github.com/spec/v1\noid sha256:" + b"4d7a" * 16 + b"\nsize 334643268\n"
EXTREMES = [0, 1, 0x7F, 0x80, 0xFF, 0x7FFF, 0x8000, 0xFFFF, 0x7FFFFFFF, 0x80000000, 0xFFFFFFFF, (1 << 63) - 1, 1 << 63,
            (1 << 64) - 1, 1 << 40]


def other_files(data):
    """Files that are something else under the right name."""
    return [("empty", b""), ("one byte", data[:1]), ("HTML", HTML), ("LFS pointer", LFS), ("zeros", bytes(512)),
            ("text", b"hello\n"), ("0xff", b"\xff" * 512), ("twice", data + data), ("byte order mark", b"\xef\xbb\xbf" + data),
            ("in UTF-16", data.decode("latin-1").encode("utf-16"))]


def cut(random, data, boundaries=()):
    """The first part, cut at a boundary or anywhere."""
    places = [place + shift for place in boundaries for shift in (-1, 0, 1) if 0 <= place + shift < len(data)]
    place = random.choice(places) if places and random.random() < 0.7 else random.randrange(len(data))
    return f"cut at {place}", data[:place]


def flip(random, data, end=None):
    """One to eight bits."""
    changed = bytearray(data)
    places = [random.randrange(end or len(data)) for _ in range(random.choice([1, 1, 2, 8]))]
    for place in places:
        changed[place] ^= 1 << random.randrange(8)
    return f"bits at {places}", bytes(changed)


def set_field(random, data, fields):
    """A number of the file's structure at an extreme: a field is (offset, size, order of bytes)."""
    offset, size, order = random.choice(fields)
    before = int.from_bytes(data[offset:offset + size], order)
    value = random.choice([*EXTREMES, before + 1, max(0, before - 1), before * 2]) & ((1 << 8 * size) - 1)
    return f"{value} at {offset}", data[:offset] + value.to_bytes(size, order) + data[offset + size:]


def lose(random, data):
    """A part from the middle."""
    start = random.randrange(len(data))
    end = start + random.randrange(1, max(2, len(data) // 4))
    return f"without {start} to {end}", data[:start] + data[end:]


def insert(random, data):
    start = random.randrange(len(data))
    junk = random.randbytes(random.choice([1, 4, 100, 5000]))
    return f"{len(junk)} bytes more at {start}", data[:start] + junk + data[start:]


def binary(random, data, count, boundaries=(), fields=()):
    """Labels and contents of malformed copies of a binary file."""
    found = other_files(data)[:6]
    head = min(len(data), 512)
    while len(found) < count:
        ways = [lambda: cut(random, data, boundaries), lambda: flip(random, data), lambda: flip(random, data, head),
                lambda: lose(random, data), lambda: insert(random, data)]
        if fields:
            ways += [lambda: set_field(random, data, fields)] * 3
        found.append(random.choice(ways)())
    return found[:count]


# JSON

RAW = "@raw{}@"
RAW_TEXTS = ["NaN", "Infinity", "-Infinity", "1e999", "1e-999", "-0", "00", "0x10", "1.", ".5", "+1", "'text'", "undefined",
             "[" * 100_000, "[" * 500 + "]" * 500, '{"a":' * 5_000, '"\\ud800"', '"\\u0000"', '"\x01"', '"\\x41"',
             "9" * 400, "18446744073709551616", "9223372036854775808", "-9223372036854775809", "1e18", "1e15", "true", "True"]
VALUES = [None, True, False, "", "text", "0", [], {}, [[]], [1], {"a": 1}, -1, 0, 1, 0.5, 1e300, -1e300, 2**31, 2**32, 2**53,
          2**63 - 1, 2**62, -2**63, "\0", "\x1b[31m", "\n", "../../etc/passwd", "/etc/passwd", "é" * 1000, "a" * 1_000_000,
          [0] * 100_000, 1e-300, 5e-324, "nan", "inf"]


def paths(value, here=()):
    """The paths of all values in a document."""
    found = [here]
    members = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, each in list(members)[:200]:
        found += paths(each, here + (key,))
    return found


def changed(value, path, new):
    """The document with another value at a path; `new` may be a function of the value there."""
    if not path:
        return new(value) if callable(new) else new
    copy = dict(value) if isinstance(value, dict) else list(value)
    copy[path[0]] = changed(value[path[0]], path[1:], new)
    return copy


def without(value, path):
    def less(parent):
        copy = dict(parent) if isinstance(parent, dict) else list(parent)
        del copy[path[-1]]
        return copy

    return changed(value, path[:-1], less)


def text_of(value):
    return json.dumps(value, indent=1, ensure_ascii=False)


def document(random, value):
    """One malformed copy of a JSON document: label and text."""
    places = [path for path in paths(value) if path] or [()]
    path = random.choice(places)
    name = "/".join(map(str, path))
    way = random.randrange(10)
    if way < 4:
        new = random.choice(VALUES)
        return f"{name} = {str(new)[:30]}", text_of(changed(value, path, new))
    if way < 7:
        raw = random.choice(RAW_TEXTS)
        return f"{name} = {raw[:30]}", text_of(changed(value, path, RAW)).replace(json.dumps(RAW), raw)
    if way == 7 and path:
        return f"without {name}", text_of(without(value, path))
    if way == 8 and path and isinstance(path[-1], str):
        twice = f"{json.dumps(path[-1])}: {json.dumps(random.choice(VALUES[:20]))},"
        text = text_of(value)
        return f"{name} twice", re.sub(re.escape(json.dumps(path[-1]) + ":"), lambda found: twice + found[0], text, count=1)
    label, data = random.choice([cut, flip, lose, insert])(random, text_of(value).encode())
    return label, data


def as_bytes(text):
    return text if isinstance(text, bytes) else text.encode("utf-8", "surrogatepass")


def documents(random, value, count):
    """Labels and contents of malformed copies of a JSON document."""
    found = other_files(text_of(value).encode())
    found += [(label, as_bytes(text)) for label, text in (document(random, value) for _ in range(count))]
    random.shuffle(found)
    return found[:count]


def lines(random, values, count):
    """The same of a file of JSON lines."""
    whole = "".join(json.dumps(value) + "\n" for value in values).encode()
    found = other_files(whole)
    while len(found) < count + 10:
        index = random.randrange(len(values))
        if random.random() < 0.6:
            label, text = document(random, values[index])
            flat = as_bytes(text).replace(b"\n", b" ")
            rows = [json.dumps(value).encode() for value in values]
            rows[index] = flat
            found.append((f"line {index}: {label}", b"\n".join(rows) + b"\n"))
        else:
            found.append(random.choice([cut, flip, lose, insert])(random, whole))
    random.shuffle(found)
    return found[:count]
