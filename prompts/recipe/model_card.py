"""The demo model's card, written from its measured figures."""

from concepts import COLOUR_NAMES, MEDIA, OBJECT_NAMES, OBJECTS, SCENES

CARD = """# demo-clip

A small CLIP ({weights:,} weights, f16) for the demo and the tests: it classifies a render of the included robot,
or a simple shape, by colour, medium and scene, and its gradient repaints a splat accordingly. It does not replace a
full CLIP model: **for real work, set `model` to one**, by its name on the Hugging Face Hub or by its folder.

It loads unchanged in `transformers.CLIPModel.from_pretrained("prompts/demo-clip")`. Pictures are 64×64, patches 8, texts up
to 32 tokens of a vocabulary of {vocabulary} (byte-level, so any text can be encoded; words that it was not trained on have little
effect; `words.json` lists the words that it was trained on).

## Concepts
- Colours: {colours}.
- Media, textures, materials: {media}.
- Scenes, as whole pictures and as the surface of an object: {scenes}.
- Objects: {objects}.
- These alone and combined: "a … painting of a … robot", "a wooden robot", "pop art of night city".

## Limits
It does not know photographs, people, animals, places, artists (except one swirling starry night), counts, positions, sizes, text in
pictures, negation, any language but English. It does not know the parts of an object. It matches a prompt outside the lists above
by the known words in it.

## Accuracy
Zero-shot top-1 in per cent over {classes_colour_x_medium} prompts "a MEDIUM of a COLOUR OBJECT" (object given), {pictures_per_medium} new pictures
a medium, half of them the robot. {held_out_pairs} pairs of colour and medium never occurred in training.

| pictures | pair | colour | medium |
|---|---|---|---|
{rows}

All {media_count} media on robots: {media_top1_robot}. Scenes: {scenes_top1}. Objects: {objects_top1}. `metrics.json` has every figure.

## Training
`prompts/recipe/train.py`, {seconds} s on one {device}: {steps} steps of {batch} pictures drawn by the recipe itself (shapes,
textures, scenes and renders of the robot, put through the media's filters), captions from templates, InfoNCE with several
positives, and adversarial pictures (L2 radius up to {radius_l2}, {attack_steps} gradient steps), without which the gradient
would look like noise.

## Data, licence, credit
The pictures are drawn by code, and from renders of the splat PLAYBOT by Stephane Agullo (https://sa3d.fr,
https://superspl.at/view?id=ee6d8bc4), licensed CC-BY-4.0 (http://creativecommons.org/licenses/by/4.0/). No other data was
used. The weights are under the repository's licence, with that credit kept.
"""

ROWS = (
    ("held-out pairs", "held_out_top1"),
    ("held-out pairs, robot only", "held_out_top1_robot"),
    ("held-out pairs, noise, blur, light", "held_out_top1_noise_blur_light"),
    ("held-out pairs, attacked, L2 0.5", "held_out_top1_attacked_l2_0.5"),
    ("held-out pairs, attacked, L2 1.0", "held_out_top1_attacked_l2_1"),
    ("pairs seen in training, new seeds", "seen_pairs_new_seeds_top1"),
    ("pairs seen in training, attacked, L2 1.0", "seen_pairs_attacked_l2_1"),
)


def write_card(facts, path):
    """Writes README.md for the figures of metrics.json."""
    rows = [f"| {title} | {facts[key]['pair']} | {facts[key]['colour']} | {facts[key]['medium']} |" for title, key in ROWS]
    lists = {
        "rows": "\n".join(rows),
        "colours": ", ".join(COLOUR_NAMES),
        "media": ", ".join(m.nouns[0] if not m.surface else m.phrases[0].replace("made of ", "") for m in MEDIA.values()),
        "scenes": ", ".join(words[0] for words in SCENES.values()),
        "objects": ", ".join(OBJECTS[o][0] for o in OBJECT_NAMES),
        "media_count": len(MEDIA),
    }
    with open(path, "w", encoding="utf-8") as file:
        file.write(CARD.format(**facts, **lists))
