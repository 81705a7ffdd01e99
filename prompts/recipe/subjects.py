"""Objects: views of the carried robot and simple shapes, each as colour, light and coverage on [N,·,R,R]."""

import math

import numpy as np
import torch
import torch.nn.functional as F
from PIL import Image

from concepts import COLOURS, OBJECT_NAMES
from draw import anywhere, blur, grid, hsv_to_rgb, look_up, mix, noise, shade, turned, uniform, vivid

TILE = 128
# Light of a coloured surface: darkest and brightest factor on the base colour, so that the colour keeps its name.
LIGHT_RANGE = {"black": (0.2, 1.9), "white": (0.72, 1.02), "gray": (0.55, 1.35), "brown": (0.5, 1.35), "pink": (0.6, 1.05)}


class Robot:
    """The sheet of views as a mip pair: [V,4,128,128] and [V,4,64,64], premultiplied RGBA in [0,1]."""

    def __init__(self, path, device):
        sheet = np.asarray(Image.open(path).convert("RGBA"), np.float32) / 255
        rows, columns = sheet.shape[0] // TILE, sheet.shape[1] // TILE
        tiles = sheet[: rows * TILE, : columns * TILE].reshape(rows, TILE, columns, TILE, 4)
        tiles = tiles.transpose(0, 2, 4, 1, 3).reshape(-1, 4, TILE, TILE)
        views = torch.from_numpy(np.ascontiguousarray(tiles)).to(device)
        self.fine = views[views[:, 3].mean((1, 2)) > 0.02]
        self.coarse = F.avg_pool2d(self.fine, 2)

    def draw(self, n, size):
        """Colour [N,3] (unpremultiplied), light [N,1] and coverage [N,1] of random views, near and far."""
        device = self.fine.device
        view = torch.randint(len(self.fine), (n,), device=device)
        near = uniform(n, 0, 1, device) < 0.35
        scale = torch.where(near, uniform(n, 0.3, 0.65, device), uniform(n, 0.65, 1.15, device))
        turn = torch.randn(n, 1, 1, 1, device=device) * 0.12
        x, y = grid(n, size, device)
        slack = 0.22 + 0.2 * (scale < 0.65)
        shift = uniform(n, -1, 1, device) * slack, uniform(n, -1, 1, device) * slack
        x, y = turned(x, y, turn, scale, shift)
        x = x * torch.where(uniform(n, 0, 1, device) < 0.5, -1.0, 1.0)
        # Zero outside the tile: the border of a view is cut off, not smeared.
        inside = ((x.abs() < 0.98) & (y.abs() < 0.98)).float()
        sharp = look_up(self.fine[view], x, y) * inside
        soft = look_up(self.coarse[view], x, y) * inside
        rgba = torch.where(scale * TILE > 1.3 * size, soft, sharp)
        alpha = rgba[:, 3:]
        colour = rgba[:, :3] / alpha.clamp_min(0.02)
        light = (0.299 * colour[:, :1] + 0.587 * colour[:, 1:2] + 0.114 * colour[:, 2:]) * (alpha > 0.02)
        weight = alpha.sum((2, 3), keepdim=True).clamp_min(1)
        mean = (light * alpha).sum((2, 3), keepdim=True) / weight
        spread = (((light - mean) ** 2 * alpha).sum((2, 3), keepdim=True) / weight).sqrt()
        light = (0.5 + (light - mean) / spread.clamp_min(0.05) * 0.22).clamp(0, 1)
        return colour.clamp(0, 1), light, alpha


def _box(x, y, w, h):
    return torch.maximum(x.abs() - w, y.abs() - h)


def _triangle(x, y):
    return torch.maximum(x.abs() * 0.87 - y * 0.5, y) - 0.42


def _both(*parts):
    return torch.stack(parts).amin(0)


def _petals(x, y, count, low, high):
    r, a = (x * x + y * y).sqrt(), torch.atan2(y, x)
    return r - (low + (high - low) * (0.5 + 0.5 * torch.cos(count * a)))


def _star(x, y):
    a = (torch.atan2(x, -y) / (2 * math.pi) * 5 % 1 - 0.5).abs() * 2
    return (x * x + y * y).sqrt() - (0.36 + 0.5 * a**1.3)


def _heart(x, y):
    x = x.abs() * 1.15
    y = -y * 1.15 + 0.15
    lobes = ((x - 0.36) ** 2 + (y - 0.3) ** 2).sqrt() - 0.4
    tip = torch.maximum((x * 0.75 - y * 0.66) - 0.52, y - 0.3)
    return torch.minimum(lobes, tip)


