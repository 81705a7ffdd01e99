"""A store of labelled pictures on the GPU that is filled once and then renewed a little at every step."""

import numpy as np
import torch

from concepts import MEDIA
from pictures import draw, labels_for

# The media that are hardest to tell apart on photographs.
HARD = ("oil", "watercolor", "popart", "mosaic", "cartoon", "lowpoly", "pixelart")


def medium_weights(**given):
    """How often each medium is drawn, of all 1: more often where it takes colours or is hard to tell, else as given."""
    weights = {name: (1.4 if m.colours != "none" else 1.0) + 0.6 * (name in HARD) for name, m in MEDIA.items()} | given
    return np.array([*weights.values()]) / sum(weights.values())


# Plain pictures anchor the colours, objects and scenes, so they are drawn more often than any one medium.
DEMO_WEIGHTS = medium_weights(photo=7, lowpoly=3, knitted=2, pixelart=2.5)
JUDGE_WEIGHTS = medium_weights(photo=9)


class Pool:
    """`pictures` u8 [N,3,R,R] and `labels` i64 [N,4] (medium, colour, object, scene; −1: none)."""

    def __init__(self, count, size, chunk, sources, weights, seed, objects=0.45):
        self.rng = np.random.default_rng(seed)
        self.chunk, self.size, self.sources, self.weights, self.objects = chunk, size, sources, weights, objects
        device = sources.robot.fine.device
        self.pictures = torch.empty(count // chunk * chunk, 3, size, size, dtype=torch.uint8, device=device)
        self.labels = torch.empty(len(self.pictures), 4, dtype=torch.long, device=device)
        self.next = 0

    def renew(self):
        """Draws one chunk (one medium, at most one scene) over the oldest."""
        medium = self.rng.choice(len(MEDIA), p=self.weights)
        labels = labels_for(medium, self.chunk, self.rng, objects=self.objects)
        at = slice(self.next, self.next + self.chunk)
        with torch.no_grad():
            self.pictures[at] = (draw(labels, self.size, self.sources) * 255 + 0.5).to(torch.uint8)
        self.labels[at] = torch.from_numpy(labels).to(self.labels.device)
        self.next = (self.next + self.chunk) % len(self.pictures)

    def fill(self):
        for _ in range(len(self.pictures) // self.chunk):
            self.renew()

    def sample(self, count):
        """`count` random pictures, f32 in [0,1], with their labels."""
        at = torch.randint(len(self.pictures), (count,), device=self.labels.device)
        return self.pictures[at].float() / 255, self.labels[at]
