"""Zero-shot accuracy of the demo model on pictures drawn anew; held-out pairs of colour and medium apart."""

import torch

from augment import attacked, crops, worn
from captions import encode
from concepts import COLOUR_NAMES, MEDIA, MEDIUM_NAMES, OBJECT_NAMES, SCENE_NAMES, SCENES, held_out, medium_colours
from model import CONTEXT, IMAGE_SIZE, image_features, text_features
from pictures import ROBOT, draw, labels_for

PAIRS = [(m, c) for m in range(len(MEDIUM_NAMES)) for c in medium_colours(m)]


def prompt(medium, colour, obj):
    """The fixed test prompt of a concept triple (names; colour may be None)."""
    thing = f"{colour} {obj}" if colour else obj
    return f"a {MEDIA[medium].nouns[0]} of {'an' if thing[0] in 'aeio' else 'a'} {thing}"


class Judge:
    """Classifies pictures by the nearest of a set of prompts."""

    def __init__(self, model, tokenizer):
        self.model, self.tokenizer = model, tokenizer
        self.device = next(model.parameters()).device

    @torch.no_grad()
    def texts(self, texts):
        return text_features(self.model, torch.from_numpy(encode(self.tokenizer, texts, CONTEXT)).to(self.device))

    def pair_texts(self):
        """[objects, pairs, 128] features of every test prompt over colour × medium."""
        rows = [self.texts([prompt(MEDIUM_NAMES[m], COLOUR_NAMES[c], o) for m, c in PAIRS]) for o in OBJECT_NAMES]
        return torch.stack(rows)

    def pair_hits(self, pictures, labels, texts, radius=0.0, steps=5):
        """Hits of the pair, of its colour and of its medium, each bool [N]; attacked in L2 `radius` when given."""
        own = texts[labels[:, 2]]  # [N,pairs,128]
        key = labels[:, :1] * 100 + labels[:, 1:2]
        table = torch.tensor([m * 100 + c for m, c in PAIRS], device=self.device)
        truth = (key == table).float().argmax(1)

        def scores(x):
            return torch.einsum("nd,npd->np", image_features(self.model, x), own) * 40

        if radius:
            size = torch.full((len(pictures), 1, 1, 1), radius, device=self.device)
            pictures = attacked(lambda x: torch.nn.functional.cross_entropy(scores(x), truth), pictures, size, steps)
        with torch.no_grad():
            found = table[scores(pictures).argmax(1)]
        return found == key[:, 0], found % 100 == labels[:, 1], found // 100 == labels[:, 0]


def _batch(medium, count, robot, size, rng, obj=None, only_held_out=False):
    """Pictures of one medium with a colour (where it takes one) and an object."""
    labels = labels_for(medium, count, rng, only_held_out)
    labels[:, 3] = -1
    colours = [c for c in medium_colours(medium) if held_out(medium, c) == only_held_out]
    labels[:, 1] = rng.choice(colours, count) if colours else -1
    shapes = rng.integers(1, len(OBJECT_NAMES), count)
    labels[:, 2] = ROBOT if obj == "robot" else [ROBOT if rng.random() < 0.5 else s for s in shapes]
    with torch.no_grad():
        pictures = crops(draw(labels, size, robot), IMAGE_SIZE, gentle=True)
    return pictures, torch.from_numpy(labels).to(pictures.device)


def _rate(hits):
    return round(100 * torch.cat(hits).float().mean().item(), 1)


def pair_accuracy(judge, robot, size, rng, count, only_held_out, radius=0.0, obj=None, wear=False):
    """Top-1 in per cent over all colour × medium prompts, the object named: the pair, its colour, its medium."""
    texts, found = judge.pair_texts(), ([], [], [])
    for m in sorted({m for m, c in PAIRS if held_out(m, c) == only_held_out}):
        pictures, labels = _batch(m, count, robot, size, rng, obj, only_held_out)
        pictures = worn(pictures) if wear else pictures
        for rows, hits in zip(found, judge.pair_hits(pictures, labels, texts, radius)):
            rows.append(hits)
    return dict(zip(("pair", "colour", "medium"), map(_rate, found)))


