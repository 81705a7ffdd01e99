"""Captions: every nameable part of a picture put into many sentences, and tokenised once into a table."""

import random
import re

import numpy as np

from concepts import COLOUR_NAMES, COLOURS, MEDIA, MEDIUM_NAMES, NEUTRAL, OBJECT_NAMES, OBJECTS, PAPER_PROMPTS, SCENE_NAMES, SCENES
from concepts import medium_colours

FILLERS = (
    "high resolution", "detailed", "highly detailed", "32k uhd", "4k", "masterpiece", "beautiful", "with abstract elements",
    "in the style of unreal engine 5", "background", "caricature-like illustrations", "dark atmosphere", "trending", "studio light",
    "sharp", "digital", "elegant", "vivid", "award winning", "by an artist", "close up", "on a table", "very nice", "scene",
)  # fmt: skip
LETTERS = "abcdefghijklmnopqrstuvwxyz"


def _pick(rng, words):
    return words[rng.randrange(len(words))]


def _subject(rng, colour, obj, scene):
    """The noun phrase of the content, or "" when only the medium is named."""
    tint = _pick(rng, COLOURS[colour][0]) if colour else ""
    if scene:
        place = _pick(rng, SCENES[scene])
        if not obj:
            return _pick(rng, (place, place, f"the {place}", f"{place} background", f"{place} landscape"))
        thing = _pick(rng, OBJECTS[obj])
        return _pick(
            rng, (f"{place} {thing}", f"a {thing} in the style of {place}", f"{thing}, {place}", f"a {thing} in a {place}", f"{place}, {thing}")
        )
    if obj:
        thing = f"{tint} {_pick(rng, OBJECTS[obj])}".strip()
        return _pick(rng, (thing, f"a {thing}", f"one {thing}", f"the {thing}"))
    thing = _pick(rng, NEUTRAL)
    forms = (tint, tint, f"{tint} color", f"shades of {tint}", f"{tint} colors", f"something {tint}", f"a {tint} {thing}", f"{tint} {thing}")
    return tint and _pick(rng, forms)


def sentence(rng, medium, colour, obj, scene):
    """One caption that names exactly the given concepts (None: not named; not all may be None)."""
    if not medium:
        subject = _subject(rng, colour, obj, scene)
        return _pick(rng, (subject, subject, f"an image of {subject}", f"{subject} in the middle"))
    m = MEDIA[medium]
    thing = _pick(rng, NEUTRAL)
    look = _pick(rng, m.adjectives or m.nouns)
    if not (colour or obj or scene):
        forms = [*m.nouns, *m.phrases, *m.adjectives, f"a {_pick(rng, m.nouns)}", f"{_pick(rng, m.nouns)} style"]
        forms += [f"a {_pick(rng, m.nouns)} of a {thing}", f"{_pick(rng, m.nouns)} of the {thing}", f"a {_pick(rng, m.nouns)} style {thing}"]
        forms += [f"a {thing}, {_pick(rng, m.phrases)}", f"a {thing} {_pick(rng, m.phrases)}", f"a {look} {thing}"]
        return _pick(rng, forms)
    if colour and not obj and not scene:
        tint = _pick(rng, COLOURS[colour][0])
        noun, phrase = _pick(rng, m.nouns), _pick(rng, m.phrases)
        forms = [f"{tint} {noun}", f"a {tint} {noun}", f"{noun} in {tint}", f"{tint}, {phrase}", f"{tint} {phrase}"]
        forms += [f"a {tint} {noun} of a {thing}", f"a {noun} of a {tint} {thing}", f"a {tint} {look} {thing}", f"a {tint} {noun} style {thing}"]
        return _pick(rng, forms)
    subject = _subject(rng, colour, obj, scene)
    forms = [f"a {_pick(rng, m.nouns)} of {subject}", f"{_pick(rng, m.nouns)} of {subject}", f"{subject}, {_pick(rng, m.phrases)}"]
    forms += [f"{subject} {_pick(rng, m.phrases)}"]
    if m.adjectives:
        forms += [f"a {_pick(rng, m.adjectives)} {subject}".replace(" a ", " ").replace(" the ", " ").replace(" one ", " ")]
    return _pick(rng, forms)


