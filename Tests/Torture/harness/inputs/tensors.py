"""safetensors, their index, PyTorch's files, LoRA."""

import io
import json
import pickle
import shutil
import struct
import zipfile

from .format import Format
from .mutation import binary, document, documents, text_of

LATENTS = {"noise": {"dtype": "F32", "shape": [1, 4, 8, 8], "data_offsets": [0, 1024]}}
HEADERS = [
    "", "{}", "[]", "null", " {}", "\ufeff{}", '{"a":1}', '{"__metadata__":1}', '{"__metadata__":{"a":1}}', "{" * 100_000,
    '{"noise":{"dtype":"F32","shape":[1,4,8,8],"data_offsets":[0,1024]},'
    '"noise":{"dtype":"F32","shape":[1,4,8,8],"data_offsets":[0,1024]}}',
]
FIELDS = [
    ("dtype", ["F33", "", None, 1, "f32", "F64", "I64", "BOOL", "F8_E4M3", "\0"]),
    ("shape", [[], [0], [-1, 4, 8, 8], [1, 4, 8], [1 << 62, 4], [1 << 32, 1 << 32], [1.5, 4, 8, 8], "1", None, [True, 4, 8, 8],
               [1e300], [1] * 100_000, [256]]),
    ("data_offsets", [[0, 1023], [1, 1024], [1024, 0], [-4, 1020], [0, 1 << 62], [0, 1.5], [0], [], None, "0", [0, 1024, 2048],
                      [1 << 63, (1 << 63) + 1024], [True, 1024], [4, 1028]]),
]


def safetensors(header, content=bytes(1024), length=None):
    text = header.encode("utf-8", "surrogatepass") if isinstance(header, str) else json.dumps(header).encode()
    return struct.pack("<Q", len(text) if length is None else length) + text + content


def headers(random):
    """Headers that say something impossible."""
    found = [(f"header {text[:40]!r}", safetensors(text)) for text in HEADERS]
    found += [(f"header length {length}", safetensors(LATENTS, length=length))
              for length in (0, 1, 7, 1 << 20, 100_000_001, 1 << 31, 1 << 32, (1 << 63) - 8, 1 << 63, (1 << 64) - 8,
                             (1 << 64) - 1)]
    for name, values in FIELDS:
        found += [(f"{name} {str(value)[:40]}", safetensors({"noise": LATENTS["noise"] | {name: value}})) for value in values]
    other = {"dtype": "F32", "shape": [256], "data_offsets": [512, 1536]}
    found.append(("overlapping tensors", safetensors(LATENTS | {"other": other}, bytes(1536))))
    found.append(("a hole", safetensors(LATENTS | {"other": other | {"data_offsets": [1536, 2560]}}, bytes(2560))))
    found.append(("a trailing byte", safetensors(LATENTS, bytes(1025))))
    found.append(("not UTF-8", safetensors(LATENTS).replace(b"noise", b"noi\xff\xfe")))
    found.append(("200,000 tensors", safetensors({f"t{n}": {"dtype": "F32", "shape": [0], "data_offsets": [0, 0]}
                                                  for n in range(200_000)} | LATENTS)))
    found.append(("NaN", safetensors(LATENTS, b"\x00\x00\xc0\x7f" * 256)))
    found.append(("infinite", safetensors(LATENTS, b"\x00\x00\x80\x7f" * 256)))
    found += [(label, safetensors(text) if isinstance(text, str) else text)
              for label, text in (document(random, LATENTS) for _ in range(15))]
    return found


def latent_cases(random):
    found = headers(random)
    random.shuffle(found)
    return found[:64] + binary(random, safetensors(LATENTS), 16, [8, 8 + len(json.dumps(LATENTS))], [(0, 8, "little")])


def mutated(data, count):
    length = int.from_bytes(data[:8], "little")
    return lambda random: binary(random, data, count, [8, 8 + length], [(0, 8, "little")])