def distance(name, x, y):
    """Signed distance (roughly) of shape `name` about the origin, radius about 0.8; y points down."""
    r = (x * x + y * y).sqrt()
    match name:
        case "ball":
            return r - 0.75
        case "square":
            return _box(x, y, 0.65, 0.65)
        case "triangle":
            return _triangle(x, y)
        case "star":
            return _star(x, y)
        case "heart":
            return _heart(x, y)
        case "ring":
            return (r - 0.6).abs() - 0.2
        case "cross":
            return _both(_box(x, y, 0.75, 0.22), _box(x, y, 0.22, 0.75))
        case "flower":
            return torch.maximum(_petals(x, y, 6, 0.4, 0.82), 0.1 - r)
        case "house":
            return _both(_box(x, y - 0.35, 0.5, 0.4), _triangle(x / 1.2, (y + 0.4) / 0.9) * 1.0)
        case "tree":
            crown = _both(_triangle(x / 0.75, (y + 0.45) / 0.6), _triangle(x, (y - 0.05) / 0.75))
            return _both(crown, _box(x, y - 0.6, 0.1, 0.3))
        case "fish":
            body = ((x + 0.15) ** 2 + (y * 1.7) ** 2).sqrt() - 0.58
            tail = torch.maximum(y.abs() - (x - 0.25), x - 0.75)
            return _both(body, tail)
        case "moon":
            return torch.maximum(r - 0.75, 0.6 - ((x - 0.35) ** 2 + (y + 0.1) ** 2).sqrt())
    raise ValueError(f"no shape {name}")


def shape(name, n, size, device):
    """Light [N,1] and coverage [N,1] of `name`, rounded like a cushion."""
    x, y = grid(n, size, device)
    scale = uniform(n, 0.85, 1.9, device)
    shift = uniform(n, -0.35, 0.35, device), uniform(n, -0.35, 0.35, device)
    x, y = turned(x, y, torch.randn(n, 1, 1, 1, device=device) * 0.3, scale, shift)
    d = distance(name, x, y) / scale
    alpha = torch.sigmoid(-d * size * 1.2)
    dome = (1 - torch.exp(d.clamp(max=0) * uniform(n, 2, 7, device))).clamp_min(0)
    light = 0.5 + 0.35 * (shade(blur(dome, 1.0) * size / 12, 1.2) - 1) + 0.25 * (dome - 0.4)
    light = light + noise(n, size, device, 3, 3) * 0.05
    return light.clamp(0, 1), alpha


def draw_objects(which, size, robot):
    """Native colour [N,3], light [N,1], coverage [N,1] of the objects `which` (list of OBJECT_NAMES indices, −1 for none)."""
    n, device = len(which), robot.fine.device
    colour = torch.full((n, 3, size, size), 0.5, device=device)
    light = 0.5 + noise(n, size, device, 3, 4) * 0.16
    alpha = torch.ones(n, 1, size, size, device=device)
    kinds = np.asarray(which)
    for kind in np.unique(kinds[kinds >= 0]):
        at = torch.from_numpy(np.flatnonzero(kinds == kind)).to(device)
        if OBJECT_NAMES[kind] == "robot":
            colour[at], light[at], alpha[at] = robot.draw(len(at), size)
        else:
            light[at], alpha[at] = shape(OBJECT_NAMES[kind], len(at), size, device)
    return colour, light.clamp(0, 1), alpha


def named_colour(colours, device):
    """Base colour [N,3,1,1] and its light range [N,2,1,1] for a list of colour names (None: any strong colour)."""
    low_high = np.array([[COLOURS[c][i] for i in (1, 2, 3)] if c else [(0, 1), (0.6, 1), (0.6, 1)] for c in colours], np.float32)
    t = torch.from_numpy(low_high).to(device)  # [N,3 (hsv),2]
    hsv = t[..., 0] + torch.rand(len(colours), 3, device=device) * (t[..., 1] - t[..., 0])
    hsv = hsv.view(-1, 3, 1, 1)
    ranges = torch.tensor([LIGHT_RANGE.get(c or "", (0.45, 1.15)) for c in colours], device=device).view(-1, 2, 1, 1)
    return hsv_to_rgb(hsv[:, :1] % 1, hsv[:, 1:2], hsv[:, 2:]), ranges


def tinted(light, colours):
    """A surface in named colours under `light` [N,1,R,R], with slight highlights."""
    base, ranges = named_colour(colours, light.device)
    low, high = ranges[:, :1], ranges[:, 1:]
    strength = uniform(len(colours), 0.55, 1.0, light.device)
    factor = mix(torch.ones_like(light), low + (high - low) * light, strength)
    return (base * factor).clamp(0, 1)


def many_coloured(light):
    """A surface in patches of several strong colours: what has no single colour name."""
    n, _, size, _ = light.shape
    device = light.device
    x, y = anywhere(n, size, device, 1.0, 2.0)
    field = noise(n, size, device, 3, 3, channels=3)
    a = torch.where(field[:, :1] > 0.1, vivid(n, device), vivid(n, device))
    b = torch.where(field[:, 1:2] > 0.3, vivid(n, device), a)
    c = torch.where(torch.sin(x * 5 + field[:, 2:] * 2) > 0.4, vivid(n, device), b)
    return (c * (0.5 + 0.7 * light)).clamp(0, 1)
