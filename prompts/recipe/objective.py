"""The contrastive objective, for pictures that fit several captions and captions that fit several pictures."""

import torch

from concepts import COLOUR_NAMES, MEDIUM_NAMES, OBJECT_NAMES, SCENE_NAMES

AXES = (len(MEDIUM_NAMES), len(COLOUR_NAMES), len(OBJECT_NAMES), len(SCENE_NAMES))


def named_parts(labels, unnamed=0.6):
    """Which concepts of each picture its caption names: labels [N,4] with −1 also where a concept is left out.

    At least one stays named. Scenes and media are named more often than objects: they are what prompts ask for.
    `unnamed` of the unfiltered pictures have no medium in their caption.
    """
    keep = torch.tensor([0.75, 0.8, 0.6, 0.85], device=labels.device)
    named = (torch.rand(labels.shape, device=labels.device) < keep) & (labels >= 0)
    plain = (labels[:, 0] == 0) & (torch.rand(len(labels), device=labels.device) < unnamed) & (labels[:, 1:] >= 0).any(1)
    named[:, 0] &= ~plain
    # Nothing named: name the scene, else the colour, else the medium.
    lone = ~named.any(1)
    first = torch.where(labels[:, 3] >= 0, 3, torch.where(labels[:, 1] >= 0, 1, 0))
    named |= lone[:, None] & (torch.arange(4, device=labels.device) == first[:, None])
    return torch.where(named, labels, -1)


def composed(words, medium, colour):
    """How far captions of a medium and a colour [N,P] are from the sum of their parts' captions, a mean over 1 − cosine.

    It ties "a green oil painting" to "oil painting" and "green", also for pairs that no training picture shows.
    """
    whole = torch.nn.functional.normalize(medium + colour, dim=-1).detach()
    return (1 - (words * whole).sum(1)).mean()


def one_hot(labels):
    """[N,sum of axes] indicator of the concepts in labels [N,4]."""
    parts = []
    for axis, count in enumerate(AXES):
        at = labels[:, axis : axis + 1]
        parts.append((at == torch.arange(count, device=labels.device)) & (at >= 0))
    return torch.cat(parts, 1).float()


def fits(labels, named):
    """[N,M] true where every concept that caption j names is in picture i."""
    wanted = one_hot(named)
    return one_hot(labels) @ wanted.T > wanted.sum(1) - 0.5


def contrastive(logits, match):
    """InfoNCE both ways (Radford et al. 2021) with the target spread evenly over all that match (Khosla et al. 2020)."""
    loss = 0
    for scores, hits in ((logits, match), (logits.T, match.T)):
        target = hits.float() / hits.sum(1, keepdim=True).clamp_min(1)
        loss = loss - (target * torch.log_softmax(scores, 1)).sum(1).mean()
    return loss / 2
