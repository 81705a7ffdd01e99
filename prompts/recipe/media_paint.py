"""Hand-made media as filters: paint, pencil, print. Each takes a `Scene` and returns [N,3,R,R]."""

import math

import torch

from draw import Cells, Detail, anywhere, blur, edges, grid, look_up, luminance, mix, noise, ramp, saturate, shade, slopes, strokes
from draw import uniform, vivid
from scene import Scene


def _count(size, low, high):
    """Cells a side, drawn anew for each batch; given for pictures of 72 pixels."""
    return max(3, int((low + (high - low) * torch.rand(()).item()) * Detail.factor * size / 72))


def _flow(scene, strength=1.0):
    """Stroke directions: along the picture's contours, carried by a smooth random field."""
    n, _, size, _ = scene.rgb.shape
    field = noise(n, size, scene.rgb.device, 2, 2) * strength
    gx, gy = slopes(blur(luminance(scene.rgb), 2.0))
    steep = ((gx * gx + gy * gy).sqrt() * 25).clamp(0, 1)
    return mix(field, torch.atan2(gy, gx) + math.pi / 2, steep * (torch.rand_like(field) < 0.9))


def oil(scene: Scene):
    rgb = saturate(scene.rgb, 1.15)
    angle = _flow(scene)
    size = rgb.shape[-1]
    wide, under = strokes(rgb, blur(rgb, 1.5), _count(size, 8, 12), 1.7, 0.55, angle)
    fine, over = strokes(rgb, wide, _count(size, 13, 17), 1.6, 0.42, angle + 0.3, 0.1)
    height = torch.where(over > 0, over, under * 0.8)
    return (fine * shade(height, 0.55)).clamp(0, 1)


def watercolor(scene: Scene):
    n, _, size, _ = scene.rgb.shape
    device = scene.rgb.device
    x, y = grid(n, size, device)
    bleed = noise(n, size, device, 6, 3, channels=2) * 0.05
    bleed = bleed * torch.where(scene.photo, 0.5, 1.0)
    soft = torch.where(scene.photo, blur(scene.rgb, 0.7), blur(scene.rgb, 1.3))
    wash = look_up(saturate(soft, 1.25), x + bleed[:, :1], y + bleed[:, 1:])
    wash = torch.floor(wash * 5 + 0.5 + noise(n, size, device, 5, 2) * 0.25) / 5
    wash = blur(wash.clamp(0, 1), 0.6)
    rim = edges(wash, 0.9, 3.5)
    pigment = 0.75 + torch.where(scene.photo, 0.13, 0.22) * noise(n, size, device, 4, 4) - 0.12 * torch.randn(n, 1, size, size, device=device).abs()
    density = (pigment * uniform(n, 0.8, 1.1, device) + rim * 0.45).clamp(0.1, 1.1)
    paper = 0.97 + 0.02 * noise(n, size, device, 20, 2)
    return (paper * (1 - density * (1 - wash))).clamp(0, 1)


def pop_art(scene: Scene):
    n, _, size, _ = scene.rgb.shape
    device = scene.rgb.device
    grey = blur(luminance(scene.rgb), 0.8)
    tone = torch.floor(grey * 3.2).clamp(0, 3) / 3
    # Four strong colours, dark to light, so that the picture's light and shade stay.
    free = torch.stack([vivid(n, device) for _ in range(4)])
    rank = luminance(free.flatten(0, 1)).view(4, n, 1, 1, 1).argsort(0).expand_as(free)
    free = free.gather(0, rank)
    flat = torch.where(tone < 0.2, free[0] * 0.45, torch.where(tone < 0.5, free[1], torch.where(tone < 0.8, free[2], free[3])))
    own = saturate((blur(scene.rgb, 0.8) * (0.6 + 0.55 * tone)).clamp(0, 1), 1.7)
    flat = torch.where(scene.coloured, own, flat)
    x, y = anywhere(n, size, device, 9, 15, 0.6)
    dots = torch.cos(x * math.pi) * torch.cos(y * math.pi)
    ink = torch.sigmoid((dots - (grey * 1.5 - 0.55)) * 12) * (grey < 0.8)
    light = torch.sigmoid((-dots - (1.25 - grey * 1.3)) * 12)
    flat = mix(flat, flat * 0.35, ink * 0.8)
    flat = mix(flat, torch.ones_like(flat), light * 0.9)
    return flat * (1 - edges(scene.rgb, 0.9, 7).gt(0.55).float() * 0.95)


