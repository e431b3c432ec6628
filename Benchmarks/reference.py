"""The same measurements as `Benchmarks`, in PyTorch: python reference.py operators|classifier-step

Needs torch and, for classifier-step, timm. Prints a line of JSON a result. (Not called pytorch.py: torchvision tries to
import a module of that name.)
"""

import json
import sys
import time

import torch


def measure(name, threads, warmup, repetitions, body, calls=1):
    for _ in range(warmup):
        body()
    wall, processor = [], []
    for _ in range(repetitions):
        start, start_processor = time.perf_counter(), time.process_time()
        body()
        wall.append((time.perf_counter() - start) / calls)
        processor.append((time.process_time() - start_processor) / calls)
    wall.sort()
    processor.sort()
    print(json.dumps({"name": name, "median": wall[repetitions // 2], "minimum": wall[0],
                      "processor": processor[repetitions // 2], "repetitions": repetitions, "threads": threads}),
          flush=True)


@torch.no_grad()
def operators():
    torch.set_num_threads(1)
    a, b = torch.randn(4, 4), torch.randn(4, 4)
    calls = 20_000

    def timed(name, call):
        def body():
            for _ in range(calls):
                call()
        measure("operators." + name, 1, 2, 15, body, calls)

    timed("add", lambda: a + b)
    timed("addScalar", lambda: a + 1.5)
    timed("reshape", lambda: a.reshape(2, 8))
    timed("linear", lambda: torch.nn.functional.linear(a, b))


def classifier_step():
    # timm imports torchvision, whose compiled operators may belong to another torch; they are not needed.
    library = torch.library.Library("torchvision", "DEF")
    for operator in ("nms", "qnms"):
        library.define(operator + "(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")
    import timm

    images, labels = torch.randn(64, 3, 64, 64), torch.randint(0, 10, (64,))
    for layout, suffix, counts in ((torch.channels_last, "", (1, 2)), (torch.contiguous_format, ".contiguous", (1,))):
        model = timm.create_model("tf_efficientnet_lite0", num_classes=10).to(memory_format=layout).train()
        batch = images.contiguous(memory_format=layout)
        # Fused: PyTorch's fastest on a CPU, and what our optimiser calls.
        optimizer = torch.optim.Adam(model.parameters(), lr=1e-4, fused=True)

        def step():
            optimizer.zero_grad()
            torch.nn.functional.cross_entropy(model(batch), labels).backward()
            optimizer.step()

        for threads in counts:
            torch.set_num_threads(threads)
            measure(f"classifier-step.{threads}{suffix}", threads, 2, 7, step)


BENCHMARKS = {"operators": operators, "classifier-step": classifier_step}

if len(sys.argv) != 2 or sys.argv[1] not in BENCHMARKS:
    sys.exit("usage: reference.py " + "|".join(BENCHMARKS))
BENCHMARKS[sys.argv[1]]()
