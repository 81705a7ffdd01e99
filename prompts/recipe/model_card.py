"""The demo model's card, written from its measured figures."""

import csv
import os

from concepts import COLOUR_NAMES, MEDIA, OBJECT_NAMES, OBJECTS, SCENES
from photos import SPLITS

CARD = """# demo-clip

A small CLIP ({weights:,} weights, f16) for the demo and the tests: it classifies photographs, renders of the included robot
and simple shapes by colour and medium, drawn scenes too, and its gradient repaints a splat accordingly. It does not replace a
full CLIP model: **for real work, set `model` to one**, by its name on the Hugging Face Hub or by its folder.

It loads unchanged in `transformers.CLIPModel.from_pretrained("prompts/demo-clip")`. Pictures are 64×64, patches 8, texts up
to 32 tokens of a vocabulary of {vocabulary} (byte-level, so any text can be encoded; words that it was not trained on have little
effect; `words.json` lists the words that it was trained on).

## Concepts
- Colours: {colours}. On a photograph, a colour means the whole surface: light and shade stay, the hues give way to one.
- Media, textures, materials: {media}.
- Scenes, as whole pictures and as the surface of an object: {scenes}.
- Objects: {objects}.
- These alone and combined: "a … painting of a … robot", "a wooden robot", "pop art of night city", "a … style picture".
- "a photo" is what an unfiltered photograph is: the source text of a directional loss.

## Limits
It does not name what a photograph shows: people, animals, places. It knows no artists (except one swirling starry night), counts,
positions, sizes, text in pictures, negation, any language but English. It does not know the parts of an object. It matches a
prompt outside the lists above by the known words in it.

## Accuracy
Zero-shot top-1 in per cent over {classes_colour_x_medium} prompts: "a COLOUR MEDIUM" on {test_photographs} pictures, cut from {test_sources} photographs
that neither this model nor its judge was trained on; "a MEDIUM of a COLOUR OBJECT" on robots and shapes (object given).
{pictures_per_medium} new pictures a medium. No training picture shows one of the {held_out_pairs} held-out pairs of colour and medium. Their captions did
occur, in the one term of the loss that sees texts only.

| pictures | pair | colour | medium |
|---|---|---|---|
{rows}

All {media_count} media, no colour named: {media_top1_photos} on photographs ({media_top1_photos_tenth} on crops of a tenth to a fifth of
one's side), {media_top1_robot} on robots. The weakest on photographs: {weakest}; here "photo" is a photograph
in one hue. Scenes: {scenes_top1}. Objects: {objects_top1}. Of twelve restyling prompts, the right one: {twelve_top1} on photographs, {twelve_tenth_top1} on small
crops, {other_top1} where filters that the model never saw drew the media
({other_weakest}). "a photo" is the nearest of it and the twelve for {photo_top1} of unfiltered photographs. `metrics.json` has every figure.

Cosines lie close together: an unfiltered photograph has {photo_cosine} with "a photo" and {photo_cosine_best_other} with the best of the twelve, in the mean.
Compare cosines with those of the same picture before restyling; single values mean little.

## Training
The trainings, by `prompts/recipe/train.py`:
{stages}

The recipe draws the pictures itself: shapes, textures, scenes, renders of the robot and crops of {training_photographs} pictures cut from
{training_sources} photographs, of every size down to a tenth of one, all put through the media's filters. Captions are from templates. The loss is
InfoNCE with several positives, and a term that ties the caption of a pair to those of its parts. Adversarial pictures are part of
the training, because without them the gradient looks like noise.
{compared}
## Data, licence, credit
The pictures are drawn by code, and from renders of the splat PLAYBOT by Stephane Agullo (https://sa3d.fr,
https://superspl.at/view?id=ee6d8bc4), licensed CC-BY-4.0 (http://creativecommons.org/licenses/by/4.0/), and photographs in the
public domain or under CC0 or CC-BY. `prompts/recipe/data/photos.tsv` in the repository names the author, licence and source of
each. Those that ask for credit:
{credits}.
The weights are under the repository's licence, with that credit kept.
"""

