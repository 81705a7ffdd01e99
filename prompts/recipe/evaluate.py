"""Zero-shot accuracy of a model on pictures drawn anew: robots, shapes, photographs; held-out pairs of colour and medium apart."""

import torch

from augment import attacked, crops, worn
from captions import encode
from concepts import COLOUR_NAMES, MEDIA, MEDIUM_NAMES, OBJECT_NAMES, SCENE_NAMES, SCENES, TWELVE, held_out, medium_colours
from model import CONTEXT, image_features, text_features
from pictures import ROBOT, draw, labels_for

PAIRS = [(m, c) for m in range(len(MEDIUM_NAMES)) for c in medium_colours(m)]
WIDE, NEAR = (0.4, 1.0), (0.1, 0.2)  # sides of a photograph's crop: most of it, and a tenth to a fifth


def article(words):
    return f"{'an' if words[0] in 'aeio' else 'a'} {words}"


def prompt(medium, colour, obj):
    """The fixed test prompt of names (colour and object may be None)."""
    noun = MEDIA[medium].nouns[0]
    if not obj:
        return article(f"{colour} {noun}" if colour else noun)
    return f"{article(noun)} of {article(f'{colour} {obj}' if colour else obj)}"


class Classifier:
    """Classifies pictures by the nearest of a set of prompts."""

    def __init__(self, model, tokenizer):
        self.model, self.tokenizer = model, tokenizer
        self.device = next(model.parameters()).device
        self.size = model.config.vision_config.image_size
        self.picture_size = round(self.size * 1.125)

    @torch.no_grad()
    def texts(self, texts):
        return text_features(self.model, torch.from_numpy(encode(self.tokenizer, texts, CONTEXT)).to(self.device))

    def pair_texts(self):
        """[objects + 1, pairs, P] features of every test prompt over colour × medium; the last row names no object."""
        rows = [self.texts([prompt(MEDIUM_NAMES[m], COLOUR_NAMES[c], o) for m, c in PAIRS]) for o in (*OBJECT_NAMES, None)]
        return torch.stack(rows)

    def pair_hits(self, pictures, labels, texts, radius=0.0, steps=5):
        """Hits of the pair, of its colour and of its medium, each bool [N]; attacked in L2 `radius` when given."""
        own = texts[labels[:, 2]]  # [N,pairs,P]
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


def _batch(classifier, medium, count, sources, rng, obj=None, only_held_out=False, span=WIDE):
    """Pictures of one medium with a colour (where it takes one): half robots, half shapes; "robot" or "photo" alone."""
    labels = labels_for(medium, count, rng, only_held_out)
    labels[:, 3] = -1
    colours = [c for c in medium_colours(medium) if held_out(medium, c) == only_held_out]
    labels[:, 1] = rng.choice(colours, count) if colours else -1
    shapes = rng.integers(1, len(OBJECT_NAMES), count)
    labels[:, 2] = {"robot": ROBOT, "photo": -1}.get(obj, [ROBOT if rng.random() < 0.5 else s for s in shapes])
    with torch.no_grad():
        pictures = crops(draw(labels, classifier.picture_size, sources, span), classifier.size, gentle=True)
    return pictures, torch.from_numpy(labels).to(pictures.device)


def _rate(hits):
    return round(100 * torch.cat(hits).float().mean().item(), 1)


def pair_accuracy(classifier, sources, rng, count, only_held_out, radius=0.0, obj=None, wear=False, span=WIDE):
    """Top-1 in per cent over all colour × medium prompts, the object named: the pair, its colour, its medium."""
    texts, found = classifier.pair_texts(), ([], [], [])
    for m in sorted({m for m, c in PAIRS if held_out(m, c) == only_held_out}):
        pictures, labels = _batch(classifier, m, count, sources, rng, obj, only_held_out, span)
        pictures = worn(pictures) if wear else pictures
        for rows, hits in zip(found, classifier.pair_hits(pictures, labels, texts, radius)):
            rows.append(hits)
    return dict(zip(("pair", "colour", "medium"), map(_rate, found)))