def tensors(data):
    """Name, dtype, shape and bytes of a safetensors file's tensors."""
    length = int.from_bytes(data[:8], "little")
    header = json.loads(data[8:8 + length])
    header.pop("__metadata__", None)
    body = data[8 + length:]
    return [(name, entry["dtype"], entry["shape"], body[slice(*entry["data_offsets"])]) for name, entry in header.items()]


# PyTorch's files


def word(text):
    return b"X" + struct.pack("<I", len(text.encode())) + text.encode()


def number(value):
    return b"\x8a\x08" + struct.pack("<q", value)


def numbers(values):
    return b"(" + b"".join(map(number, values)) + b"t"


def torch_pickle(parts):
    """The pickle of a state dict of float32 tensors, as torch.save writes it: (name, shape, storage's key, count)."""
    code = b"\x80\x02ccollections\nOrderedDict\n)R("
    for name, shape, key, count in parts:
        strides = [1]
        for size in reversed(shape[1:]):
            strides.insert(0, min(strides[0] * size, 2**62))
        code += word(name) + b"ctorch._utils\n_rebuild_tensor_v2\n((" + word("storage") + b"ctorch\nFloatStorage\n"
        code += word(key) + word("cpu") + number(count) + b"tQ" + number(0) + numbers(shape)
        code += numbers(strides if shape else []) + b"\x89ccollections\nOrderedDict\n)RtR"
    return code + b"u."


def torch_zip(pickled, storages, method=zipfile.ZIP_STORED):
    target = io.BytesIO()
    with zipfile.ZipFile(target, "w", method) as archive:
        archive.writestr("archive/data.pkl", pickled)
        archive.writestr("archive/byteorder", b"little")
        for key, content in storages.items():
            archive.writestr(f"archive/data/{key}", content)
        archive.writestr("archive/version", b"3\n")
    return target.getvalue()


