"""The same measurements as `Benchmarks`, in PyTorch: python reference.py NAME

Needs torch; for classifier-step timm, for unet-forward and unet-train-step diffusers. Prints a line of JSON a result. (Not called pytorch.py: torchvision tries to
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


def torchvision_operators():
    """Stands in for operators that torchvision, imported by timm and diffusers, may lack with another torch.

    They are not needed, and there as long as the result is kept.
    """
    library = torch.library.Library("torchvision", "DEF")
    for operator in ("nms", "qnms"):
        library.define(operator + "(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")
    return library


def classifier_step():
    library = torchvision_operators()
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


def unet():
    """The model of UNetBenchmark.swift and its inputs."""
    library = torchvision_operators()
    from diffusers import UNet2DConditionModel

    model = UNet2DConditionModel(
        sample_size=16, in_channels=4, out_channels=4, block_out_channels=(48, 96, 192), layers_per_block=1,
        down_block_types=("DownBlock2D", "CrossAttnDownBlock2D", "CrossAttnDownBlock2D"),
        up_block_types=("CrossAttnUpBlock2D", "CrossAttnUpBlock2D", "UpBlock2D"),
        attention_head_dim=(2, 4, 6), norm_num_groups=16, cross_attention_dim=128).to(memory_format=torch.channels_last)
    latents, noise = (torch.randn(16, 4, 16, 16).contiguous(memory_format=torch.channels_last) for _ in range(2))
    return model, latents, noise, torch.randint(0, 1000, (16,)), torch.randn(16, 32, 128)


def unet_forward():
    model, latents, _, timesteps, context = unet()
    model.eval()
    for threads in (1, 2):
        torch.set_num_threads(threads)
        with torch.inference_mode():
            measure(f"unet-forward.{threads}", threads, 3, 15, lambda: model(latents, timesteps, context).sample)


def unet_train_step():
    model, latents, noise, timesteps, context = unet()
    model.train()
    # Fused: PyTorch's fastest on a CPU, and what our optimiser calls.
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-4, weight_decay=0, fused=True)

    def step():
        optimizer.zero_grad()
        torch.nn.functional.mse_loss(model(latents, timesteps, context).sample, noise).backward()
        optimizer.step()

    for threads in (1, 2):
        torch.set_num_threads(threads)
        measure(f"unet-train-step.{threads}", threads, 2, 9, step)


BENCHMARKS = {
    "operators": operators, "classifier-step": classifier_step, "unet-forward": unet_forward,
    "unet-train-step": unet_train_step,
}

if len(sys.argv) != 2 or sys.argv[1] not in BENCHMARKS:
    sys.exit("usage: reference.py " + "|".join(BENCHMARKS))
BENCHMARKS[sys.argv[1]]()