def evaluate(model, tokenizer, robot, rng, size=72, count=256):
    """All figures of the model card; `rng` and torch's seed should be ones that training did not use."""
    model.eval()
    judge = Judge(model, tokenizer)
    figures = {
        "classes_colour_x_medium": len(PAIRS),
        "held_out_pairs": sum(held_out(m, c) for m, c in PAIRS),
        "pictures_per_medium": count,
        "held_out_top1": pair_accuracy(judge, robot, size, rng, count, True),
        "held_out_top1_robot": pair_accuracy(judge, robot, size, rng, count, True, obj="robot"),
        "held_out_top1_noise_blur_light": pair_accuracy(judge, robot, size, rng, count, True, wear=True),
        "held_out_top1_attacked_l2_0.5": pair_accuracy(judge, robot, size, rng, count, True, radius=0.5),
        "held_out_top1_attacked_l2_1": pair_accuracy(judge, robot, size, rng, count, True, radius=1.0),
        "seen_pairs_new_seeds_top1": pair_accuracy(judge, robot, size, rng, count, False),
        "seen_pairs_attacked_l2_1": pair_accuracy(judge, robot, size, rng, count, False, radius=1.0),
    }
    return figures | _single_axes(judge, robot, size, rng, count)


@torch.no_grad()
def _single_axes(judge, robot, size, rng, count):
    """Media (all, materials too), objects and scenes, each by prompts that name nothing else."""
    media = judge.texts([f"a {m.nouns[0]} of a robot" for m in MEDIA.values()])
    objects = judge.texts([f"a photo of a {name}" for name in OBJECT_NAMES])
    places = judge.texts([words[0] for words in SCENES.values()])
    by_medium, by_object, by_scene = {}, [], []
    for m, name in enumerate(MEDIUM_NAMES):
        pictures, _ = _batch(m, count, robot, size, rng, "robot")
        hits = (image_features(judge.model, pictures) @ media.T).argmax(1) == m
        by_medium[name] = _rate([hits])
    pictures, labels = _batch(0, count * 4, robot, size, rng)
    by_object.append((image_features(judge.model, pictures) @ objects.T).argmax(1) == labels[:, 2])
    for s in range(len(SCENE_NAMES)):
        labels = labels_for(0, count, rng)
        labels[:, 1], labels[:, 3] = -1, s
        pictures = crops(draw(labels, size, robot), IMAGE_SIZE, gentle=True)
        by_scene.append((image_features(judge.model, pictures) @ places.T).argmax(1) == s)
    mean = round(sum(by_medium.values()) / len(by_medium), 1)
    return {"media_top1_robot": mean, "objects_top1": _rate(by_object), "scenes_top1": _rate(by_scene), "media_robot": by_medium}


def main():
    """Prints the figures of a model directory on pictures drawn anew."""
    import json
    import os
    import sys

    import numpy as np
    from tokenizers import Tokenizer
    from transformers import CLIPModel

    from subjects import Robot

    directory = sys.argv[1]
    device = "cuda" if torch.cuda.is_available() else "cpu"
    torch.manual_seed(1001)
    model = CLIPModel.from_pretrained(directory, dtype=torch.float32).to(device).requires_grad_(False)
    tokenizer = Tokenizer.from_file(os.path.join(directory, "tokenizer.json"))
    robot = Robot(os.path.join(os.path.dirname(os.path.abspath(__file__)), "data", "robot_views.webp"), device)
    count = int(sys.argv[2]) if len(sys.argv) > 2 else 512
    print(json.dumps(evaluate(model, tokenizer, robot, np.random.default_rng(1001), count=count), indent=2))


if __name__ == "__main__":
    main()
