"""The demo model: a small `transformers.CLIPModel`, its normalisation, and how it is written to a directory."""

import json
import math
import os

import torch
from transformers import CLIPConfig, CLIPModel

from tokenizer import END, START, save as save_tokenizer

IMAGE_SIZE = 64
CONTEXT = 32
MEAN, DEVIATION = 0.5, 0.25


def new_model(tokenizer, judge=False):
    """A fresh model for the tokenizer's vocabulary. The end token's id is given, so pooling takes its first place.

    The judge sees larger pictures in larger patches, and is deeper and narrower.
    """
    shared = {"hidden_act": "quick_gelu", "hidden_size": 128, "intermediate_size": 512, "num_attention_heads": 4}
    start, end = tokenizer.token_to_id(START), tokenizer.token_to_id(END)
    text = {
        **shared,
        "vocab_size": tokenizer.get_vocab_size(),
        "num_hidden_layers": 3,
        "max_position_embeddings": CONTEXT,
        "projection_dim": 128,
        "bos_token_id": start,
        "eos_token_id": end,
        "pad_token_id": end,
    }
    vision = {**shared, "num_hidden_layers": 4, "image_size": IMAGE_SIZE, "patch_size": 8, "projection_dim": 128}
    if judge:
        text |= {"hidden_size": 96, "intermediate_size": 384, "num_hidden_layers": 3, "projection_dim": 112}
        vision |= {"hidden_size": 144, "intermediate_size": 432, "num_hidden_layers": 5, "image_size": 96, "patch_size": 16}
        vision |= {"projection_dim": 112}
    config = CLIPConfig(text_config=text, vision_config=vision, projection_dim=vision["projection_dim"], logit_scale_init_value=math.log(1 / 0.07))
    return CLIPModel(config)


def normalised(pictures):
    """Pixels in [0,1] to `pixel_values`."""
    return (pictures - MEAN) / DEVIATION


def image_features(model, pictures):
    """Unit vectors [N,P] of pictures [N,3,S,S] in [0,1]."""
    pooled = model.vision_model(pixel_values=normalised(pictures)).pooler_output
    return torch.nn.functional.normalize(model.visual_projection(pooled).float(), dim=-1)


def text_features(model, tokens):
    """Unit vectors [N,P] of token ids [N,context]. Padding follows the end token, which sees only what precedes it."""
    pooled = model.text_model(input_ids=tokens.long()).pooler_output
    return torch.nn.functional.normalize(model.text_projection(pooled).float(), dim=-1)


def save_model(model, tokenizer, directory):
    """Writes the f16 model and all that `transformers` needs to load it from `directory`."""
    os.makedirs(directory, exist_ok=True)
    size = model.config.vision_config.image_size
    half = CLIPModel(model.config)
    half.load_state_dict(model.state_dict())
    half.config.text_config.dtype = half.config.vision_config.dtype = None  # a loaded model has f32 there
    half.half().save_pretrained(directory, safe_serialization=True)
    os.chmod(os.path.join(directory, "model.safetensors"), 0o644)
    save_tokenizer(tokenizer, directory, CONTEXT)
    preprocessor = {
        "image_processor_type": "CLIPImageProcessor",
        "do_resize": True,
        "size": {"shortest_edge": size},
        "resample": 3,
        "do_center_crop": True,
        "crop_size": {"height": size, "width": size},
        "do_rescale": True,
        "rescale_factor": 1 / 255,
        "do_normalize": True,
        "image_mean": [MEAN] * 3,
        "image_std": [DEVIATION] * 3,
        "do_convert_rgb": True,
    }
    with open(os.path.join(directory, "preprocessor_config.json"), "w", encoding="utf-8") as file:
        json.dump(preprocessor, file, indent=2)
        file.write("\n")