def torch_file(weights):
    """Weights as PyTorch writes them."""
    found = tensors(weights)
    parts = [(name, shape, str(index), len(data) // 4) for index, (name, _, shape, data) in enumerate(found)]
    return torch_zip(torch_pickle(parts), {str(index): data for index, (_, _, _, data) in enumerate(found)})


class Command:
    """Unpickled, it would run a program."""

    def __reduce__(self):
        import os

        return os.system, ("touch executed",)


def pickles(weights):
    """Pickles that ask for what weights do not need, or for too much."""
    parts = [("a", [2, 2], "0", 4)]
    good = torch_pickle(parts)
    storage = {"0": bytes(16)}

    def with_parts(*others):
        return torch_zip(torch_pickle(list(others)), storage)

    found = {
        "a command": torch_zip(pickle.dumps(Command(), 2), storage), "a command alone": pickle.dumps(Command()),
        "a list": torch_zip(pickle.dumps([1, 2], 2), storage), "a number": torch_zip(pickle.dumps(1, 2), storage),
        "a storage that is not there": with_parts(("a", [2, 2], "9", 4)),
        "a storage outside": with_parts(("a", [2, 2], "../../0", 4)), "too large a shape": with_parts(("a", [9, 9], "0", 4)),
        "a huge shape": with_parts(("a", [2**31 - 1] * 8, "0", 4)), "a negative shape": with_parts(("a", [-2, 2], "0", 4)),
        "too large a count": with_parts(("a", [2, 2], "0", 2**31 - 1)), "the same name twice": with_parts(*parts * 2),
        "an empty name": with_parts(("", [2, 2], "0", 4)), "a name with NUL": with_parts(("a\0b", [2, 2], "0", 4)),
        "compressed": torch_zip(good, storage, zipfile.ZIP_DEFLATED), "no end": torch_zip(good[:-1], storage),
        "an empty stack": torch_zip(b"\x80\x02.", storage), "marks": torch_zip(b"\x80\x02" + b"(" * 1_000_000 + b".", storage),
        "tuples in tuples": torch_zip(b"\x80\x02)" + b"\x85" * 5_000_000 + b".", storage),
        "a memo of nothing": torch_zip(b"\x80\x02h\x05.", storage),
        "a long number": torch_zip(b"\x80\x02\x8b\xff\xff\xff\x7f.", storage),
        "a long text": torch_zip(b"\x80\x02X\xff\xff\xff\xff.", storage),
        "lists that double": torch_zip(b"\x80\x02]q\0" + b"(h\0h\0e" * 100_000 + b".", storage),
        "dictionary of itself": torch_zip(b"\x80\x02}q\0" + word("a") + b"h\0s.", storage),
        "many empty lists": torch_zip(b"\x80\x02(" + b"]" * 10_000_000 + b"l.", storage),
        "no pickle": torch_zip(b"", storage), "pickle of another protocol": torch_zip(pickle.dumps({"a": 1}, 5), storage),
        "bomb": torch_zip(torch_pickle([("a", [2, 2], "0", 4)]), {"0": bytes(100_000_000)}, zipfile.ZIP_DEFLATED),
    }
    return list(found.items())


def zip_fields(data):
    """Numbers of a zip archive's local headers, directory and end."""
    fields, boundaries, place = [], [], 0
    for signature, offsets in ((b"PK\3\4", [(8, 2), (18, 4), (22, 4), (26, 2), (28, 2)]),
                               (b"PK\1\2", [(10, 2), (20, 4), (24, 4), (28, 2), (30, 2), (32, 2), (42, 4)]),
                               (b"PK\5\6", [(8, 2), (10, 2), (12, 4), (16, 4), (20, 2)])):
        place = data.find(signature)
        while place >= 0:
            boundaries.append(place)
            fields += [(place + offset, size, "little") for offset, size in offsets if place + offset + size <= len(data)]
            place = data.find(signature, place + 4)
    return boundaries, fields


def torch_cases(weights, count):
    def make(random):
        valid = torch_file(weights)
        return pickles(weights) + binary(random, valid, count - len(pickles(weights)), *zip_fields(valid))

    return make


# Formats


def sample(model, *more):
    return ["ldm", "sample", "--ldm", model, "--prompt", "a fox", "--steps", "1", "--output", "x.png", *map(str, more)]


def formats(harness):
    tiny = harness.tiny_model
    encoder = (tiny / "text_encoder/model.safetensors").read_bytes()
    unet = (tiny / "unet/diffusion_pytorch_model.safetensors").read_bytes()
    lora = harness.lora.read_bytes()

    def nothing(bench):
        pass

    def model(*removed):
        def arrange(bench):
            shutil.copytree(tiny, bench.place / "model", dirs_exist_ok=True)
            for name in removed:
                (bench.place / "model" / name).unlink(missing_ok=True)

        return arrange

    def shards(bench):
        """The U-Net's weights in two files."""
        model("unet/diffusion_pytorch_model.safetensors")(bench)
        for shard in (1, 2):
            (bench.place / f"model/unet/{shard}.safetensors").write_bytes(unet)

    names = [name for name, *_ in tensors(unet)]
    index = {"metadata": {"total_size": len(unet)}, "weight_map": {name: "1.safetensors" for name in names}}
    small = {"metadata": {"total_size": 1}, "weight_map": {name: "2.safetensors" for name in names[:4]}}

    def index_cases(random):
        return documents(random, index, 20) + documents(random, small, 10)

    return [
        Format("safetensors", 80, latent_cases, "latents.safetensors", sample(tiny, "--latents", "latents.safetensors"), nothing,
               lambda bench: safetensors(LATENTS)),
        Format("safetensors, U-Net", 24, mutated(unet, 24), "model/unet/diffusion_pytorch_model.safetensors", sample("model"),
               model(), lambda bench: unet, row="safetensors"),
        Format("safetensors index", 30, index_cases, "model/unet/diffusion_pytorch_model.safetensors.index.json",
               sample("model"), shards, lambda bench: text_of(index).encode(), names=("unet",)),
        Format("pth", 72, torch_cases(encoder, 72), "model/text_encoder/pytorch_model.bin", sample("model"),
               model("text_encoder/model.safetensors"), lambda bench: torch_file(encoder)),
        Format("LoRA", 32, mutated(lora, 32), "lora.safetensors", sample(tiny, "--lora", "lora.safetensors"), nothing,
               lambda bench: lora),
    ]
