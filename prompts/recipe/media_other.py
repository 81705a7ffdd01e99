"""Media drawn in another way than by media_paint.py and media_surface.py, for the judge alone.

A judge that knew only the filters that the demo model learnt from would share its blind spots. Each takes a `Scene`
and returns [N,3,R,R].
"""

import math

import torch
import torch.nn.functional as F

from draw import Detail, anywhere, blur, edges, grid, hsv_to_rgb, look_up, luminance, mix, noise, ramp, saturate, slopes, uniform
from draw import vivid
from scene import Scene


def _shape(scene):
    n, _, size, _ = scene.rgb.shape
    return n, size, scene.rgb.device


def _smeared(picture, angle, reach, steps=7):
    """Line integral convolution: the mean along a direction field [N,1,R,R], `reach` pixels each way."""
    n, _, size, _ = picture.shape
    x, y = grid(n, size, picture.device)
    dx, dy = torch.cos(angle) * 2 / size, torch.sin(angle) * 2 / size
    total = 0
    for i in range(steps):
        t = (i / (steps - 1) * 2 - 1) * reach
        total = total + look_up(picture, x + dx * t, y + dy * t)
    return total / steps


def _kuwahara(picture, reach):
    """The mean of the least varied of four quadrants about each pixel (Kuwahara et al. 1976): flat dabs, sharp edges."""
    width = reach + 1
    padded = F.pad(picture, (reach,) * 4, mode="replicate")
    mean = F.avg_pool2d(padded, width, 1)
    spread = (F.avg_pool2d(padded * padded, width, 1) - mean * mean).sum(1, keepdim=True)
    size = picture.shape[-1]
    corners = [(0, 0), (0, reach), (reach, 0), (reach, reach)]
    means = torch.stack([mean[..., a : a + size, b : b + size] for a, b in corners])
    spreads = torch.stack([spread[..., a : a + size, b : b + size] for a, b in corners])
    return means.gather(0, spreads.argmin(0, keepdim=True).expand(1, *picture.shape))[0]


def _flow(scene):
    n, size, device = _shape(scene)
    gx, gy = slopes(blur(luminance(scene.rgb), 2.0))
    steep = ((gx * gx + gy * gy).sqrt() * 25).clamp(0, 1)
    return mix(noise(n, size, device, 3, 2), torch.atan2(gy, gx) + math.pi / 2, steep)


def _hexagons(n, size, count, device, turn=0.3):
    """Hexagonal cells: distance to the border (0.5 at the centre), centre coordinates in [-1,1], a number of each cell."""
    x, y = grid(n, size, device)
    a = uniform(n, -turn, turn, device)
    c, s = torch.cos(a) * count / 2, torch.sin(a) * count / 2
    off = uniform(n, 0, 1, device)
    u, v = c * x - s * y + off, s * x + c * y + off
    high = math.sqrt(3)
    au, av = u - u.round(), v - (v / high).round() * high
    bu, bv = (u - 0.5) - (u - 0.5).round(), (v - high / 2) - ((v - high / 2) / high).round() * high
    first = au * au + av * av < bu * bu + bv * bv
    du, dv = torch.where(first, au, bu), torch.where(first, av, bv)
    border = 0.5 - torch.maximum(du.abs(), du.abs() * 0.5 + dv.abs() * high / 2)
    cu, cv = u - du, v - dv
    seed = torch.sin(cu * 12.9898 + cv * 78.233) * 43758.5453
    pu, pv = cu - off, cv - off
    norm = c * c + s * s
    return border, ((c * pu + s * pv) / norm, (c * pv - s * pu) / norm), seed - seed.floor()


def oil(scene: Scene):
    n, size, device = _shape(scene)
    flat = _kuwahara(saturate(scene.rgb, 1.25), 2 if Detail.factor > 0.9 else 3)
    angle = _flow(scene)
    bristle = _smeared(torch.randn(n, 1, size, size, device=device), angle, 4 / Detail.factor)
    return (flat * (1 + bristle * uniform(n, 0.25, 0.45, device))).clamp(0, 1)


