"""Checks a model directory: loads as it is in transformers, and agrees with reference tensors.

    python3 prompts/recipe/check_agreement.py prompts/demo-clip DIR/demo_clip_io.safetensors

Computes embeddings, cosines and input gradients in f32 with `CLIPModel.from_pretrained` and prints each tensor's error,
relative in L2; also that CLIPProcessor's token ids are those of the recipe's encoder. Exits 1 beyond 1e-3.
"""

import sys

import torch
from safetensors.torch import load_file
from tokenizers import Tokenizer
from transformers import CLIPModel, CLIPProcessor

from captions import encode
from make_reference import TEXTS
from preview import PROMPTS

TOLERANCE = 1e-3


def main():
    directory, path = sys.argv[1:3]
    wanted = load_file(path)
    model = CLIPModel.from_pretrained(directory, dtype=torch.float32).requires_grad_(False)
    pixels = wanted["pixel_values"].clone().requires_grad_(True)
    text = model.text_projection(model.text_model(input_ids=wanted["input_ids"].long()).pooler_output)
    image = model.visual_projection(model.vision_model(pixel_values=pixels).pooler_output)
    cosine = torch.nn.functional.cosine_similarity(text, image)
    (slope,) = torch.autograd.grad(cosine.sum(), pixels)
    found = {"text_embeds": text, "image_embeds": image, "cosine": cosine, "grad_pixel_values": slope}
    failed = False
    for name, value in found.items():
        error = ((value - wanted[name]).norm() / wanted[name].norm()).item()
        failed |= not error <= TOLERANCE
        print(f"{name:20} {error:.1e}")
    texts = [*TEXTS, *PROMPTS, "unseen wörds, 日本 and signs !?"]
    context = model.config.text_config.max_position_embeddings
    own = torch.from_numpy(encode(Tokenizer.from_file(f"{directory}/tokenizer.json"), texts, context)).long()
    processor = CLIPProcessor.from_pretrained(directory)
    theirs = processor(text=texts, padding="max_length", truncation=True, max_length=context, return_tensors="pt").input_ids
    print(f"{'token ids':20} {'equal' if torch.equal(own, theirs) else 'DIFFERENT'}")
    sys.exit(1 if failed or not torch.equal(own, theirs) else 0)


if __name__ == "__main__":
    main()
