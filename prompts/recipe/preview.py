"""Repaints a view of the robot towards prompts through the model's gradient, as the pipeline repaints a splat.

    python3 prompts/recipe/preview.py --model prompts/demo-clip --out preview.png [--steps 300] [--prompt TEXT …]

The surface is a pyramid of colour grids, added to the view's own colours; the geometry (coverage) stays. The sheet has
two columns of pictures a prompt: the result before black and before white.
"""

import argparse
import os

import torch
import torch.nn.functional as F
from PIL import Image, ImageDraw

from augment import crops
from captions import encode
from concepts import TWELVE
from model import CONTEXT, image_features, text_features

PROMPTS = (
    "A rococo painting of a garden with abstract elements and high resolution",
    "day of the dead, in the style of unreal engine 5, caricature-like illustrations, 32k uhd, dark atmosphere",
    "Under the sea background, Marine Life Landscape, Cartoon style, Disney",
    "Pop art of night city",
    "Purple brush",
    "Watercolor painting",
    "a red robot",
    "a blue robot",
    "an oil painting of a green robot",
    "a stained glass robot",
    "a mosaic of a yellow robot",
    "a golden robot",
    "a wooden robot",
    "a marble statue of a robot",
    "a robot made of lava",
    "an icy robot",
    "starry night by van gogh",
    "a pencil sketch of a robot",
    "a neon robot",
    "a robot with polka dots",
    "a pink knitted robot",
    "a mossy robot",
    "a night city robot",
    "a photo of a robot",
)


def repaint(model, tokens, view, steps, batch, rate=0.03, smooth=0.02):
    """Colours [P,3,S,S] for each prompt's tokens [P,context], and the last cosines.

    `view` is premultiplied RGBA, [4,S,S] for all prompts or [P,4,S,S].
    """
    device, size = tokens.device, view.shape[-1]
    count, side = len(tokens), model.config.vision_config.image_size
    with torch.no_grad():
        wanted = text_features(model, tokens)
    view = view.expand(count, 4, size, size)
    alpha = view[:, 3:]
    native = (view[:, :3] / alpha.clamp_min(0.02)).clamp(0, 1)
    sides = (size // 8, size // 4, size // 2, size)
    grids = [torch.zeros(count, 3, s, s, device=device, requires_grad=True) for s in sides]
    optimiser = torch.optim.Adam(grids, lr=rate)
    for step in range(steps):
        coat = native + sum(F.interpolate(g, (size, size), mode="bilinear", align_corners=False) for g in grids)
        ground = torch.rand(count * batch, 1, 1, 1, device=device).round().expand(-1, 3, size, size)
        many = lambda t: t.repeat_interleave(batch, 0)  # noqa: E731
        picture = many(coat * alpha) + ground * (1 - many(alpha))
        seen = crops(picture, side).clamp(0, 1)
        seen = seen + torch.randn_like(seen) * 0.02
        cosine = (image_features(model, seen) * many(wanted)).sum(1)
        ragged = (coat[..., 1:] - coat[..., :-1]).abs().mean() + (coat[..., 1:, :] - coat[..., :-1, :]).abs().mean()
        range_loss = ((coat - coat.clamp(0, 1)) ** 2).mean()
        loss = -cosine.mean() * count + smooth * ragged * count + 5 * range_loss * count
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
    return coat.detach().clamp(0, 1), alpha, cosine.detach().view(count, batch).mean(1)


def sheet(model, tokenizer, robot, path, prompts=PROMPTS, steps=300, batch=8, view=6, columns=4):
    """Writes the contact sheet and returns the mean cosine after the last step, a prompt each."""
    model.eval()
    tokens = torch.from_numpy(encode(tokenizer, list(prompts), CONTEXT)).to(robot.fine.device)
    coat, alpha, cosine = repaint(model, tokens, robot.fine[view], steps, batch)
    size, label = coat.shape[-1], 14
    rows = -(-len(prompts) // columns)
    out = Image.new("RGB", (columns * 2 * size, rows * (size + label)), "white")
    pen = ImageDraw.Draw(out)
    for i, prompt in enumerate(prompts):
        left, top = i % columns * 2 * size, i // columns * (size + label)
        for j, ground in enumerate((0.0, 1.0)):
            picture = (coat[i] * alpha[i] + ground * (1 - alpha[i])).permute(1, 2, 0).cpu().numpy()
            out.paste(Image.fromarray((picture * 255 + 0.5).astype("uint8")), (left + j * size, top + label))
        pen.text((left + 2, top + 1), f"{cosine[i]:.2f} {prompt[:38]}", fill="black")
    out.save(path)
    return {prompt: round(c.item(), 3) for prompt, c in zip(prompts, cosine)}


def photo_sheet(model, tokenizer, photos, path, tiles=(0, 3, 19, 27), steps=300, batch=8):
    """Photographs repainted towards the twelve prompts: a row each, the photograph first."""
    model.eval()
    views = photos.coarse[[t % len(photos.coarse) for t in tiles]].float() / 255
    views = torch.cat([views, torch.ones_like(views[:, :1])], 1)
    tokens = torch.from_numpy(encode(tokenizer, list(TWELVE), CONTEXT)).to(views.device)
    count, size, label = len(TWELVE), views.shape[-1], 14
    every = views.repeat_interleave(count, 0)
    coat, _, _ = repaint(model, tokens.repeat(len(tiles), 1), every, steps, batch)
    rows = [torch.cat([views[i, :3], *coat[i * count : (i + 1) * count]], 2) for i in range(len(tiles))]
    picture = (torch.cat(rows, 1).permute(1, 2, 0).cpu().numpy() * 255 + 0.5).astype("uint8")
    out = Image.new("RGB", (picture.shape[1], picture.shape[0] + label), "white")
    out.paste(Image.fromarray(picture), (0, label))
    pen = ImageDraw.Draw(out)
    for i, prompt in enumerate(("photograph", *TWELVE)):
        pen.text((i * size + 2, 1), prompt[:21], fill="black")
    out.save(path)


def main():
    from tokenizers import Tokenizer
    from transformers import CLIPModel

    from subjects import Robot

    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--model", default="prompts/demo-clip")
    parser.add_argument("--out", default="preview.png")
    parser.add_argument("--steps", type=int, default=300)
    parser.add_argument("--batch", type=int, default=8)
    parser.add_argument("--view", type=int, default=6)
    parser.add_argument("--prompt", nargs="+", default=PROMPTS)
    args = parser.parse_args()
    device = "cuda" if torch.cuda.is_available() else "cpu"
    here = os.path.dirname(os.path.abspath(__file__))
    model = CLIPModel.from_pretrained(args.model, dtype=torch.float32).to(device).requires_grad_(False)
    tokenizer = Tokenizer.from_file(os.path.join(args.model, "tokenizer.json"))
    robot = Robot(os.path.join(here, "data", "robot_views.webp"), device)
    for prompt, cosine in sheet(model, tokenizer, robot, args.out, args.prompt, args.steps, args.batch, args.view).items():
        print(f"{cosine:.3f}  {prompt}")


if __name__ == "__main__":
    main()