JUDGE = """# judge

A small CLIP ({weights:,} weights, f16) that judges restyled pictures in the tests and tables. Nothing is ever optimised
against it. It differs from `prompts/demo-clip` in its shape (96×96 pictures, patches of 16, five narrower layers), its seeds, its
photographs (no training photograph in common), its textures' sizes, and in that other code (`media_other.py`) drew the
media in most of its pictures. It is not published with the package. It loads in `transformers.CLIPModel.from_pretrained`.

Zero-shot top-1 in per cent over {classes_colour_x_medium} prompts: "a COLOUR MEDIUM" on {test_photographs} pictures, cut from {test_sources} photographs
that neither model was trained on; "a MEDIUM of a COLOUR OBJECT" on robots and shapes (object given). {pictures_per_medium} new
pictures a medium. No training picture shows one of the {held_out_pairs} held-out pairs; their captions did occur, in a term of the loss that
sees texts only.

| pictures | pair | colour | medium |
|---|---|---|---|
{rows}

Of the twelve restyling prompts, the right one on photographs that no model was trained on: {twelve_top1} %, softmax margin {twelve_margin}
(the right prompt's probability less the best other's); on small crops {twelve_tenth_top1} %, {twelve_tenth_margin}; where the other code drew the media
{other_top1} %, {other_margin}. The weakest of the twelve: {twelve_weakest}. It recognises robots less surely than
photographs: all {media_count} media, no colour named, {media_top1_robot} % on robots and {media_top1_photos} % on photographs. `metrics.json` has every figure.

Trained by `prompts/recipe/train.py --judge`, {seconds} s on one {device}: {steps} steps of {batch} pictures. They were drawn from
{training_photographs} pictures cut from {training_sources} photographs, shapes, scenes and renders of the robot. `prompts/recipe/data/photos.tsv` names the author,
licence and source of each photograph; of one, the moon of scikit-image, the package states no licence. Credit: the splat PLAYBOT
by Stephane Agullo (https://sa3d.fr, https://superspl.at/view?id=ee6d8bc4), licensed CC-BY-4.0, and
{credits}.
"""

ROWS = (
    ("held-out pairs", "held_out_top1"),
    ("held-out pairs, robot only", "held_out_top1_robot"),
    ("held-out pairs, noise, blur, light", "held_out_top1_noise_blur_light"),
    ("held-out pairs, attacked, L2 0.5", "held_out_top1_attacked_l2_0.5"),
    ("held-out pairs, attacked, L2 1.0", "held_out_top1_attacked_l2_1"),
    ("pairs seen in training, new seeds", "seen_pairs_new_seeds_top1"),
    ("pairs seen in training, robot only", "seen_pairs_robot"),
    ("pairs seen in training, attacked, L2 1.0", "seen_pairs_attacked_l2_1"),
    ("**photographs**, pairs seen in training", "photos_seen_pairs"),
    ("photographs, held-out pairs", "photos_held_out_pairs"),
    ("photographs, seen pairs, crops of a tenth to a fifth", "photos_seen_pairs_tenth"),
    ("photographs, held-out pairs, crops of a tenth to a fifth", "photos_held_out_pairs_tenth"),
    ("photographs, seen pairs, attacked, L2 1.0", "photos_seen_pairs_attacked_l2_1"),
    ("photographs, held-out pairs, attacked, L2 1.0", "photos_held_out_pairs_attacked_l2_1"),
)


# The figures by which the trainings that a model comes from are compared.
COMPARED = (
    ("photographs, pairs seen in training", "photos_seen_pairs", "pair"),
    ("photographs, held-out pairs", "photos_held_out_pairs", "pair"),
    ("the right one of the twelve prompts", "twelve", "top1"),
    ("robots, pairs seen in training", "seen_pairs_robot", "pair"),
    ("robots, held-out pairs", "held_out_top1_robot", "pair"),
)
PARTS = {
    "all": "all weights",
    "text-end": "the text encoder's last layer, final norm and projection alone; the image encoder is frozen",
}


def photographs():
    """The rows of data/photos.tsv."""
    path = os.path.join(os.path.dirname(os.path.abspath(__file__)), "data", "photos.tsv")
    with open(path, encoding="utf-8") as file:
        return list(csv.DictReader(file, delimiter="\t"))


