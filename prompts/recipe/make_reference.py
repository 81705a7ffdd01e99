"""Writes a model directory's reference tensors, to be checked against another implementation.

    python3 prompts/recipe/make_reference.py prompts/demo-clip test/reference-data

Three files: demo_clip_config.json, demo_clip_model.safetensors (as in the directory) and demo_clip_io.safetensors with
pixel_values f32 [2,3,S,S], input_ids i32 [2,context], text_embeds and image_embeds f32 [2,P] (raw, not normalised), cosine
f32 [2] of each pair, and grad_pixel_values = d(Σ cosine)/d pixel_values, all from transformers' CLIPModel in float64.
"""

import argparse
import os
import shutil

import numpy as np
import torch
from safetensors.torch import save_file
from tokenizers import Tokenizer
from transformers import CLIPModel
from transformers import __version__ as version

from captions import encode

TEXTS = ("a watercolor painting of a purple robot", "Pop art of night city, zyx 32k")


def reference(directory):
    """The tensors of demo_clip_io.safetensors by name."""
    model = CLIPModel.from_pretrained(directory, dtype=torch.float64, attn_implementation="eager").requires_grad_(False)
    tokenizer = Tokenizer.from_file(os.path.join(directory, "tokenizer.json"))
    ids = torch.from_numpy(encode(tokenizer, TEXTS, model.config.text_config.max_position_embeddings))
    size = model.config.vision_config.image_size
    rng = np.random.default_rng(7)
    smooth = torch.nn.functional.interpolate(torch.from_numpy(rng.normal(size=(2, 3, 8, 8))), (size, size), mode="bicubic")
    pixels = (smooth + torch.from_numpy(rng.normal(size=(2, 3, size, size))) * 0.3).float().double().requires_grad_(True)
    text = model.text_projection(model.text_model(input_ids=ids.long()).pooler_output)
    image = model.visual_projection(model.vision_model(pixel_values=pixels).pooler_output)
    cosine = torch.nn.functional.cosine_similarity(text, image)
    (slope,) = torch.autograd.grad(cosine.sum(), pixels)
    found = {"pixel_values": pixels, "text_embeds": text, "image_embeds": image, "cosine": cosine, "grad_pixel_values": slope}
    return {name: t.detach().float().contiguous() for name, t in found.items()} | {"input_ids": ids.int()}


def write_reference(directory, out, prefix="demo_clip"):
    """Writes the three files into the folder `out`."""
    os.makedirs(out, exist_ok=True)
    source = {"source": f"transformers CLIPModel {version}, float64"}
    io = os.path.join(out, f"{prefix}_io.safetensors")
    save_file(reference(directory), io, source)
    os.chmod(io, 0o644)
    shutil.copyfile(os.path.join(directory, "model.safetensors"), os.path.join(out, f"{prefix}_model.safetensors"))
    shutil.copyfile(os.path.join(directory, "config.json"), os.path.join(out, f"{prefix}_config.json"))


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("model")
    parser.add_argument("out")
    arguments = parser.parse_args()
    write_reference(arguments.model, arguments.out)