def watercolor(scene: Scene):
    n, size, device = _shape(scene)
    wash = _kuwahara(blur(saturate(scene.rgb, 1.2), 0.8), 3)
    rim = edges(wash, 0.8, 4)
    bloom = noise(n, size, device, 5 * Detail.factor, 4)
    density = uniform(n, 0.6, 0.9, device) + 0.2 * bloom + 0.5 * rim
    bare = torch.sigmoid((bloom - 1.2) * 5) * 0.7
    paper = 0.96 + 0.03 * torch.randn(n, 1, size, size, device=device)
    return (paper * (1 - density.clamp(0, 1.1) * (1 - wash) * (1 - bare))).clamp(0, 1)


def pop_art(scene: Scene):
    n, size, device = _shape(scene)
    grey = blur(scene.light, 0.8)
    inks = torch.stack([vivid(n, device) for _ in range(3)])
    rank = luminance(inks.flatten(0, 1)).view(3, n, 1, 1, 1).argsort(0).expand_as(inks)
    inks = inks.gather(0, rank)
    flat = torch.where(grey < 0.42, inks[0] * 0.6, torch.where(grey < 0.6, inks[1], inks[2]))
    own = saturate(torch.floor(blur(scene.rgb, 0.8) * 3 + 0.6) / 3, 1.9)
    flat = torch.where(scene.coloured, own, flat)
    x, y = anywhere(n, size, device, 10, 16, 0.8)
    radius = ((x % 1 - 0.5) ** 2 + (y % 1 - 0.5) ** 2).sqrt()
    dot = torch.sigmoid((0.62 * (1 - grey).clamp(0.15, 0.8) - radius) * 20)
    flat = mix(flat, flat * 0.3 + torch.tensor([0.1, 0.0, 0.15], device=device).view(1, 3, 1, 1), dot * 0.7)
    return (flat * (1 - edges(scene.rgb, 1.1, 8).gt(0.5).float())).clamp(0, 1)


def stained_glass(scene: Scene):
    n, size, device = _shape(scene)
    border, (cx, cy), number = _hexagons(n, size, 7 * Detail.factor * size / 72, device, 1.0)
    warp = noise(n, size, device, 3, 2, channels=2) * 0.05
    glass = saturate(look_up(blur(scene.rgb, 1.5), cx + warp[:, :1], cy + warp[:, 1:]), 1.5) * (0.75 + 0.5 * number)
    lead = torch.maximum(torch.sigmoid((0.07 - border) * 50), edges(scene.rgb, 1.2, 7).gt(0.6).float())
    glow = 1 + 0.25 * noise(n, size, device, 8, 2)
    return mix((glass * glow).clamp(0, 1), torch.full_like(glass, 0.04), lead)


def mosaic(scene: Scene):
    n, size, device = _shape(scene)
    border, (cx, cy), number = _hexagons(n, size, 14 * Detail.factor * size / 72, device)
    tile = look_up(blur(scene.rgb, 0.8), cx, cy) * (0.78 + 0.44 * number)
    bevel = torch.sigmoid((border - 0.16) * 25) * 0.2 + 0.85
    grout = torch.sigmoid((0.07 - border) * 50)
    shade = torch.where(uniform(n, 0, 1, device) < 0.7, 0.82, 0.2)
    return mix(tile * bevel, shade.expand_as(tile), grout).clamp(0, 1)


def neon(scene: Scene):
    n, size, device = _shape(scene)
    grey = scene.light
    line = ((blur(grey, 0.8) - blur(grey, 2.0)).abs() * uniform(n, 9, 14, device)).clamp(0, 1) ** 1.3
    hue = uniform(n, 0.45, 0.95, device) + 0.12 * noise(n, size, device, 2, 1) + 0.15 * (grey - 0.5)
    free = hsv_to_rgb(hue % 1, torch.full_like(grey, 0.85), torch.ones_like(grey))
    own = saturate(blur(scene.surface, 1.5), 2.0)
    own = own / own.amax(1, keepdim=True).clamp_min(0.1)
    tube = torch.where(scene.coloured, own, free)
    light = tube * line
    base = torch.tensor([0.02, 0.02, 0.07], device=device).view(1, 3, 1, 1) + tube * 0.16 * grey**2
    return (base + light * 0.9 + blur(light, 2.5) * 1.1 + (line - 0.7).clamp_min(0) * 1.2).clamp(0, 1)


