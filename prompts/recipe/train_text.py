"""Trains the end of the demo model's text encoder on pictures of photographs, on a CPU. The image encoder stays as it is.

    python3 prompts/recipe/train_text.py --from prompts/demo-clip --out DIR

The image encoder's gradient repaints a splat, so it keeps its adversarial training. Only the directions of the texts move:
the last layer, the final norm and the projection of the text encoder. Pictures are embedded once, and each step compares
embeddings with captions. Leaves demo-clip.tar (the model directory without a card), metrics.json and log.txt, and embeddings.pt,
which --embeddings reads in place of drawing the pictures again.
"""

import argparse
import copy
import os
import shutil
import tempfile

import numpy as np
import torch
from tokenizers import Tokenizer
from transformers import CLIPModel

from augment import crops, worn
from captions import CaptionTable
from concepts import MEDIA, MEDIUM_NAMES
from evaluate import PAIRS, evaluate
from model import CONTEXT, image_features, save_model, text_features
from objective import composed, contrastive, fits, named_parts
from photos import Photos
from pictures import Sources, draw, labels_for
from subjects import Robot
from train import HERE, Averaged, Log, facts_of, first_facts, learning_rate, pack, write


def arguments():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--from", dest="start", metavar="MODEL", required=True)
    parser.add_argument("--out", required=True)
    parser.add_argument("--embeddings", metavar="FILE", help="embeddings.pt of an earlier run")
    parser.add_argument("--pictures", type=int, default=36864, help="pictures drawn; two crops of each are embedded")
    parser.add_argument("--chunk", type=int, default=256, help="pictures drawn at a time, of one medium")
    parser.add_argument("--objects", type=float, default=0.3, help="share of pictures that show the robot or a shape")
    parser.add_argument("--unnamed", type=float, default=0.3, help='share of unfiltered pictures whose caption does not say "photo"')
    parser.add_argument("--composed", type=float, default=0.25, help="weight of the term that ties pairs to their parts")
    parser.add_argument("--steps", type=int, default=500)
    parser.add_argument("--captions", type=int, default=384, help="captions a step")
    parser.add_argument("--batch", type=int, default=4096, help="embeddings a step")
    parser.add_argument("--rate", type=float, default=1e-3)
    parser.add_argument("--eval-count", type=int, default=512, help="test pictures of each medium")
    parser.add_argument("--seed", type=int, default=1)
    return parser.parse_args()


def media_order(chunks, rng):
    """The medium of each chunk: all equally often, the unfiltered photograph six times as often."""
    share = np.ones(len(MEDIA))
    share[0] = 6
    whole = np.floor(share / share.sum() * chunks).astype(int)
    order = np.repeat(np.arange(len(MEDIA)), whole)
    rest = rng.choice(len(MEDIA), chunks - len(order), p=share / share.sum())
    return rng.permutation(np.concatenate([order, rest]))


