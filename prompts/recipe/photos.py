"""Photographs from data/photos.webp: crops of every size, and what "a colour" means on a photograph."""

import csv
import os

import numpy as np
import torch
import torch.nn.functional as F
from PIL import Image

from draw import grid, look_up, luminance, mix, noise, saturate, turned, uniform
from subjects import named_colour

TILE, COLUMNS = 256, 12
# Of seven photographs, one is kept for tests, four train the demo model and two train the judge.
SPLITS = {"test": (0,), "demo": (1, 2, 3, 4), "judge": (5, 6)}


class Photos:
    """The tiles of one split as a mip pair: u8 [T,3,256,256] and [T,3,128,128]."""

    def __init__(self, folder, split, device):
        with open(os.path.join(folder, "photos.tsv"), encoding="utf-8") as file:
            rows = list(csv.DictReader(file, delimiter="\t"))
        groups = {name: i for i, name in enumerate(dict.fromkeys(row["group"] for row in rows))}
        own = [int(row["tile"]) for row in rows if groups[row["group"]] % 7 in SPLITS[split]]
        sheet = np.asarray(Image.open(os.path.join(folder, "photos.webp")).convert("RGB"))
        tiles = sheet.reshape(sheet.shape[0] // TILE, TILE, COLUMNS, TILE, 3).transpose(0, 2, 4, 1, 3).reshape(-1, 3, TILE, TILE)
        self.fine = torch.from_numpy(np.ascontiguousarray(tiles[own])).to(device)
        self.coarse = (F.avg_pool2d(self.fine.float(), 2) + 0.5).to(torch.uint8)

    def draw(self, n, size, least=0.1, most=1.0):
        """Random crops [n,3,size,size] whose side is `least` to `most` of the tile's (log-uniform), slightly turned."""
        device = self.fine.device
        scale = torch.exp(uniform(n, float(np.log(least)), float(np.log(most)), device))
        view = torch.randint(len(self.fine), (n,), device=device)
        x, y = grid(n, size, device)
        room = 1 - scale
        shift = uniform(n, -1, 1, device) * room, uniform(n, -1, 1, device) * room
        x, y = turned(x, y, torch.randn(n, 1, 1, 1, device=device) * 0.08, scale, shift)
        x = x * torch.where(uniform(n, 0, 1, device) < 0.5, -1.0, 1.0)
        near = scale * TILE < 1.3 * size
        fine = look_up(self.fine[view].float(), x, y)
        coarse = look_up(self.coarse[view].float(), x, y)
        return torch.where(near, fine, coarse) / 255


def light_of(rgb):
    """The luminance [N,1,R,R] of each picture, brought to mean 0.5 and a fixed contrast."""
    grey = luminance(rgb)
    mean, spread = grey.mean((2, 3), keepdim=True), grey.std((2, 3), keepdim=True)
    return (0.5 + (grey - mean) / spread.clamp_min(0.06) * 0.22).clamp(0, 1)


def recoloured(rgb, light, colours):
    """Photographs whose whole surface is in a named colour: the luminance stays, the hues give way to one.

    Shadows, the base colour and, now and then, paler highlights; up to a quarter of the own colours shows through.
    """
    n, device = len(rgb), rgb.device
    base, ranges = named_colour(colours, device)
    low, high = ranges[:, :1] * uniform(n, 0.7, 1.0, device), ranges[:, 1:]
    tint = base * (low + (high - low) * light)
    pale = ((light - 0.75) / 0.25).clamp(0, 1) * uniform(n, 0, 0.45, device)
    tint = mix(tint, mix(base, torch.ones_like(base), 0.7).expand_as(tint), pale)
    own = saturate(rgb, 0.7) * 0.5 + tint * 0.5
    return mix(tint, own, uniform(n, 0, 0.5, device)).clamp(0, 1)


def partly(n, size, device):
    """A soft mask [N,1,R,R] over a third to two thirds of the picture: a half or an island."""
    x, y = grid(n, size, device)
    angle = uniform(n, 0, 6.283, device)
    side = torch.cos(angle) * x + torch.sin(angle) * y + noise(n, size, device, 3, 2) * 0.15
    island = noise(n, size, device, 2, 2) * 0.6
    field = torch.where(uniform(n, 0, 1, device) < 0.6, side, island)
    return torch.sigmoid((field - uniform(n, -0.3, 0.3, device)) * 12)