def stained_glass(scene: Scene):
    n, _, size, _ = scene.rgb.shape
    c = Cells(n, size, _count(size, 6, 10), scene.rgb.device)
    glass = saturate(c.colours(blur(scene.rgb, 0.8)), 1.35) * (0.85 + 0.35 * c.pick(0)) + 0.12 * (1 - c.near)
    lead = torch.sigmoid((0.13 - (c.second - c.near)) * 30)
    return mix(glass, torch.full_like(glass, 0.03), lead).clamp(0, 1)


def mosaic(scene: Scene):
    n, _, size, _ = scene.rgb.shape
    c = Cells(n, size, _count(size, 11, 15), scene.rgb.device, 0.28, square=True)
    tile = c.colours(scene.rgb) * (0.8 + 0.4 * c.pick(0)) * (1 + 0.25 * (c.dx + c.dy))
    grout = torch.sigmoid((c.near - 0.41) * 40)
    return mix(tile, torch.full_like(tile, 0.86) * (1 - 0.25 * (uniform(n, 0, 1, tile.device) < 0.3)), grout).clamp(0, 1)


def pixel_art(scene: Scene):
    size = scene.rgb.shape[-1]
    side = _count(size, 13, 19)
    small = torch.nn.functional.interpolate(blur(scene.rgb, 0.8), (side, side), mode="area")
    small = torch.floor(saturate(small, 1.2) * 5 + 0.5) / 5
    return torch.nn.functional.interpolate(small, (size, size), mode="nearest")


def cartoon(scene: Scene):
    flat = blur(scene.rgb, 1.2)
    grey = luminance(flat)
    level = (torch.floor(grey * 4) + 0.6) / 4
    flat = saturate(flat * level / grey.clamp_min(0.05), 1.25)
    outline = (edges(scene.rgb, 0.9, 8) + 2.5 * edges(scene.alpha.expand(-1, 3, -1, -1), 1.0, 2)).gt(0.5).float()
    return (flat * (1 - blur(outline, 0.6))).clamp(0, 1)


def low_poly(scene: Scene):
    n, _, size, _ = scene.rgb.shape
    c = Cells(n, size, _count(size, 6, 9), scene.rgb.device, 0.9)
    tilt = torch.cos(torch.atan2(c.dy, c.dx) * 1.0 + c.pick(1) * 6.28) > 0
    return (c.colours(blur(scene.rgb, 0.8)) * (0.72 + 0.4 * c.pick(0) + 0.18 * tilt)).clamp(0, 1)


def pointillism(scene: Scene):
    size = scene.rgb.shape[-1]
    canvas = torch.full_like(scene.rgb, 0.93)
    angle = torch.zeros_like(scene.alpha)
    rgb = saturate(scene.rgb, 1.35)
    first, _ = strokes(rgb, canvas, _count(size, 15, 19), 0.42, 0.42, angle, 0.14)
    second, _ = strokes(rgb, first, _count(size, 17, 22), 0.36, 0.36, angle, 0.16)
    return second


def pencil(scene: Scene):
    n, _, size, _ = scene.rgb.shape
    device = scene.rgb.device
    dark = 1 - blur(luminance(scene.rgb), 0.7)
    x, y = anywhere(n, size, device, 16, 24, 0.5)
    wave = noise(n, size, device, 4, 2) * 0.5
    one = torch.sigmoid((torch.sin((x + y) * 1.4 + wave) + dark * 2.6 - 2.0) * 5)
    two = torch.sigmoid((torch.sin((x - y) * 1.4 + wave) + dark * 2.6 - 2.6) * 5)
    line = edges(scene.rgb, 0.7, 8) * 0.85
    ink = torch.maximum(torch.maximum(one * 0.5, two * 0.5), line) * (0.75 + 0.3 * torch.rand_like(x))
    return (0.96 - ink * 0.8).clamp(0, 1).expand(-1, 3, -1, -1)