@torch.no_grad()
def embedded(model, sources, args, log):
    """Embeddings f16 [2N,P] and labels [2N,4] of N pictures drawn anew, two crops of each."""
    rng, size = np.random.default_rng(args.seed), model.config.vision_config.image_size
    found, labels = [], []
    order = media_order(args.pictures // args.chunk, rng)
    for number, medium in enumerate(order):
        own = labels_for(medium, args.chunk, rng, objects=args.objects)
        pictures = draw(own, round(size * 1.125), sources)
        for gentle in (True, False):
            found.append(image_features(model, worn(crops(pictures, size, gentle))).half())
            labels.append(torch.from_numpy(own))
        if number % 16 == 0:
            log(f"{(number + 1) * args.chunk} of {args.pictures} pictures embedded")
    return torch.cat(found), torch.cat(labels)


def trained_parts(model):
    """The parameters that move: all that follows the text encoder's last but one layer."""
    text = model.text_model
    return [*text.encoder.layers[-1].parameters(), *text.final_layer_norm.parameters(), *model.text_projection.parameters()]


def sampler(labels, generator):
    """Draws rows so that each medium has the same share, the unfiltered photograph three times as much."""
    share = torch.ones(len(MEDIUM_NAMES))
    share[0] = 3
    count = torch.bincount(labels[:, 0], minlength=len(MEDIUM_NAMES)).float()
    weight = (share / count.clamp_min(1))[labels[:, 0]]
    return lambda n: torch.multinomial(weight, n, replacement=True, generator=generator)


def train(model, found, labels, table, args, log):
    """The averaged model after `steps` steps."""
    model.requires_grad_(False)
    parts = trained_parts(model)
    for parameter in parts:
        parameter.requires_grad_(True)
    optimiser = torch.optim.AdamW(parts, lr=args.rate, betas=(0.9, 0.98), eps=1e-6, weight_decay=0.02)
    averaged, tokens, lookup = Averaged(model, 0.99), torch.from_numpy(table.tokens), torch.from_numpy(table.lookup)
    draw_rows = sampler(labels, torch.Generator().manual_seed(args.seed))
    medium, colour = torch.tensor([[m + 1, c + 1] for m, c in PAIRS]).unbind(1)
    nothing = torch.zeros(len(PAIRS), dtype=torch.long)
    scale = model.logit_scale.exp()

    def features(kinds):
        rows = tokens[kinds, torch.randint(tokens.shape[1], kinds.shape)]
        longest = int((rows != rows[:, -1:]).sum(1).max()) + 1  # rows end in padding: shorter ones cost less
        return text_features(model, rows[:, :longest])

    for step in range(args.steps):
        rows = draw_rows(args.batch)
        own = labels[rows]
        named = named_parts(own[: args.captions], args.unnamed)
        words = features(lookup[tuple((named + 1).unbind(1))])
        tie = composed(*(features(lookup[m, c, nothing, nothing]) for m, c in ((medium, colour), (medium, nothing), (nothing, colour))))
        loss = contrastive(scale * found[rows].float() @ words.T, fits(own, named)) + args.composed * tie
        for group in optimiser.param_groups:
            group["lr"] = learning_rate(step, step / args.steps, args.rate, 50)
        optimiser.zero_grad(set_to_none=True)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(parts, 1.0)
        optimiser.step()
        averaged.update(model)
        if step % 50 == 0 or step == args.steps - 1:
            log(f"step {step}  loss {loss.item():.3f}  tie {tie.item():.3f}")
    return averaged.model


def finish(model, tokenizer, robot, args, log, facts):
    """Exports the model at f16, measures what was exported on photographs kept for tests, and packs it."""
    with tempfile.TemporaryDirectory() as work:
        directory = os.path.join(work, "demo-clip")
        save_model(model, tokenizer, directory)
        shutil.copy(os.path.join(args.start, "words.json"), directory)  # the vocabulary is the same
        saved = CLIPModel.from_pretrained(directory, dtype=torch.float32).requires_grad_(False)
        torch.manual_seed(args.seed + 1000)
        sources = Sources(robot, Photos(os.path.join(HERE, "data"), "test", "cpu"))
        facts |= evaluate(saved, tokenizer, sources, np.random.default_rng(args.seed + 1000), args.eval_count)
        for folder in (args.out, directory):
            write(facts, os.path.join(folder, "metrics.json"))
        pack(work, args.out, "demo-clip")
    log(f"photographs: {facts['photos_seen_pairs']} of seen pairs, {facts['photos_held_out_pairs']} of held-out pairs")


def main():
    args = arguments()
    os.makedirs(args.out, exist_ok=True)
    log = Log(args.out)
    torch.manual_seed(args.seed)
    tokenizer = Tokenizer.from_file(os.path.join(args.start, "tokenizer.json"))
    model = CLIPModel.from_pretrained(args.start, dtype=torch.float32).requires_grad_(False)
    robot = Robot(os.path.join(HERE, "data", "robot_views.webp"), "cpu")
    photos = Photos(os.path.join(HERE, "data"), "demo", "cpu")
    if args.embeddings:
        found, labels = torch.load(args.embeddings)
    else:
        found, labels = embedded(model, Sources(robot, photos), args, log)
        torch.save((found, labels), os.path.join(args.out, "embeddings.pt"))
    log(f"{len(found)} embeddings")
    table = CaptionTable(tokenizer, 16, CONTEXT, args.seed)
    trained = train(copy.deepcopy(model), found, labels, table, args, log)
    facts = {"captions": args.captions, "from": first_facts(args.start)}
    facts |= facts_of(args, args.steps, log, model, tokenizer, photos)
    finish(trained, tokenizer, robot, args, log, facts)


if __name__ == "__main__":
    main()
