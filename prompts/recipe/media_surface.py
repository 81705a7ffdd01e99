"""Media that cover the object alone: patterns, wool, and materials; and neon. Each takes a `Scene`, gives [N,3,R,R]."""

import math

import torch

from draw import Cells, Detail, anywhere, blur, edges, hsv_to_rgb, luminance, mix, noise, ramp, saturate, shade, uniform
from scene import Scene
from scenes import scrolls


def _shape(scene):
    n, _, size, _ = scene.rgb.shape
    return n, size, scene.rgb.device


def _lit(scene, colour, low=0.5, high=1.25):
    """A material under the object's light; under a wider range of it on a photograph, whose light is all its structure."""
    low, high = (torch.where(scene.photo, wide, usual) for wide, usual in ((low - 0.2, low), (high + 0.1, high)))
    return (colour * (low + (high - low) * scene.light)).clamp(0, 1)


def _contrast(scene, mask):
    """A two-colour pattern: the surface's colours and white, or black where they are light."""
    n, _, device = _shape(scene)
    weight = scene.alpha.sum((2, 3), keepdim=True).clamp_min(1)
    mean = (luminance(scene.surface) * scene.alpha).sum((2, 3), keepdim=True) / weight
    other = torch.where(mean > 0.62, 0.06, 0.95) * (0.85 + 0.15 * scene.light)
    return scene.on_object(mix(scene.surface, other.expand_as(scene.surface), mask))


def stripes(scene: Scene):
    n, size, device = _shape(scene)
    x, _ = anywhere(n, size, device, 4.5, 8)
    return _contrast(scene, torch.sigmoid((torch.sin(x * math.pi) - 0.1) * 8))


def polka_dots(scene: Scene):
    n, size, device = _shape(scene)
    x, y = anywhere(n, size, device, 3, 5.5)
    row = torch.floor(y)
    dx, dy = (x + 0.5 * (row % 2)) % 1 - 0.5, y % 1 - 0.5
    return _contrast(scene, torch.sigmoid((0.3 - (dx * dx + dy * dy).sqrt()) * 25))


def checkered(scene: Scene):
    n, size, device = _shape(scene)
    x, y = anywhere(n, size, device, 4, 7)
    return _contrast(scene, torch.sigmoid(torch.sin(x * math.pi) * torch.sin(y * math.pi) * 14))


def knitted(scene: Scene):
    n, size, device = _shape(scene)
    x, y = anywhere(n, size, device, 5, 8, 0.25)
    column = (x % 1 - 0.5).abs()
    stitch = torch.cos((y * 1.4 + column * 1.8) * 2 * math.pi)
    height = 0.5 + 0.5 * stitch - 0.7 * torch.exp(-((column / 0.09) ** 2)) - 0.5 * torch.exp(-(((0.5 - column) / 0.09) ** 2))
    fuzz = 1 + 0.08 * torch.randn(n, 1, size, size, device=device)
    return scene.on_object(blur(scene.surface, 1.0) * (0.75 + 0.35 * height) * fuzz)


def neon(scene: Scene):
    n, size, device = _shape(scene)
    rim = torch.maximum(edges(scene.rgb, 0.8, 6), edges(scene.alpha.expand(-1, 3, -1, -1), 0.8, 3))
    x, y = anywhere(n, size, device, 1, 2)
    loops = torch.exp(-(((noise(n, size, device, 2, 1) * 2 % 1 - 0.5) / 0.12) ** 2)) * 0.9
    loops = loops * scene.alpha * ((uniform(n, 0, 1, device) < 0.6) & ~scene.photo)
    lines = torch.maximum(rim, loops)
    # Two tubes' colours of magenta, pink, cyan, blue, violet and green: what neon signs are known by.
    hues = torch.tensor([0.83, 0.90, 0.50, 0.60, 0.74, 0.38], device=device)
    first, second = (hues[torch.randint(6, (n,), device=device)].view(n, 1, 1, 1) for _ in range(2))
    part = torch.sigmoid(noise(n, size, device, 2, 1) * 6)
    one = torch.full_like(x, 0.88), torch.ones_like(x)
    free = mix(hsv_to_rgb(first.expand_as(x), *one), hsv_to_rgb(second.expand_as(x), *one), part)
    hue = saturate(blur(scene.surface, 2.0), 1.8)
    hue = hue / hue.amax(1, keepdim=True).clamp_min(0.1)
    hue = torch.where(scene.coloured, hue, free)
    tube = hue * lines
    glow = blur(tube, 1.5) * 0.8 + blur(tube, 4.0) * 1.1
    dark = torch.tensor([0.03, 0.02, 0.06], device=device).view(1, 3, 1, 1)
    haze = hue * torch.where(scene.photo, 0.06 + 0.28 * scene.light**2, 0.10) * scene.alpha
    return (dark + haze + glow + tube * 0.7 + (lines - 0.75).clamp_min(0) * 1.5).clamp(0, 1)


def marble(scene: Scene):
    n, size, device = _shape(scene)
    x, y = anywhere(n, size, device, 1.5, 3.5)
    vein = 1 - (torch.sin(x * 2.2 + noise(n, size, device, 3, 4) * 1.6)).abs()
    fine = 1 - (noise(n, size, device, 5, 3) * 0.9).abs().clamp(0, 1)
    dark = (vein**4 * 0.5 + fine**7 * 0.35).clamp(0, 0.75)
    stone = mix(torch.tensor([0.95, 0.94, 0.92], device=device).view(1, 3, 1, 1), torch.tensor([0.32, 0.33, 0.37], device=device).view(1, 3, 1, 1), dark)
    return scene.on_object(_lit(scene, stone, 0.7, 1.12))