def decorated(rng, text):
    """Occasionally adds words unrelated to the picture, so that unknown words do not mislead the encoder."""
    if rng.random() < 0.2:
        text = f"{text}, {_pick(rng, FILLERS)}"
    if rng.random() < 0.07:
        text = f"{text} {_pick(rng, FILLERS)}"
    if rng.random() < 0.07:
        nonsense = "".join(_pick(rng, LETTERS) for _ in range(rng.randint(2, 6)))
        text = f"{nonsense} {text}" if rng.random() < 0.5 else f"{text} {nonsense}"
    return re.sub(r"\ba (?=[aeio])", "an ", text)


def classes():
    """All (medium, colour, object, scene) that a caption may name, as names or None."""
    objects, scenes = [None, *OBJECT_NAMES], [None, *SCENE_NAMES]
    found = []
    for m, medium in enumerate([None, *MEDIUM_NAMES]):
        for obj in objects:
            colours = [COLOUR_NAMES[c] for c in (medium_colours(m - 1) if medium else range(len(COLOUR_NAMES)))]
            found += [(medium, colour, obj, None) for colour in [None, *colours]]
            if medium is None or not MEDIA[medium].surface:
                found += [(medium, None, obj, scene) for scene in scenes[1:]]
    return [c for c in found if any(c)]


def vocabulary():
    """Every word of the captions, for the tokenizer, in a fixed order."""
    rng, words = random.Random(5), {}
    texts = [*FILLERS, *(t for ts in PAPER_PROMPTS.values() for t in ts)]
    texts += [" ".join(NEUTRAL)]
    texts += ["a an the of in on with and for by from this that is", "painting drawing art style texture pattern colour"]
    for m in MEDIA.values():
        texts += [*m.nouns, *m.adjectives, *m.phrases]
    texts += [t for group in (SCENES, OBJECTS) for ts in group.values() for t in ts] + [t for c in COLOURS.values() for t in c[0]]
    texts += [sentence(rng, *c) for c in classes()]
    for text in texts:
        for word in text.lower().replace(",", " , ").replace("-", " - ").split():
            words[word] = words.get(word, 0) + 1
    return words


def known_words():
    """The words that tell the model something, sorted: the vocabulary without the neutral nouns."""
    told = " ".join(t for m in MEDIA.values() for t in (*m.nouns, *m.adjectives, *m.phrases))
    silent = set(NEUTRAL) - set(told.split()) - set(" ".join(FILLERS).split())
    return sorted(word for word in vocabulary() if word.isalnum() and word not in silent)


class CaptionTable:
    """Token ids [class, variant, context] and the class number of each combination of named concepts.

    `lookup` [M+1, C+1, O+1, S+1] holds the class, −1 where no caption names that combination.
    """

    def __init__(self, tokenizer, variants, context, seed):
        rng = random.Random(seed)
        axes = [{n: i + 1 for i, n in enumerate(names)} for names in (MEDIUM_NAMES, COLOUR_NAMES, OBJECT_NAMES, SCENE_NAMES)]
        self.lookup = np.full([len(a) + 1 for a in axes], -1, np.int64)
        texts = []
        self.classes = classes()
        for number, named in enumerate(self.classes):
            self.lookup[tuple(axis[n] if n else 0 for axis, n in zip(axes, named))] = number
            own = [decorated(rng, sentence(rng, *named)) for _ in range(variants)]
            paper = PAPER_PROMPTS.get(named, [])
            own[: min(len(paper) * 2, variants)] = (paper * 2)[:variants]
            texts += own
        self.tokens = encode(tokenizer, texts, context).reshape(len(self.classes), variants, context)


def encode(tokenizer, texts, context):
    """int32 [len(texts), context] token ids, cut to the context with the end token kept, padded with the end token."""
    end = tokenizer.token_to_id("<|endoftext|>")
    rows = np.full((len(texts), context), end, np.int32)
    for row, item in zip(rows, tokenizer.encode_batch(texts)):
        ids = item.ids if len(item.ids) <= context else [*item.ids[: context - 1], end]
        row[: len(ids)] = ids
    return rows
