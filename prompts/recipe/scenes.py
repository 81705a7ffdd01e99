"""Scenes of the captions, drawn by noise, cells and shapes: [N,3,R,R] each."""


import torch

from draw import Cells, anywhere, blur, grid, mix, noise, ramp, shade, uniform


def _paint(picture, mask, *rgb):
    colour = torch.tensor(rgb, device=picture.device).view(1, 3, 1, 1)
    return mix(picture, colour, mask)


def _soft(d, size, width=1.0):
    """Coverage of d < 0 with an edge about a pixel wide."""
    return torch.sigmoid(-d * size * 1.2 / width)


def _blooms(picture, n, count, low, high, palette, amount):
    """Flowers with petals and a centre, on `amount` of a jittered grid's points."""
    size, device = picture.shape[-1], picture.device
    c = Cells(n, size, count, device, 0.6)
    angle = torch.atan2(c.dy, c.dx) + c.pick(2) * 6
    radius = low + (high - low) * c.pick(1)
    on = (c.pick(0) < amount).float()
    petal = _soft(c.near - radius * (0.7 + 0.3 * torch.cos(5 * angle)), size / count) * on
    picture = mix(picture, ramp(c.pick(3), palette) * (0.75 + 0.4 * (c.near / radius).clamp(0, 1)), petal)
    return mix(picture, ramp(c.pick(1), [(1.0, 0.85, 0.2), (0.9, 0.5, 0.1)]), _soft(c.near - radius * 0.28, size / count) * on)


def scrolls(n, size, device, cells=4):
    """Curls of ornament as a height field [N,1,R,R] in [0,1]: spirals about the points of a jittered grid."""
    c = Cells(n, size, cells, device, 0.5)
    hand = torch.where(c.pick(1) < 0.5, -1.0, 1.0)
    angle = torch.atan2(c.dy, c.dx) * hand
    spiral = 0.5 + 0.5 * torch.cos(angle + c.near * 13 + c.pick(2) * 6.28)
    return (spiral * (1.3 - c.near)).clamp(0, 1) ** 1.5


def night_city(n, size, device):
    x, y = grid(n, size, device)
    sky = ramp((y + 1) / 2, [(0.02, 0.02, 0.10), (0.06, 0.04, 0.22), (0.20, 0.06, 0.30)])
    stars = (torch.rand_like(x) > 0.992).float() * 0.7
    picture = sky + stars
    glow = torch.zeros_like(picture)
    for layer, columns in enumerate((7, 5)):
        at = ((x + 1) / 2 * columns + uniform(n, 0, 1, device)).clamp(0, columns + 0.99)
        heights = torch.rand(n, 1, columns + 2, device=device) * 1.1 - 0.75 + 0.3 * layer
        top = Cells.gather(heights, at.floor().long())
        tower = ((y > top) & ((at % 1) > 0.05)).float()
        picture = _paint(picture, tower, 0.03 + 0.03 * layer, 0.03, 0.09 + 0.04 * layer)
        wx, wy = at * 4, (y + 1) * size / 8.0
        lit = (Cells.gather(torch.rand(n, 1, 64 * 64, device=device), (wx.floor() % 64 * 64 + wy.floor() % 64).long()) > 0.45).float()
        pane = lit * tower * ((wx % 1 - 0.5).abs() < 0.32).float() * ((wy % 1 - 0.5).abs() < 0.3).float()
        hue = Cells.gather(torch.rand(n, 1, columns + 2, device=device), at.floor().long())
        light = ramp(hue, [(1.0, 0.85, 0.35), (1.0, 0.7, 0.2), (0.25, 0.9, 1.0), (1.0, 0.25, 0.8)])
        glow = glow * (1 - tower) + light * pane
        picture = mix(picture, light, pane)
    return (picture + blur(glow, 2.0) * 0.5).clamp(0, 1)