def evaluate(model, tokenizer, sources, rng, count=256):
    """All figures of the model card; `sources` holds photographs, `rng` and torch seeds that training did not use."""
    model.eval()
    c = Classifier(model, tokenizer)
    figures = {
        "classes_colour_x_medium": len(PAIRS),
        "held_out_pairs": sum(held_out(m, k) for m, k in PAIRS),
        "pictures_per_medium": count,
        "test_photographs": len(sources.photos.fine),
        "held_out_top1": pair_accuracy(c, sources, rng, count, True),
        "held_out_top1_robot": pair_accuracy(c, sources, rng, count, True, obj="robot"),
        "held_out_top1_noise_blur_light": pair_accuracy(c, sources, rng, count, True, wear=True),
        "held_out_top1_attacked_l2_0.5": pair_accuracy(c, sources, rng, count, True, radius=0.5),
        "held_out_top1_attacked_l2_1": pair_accuracy(c, sources, rng, count, True, radius=1.0),
        "seen_pairs_new_seeds_top1": pair_accuracy(c, sources, rng, count, False),
        "seen_pairs_robot": pair_accuracy(c, sources, rng, count, False, obj="robot"),
        "seen_pairs_attacked_l2_1": pair_accuracy(c, sources, rng, count, False, radius=1.0),
        "photos_seen_pairs": pair_accuracy(c, sources, rng, count, False, obj="photo"),
        "photos_held_out_pairs": pair_accuracy(c, sources, rng, count, True, obj="photo"),
        "photos_seen_pairs_tenth": pair_accuracy(c, sources, rng, count, False, obj="photo", span=NEAR),
        "photos_held_out_pairs_tenth": pair_accuracy(c, sources, rng, count, True, obj="photo", span=NEAR),
        "photos_seen_pairs_attacked_l2_1": pair_accuracy(c, sources, rng, count, False, radius=1.0, obj="photo"),
        "photos_held_out_pairs_attacked_l2_1": pair_accuracy(c, sources, rng, count, True, radius=1.0, obj="photo"),
    }
    return figures | _single_axes(c, sources, rng, count) | twelve(c, sources, rng, count) | neutral(c, sources, count)


@torch.no_grad()
def _media(c, sources, rng, count, obj, span=WIDE):
    """Top-1 of each medium, materials too, among all media, by prompts that name no colour."""
    thing = "robot" if obj == "robot" else None
    texts = c.texts([prompt(name, None, thing) for name in MEDIUM_NAMES])
    return {
        name: _rate([(image_features(c.model, _batch(c, m, count, sources, rng, obj, span=span)[0]) @ texts.T).argmax(1) == m])
        for m, name in enumerate(MEDIUM_NAMES)
    }


def _mean(figures):
    return round(sum(figures.values()) / len(figures), 1)


@torch.no_grad()
def _single_axes(c, sources, rng, count):
    """Media, objects and scenes, each by prompts that name nothing else."""
    objects = c.texts([f"a photo of a {name}" for name in OBJECT_NAMES])
    places = c.texts([words[0] for words in SCENES.values()])
    robots, photos = (_media(c, sources, rng, count, obj) for obj in ("robot", "photo"))
    near = _media(c, sources, rng, count, "photo", NEAR)
    pictures, labels = _batch(c, 0, count * 4, sources, rng)
    by_object = [(image_features(c.model, pictures) @ objects.T).argmax(1) == labels[:, 2]]
    by_scene = []
    for s in range(len(SCENE_NAMES)):
        labels = labels_for(0, count, rng)
        labels[:, 1], labels[:, 3] = -1, s
        pictures = crops(draw(labels, c.picture_size, sources), c.size, gentle=True)
        by_scene.append((image_features(c.model, pictures) @ places.T).argmax(1) == s)
    return {
        "media_top1_robot": _mean(robots),
        "media_top1_photos": _mean(photos),
        "media_top1_photos_tenth": _mean(near),
        "objects_top1": _rate(by_object),
        "scenes_top1": _rate(by_scene),
        "media_robot": robots,
        "media_photos": photos,
        "media_photos_tenth": near,
    }


