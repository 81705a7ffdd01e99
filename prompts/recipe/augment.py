"""Augmentation of the encoder's input: crops, rotations, blur, noise, light; and adversarial perturbations."""

import math

import torch

from draw import blur, grid, look_up, turned, uniform


def crops(pictures, size, gentle=False):
    """Random affine crops [N,3,size,size] of [N,3,R,R], flipped half of the time, slightly sheared like a perspective."""
    n, device = len(pictures), pictures.device
    x, y = grid(n, size, device)
    zoom = uniform(n, 0.85, 0.95, device) if gentle else uniform(n, 0.6, 1.05, device)
    if not gentle:  # a quarter much closer: small crops of a render are as soft
        zoom = torch.where(uniform(n, 0, 1, device) < 0.25, uniform(n, 0.35, 0.6, device), zoom)
    turn = uniform(n, -0.05, 0.05, device) if gentle else torch.randn(n, 1, 1, 1, device=device) * 0.15
    room = (1 - zoom).clamp_min(0)
    x = x * torch.where(uniform(n, 0, 1, device) < 0.5, -1.0, 1.0)
    tilt = 0 if gentle else torch.randn(n, 1, 1, 1, device=device) * 0.08
    x, y = turned(x, y, turn, zoom, (uniform(n, -1, 1, device) * room, uniform(n, -1, 1, device) * room))
    return look_up(pictures, x * (1 + tilt * y), y)


def worn(pictures):
    """Blur, noise, and changes of light and contrast too small to change a colour's name."""
    n, device = len(pictures), pictures.device
    soft = torch.where(uniform(n, 0, 1, device) < 0.25, blur(pictures, 0.4 + 0.5 * torch.rand(()).item()), pictures)
    soft = 0.5 + (soft - 0.5) * uniform(n, 0.88, 1.08, device) + uniform(n, -0.03, 0.03, device)
    amount = torch.where(uniform(n, 0, 1, device) < 0.4, uniform(n, 0, 0.08, device), 0.0)
    return (soft + torch.randn_like(soft) * amount).clamp(0, 1)


def attacked(loss_of, pictures, radius, steps):
    """Projected gradient ascent (Madry et al. 2018) on `loss_of` in L2 balls of `radius` [N,1,1,1] about the pictures."""
    n, _, h, w = pictures.shape
    start = torch.randn_like(pictures)
    start = start / start.flatten(1).norm(dim=1).view(n, 1, 1, 1)
    delta = start * radius * torch.rand(n, 1, 1, 1, device=pictures.device)
    step = radius * (1.5 / max(steps, 1))
    for _ in range(steps):
        delta.requires_grad_(True)
        (slope,) = torch.autograd.grad(loss_of(pictures + delta), delta)
        with torch.no_grad():
            slope = slope / slope.flatten(1).norm(dim=1).clamp_min(1e-12).view(n, 1, 1, 1)
            delta = delta + slope * step
            length = delta.flatten(1).norm(dim=1).clamp_min(1e-12).view(n, 1, 1, 1)
            delta = delta * (radius / length).clamp(max=1)
            delta = (pictures + delta).clamp(0, 1) - pictures
    return (pictures + delta).detach()


def logit_scale_limit():
    """Largest learnt logit scale, as its logarithm: a sharper softmax has little gradient for a distant picture."""
    return math.log(40.0)