def under_sea(n, size, device):
    x, y = grid(n, size, device)
    picture = ramp((y + 1) / 2 + noise(n, size, device, 2, 2) * 0.05, [(0.25, 0.85, 0.85), (0.05, 0.55, 0.75), (0.02, 0.25, 0.50)])
    wave = noise(n, size, device, 5, 2)
    picture = picture + (0.35 - wave.abs()).clamp_min(0) * (0.6 - 0.4 * y).clamp_min(0) * 0.9
    reef = _soft(uniform(n, 0.25, 0.6, device) + 0.25 * noise(n, size, device, 5, 3) * 0.6 - y, size)
    c = Cells(n, size, 9, device)
    coral = ramp(c.pick(0), [(1.0, 0.45, 0.35), (1.0, 0.7, 0.3), (0.95, 0.4, 0.6), (0.55, 0.3, 0.7)]) * (1.1 - 0.6 * c.near)
    picture = mix(picture, coral, reef)
    f = Cells(n, size, 4, device, 0.6)
    face = torch.where(f.pick(1) < 0.5, -1.0, 1.0)
    fx, fy = f.dx * face, f.dy
    body = ((fx / 0.3) ** 2 + (fy / 0.17) ** 2).sqrt() - 1
    tail = torch.maximum((fy.abs() - (fx - 0.18)), fx - 0.42)
    fish = _soft(torch.minimum(body * 0.17, tail), size / 4) * (f.pick(0) < 0.5) * (1 - reef)
    picture = mix(picture, ramp(f.pick(2), [(1.0, 0.55, 0.1), (1.0, 0.85, 0.2), (0.95, 0.3, 0.3)]), fish)
    b = Cells(n, size, 8, device)
    ring = torch.exp(-(((b.near - 0.12 - 0.15 * b.pick(1)) / 0.07) ** 2)) * (b.pick(0) < 0.3)
    return (picture + ring * 0.5).clamp(0, 1)


def rococo(n, size, device):
    x, y = grid(n, size, device)
    wash = noise(n, size, device, 2, 2)
    picture = ramp(0.5 + wash * 0.3, [(0.98, 0.80, 0.82), (0.99, 0.94, 0.84), (0.75, 0.90, 0.88), (0.80, 0.86, 0.97)])
    picture = _blooms(picture, n, 6, 0.25, 0.45, [(0.95, 0.55, 0.65), (1.0, 0.8, 0.85), (0.98, 0.7, 0.6), (1.0, 1.0, 0.95)], 0.45)
    leaf = _soft(0.9 - noise(n, size, device, 7, 2), size / 8)
    picture = _paint(picture, leaf * 0.8, 0.50, 0.68, 0.45)
    height = scrolls(n, size, device, 4)
    gold = ramp((shade(height * 5, 0.8) - 0.5) * 0.9, [(0.55, 0.38, 0.10), (0.88, 0.70, 0.28), (1.0, 0.93, 0.65)])
    return mix(picture, gold, (height > 0.62).float() * 0.95).clamp(0, 1)


def day_of_the_dead(n, size, device):
    x, y = grid(n, size, device)
    picture = ramp(0.5 + noise(n, size, device, 2, 3) * 0.25, [(0.05, 0.02, 0.10), (0.16, 0.04, 0.24), (0.05, 0.10, 0.22)])
    marigold = [(1.0, 0.55, 0.05), (1.0, 0.42, 0.0), (0.95, 0.15, 0.5), (1.0, 0.7, 0.1), (0.1, 0.75, 0.75)]
    picture = _blooms(picture, n, 7, 0.3, 0.5, marigold, 0.6)
    c = Cells(n, size, 3, device, 0.5)
    on = (c.pick(0) < 0.6).float()
    dx, dy = c.dx, c.dy  # from the pixel to the skull's centre: dy > 0 above it
    head = torch.minimum((dx * dx + (dy - 0.05) ** 2).sqrt() - 0.34, torch.maximum(dx.abs() - 0.18, (dy + 0.3).abs() - 0.14))
    s = size / 3
    picture = _paint(picture, _soft(head, s) * on, 0.96, 0.95, 0.90)
    eyes = ((dx.abs() - 0.14) ** 2 + (dy - 0.02) ** 2).sqrt()
    picture = mix(picture, ramp(c.pick(1), [(0.95, 0.1, 0.5), (0.1, 0.7, 0.8), (1.0, 0.5, 0.0)]), _soft(eyes - 0.12, s) * on)
    picture = _paint(picture, _soft(eyes - 0.08, s) * on, 0.03, 0.02, 0.05)
    nose = torch.maximum(dx.abs() - 0.04, (dy + 0.14).abs() - 0.05)
    teeth = torch.maximum((dx * 14 % 1 - 0.5).abs() * 0.1 - 0.018, torch.maximum((dy + 0.34).abs() - 0.06, dx.abs() - 0.15))
    picture = _paint(picture, (_soft(nose, s) + _soft(teeth, s)).clamp(0, 1) * on, 0.03, 0.02, 0.05)
    return picture.clamp(0, 1)


