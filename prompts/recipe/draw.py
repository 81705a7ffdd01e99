"""Batched drawing on the GPU: noise, blur, cells, strokes, colour spaces. Pictures are [N,3,R,R] in [0,1]."""

import math

import torch
import torch.nn.functional as F


class Detail:
    """How large a medium's texture is on the pictures of the present batch: cells a side over the usual number."""

    factor = 1.0

    @classmethod
    def vary(cls, low, high):
        """Draws the factor, log-uniform."""
        cls.factor = math.exp(math.log(low) + math.log(high / low) * torch.rand(()).item())

    @classmethod
    def cells(cls, count):
        return max(2, round(count * cls.factor))


def uniform(n, low, high, device):
    """[N,1,1,1] numbers, one a picture, uniform in [low, high)."""
    return torch.rand(n, 1, 1, 1, device=device) * (high - low) + low


def grid(n, size, device):
    """Pixel coordinates x, y in [-1,1], each [N,1,R,R]."""
    line = (torch.arange(size, device=device) + 0.5) / size * 2 - 1
    y, x = torch.meshgrid(line, line, indexing="ij")
    return x.expand(n, 1, size, size), y.expand(n, 1, size, size)


def turned(x, y, angle, scale, shift):
    """Coordinates rotated by `angle`, scaled and shifted ([N,1,1,1] each; shift is a pair)."""
    c, s = torch.cos(angle) * scale, torch.sin(angle) * scale
    return c * x - s * y + shift[0], s * x + c * y + shift[1]


def anywhere(n, size, device, low=1.0, high=1.0, turn=math.pi):
    """Coordinates under a random rotation, scale and shift: where a texture is looked at."""
    x, y = grid(n, size, device)
    shift = uniform(n, -50, 50, device), uniform(n, -50, 50, device)
    return turned(x, y, uniform(n, -turn, turn, device), uniform(n, low, high, device) * Detail.factor, shift)


def noise(n, size, device, cells=4, octaves=4, channels=1, fall=0.5):
    """Fractal value noise [N,channels,R,R], about zero mean and unit deviation."""
    total = torch.zeros(n, channels, size, size, device=device)
    for octave in range(octaves):
        side = min(max(2, int(cells * 2**octave)) + 1, size)
        coarse = torch.randn(n, channels, side, side, device=device)
        total += fall**octave * F.interpolate(coarse, (size, size), mode="bicubic", align_corners=True)
    return total / total.std((2, 3), keepdim=True).clamp_min(1e-4)


def blur(picture, sigma):
    """Gaussian blur with reflected borders; `sigma` in pixels."""
    reach = max(1, int(2.5 * sigma + 0.5))
    k = torch.exp(-0.5 * (torch.arange(-reach, reach + 1, device=picture.device) / sigma) ** 2)
    k = (k / k.sum()).to(picture)
    c = picture.shape[1]
    picture = F.pad(picture, (reach, reach, 0, 0), mode="reflect")
    picture = F.conv2d(picture, k.view(1, 1, 1, -1).expand(c, 1, 1, -1), groups=c)
    picture = F.pad(picture, (0, 0, reach, reach), mode="reflect")
    return F.conv2d(picture, k.view(1, 1, -1, 1).expand(c, 1, -1, 1), groups=c)


def slopes(height):
    """Central differences in x and y of [N,1,R,R], per pixel."""
    p = F.pad(height, (1, 1, 1, 1), mode="replicate")
    return (p[:, :, 1:-1, 2:] - p[:, :, 1:-1, :-2]) / 2, (p[:, :, 2:, 1:-1] - p[:, :, :-2, 1:-1]) / 2


def luminance(picture):
    """Rec. 601 luma [N,1,R,R]."""
    return 0.299 * picture[:, :1] + 0.587 * picture[:, 1:2] + 0.114 * picture[:, 2:]


def edges(picture, sigma=0.8, gain=6.0):
    """Edge strength [N,1,R,R] in [0,1] from the slopes of all channels."""
    soft = blur(picture, sigma)
    total = 0
    for c in range(3):
        gx, gy = slopes(soft[:, c : c + 1])
        total = total + gx * gx + gy * gy
    return (gain * total.sqrt()).clamp(0, 1)


def hsv_to_rgb(h, s, v):
    """Hue in turns, saturation and value (tensors of one shape, channel axis of size 1 at dim 1) to rgb."""
    rgb = []
    for offset in (5.0, 3.0, 1.0):
        k = (offset + h * 6) % 6
        rgb.append(v - v * s * torch.minimum(k, 4 - k).clamp(0, 1))
    return torch.cat(rgb, 1)


def vivid(n, device):
    """One strong random colour a picture, [N,3,1,1]."""
    return hsv_to_rgb(uniform(n, 0, 1, device), uniform(n, 0.65, 1, device), uniform(n, 0.7, 1, device))


def saturate(picture, amount):
    """Moves colours away from (amount > 1) or towards their luma."""
    grey = luminance(picture)
    return (grey + (picture - grey) * amount).clamp(0, 1)


def ramp(value, stops):
    """Colours [N,3,R,R] along a list of rgb tuples at `value` [N,1,R,R] in [0,1]."""
    table = torch.tensor(stops, device=value.device).T  # [3, K]
    at = value.clamp(0, 1) * (table.shape[1] - 1)
    low = at.floor().clamp(max=table.shape[1] - 2)
    part = at - low
    index = low.long().squeeze(1)
    first = table[:, index].permute(1, 0, 2, 3)
    second = table[:, index + 1].permute(1, 0, 2, 3)
    return first + (second - first) * part


def mix(a, b, t):
    """Linear mix, a at t = 0."""
    return a + (b - a) * t