def sources(split):
    """How many photographs a split has; one photograph may give several pictures."""
    groups = dict.fromkeys(row["group"] for row in photographs())
    return sum(i % 7 in SPLITS[split] for i in range(len(groups)))


def weakest(figures, count):
    """The lowest of the figures by name, as text."""
    return ", ".join(f"{name} {value}" for name, value in sorted(figures.items(), key=lambda item: item[1])[:count])


def credits():
    """The authors of the photographs under CC-BY, with licence and subjects."""
    named = {}
    for row in photographs():
        if row["licence"].startswith("CC-BY"):
            named.setdefault((row["author"], row["licence"]), []).append(row["subject"])
    return ";\n".join(f"{author} ({licence}: {', '.join(dict.fromkeys(what))})" for (author, licence), what in named.items())


def trainings(facts):
    """The facts of every training that a model comes from, the first one first."""
    return [*(trainings(facts["from"]) if "from" in facts else []), facts]


def described(number, facts):
    """One training as a line of a list."""
    start = "" if number == 1 else f", from the result of stage {number - 1}"
    photos = "" if "training_photographs" in facts else ", by an earlier version of the recipe that has no photographs"
    size = f"{facts['steps']} steps of {facts['batch']} pictures, {facts['seconds']} s on one {facts['device']}"
    attack = f"adversarial pictures up to an L2 radius of {facts['radius_l2']}, gradient steps: {facts['attack_steps']}"
    return f"{number}. {size}{start}{photos};\n   {attack}. It trains {PARTS[facts.get('part', 'all')]}."


def compared(found):
    """A table of the accuracy after each training whose figures are known; empty for fewer than two."""
    known = {number: facts for number, facts in enumerate(found, 1) if "photos_seen_pairs" in facts}
    if len(known) < 2:
        return ""
    counts = ", ".join(str(facts["pictures_per_medium"]) for facts in known.values())
    rows = [["pictures", *(f"stage {number}" for number in known)], ["---"] * (len(known) + 1)]
    rows += [[title, *(str(facts[key][axis]) for facts in known.values())] for title, key, axis in COMPARED]
    table = "\n".join(f"| {' | '.join(row)} |" for row in rows)
    return f"\nTop-1 in per cent after each stage, on pictures drawn by this recipe. Pictures a medium: {counts}.\n\n{table}\n"


def write_card(facts, path, judge=False):
    """Writes README.md for the figures of metrics.json."""
    rows = [f"| {title} | {facts[key]['pair']} | {facts[key]['colour']} | {facts[key]['medium']} |" for title, key in ROWS]
    lists = {
        "rows": "\n".join(rows),
        "stages": "\n".join(described(*row) for row in enumerate(trainings(facts), 1)),
        "compared": compared(trainings(facts)),
        "colours": ", ".join(COLOUR_NAMES),
        "media": ", ".join(m.nouns[0] if not m.surface else m.phrases[0].replace("made of ", "") for m in MEDIA.values()),
        "scenes": ", ".join(words[0] for words in SCENES.values()),
        "objects": ", ".join(OBJECTS[o][0] for o in OBJECT_NAMES),
        "media_count": len(MEDIA),
        "credits": credits(),
        "twelve_top1": facts["twelve"]["top1"],
        "twelve_margin": facts["twelve"]["margin"],
        "twelve_tenth_top1": facts["twelve_tenth"]["top1"],
        "twelve_tenth_margin": facts["twelve_tenth"]["margin"],
        "other_top1": facts["other_filters"]["twelve"]["top1"],
        "training_sources": sources("judge" if judge else "demo"),
        "test_sources": sources("test"),
        "weakest": weakest(facts["media_photos"], 3),
        "twelve_weakest": weakest({text: hits for text, (hits, _) in facts["twelve_by_prompt"].items()}, 3),
        "other_weakest": weakest({text: hits for text, (hits, _) in facts["other_filters"]["twelve_by_prompt"].items()}, 3),
        "other_margin": facts["other_filters"]["twelve"]["margin"],
    }
    with open(path, "w", encoding="utf-8") as file:
        file.write((JUDGE if judge else CARD).format(**facts, **lists))
