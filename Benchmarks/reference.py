"""The same measurements as `Benchmarks`, in PyTorch: python reference.py NAME [ARGUMENT ...]

Needs torch; for classifier-step timm, for unet-forward and unet-train-step diffusers, for ld-step both, for loader
torchvision. Prints a line of JSON a result. (Not called pytorch.py: torchvision tries to import a module of that name.)
"""

import ctypes
import functools
import gc
import json
import os
import pathlib
import sys
import time

import torch


def measure(name, threads, warmup, repetitions, body, calls=1, processor_time=time.process_time, before=None):
    for _ in range(warmup):
        body()
    wall, processor = [], []
    for _ in range(repetitions):
        start, start_processor = time.perf_counter(), processor_time()
        body()
        wall.append((time.perf_counter() - start) / calls)
        processor.append((processor_time() - start_processor) / calls)
    wall.sort()
    processor.sort()
    result = {"name": name, "median": wall[repetitions // 2], "minimum": wall[0],
              "processor": processor[repetitions // 2], "repetitions": repetitions, "threads": threads}
    if before is not None:
        result["peakBytes"] = resident("VmHWM") - before
    print(json.dumps(result), flush=True)


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


def classifier_step(checkpointing=None):
    library = torchvision_operators()
    import timm

    images, labels = torch.randn(64, 3, 64, 64), torch.randint(0, 10, (64,))
    variants = ((torch.channels_last, "", (1, 2)), (torch.contiguous_format, ".contiguous", (1,)))
    if checkpointing:
        variants = ((torch.channels_last, ".checkpointing", (1, 2)),)
    for layout, suffix, counts in variants:
        model = timm.create_model("tf_efficientnet_lite0", num_classes=10).to(memory_format=layout).train()
        model.set_grad_checkpointing(bool(checkpointing))
        batch = images.contiguous(memory_format=layout)
        # Fused: PyTorch's fastest on a CPU, and what our optimiser calls.
        optimizer = torch.optim.Adam(model.parameters(), lr=1e-4, fused=True)

        def step():
            optimizer.zero_grad()
            torch.nn.functional.cross_entropy(model(batch), labels).backward()
            optimizer.step()

        for threads in counts:
            torch.set_num_threads(threads)
            measure(f"classifier-step.{threads}{suffix}", threads, 2, 7, step, before=restart_peak())


def resnet_step(name, variant=None):
    library = torchvision_operators()
    import timm

    torch.set_num_threads(2)
    images = torch.randn(96, 3, 224, 224).contiguous(memory_format=torch.channels_last)
    labels = torch.randint(0, 7, (96,))
    model = timm.create_model(name, num_classes=7).to(memory_format=torch.channels_last).train()
    model.set_grad_checkpointing(variant == "checkpointing")
    if variant == "frozen":
        for module in model.modules():
            if isinstance(module, torch.nn.BatchNorm2d):
                module.eval()
    optimizer = torch.optim.Adam(model.parameters(), lr=5e-5, fused=True)

    def step():
        optimizer.zero_grad()
        torch.nn.functional.cross_entropy(model(images), labels).backward()
        optimizer.step()

    measure(".".join(filter(None, ("resnet-step", name, variant))), 2, 1, 3, step, before=restart_peak())


def unet():
    """The model of UNetBenchmark.swift and its inputs."""
    library = torchvision_operators()
    from diffusers import UNet2DConditionModel

    model = UNet2DConditionModel(
        sample_size=16, in_channels=4, out_channels=4, block_out_channels=(48, 96, 192), layers_per_block=1,
        down_block_types=("DownBlock2D", "CrossAttnDownBlock2D", "CrossAttnDownBlock2D"),
        up_block_types=("CrossAttnUpBlock2D", "CrossAttnUpBlock2D", "UpBlock2D"),
        attention_head_dim=(2, 4, 6), norm_num_groups=16, cross_attention_dim=128, addition_embed_type="text",
        addition_embed_type_num_heads=4).to(memory_format=torch.channels_last)
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


def ld_step(setting, part, mode):
    """DomainFusion's latent distillation as the paper describes it, by autograd through the VAE; settings as ours.

    Images, labels and prompt states are random: they change no time.
    """
    library = torchvision_operators()
    import timm
    from diffusers import AutoencoderKL, DDIMScheduler, UNet2DConditionModel

    count, guidance = {"batch32": (32, 7.5), "demo": (64, 1.0)}[setting]
    torch.set_num_threads(1)
    folder = pathlib.Path(__file__).resolve().parent.parent / "Models" / "emoji-ldm"
    vae, unet = (kind.from_pretrained(folder, subfolder=name, low_cpu_mem_usage=False).to(memory_format=torch.channels_last).eval()
                 .requires_grad_(False) for kind, name in ((AutoencoderKL, "vae"), (UNet2DConditionModel, "unet")))
    alphas = DDIMScheduler.from_pretrained(folder, subfolder="scheduler").alphas_cumprod
    prompts, empty = torch.randn(10, 32, 128), torch.randn(1, 32, 128)
    labels = torch.randint(0, 10, (count,))
    mean, deviation = torch.tensor([[0.485, 0.456, 0.406], [0.229, 0.224, 0.225]]).view(2, 1, 3, 1, 1)
    images = torch.rand(count, 3, 64, 64).contiguous(memory_format=torch.channels_last)

    def distillation(confidence, images):
        z = vae.encode(2 * confidence.view(-1, 1, 1, 1) * images - 1).latent_dist.mean * vae.config.scaling_factor
        with torch.no_grad():
            times = torch.randint(20, 980, (count,))
            noise = torch.randn_like(z)
            alpha = alphas[times].view(-1, 1, 1, 1)
            noisy = alpha.sqrt() * z + (1 - alpha).sqrt() * noise
            context = prompts[labels]
            if guidance == 1:
                output = unet(noisy, times, context).sample
            else:
                context = torch.cat([empty.expand(count, -1, -1), context])
                without, given = unet(torch.cat([noisy, noisy]), torch.cat([times, times]), context).sample.chunk(2)
                output = without + guidance * (given - without)
            predicted = alpha.sqrt() * output + (1 - alpha).sqrt() * noisy  # the model predicts v
            gradient = (1 - alpha) * (predicted - noise)
        return (gradient * z).mean()

    if part == "term":
        confidence = torch.rand(count, requires_grad=True)

        def body():
            confidence.grad = None
            distillation(confidence, images).backward()
    else:
        classifier = timm.create_model("tf_efficientnet_lite0", num_classes=10)
        classifier = classifier.to(memory_format=torch.channels_last).train()
        optimizer = torch.optim.Adam(classifier.parameters(), lr=1e-4, fused=True)

        def body():
            logits = classifier((images - mean) / deviation)
            loss = torch.nn.functional.cross_entropy(logits, labels)
            if mode == "autograd":
                loss = loss + distillation(logits.softmax(1).gather(1, labels[:, None])[:, 0], images)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()

    before = restart_peak()
    measure(f"ld-step.{setting}.{part}.{mode}", 1, 2, 5, body, before=before)


def resident(field):
    """VmRSS or VmHWM of this process in bytes."""
    lines = pathlib.Path("/proc/self/status").read_text().splitlines()
    return 1024 * next(int(line.split()[1]) for line in lines if line.startswith(field + ":"))


def restart_peak():
    """Gives freed memory back, lets the peak start anew, and tells what is resident now."""
    gc.collect()
    ctypes.CDLL(None).malloc_trim(0)
    pathlib.Path("/proc/self/clear_refs").write_text("5")
    return resident("VmRSS")


def diffusers_model(row, folder, layout):
    """A row of StableDiffusionBenchmark.swift: (what to do, warm-up runs)."""
    from diffusers import AutoencoderKL, DDIMScheduler, StableDiffusionImg2ImgPipeline, UNet2DConditionModel
    from transformers import CLIPTextModel, CLIPTokenizer

    part, pixels, batch = (row.split(".") + [512, 1])[:3]
    pixels, batch = int(pixels), int(batch)
    latents = torch.randn(batch, 4, pixels // 8, pixels // 8).contiguous(memory_format=layout)

    def pipeline():
        pipe = StableDiffusionImg2ImgPipeline(
            vae=AutoencoderKL.from_pretrained(f"{folder}/vae"),
            unet=UNet2DConditionModel.from_pretrained(f"{folder}/unet"),
            text_encoder=CLIPTextModel.from_pretrained(f"{folder}/text_encoder"),
            tokenizer=CLIPTokenizer.from_pretrained(f"{folder}/tokenizer"),
            scheduler=DDIMScheduler.from_pretrained(f"{folder}/scheduler"), safety_checker=None,
            feature_extractor=None, requires_safety_checker=False)
        pipe.set_progress_bar_config(disable=True)
        pipe.unet.to(memory_format=layout)
        pipe.vae.to(memory_format=layout)
        return pipe

    if part == "load":
        return pipeline, 0
    if part == "load-and-call":
        def load():
            pipe = pipeline()
            context, _ = pipe.encode_prompt("a photo of a dog", "cpu", 1, False)
            pipe.unet(torch.randn(1, 4, 8, 8), torch.tensor([481]), context)
        return load, 0
    if part == "unet":
        unet = UNet2DConditionModel.from_pretrained(f"{folder}/unet").to(memory_format=layout)
        timesteps, context = torch.full((batch,), 481), torch.randn(batch, 77, unet.config.cross_attention_dim)
        return lambda: unet(latents, timesteps, context), 2
    if part in ("vae-encode", "vae-decode"):
        vae = AutoencoderKL.from_pretrained(f"{folder}/vae").to(memory_format=layout)
        images = torch.randn(batch, 3, pixels, pixels).contiguous(memory_format=layout)
        return (lambda: vae.encode(images).latent_dist.mean) if part == "vae-encode" else (
            lambda: vae.decode(latents).sample), 2
    pipe = pipeline()
    images = torch.rand(batch, 3, pixels, pixels)
    return lambda: pipe(
        ["a photo of a dog"] * batch, image=images, strength=0.8, num_inference_steps=25, guidance_scale=7.5,
        generator=[torch.Generator().manual_seed(i) for i in range(batch)], output_type="pt"), 0


def openvino_model(row, folder):
    """As diffusers_model, for the U-Net and the VAE, of the files that `openvino-export` wrote; in bfloat16 the graph's
    shapes are fixed before it is compiled."""
    import numpy
    import openvino

    part, pixels, batch, *precision = row.split(".")
    pixels, batch = int(pixels), int(batch)
    random = lambda *shape: numpy.random.default_rng(0).standard_normal(shape, dtype=numpy.float32)
    if part == "unet":
        width = json.loads(pathlib.Path(f"{folder}/unet/config.json").read_text())["cross_attention_dim"]
        inputs = (random(batch, 4, pixels // 8, pixels // 8), numpy.full(batch, 481), random(batch, 77, width))
    else:
        inputs = (random(batch, 3, pixels, pixels) if part == "vae-encode" else
                  random(batch, 4, pixels // 8, pixels // 8),)
    graph = openvino.Core().read_model(f"{folder}/openvino/{part}.xml")
    if precision:
        graph.reshape({index: list(values.shape) for index, values in enumerate(inputs)})
    model = openvino.compile_model(graph, "CPU", {
        "INFERENCE_NUM_THREADS": 2, "NUM_STREAMS": 1, "INFERENCE_PRECISION_HINT": "bf16" if precision else "f32"})
    return lambda: model(inputs), 2


def openvino_export(folder):
    """Writes the U-Net and both halves of the VAE in OpenVINO's format beside the model, with its weights in float32."""
    library = torchvision_operators()
    import openvino
    from diffusers import AutoencoderKL, UNet2DConditionModel

    class Call(torch.nn.Module):
        def __init__(self, model, call):
            super().__init__()
            self.model, self.call = model, call

        def forward(self, *inputs):
            return self.call(self.model, *inputs)

    def export(name, model, call, inputs, shapes):
        found = openvino.convert_model(Call(model.eval(), call), example_input=inputs, input=shapes)
        openvino.save_model(found, f"{folder}/openvino/{name}.xml", compress_to_fp16=False)

    any_image = lambda channels: openvino.PartialShape([-1, channels, -1, -1])
    unet = UNet2DConditionModel.from_pretrained(f"{folder}/unet")
    width = unet.config.cross_attention_dim
    export("unet", unet, lambda model, x, t, states: model(x, t, states).sample,
           (torch.randn(2, 4, 32, 32), torch.full((2,), 481), torch.randn(2, 77, width)),
           [any_image(4), openvino.PartialShape([-1]), openvino.PartialShape([-1, 77, width])])
    del unet
    vae = AutoencoderKL.from_pretrained(f"{folder}/vae")
    export("vae-encode", vae, lambda model, x: model.encode(x).latent_dist.mean, (torch.randn(1, 3, 256, 256),),
           [any_image(3)])
    export("vae-decode", vae, lambda model, x: model.decode(x).sample, (torch.randn(1, 4, 32, 32),), [any_image(4)])


@torch.no_grad()
def stable_diffusion(side, row, folder):
    library = torchvision_operators()
    torch.set_num_threads(2)
    if side == "openvino":
        body, warmup = openvino_model(row, folder)
    else:
        layout = torch.channels_last if side == "diffusers-channels-last" else torch.contiguous_format
        body, warmup = diffusers_model(row, folder, layout)
    measure(f"stable-diffusion.{row}", 2, warmup, 3 if row.startswith("unet") else 1, body, before=0)


@torch.no_grad()
def candidates(row):
    """diffusers' image to image with the embedded model: 16 images of 64x64, strength 0.6, guidance 7.5."""
    library = torchvision_operators()
    from diffusers import (
        AutoencoderKL, DDIMScheduler, DPMSolverMultistepScheduler, StableDiffusionImg2ImgPipeline, UNet2DConditionModel,
    )
    from safetensors.torch import load_file
    from transformers import CLIPTextModel, CLIPTokenizer

    sampler, steps = row.split(".")
    torch.set_num_threads(2)
    folder = pathlib.Path(__file__).resolve().parent.parent / "Models" / "emoji-ldm"
    text = CLIPTextModel.from_pretrained(folder / "text_encoder")
    # Newer versions of transformers leave out the prefix that the file has.
    wanted = text.state_dict().keys()
    text.load_state_dict({key if key in wanted else key.removeprefix("text_model."): value
                          for key, value in load_file(folder / "text_encoder/model.safetensors").items()})
    scheduler = {"ddim": DDIMScheduler, "dpm++": DPMSolverMultistepScheduler}[sampler].from_pretrained(folder / "scheduler")
    pipe = StableDiffusionImg2ImgPipeline(
        vae=AutoencoderKL.from_pretrained(folder / "vae"), unet=UNet2DConditionModel.from_pretrained(folder / "unet"),
        text_encoder=text, tokenizer=CLIPTokenizer.from_pretrained(folder / "tokenizer"), scheduler=scheduler,
        safety_checker=None, feature_extractor=None, requires_safety_checker=False)
    pipe.set_progress_bar_config(disable=True)
    # The faster of its two layouts.
    pipe.unet.to(memory_format=torch.channels_last)
    pipe.vae.to(memory_format=torch.channels_last)
    images = torch.rand(16, 3, 64, 64)

    def body():
        pipe(["a cartoon emoji of a lion"] * 16, image=images, strength=0.6, num_inference_steps=int(steps),
             guidance_scale=7.5, generator=[torch.Generator().manual_seed(i) for i in range(16)], output_type="pt")

    measure(f"candidates.{row}", 2, 2, 5, body, calls=16)


def loader(folder, size):
    """torchvision's transforms and DataLoader; worker processes where we have threads."""
    library = torchvision_operators()
    from torchvision import datasets, transforms

    size = int(size)
    dataset = datasets.ImageFolder(folder, transforms.Compose([
        transforms.RandomResizedCrop(size, scale=(0.7, 1)), transforms.RandomHorizontalFlip(),
        transforms.ColorJitter(0.3, 0.3, 0.3, 0.3), transforms.RandomGrayscale(), transforms.ToTensor(),
        transforms.Normalize([0.485, 0.456, 0.406], [0.229, 0.224, 0.225])]))
    torch.set_num_threads(1)
    for workers in (1, 2):
        batches = torch.utils.data.DataLoader(
            dataset, batch_size=32, num_workers=workers, persistent_workers=True,
            sampler=torch.utils.data.RandomSampler(dataset, replacement=True, num_samples=512))

        def one_pass():
            for _ in batches:
                pass

        def processor():
            # Of this process and of the workers, which live on between passes.
            ticks = 0
            for worker in batches._iterator._workers:
                fields = pathlib.Path(f"/proc/{worker.pid}/stat").read_text().rsplit(")", 1)[1].split()
                ticks += int(fields[11]) + int(fields[12])
            return time.process_time() + ticks / os.sysconf("SC_CLK_TCK")

        one_pass()
        measure(f"loader.{size}.{workers}", workers, 0, 3, one_pass, 512, processor)
        del batches


def photos(folder):
    """Writes 256 JPEG files of 500x375 pixels: soft colours, edges and grain, some 60 KB each, as photos have."""
    import numpy
    from PIL import Image, ImageDraw

    random = numpy.random.default_rng(0)
    for number in range(256):
        soft = Image.fromarray(random.integers(0, 256, (6, 8, 3), dtype=numpy.uint8)).resize((500, 375), Image.BICUBIC)
        draw = ImageDraw.Draw(soft)
        for _ in range(12):
            x, y, width, height = random.integers(0, (500, 375, 160, 120))
            draw.ellipse((x, y, x + width, y + height), fill=tuple(random.integers(0, 256, 3).tolist()))
        grain = numpy.asarray(soft, dtype=numpy.float32) + random.normal(0, 6, (375, 500, 1))
        home = pathlib.Path(folder) / f"domain{number % 2}" / "class"
        home.mkdir(parents=True, exist_ok=True)
        image = Image.fromarray(grain.clip(0, 255).astype(numpy.uint8))
        image.save(home / f"{number}.jpg", quality=90)


BENCHMARKS = {
    "operators": operators, "classifier-step": classifier_step, "resnet-step": resnet_step, "unet-forward": unet_forward,
    "unet-train-step": unet_train_step, "loader": loader,
    "photos": photos, "openvino-export": openvino_export, "stable-diffusion": stable_diffusion,
    "candidates": candidates,
    **{f"ld-step.{setting}.{part}.{mode}": functools.partial(ld_step, setting, part, mode)
       for setting in ("batch32", "demo")
       for part, mode in (("term", "autograd"), ("step", "autograd"), ("step", "off"))},
}

if len(sys.argv) < 2 or sys.argv[1] not in BENCHMARKS:
    sys.exit("usage: reference.py " + "|".join(BENCHMARKS))
BENCHMARKS[sys.argv[1]](*sys.argv[2:])