def shade(height, gain=2.0):
    """Relief of a height field lit from the upper left, [N,1,R,R] about 1."""
    gx, gy = slopes(height)
    return (1 - gain * (gx + gy)).clamp(0.3, 1.7)


def look_up(picture, x, y):
    """Samples [N,C,R,R] at coordinates in [-1,1] ([N,1,H,W] each)."""
    where = torch.stack([x.squeeze(1), y.squeeze(1)], -1)
    return F.grid_sample(picture, where, mode="bilinear", padding_mode="border", align_corners=False)


class Cells:
    """A jittered grid of points over [-1,1]², `count` a side: nearest and second distances and each point's numbers."""

    def __init__(self, n, size, count, device, jitter=0.8, square=False):
        self.count = count
        self.points = 0.5 + (torch.rand(n, 2, count * count, device=device) - 0.5) * jitter
        self.random = torch.rand(n, 4, count * count, device=device)
        x, y = grid(n, size, device)
        px, py = (x + 1) / 2 * count, (y + 1) / 2 * count
        best = torch.full_like(px, 9.0)
        second, self.dx, self.dy = best.clone(), best.clone(), best.clone()
        self.index = torch.zeros_like(px, dtype=torch.long)
        for oy in (-1, 0, 1):
            for ox in (-1, 0, 1):
                cx, cy = px.floor() + ox, py.floor() + oy
                inside = (cx >= 0) & (cx < count) & (cy >= 0) & (cy < count)
                index = (cy.clamp(0, count - 1) * count + cx.clamp(0, count - 1)).long()
                dx = cx + self.gather(self.points[:, :1], index) - px
                dy = cy + self.gather(self.points[:, 1:], index) - py
                d = torch.maximum(dx.abs(), dy.abs()) if square else (dx * dx + dy * dy).sqrt()
                d = torch.where(inside, d, torch.full_like(d, 9.0))
                nearer = d < best
                second = torch.where(nearer, best, torch.minimum(second, d))
                best = torch.where(nearer, d, best)
                self.dx, self.dy = torch.where(nearer, dx, self.dx), torch.where(nearer, dy, self.dy)
                self.index = torch.where(nearer, index, self.index)
        self.near, self.second = best, second

    @staticmethod
    def gather(values, index):
        """Values [N,C,P] of the points `index` [N,1,R,R]: [N,C,R,R]."""
        n, c, _ = values.shape
        flat = index.reshape(n, 1, -1).expand(n, c, -1)
        return values.gather(2, flat).view(n, c, *index.shape[2:])

    def pick(self, which):
        """One of the four random numbers of the nearest point."""
        return self.gather(self.random[:, which : which + 1], self.index)

    def colours(self, picture):
        """The picture's colour at the nearest point."""
        n, count = picture.shape[0], self.count
        base = torch.arange(count, device=picture.device)
        x = (base.repeat(count) + self.points[:, 0]) / count * 2 - 1
        y = (base.repeat_interleave(count) + self.points[:, 1]) / count * 2 - 1
        values = look_up(picture, x.view(n, 1, 1, -1), y.view(n, 1, 1, -1)).squeeze(2)
        return self.gather(values, self.index)


def strokes(picture, under, count, length, width, angle, wobble=0.08):
    """Brush strokes: one oriented ellipse a point of a jittered grid, in the picture's colour there, over `under`.

    `count` points a side; `length`, `width` are half axes in cells; `angle` [N,1,R,R]. Returns picture and paint height.
    """
    n, _, size, _ = picture.shape
    device = picture.device
    points = torch.rand(n, 2, count * count, device=device)
    rank = torch.rand(n, 1, count * count, device=device)
    base = torch.arange(count, device=device)
    at_x = ((base.repeat(count) + points[:, 0]) / count * 2 - 1).view(n, 1, 1, -1)
    at_y = ((base.repeat_interleave(count) + points[:, 1]) / count * 2 - 1).view(n, 1, 1, -1)
    colours = look_up(picture, at_x, at_y).squeeze(2) + torch.randn(n, 1, count * count, device=device) * wobble
    turn = look_up(angle, at_x, at_y).squeeze(2) + torch.randn(n, 1, count * count, device=device) * 0.15
    x, y = grid(n, size, device)
    px, py = (x + 1) / 2 * count, (y + 1) / 2 * count
    top = torch.zeros_like(px)
    winner = torch.zeros_like(px, dtype=torch.long)
    across_at = torch.zeros_like(px)
    reach = int(math.ceil(max(length, width)))
    for oy in range(-reach, reach + 1):
        for ox in range(-reach, reach + 1):
            cx, cy = px.floor() + ox, py.floor() + oy
            index = (cy.clamp(0, count - 1) * count + cx.clamp(0, count - 1)).long()
            own = Cells.gather(torch.cat([points, turn, rank], 1), index)
            dx, dy = px - cx - own[:, :1], py - cy - own[:, 1:2]
            c, s = torch.cos(own[:, 2:3]), torch.sin(own[:, 2:3])
            along, across = (c * dx + s * dy) / length, (c * dy - s * dx) / width
            covers = (along.abs() ** 3 + across * across < 1) & (own[:, 3:] > top)
            covers &= (cx >= 0) & (cx < count) & (cy >= 0) & (cy < count)
            top = torch.where(covers, own[:, 3:], top)
            winner = torch.where(covers, index, winner)
            across_at = torch.where(covers, across, across_at)
    painted = Cells.gather(colours, winner)
    height = torch.where(top > 0, (1 - across_at * across_at) * 0.6 + 0.4 * torch.cos(across_at * 9), torch.zeros_like(top))
    return torch.where(top > 0, painted, under).clamp(0, 1), height