def wood(scene: Scene):
    n, size, device = _shape(scene)
    x, y = anywhere(n, size, device, 1.0, 2.2)
    ring = torch.sin(x * 11 + noise(n, size, device, 2, 3) * 1.8 + torch.sin(y * 0.9) * 1.5)
    grain = ring * 0.3 + noise(n, size, device, 14, 2) * 0.08
    grain = torch.where(scene.photo, grain * 0.6 + (scene.light - 0.5) * 0.6, grain)
    colour = ramp(0.5 + grain, [(0.26, 0.13, 0.05), (0.52, 0.31, 0.14), (0.72, 0.48, 0.25), (0.84, 0.63, 0.38)])
    return scene.on_object(_lit(scene, colour, 0.6, 1.2))


def gold(scene: Scene):
    n, size, device = _shape(scene)
    height = scrolls(n, size, device, Detail.cells(4 if torch.rand(()) < 0.5 else 3))
    ornament = torch.where(scene.photo, uniform(n, 0.15, 0.5, device), 1.0)
    level = 0.15 + mix(0.75, 0.45, ornament) * scene.light + ornament * (0.9 * (shade(height * 4, 0.7) - 1) + 0.15 * height)
    return scene.on_object(ramp(level, [(0.22, 0.11, 0.01), (0.62, 0.40, 0.06), (0.92, 0.70, 0.18), (1.0, 0.88, 0.45), (1.0, 0.99, 0.85)]))


def chrome(scene: Scene):
    n, size, device = _shape(scene)
    fold = blur(scene.light, 1.2) * 7 + noise(n, size, device, 2, 2) * 1.3
    level = 0.5 + 0.5 * torch.sin(fold * 1.6 + uniform(n, 0, 6, device))
    return scene.on_object(ramp(level**1.3, [(0.05, 0.06, 0.09), (0.30, 0.34, 0.40), (0.62, 0.68, 0.76), (0.97, 0.98, 1.0)]))


def ice(scene: Scene):
    n, size, device = _shape(scene)
    c = Cells(n, size, Detail.cells(6), device, 0.95)
    crack = torch.exp(-(((c.second - c.near) / 0.07) ** 2))
    level = 0.30 + 0.45 * scene.light + 0.2 * (c.pick(0) - 0.5) + noise(n, size, device, 4, 3) * 0.06 + crack * 0.45
    return scene.on_object(ramp(level, [(0.10, 0.38, 0.62), (0.40, 0.72, 0.90), (0.74, 0.92, 0.98), (1.0, 1.0, 1.0)]))


def lava(scene: Scene):
    n, size, device = _shape(scene)
    crust = noise(n, size, device, 4, 4)
    c = Cells(n, size, Detail.cells(5), device, 0.95)
    heat = torch.exp(-(((c.second - c.near) / 0.16) ** 2)) + 0.5 * (0.2 - crust).clamp(0, 0.6)
    # On a photograph the light parts glow and the shadows are crust.
    heat = torch.where(scene.photo, heat * 0.35 + 1.3 * (scene.light - 0.35).clamp(0, 1), heat)
    fire = ramp(heat * 0.85, [(0.06, 0.02, 0.02), (0.45, 0.05, 0.01), (0.95, 0.28, 0.02), (1.0, 0.65, 0.08), (1.0, 0.95, 0.55)])
    return scene.on_object(mix(_lit(scene, fire), fire, heat.clamp(0, 1)))


def rust(scene: Scene):
    n, size, device = _shape(scene)
    patch = 0.45 + noise(n, size, device, 5, 5, fall=0.65) * 0.25
    iron = ramp(patch, [(0.20, 0.22, 0.24), (0.30, 0.16, 0.09), (0.55, 0.25, 0.08), (0.76, 0.40, 0.14), (0.42, 0.18, 0.08)])
    pits = (torch.randn(n, 1, size, size, device=device) * 0.08 + 1).clamp(0.7, 1.2)
    return scene.on_object(_lit(scene, iron * pits, 0.6, 1.2))


def moss(scene: Scene):
    n, size, device = _shape(scene)
    c = Cells(n, size, Detail.cells(16), device, 1.0)
    tuft = 0.55 - 0.45 * c.near + 0.35 * (c.pick(0) - 0.5) + noise(n, size, device, 4, 3) * 0.16
    green = ramp(tuft, [(0.06, 0.13, 0.02), (0.20, 0.34, 0.06), (0.40, 0.54, 0.12), (0.66, 0.74, 0.28)])
    stone = ramp(0.5 + noise(n, size, device, 8, 3) * 0.2, [(0.25, 0.24, 0.22), (0.50, 0.48, 0.44)])
    return scene.on_object(_lit(scene, mix(green, stone, (noise(n, size, device, 3, 2) > 1.1).float())))


def brick(scene: Scene):
    n, size, device = _shape(scene)
    x, y = anywhere(n, size, device, 2.0, 3.5, 0.15)
    row = torch.floor(y * 2)
    bx = x + 0.5 * (row % 2)
    along, up = (bx % 1 - 0.5).abs(), (y * 2 % 1 - 0.5).abs()
    mortar = torch.sigmoid((torch.maximum(along - 0.45, up - 0.41)) * 60)
    seed = torch.sin(torch.floor(bx) * 12.99 + row * 78.23) * 43.7
    tone = (seed - seed.floor()) * 0.7 + noise(n, size, device, 12, 2) * 0.08 + 0.15
    clay = ramp(tone, [(0.42, 0.14, 0.10), (0.62, 0.24, 0.16), (0.76, 0.36, 0.25)])
    return scene.on_object(_lit(scene, mix(clay, torch.full_like(clay, 0.78), mortar), 0.6, 1.2))