def pencil(scene: Scene):
    n, size, device = _shape(scene)
    grey = blur(scene.light, 0.7)
    inverse = blur(1 - grey, 2.5)
    dodge = (grey / (1 - inverse).clamp_min(0.08)).clamp(0, 1)
    x, y = anywhere(n, size, device, 20, 30, 3)
    hatch = 0.5 + 0.5 * torch.sin(x * 2 + noise(n, size, device, 3, 2) * 0.3)
    tone = 1 - (1 - hatch) * (0.75 - grey).clamp(0, 0.6) * 0.9
    grain = 1 + 0.05 * torch.randn(n, 1, size, size, device=device)
    return (torch.minimum(dodge, tone) * grain * 0.93 + 0.04).clamp(0, 1).expand(-1, 3, -1, -1)


def starry_night(scene: Scene):
    n, size, device = _shape(scene)
    field = noise(n, size, device, 2.5 * Detail.factor, 2)
    gx, gy = slopes(field)
    angle = torch.atan2(gy, gx) + math.pi / 2
    tone = scene.light * 0.8 + 0.1 * torch.sin(field * 9)
    dabs = _smeared(torch.randn(n, 1, size, size, device=device), angle, 5)
    palette = [(0.02, 0.05, 0.2), (0.1, 0.2, 0.55), (0.25, 0.5, 0.8), (0.6, 0.78, 0.8), (0.98, 0.9, 0.45)]
    return (ramp(tone + dabs * 0.22, palette) * (1 + 0.3 * dabs)).clamp(0, 1)


def wood(scene: Scene):
    n, size, device = _shape(scene)
    x, y = anywhere(n, size, device, 1.0, 2.0, 0.3)
    plank = torch.floor(y * 1.2)
    seed = torch.sin(plank * 91.7) * 437.5
    seed = seed - seed.floor()
    line = torch.sigmoid(((y * 1.2 % 1 - 0.5).abs() - 0.46) * 60)
    fibre = torch.sin(y * 26 + torch.sin(x * 1.3 + seed * 6) * 2.5 + noise(n, size, device, 3, 3))
    tone = 0.35 + 0.25 * seed + 0.13 * fibre + 0.3 * (scene.light - 0.5)
    colour = ramp(tone, [(0.20, 0.10, 0.04), (0.45, 0.26, 0.12), (0.68, 0.44, 0.22), (0.86, 0.66, 0.42)])
    return scene.on_object(colour * (1 - 0.6 * line) * (0.55 + 0.8 * scene.light))


def gold(scene: Scene):
    n, size, device = _shape(scene)
    height = blur(scene.light, 1.0) + 0.06 * noise(n, size, device, 8, 3)
    gx, gy = slopes(height)
    gleam = (-(gx + gy) * uniform(n, 5, 9, device)).clamp(-0.5, 0.6)
    level = 0.12 + 0.55 * scene.light + gleam
    return scene.on_object(ramp(level, [(0.18, 0.10, 0.01), (0.55, 0.36, 0.05), (0.90, 0.68, 0.15), (1.0, 0.9, 0.5), (1, 1, 0.9)]))


def ice(scene: Scene):
    n, size, device = _shape(scene)
    frost = (1 - noise(n, size, device, 4 * Detail.factor, 5, fall=0.7).abs()).clamp(0, 1) ** 3
    shard = noise(n, size, device, 9, 1).sign() * 0.06
    level = 0.2 + 0.5 * scene.light + 0.3 * frost + shard
    return scene.on_object(ramp(level, [(0.06, 0.25, 0.5), (0.3, 0.62, 0.85), (0.7, 0.9, 0.97), (1, 1, 1)]))


def lava(scene: Scene):
    n, size, device = _shape(scene)
    vein = (1 - noise(n, size, device, 4 * Detail.factor, 3).abs() * 2.2).clamp(0, 1)
    heat = 0.55 * vein**2 + 0.75 * (scene.light - 0.35).clamp_min(0) + 0.1 * noise(n, size, device, 8, 2)
    return scene.on_object(ramp(heat, [(0.05, 0.02, 0.03), (0.4, 0.04, 0.01), (0.92, 0.25, 0.02), (1, 0.65, 0.1), (1, 0.95, 0.6)]))


FILTERS = {
    "oil": oil,
    "watercolor": watercolor,
    "popart": pop_art,
    "stainedglass": stained_glass,
    "mosaic": mosaic,
    "neon": neon,
    "pencil": pencil,
    "starrynight": starry_night,
    "wood": wood,
    "gold": gold,
    "ice": ice,
    "lava": lava,
}