def garden(n, size, device):
    x, y = grid(n, size, device)
    horizon = uniform(n, -0.9, -0.1, device) + noise(n, size, device, 3, 2) * 0.08
    sky = ramp((y + 1) / 2, [(0.45, 0.72, 0.98), (0.85, 0.94, 1.0)])
    grass = ramp(0.5 + noise(n, size, device, 10, 3) * 0.25, [(0.12, 0.40, 0.08), (0.30, 0.62, 0.15), (0.55, 0.78, 0.25)])
    flowers = _blooms(grass, n, 8, 0.25, 0.5, [(0.95, 0.15, 0.2), (1.0, 0.85, 0.2), (0.98, 0.5, 0.75), (1.0, 1.0, 1.0), (0.6, 0.3, 0.85)], 0.55)
    return mix(sky, flowers, _soft(horizon - y, size)).clamp(0, 1)


def forest(n, size, device):
    x, y = grid(n, size, device)
    leaves = ramp(0.45 + noise(n, size, device, 6, 4) * 0.22, [(0.01, 0.07, 0.03), (0.05, 0.22, 0.07), (0.15, 0.40, 0.12), (0.45, 0.60, 0.20)])
    count = 5
    at = (x + 1) / 2 * count + noise(n, size, device, 2, 2) * 0.06
    centre = Cells.gather(torch.rand(n, 1, count + 2, device=device) * 0.6 + 0.2, (at + 1).floor().clamp(0, count + 1).long())
    trunk = _soft((at % 1 - centre).abs() - 0.11, size / count) * (y > -0.6 + 0.5 * centre).float()
    bark = ramp(0.5 + noise(n, size, device, 10, 2) * 0.3, [(0.12, 0.07, 0.04), (0.32, 0.20, 0.11)])
    return mix(leaves, bark, trunk).clamp(0, 1)


def sunset(n, size, device):
    x, y = grid(n, size, device)
    picture = ramp((y + 1) / 2 + noise(n, size, device, 3, 3) * 0.05, [(0.25, 0.10, 0.40), (0.75, 0.20, 0.40), (1.0, 0.50, 0.15), (1.0, 0.80, 0.30)])
    sun_x, sun_y = uniform(n, -0.5, 0.5, device), uniform(n, -0.1, 0.45, device)
    d = ((x - sun_x) ** 2 + (y - sun_y) ** 2).sqrt()
    picture = _paint(picture, _soft(d - 0.25, size), 1.0, 0.95, 0.65) + torch.exp(-d * 3) * 0.2
    ground = _soft(0.62 + noise(n, size, device, 4, 3) * 0.07 - y, size)
    return _paint(picture, ground, 0.10, 0.04, 0.10).clamp(0, 1)


def mountains(n, size, device):
    x, y = grid(n, size, device)
    picture = ramp((y + 1) / 2, [(0.30, 0.55, 0.90), (0.80, 0.90, 1.0)])
    for layer in range(2):
        base = uniform(n, -0.1, 0.2, device) + 0.3 * layer
        peak = ((x * (1.3 + 0.4 * layer) + uniform(n, 0, 2, device)) % 1.2 - 0.6).abs() * 1.6
        line = base - 0.75 + peak + noise(n, size, device, 6, 3) * 0.04
        rock = ramp(0.5 + noise(n, size, device, 6, 3) * 0.25, [(0.25, 0.28, 0.36), (0.50, 0.54, 0.62)])
        snow = _soft(y - line - 0.38 + noise(n, size, device, 8, 2) * 0.07, size)
        picture = mix(picture, _paint(rock, snow, 0.96, 0.97, 1.0), _soft(line - y, size))
    field = _soft(0.65 + noise(n, size, device, 3, 2) * 0.04 - y, size)
    return _paint(picture, field, 0.93, 0.96, 1.0).clamp(0, 1)


def galaxy(n, size, device):
    x, y = anywhere(n, size, device)
    cloud = noise(n, size, device, 2, 4)
    picture = ramp(0.42 + cloud * 0.22, [(0.01, 0.01, 0.04), (0.08, 0.03, 0.20), (0.35, 0.08, 0.45), (0.85, 0.35, 0.70), (0.55, 0.75, 1.0)])
    c = Cells(n, size, 12, device, 0.9)
    star = torch.exp(-((c.near / (0.08 + 0.12 * c.pick(1))) ** 2)) * (c.pick(0) < 0.55)
    return (picture + star).clamp(0, 1)


SCENE_PAINTERS = {
    "nightcity": night_city,
    "undersea": under_sea,
    "rococo": rococo,
    "dayofthedead": day_of_the_dead,
    "garden": garden,
    "forest": forest,
    "sunset": sunset,
    "mountains": mountains,
    "galaxy": galaxy,
}