@torch.no_grad()
def styled(c, sources, rng, count, medium, colour, span=WIDE):
    """Photographs in one of the twelve styles."""
    m = MEDIUM_NAMES.index(medium)
    labels = labels_for(m, count, rng)
    labels[:, 1:] = -1
    labels[:, 1] = COLOUR_NAMES.index(colour) if colour else -1
    return crops(draw(labels, c.picture_size, sources, span), c.size, gentle=True)


@torch.no_grad()
def twelve(c, sources, rng, count):
    """Photographs in each of the twelve styles among the twelve prompts: top-1 in per cent, and the softmax margin.

    The margin is the right prompt's probability less the best other's, mean over pictures, at the model's own scale. `direction`
    uses E(picture) − E(photographs) against E(prompt) − E("a photo"), as directional losses do.
    """
    texts, source = c.texts(list(TWELVE)), c.texts(["a photo"])
    plain = image_features(c.model, styled(c, sources, rng, count, "photo", None)).mean(0)
    unit = torch.nn.functional.normalize
    scale = c.model.logit_scale.exp()
    found = {}
    for name, span in (("twelve", WIDE), ("twelve_tenth", NEAR)):
        hits, margins, turns = {}, {}, []
        for i, (text, (medium, colour)) in enumerate(TWELVE.items()):
            seen = image_features(c.model, styled(c, sources, rng, count, medium, colour, span))
            share = torch.softmax(scale * seen @ texts.T, 1)
            others = share.clone()
            others[:, i] = 0
            hits[text] = _rate([share.argmax(1) == i])
            margins[text] = round((share[:, i] - others.amax(1)).mean().item(), 3)
            turned = unit(seen - plain, dim=1) @ unit(texts - source, dim=1).T
            turns.append(turned.argmax(1) == i)
        found[name] = {"top1": _mean(hits), "margin": round(sum(margins.values()) / 12, 3), "direction_top1": _rate(turns)}
        found[f"{name}_by_prompt"] = {text: [hits[text], margins[text]] for text in TWELVE}
    return found


@torch.no_grad()
def neutral(c, sources, count):
    """Unfiltered photographs: how often "a photo" is the nearest of it and the twelve prompts, and the mean cosines."""
    texts = c.texts(["a photo", *TWELVE])
    pictures = crops(sources.photos.draw(count * 2, c.picture_size, 0.2), c.size, gentle=True)
    cosine = image_features(c.model, pictures) @ texts.T
    return {
        "photo_top1": _rate([cosine.argmax(1) == 0]),
        "photo_cosine": round(cosine[:, 0].mean().item(), 3),
        "photo_cosine_best_other": round(cosine[:, 1:].amax(1).mean().item(), 3),
    }


def main():
    """Prints the figures of a model directory on pictures drawn anew."""
    import json
    import os
    import sys

    import numpy as np
    from tokenizers import Tokenizer
    from transformers import CLIPModel

    from photos import Photos
    from pictures import Sources
    from subjects import Robot

    directory = sys.argv[1]
    device = "cuda" if torch.cuda.is_available() else "cpu"
    torch.manual_seed(1001)
    model = CLIPModel.from_pretrained(directory, dtype=torch.float32).to(device).requires_grad_(False)
    tokenizer = Tokenizer.from_file(os.path.join(directory, "tokenizer.json"))
    data = os.path.join(os.path.dirname(os.path.abspath(__file__)), "data")
    sources = Sources(Robot(os.path.join(data, "robot_views.webp"), device), Photos(data, "test", device))
    count = int(sys.argv[2]) if len(sys.argv) > 2 else 512
    print(json.dumps(evaluate(model, tokenizer, sources, np.random.default_rng(1001), count=count), indent=2))


if __name__ == "__main__":
    main()
