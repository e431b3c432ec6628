#!/usr/bin/env python3
"""Makes a latent diffusion model of a published configuration with random weights, in diffusers layout.

usage: Benchmarks/random_model.py KIND FOLDER [--merges FILE] [--seed N]     KIND: sd15, sd21, small-sd15, small-sd21

The weights of Stable Diffusion are not needed to compare two implementations: random ones of such a size that
activations stay near unit variance exercise every layer. The `small` kinds have few channels and the same structure.
Needs torch, diffusers, transformers; and CLIP's merges, which scripts/bootstrap lays to
data/packages/bpe_simple_vocab_16e6.txt.
"""

import argparse
import gc
import pathlib
import sys

import torch

REPOSITORY = pathlib.Path(__file__).resolve().parents[1]
sys.path.insert(0, str(REPOSITORY / "scripts/fixtures"))

# torchvision, which diffusers imports, may lack its compiled operators; they are not needed.
library = torch.library.Library("torchvision", "DEF")
for operator in ("nms", "qnms"):
    library.define(operator + "(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")

from clip_vocabulary import write_tokenizer  # noqa: E402

DOWN = ("CrossAttnDownBlock2D",) * 3 + ("DownBlock2D",)
UP = ("UpBlock2D",) + ("CrossAttnUpBlock2D",) * 3
KINDS = {
    # runwayml/stable-diffusion-v1-5
    "sd15": {
        "unet": dict(sample_size=64, block_out_channels=(320, 640, 1280, 1280), attention_head_dim=8,
                     cross_attention_dim=768),
        "text": dict(hidden_size=768, intermediate_size=3072, num_hidden_layers=12, num_attention_heads=12,
                     hidden_act="quick_gelu", projection_dim=768),
        "vae": dict(block_out_channels=(128, 256, 512, 512), sample_size=512),
        "prediction_type": "epsilon", "pad_token": "<|endoftext|>",
    },
    # stabilityai/stable-diffusion-2-1; stabilityai/sd-turbo has the same networks
    "sd21": {
        "unet": dict(sample_size=96, block_out_channels=(320, 640, 1280, 1280), attention_head_dim=[5, 10, 20, 20],
                     cross_attention_dim=1024, use_linear_projection=True, upcast_attention=True),
        "text": dict(hidden_size=1024, intermediate_size=4096, num_hidden_layers=23, num_attention_heads=16,
                     hidden_act="gelu", projection_dim=512),
        "vae": dict(block_out_channels=(128, 256, 512, 512), sample_size=768),
        "prediction_type": "v_prediction", "pad_token": "!",
    },
}
SMALL = {
    "unet": dict(block_out_channels=(32, 64, 64, 64), cross_attention_dim=64),
    "text": dict(hidden_size=64, intermediate_size=128, num_attention_heads=4, projection_dim=64),
    "vae": dict(block_out_channels=(32, 32, 64, 64)),
}
for name in ("sd15", "sd21"):
    small = {part: values | SMALL.get(part, {}) if isinstance(values, dict) else values
             for part, values in KINDS[name].items()}
    small["unet"]["attention_head_dim"] = [2, 4, 4, 4] if name == "sd21" else 8
    KINDS["small-" + name] = small


def randomize(model, generator):
    for name, parameter in model.named_parameters():
        value = torch.randn(parameter.shape, generator=generator)
        if parameter.ndim > 1:
            is_table = "embedding" in name and parameter.ndim == 2 and "linear" not in name
            value *= 1 if is_table else value[0].numel() ** -0.5
        elif name.endswith("weight"):
            value = 1 + 0.1 * value
        else:
            value *= 0.1
        parameter.data = value
    return model.eval().requires_grad_(False)


def unet(kind):
    from diffusers import UNet2DConditionModel
    return UNet2DConditionModel(
        in_channels=4, out_channels=4, layers_per_block=2, norm_num_groups=32, down_block_types=DOWN,
        up_block_types=UP, **KINDS[kind]["unet"])


def vae(kind):
    from diffusers import AutoencoderKL
    return AutoencoderKL(
        down_block_types=("DownEncoderBlock2D",) * 4, up_block_types=("UpDecoderBlock2D",) * 4, layers_per_block=2,
        latent_channels=4, norm_num_groups=32, scaling_factor=0.18215, **KINDS[kind]["vae"])


def text_encoder(kind):
    from transformers import CLIPTextConfig, CLIPTextModel
    return CLIPTextModel(CLIPTextConfig(
        vocab_size=49408, max_position_embeddings=77, bos_token_id=0, eos_token_id=2, pad_token_id=1,
        **KINDS[kind]["text"]))


def scheduler(kind):
    from diffusers import DDIMScheduler
    return DDIMScheduler(
        num_train_timesteps=1000, beta_start=0.00085, beta_end=0.012, beta_schedule="scaled_linear",
        clip_sample=False, set_alpha_to_one=False, steps_offset=1, prediction_type=KINDS[kind]["prediction_type"])


def make(kind, folder, merges, seed=0, visit=lambda part, model: None):
    """Writes the model's folder part by part; `visit` is told of each part as it is in memory."""
    from diffusers import StableDiffusionPipeline  # noqa: F401 (its import settles the libraries' order)
    folder = pathlib.Path(folder)
    generator = torch.Generator().manual_seed(seed)
    write_tokenizer(merges, folder / "tokenizer", pad_token=KINDS[kind]["pad_token"])
    scheduler(kind).save_pretrained(folder / "scheduler")
    for part, build in (("text_encoder", text_encoder), ("vae", vae), ("unet", unet)):
        model = randomize(build(kind), generator)
        if part == "vae":
            model.decoder.conv_out.weight.data *= 0.3  # images inside 0 ... 1
        model.save_pretrained(folder / part)
        visit(part, model)
        del model
        gc.collect()


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("kind", choices=sorted(KINDS))
    parser.add_argument("folder")
    parser.add_argument("--merges", default=REPOSITORY / "data/packages/bpe_simple_vocab_16e6.txt")
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()
    make(arguments.kind, arguments.folder, arguments.merges, arguments.seed)


if __name__ == "__main__":
    main()