def woodcut(scene: Scene):
    n, _, size, _ = scene.rgb.shape
    device = scene.rgb.device
    grey = blur(luminance(scene.rgb), 0.9)
    gx, gy = slopes(blur(grey, 2.0))
    x, y = anywhere(n, size, device, 14, 20, math.pi)
    wave = torch.sin(x * 1.5 + noise(n, size, device, 3, 2) * 0.8 + (gx + gy) * 30)
    ink = torch.sigmoid((wave * 0.55 + 0.5 - grey * 1.25 + 0.1) * 14)
    ink = torch.maximum(ink, edges(scene.rgb, 0.9, 9).gt(0.5).float())
    paper = torch.tensor([0.96, 0.93, 0.86], device=device).view(1, 3, 1, 1)
    return mix(paper.expand_as(scene.rgb), torch.full_like(scene.rgb, 0.04), ink)


def chalk(scene: Scene):
    n, _, size, _ = scene.rgb.shape
    device = scene.rgb.device
    grain = torch.randn(n, 1, size, size, device=device)
    x, y = anywhere(n, size, device, 12, 18, 0.8)
    board = ramp(0.5 + noise(n, size, device, 3, 3) * 0.2, [(0.08, 0.16, 0.13), (0.14, 0.25, 0.21)])
    grey = luminance(scene.rgb)
    rub = torch.sigmoid((torch.sin(x * 1.5 + y) + grey * 2.2 - 1.9 + grain * 0.6) * 3) * 0.6
    line = (edges(scene.rgb, 0.9, 8) + 0.25 * grain).clamp(0, 1)
    tint = saturate(scene.rgb * 0.3 + 0.7, 1.2)
    return mix(board, tint, torch.maximum(line * 0.95, rub * (grain > -0.6)))


def starry_night(scene: Scene):
    n, _, size, _ = scene.rgb.shape
    device = scene.rgb.device
    c = Cells(n, size, Detail.cells(3), device, 0.7)
    swirl = torch.atan2(c.dy, c.dx) + math.pi / 2 + noise(n, size, device, 2, 2) * 0.2
    tone = torch.where(scene.photo, scene.light, luminance(scene.rgb) * 0.75) + 0.12 * torch.sin(c.near * 14) + noise(n, size, device, 4, 2) * 0.08
    palette = [(0.03, 0.06, 0.22), (0.08, 0.18, 0.48), (0.20, 0.42, 0.75), (0.55, 0.75, 0.85), (0.95, 0.90, 0.55)]
    base = ramp(tone + 0.05, palette)
    star = torch.exp(-((c.near / 0.22) ** 2)) * (c.pick(0) < torch.where(scene.photo, 0.3, 0.6))
    base = mix(base, torch.tensor([1.0, 0.85, 0.25], device=device).view(1, 3, 1, 1), star)
    wide, _ = strokes(base, base, _count(size, 11, 14), 1.8, 0.4, swirl, 0.1)
    fine, height = strokes(base, wide, _count(size, 14, 18), 1.8, 0.36, swirl, 0.12)
    return (fine * shade(height, 0.4)).clamp(0, 1)


def blueprint(scene: Scene):
    n, _, size, _ = scene.rgb.shape
    device = scene.rgb.device
    x, y = anywhere(n, size, device, 5, 8, 0.05)
    rule = ((x % 1 - 0.5).abs() > 0.46) | ((y % 1 - 0.5).abs() > 0.46)
    blue = torch.tensor([0.08, 0.26, 0.62], device=device).view(1, 3, 1, 1) * (0.9 + 0.1 * uniform(n, -1, 1, device))
    line = torch.maximum(edges(scene.rgb, 0.7, 8), edges(scene.alpha.expand(-1, 3, -1, -1), 0.7, 3))
    return (blue + rule * 0.16 + line * 0.8).clamp(0, 1)


def sepia(scene: Scene):
    n, _, size, _ = scene.rgb.shape
    x, y = grid(n, size, scene.rgb.device)
    grey = (luminance(scene.rgb) * 0.85 + 0.08 + torch.randn_like(x) * 0.03) * (1.05 - 0.22 * (x * x + y * y))
    return ramp(grey, [(0.14, 0.08, 0.03), (0.55, 0.40, 0.24), (0.97, 0.90, 0.75)])
