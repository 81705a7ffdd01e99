"""Trains the demo CLIP model, or its judge, on one GPU and writes everything into one folder.

    python3 prompts/recipe/train.py --out DIR [--minutes 8 | --steps N] [--judge | --from MODEL [--part text-end]]

Leaves demo-clip.tar (the model directory and its reference tensors) or judge.tar, metrics.json, preview.png, photos.png,
pictures.png and log.txt. The judge has another shape, other photographs, other filters and other seeds.
With --from, training goes on from a demo model, with that model's tokenizer. With --part text-end, only the end of the text
encoder is trained: the image encoder, whose gradient repaints a splat, stays as it is.
"""

import argparse
import copy
import json
import math
import os
import signal
import tarfile
import tempfile
import time

import numpy as np
import torch
from tokenizers import Tokenizer
from transformers import CLIPModel

from augment import attacked, crops, logit_scale_limit, worn
from captions import CaptionTable, known_words, vocabulary
from evaluate import PAIRS, Classifier, evaluate, twelve
from make_reference import write_reference
from model import CONTEXT, image_features, new_model, save_model, text_features
from model_card import COMPARED, write_card
from objective import composed, contrastive, fits, named_parts
from photos import Photos
from pictures import Sources
from pool import DEMO_WEIGHTS, JUDGE_WEIGHTS, Pool
from preview import photo_sheet, sheet
from subjects import Robot
from tokenizer import build

HERE = os.path.dirname(os.path.abspath(__file__))
# Weight decay, and the decay of the averaged weights, for the part that is trained.
DECAYS = {"all": (0.05, 0.998), "text-end": (0.02, 0.99)}


def arguments():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", required=True)
    length = parser.add_mutually_exclusive_group()
    length.add_argument("--minutes", type=float, default=8, help="the whole run, evaluation included")
    length.add_argument("--steps", type=int, help="train for so many steps, whatever time they take")
    parser.add_argument("--batch", type=int, default=2048)
    parser.add_argument("--judge", action="store_true", help="train the judge instead of the demo model")
    parser.add_argument("--from", dest="start", metavar="MODEL", help="folder of the demo model to go on from")
    parser.add_argument("--part", choices=DECAYS, default="all", help="what is trained")
    parser.add_argument("--renew", type=int, default=3, help="steps between two chunks of new pictures")
    parser.add_argument("--composed", type=float, default=0.5, help="weight of the term that ties pairs to their parts")
    parser.add_argument("--pool", type=int, default=131072, help="pictures held on the GPU")
    parser.add_argument("--chunk", type=int, default=512, help="pictures drawn at a time")
    parser.add_argument("--objects", type=float, default=0.45, help="share of pictures that show the robot or a shape")
    parser.add_argument("--unnamed", type=float, default=0.6, help='share of unfiltered pictures whose caption does not say "photo"')
    parser.add_argument("--rate", type=float, default=1e-3)
    parser.add_argument("--warm-up", type=int, default=200, help="steps until the rate is reached")
    parser.add_argument("--radius", type=float, default=2.0, help="largest L2 radius of the adversarial pictures")
    parser.add_argument("--attack-steps", type=int, default=2)
    parser.add_argument("--eval-count", type=int, default=256, help="test pictures of each medium")
    parser.add_argument("--preview-steps", type=int, default=300)
    parser.add_argument("--preview-batch", type=int, default=8)
    parser.add_argument("--reserve", type=float, default=90, help="seconds of --minutes kept for evaluation and preview")
    parser.add_argument("--seed", type=int, default=1, help="the judge adds 500")
    args = parser.parse_args()
    if args.judge and args.start:
        parser.error("--from goes on from a demo model: leave --judge out")
    if args.part != "all" and not args.start:
        parser.error(f"--part {args.part} trains a part of an existing model: name it with --from")
    if args.steps is not None and args.steps < 1:
        parser.error("--steps must be at least 1")
    return args


class Log:
    """Prints with the elapsed time, and into DIR/log.txt."""

    def __init__(self, directory):
        self.start, self.stopped = time.time(), False
        self.file = open(os.path.join(directory, "log.txt"), "w", encoding="utf-8")

    def __call__(self, text):
        line = f"[{time.time() - self.start:6.1f} s] {text}"
        print(line, flush=True)
        print(line, file=self.file, flush=True)

    def seconds(self):
        return time.time() - self.start


class Averaged:
    """Exponential moving average of a model's weights; short at first, then `decay`."""

    def __init__(self, model, decay):
        self.model, self.decay, self.step = copy.deepcopy(model).requires_grad_(False), decay, 0

    @torch.no_grad()
    def update(self, model):
        self.step += 1
        decay = min(self.decay, (1 + self.step) / (10 + self.step))
        torch._foreach_lerp_(list(self.model.parameters()), list(model.parameters()), 1 - decay)


def select(model, part):
    """Freezes all that is not trained. The text encoder's end is what follows its last but one layer."""
    if part == "text-end":
        model.requires_grad_(False)
        text = model.text_model
        for module in (text.encoder.layers[-1], text.final_layer_norm, model.text_projection):
            module.requires_grad_(True)


def optimiser_for(model, rate, decay):
    """AdamW over what is not frozen, with decay on matrices alone."""
    trained = [p for p in model.parameters() if p.requires_grad]
    matrices, others = [p for p in trained if p.ndim >= 2], [p for p in trained if p.ndim < 2]
    groups = [{"params": matrices, "weight_decay": decay}, {"params": others, "weight_decay": 0.0}]
    return torch.optim.AdamW(groups, lr=rate, betas=(0.9, 0.98), eps=1e-6)


def learning_rate(step, progress, peak, warm_up):
    """Warm-up by steps, then a cosine over the share of the training that is done."""
    return peak * min(1, (step + 1) / warm_up) * (0.02 + 0.98 * (0.5 + 0.5 * math.cos(math.pi * min(progress, 1))))


def train(model, pool, table, args, log, deadline, snapshot):
    """Trains `args.steps` steps, else until `deadline` (seconds on the log's clock); returns the averaged model and its steps.

    A SIGTERM ends it early. `snapshot(model)` is called every 100 s, so that a run that is killed leaves a model.
    """
    device = pool.labels.device
    tokens = torch.from_numpy(table.tokens).to(device)
    lookup = torch.from_numpy(table.lookup).to(device)
    select(model, args.part)
    weight_decay, averaging = DECAYS[args.part]
    optimiser, averaged = optimiser_for(model, args.rate, weight_decay), Averaged(model, averaging)
    half = torch.autocast(device.type, torch.bfloat16, enabled=device.type == "cuda")
    size = model.config.vision_config.image_size
    # The attack needs no gradient of the weights: a second module shares them without one.
    fixed_model = copy.deepcopy(model).requires_grad_(False)
    for own, shared in zip(fixed_model.parameters(), model.parameters()):
        own.data = shared.data
    pairs = torch.tensor([[m + 1, c + 1] for m, c in PAIRS], device=device)
    nothing = torch.zeros(len(PAIRS), dtype=torch.long, device=device)

    def one_of(kinds):
        return tokens[kinds, torch.randint(tokens.shape[1], kinds.shape, device=device)]

    began, step, told, kept = log.seconds(), 0, 0.0, log.seconds()

    def done():
        return step / args.steps if args.steps else (log.seconds() - began) / max(deadline - began, 1)

    while (progress := done()) < 1 and not log.stopped:
        if step % args.renew == 0:
            pool.renew()
        pictures, labels = pool.sample(args.batch)
        pictures = worn(crops(pictures, size))
        named = named_parts(labels, args.unnamed)
        kind = lookup[tuple((named + 1).unbind(1))]
        caption = one_of(kind)
        match = fits(labels, named)
        target = match.float() / match.sum(1, keepdim=True)
        with half:
            words = text_features(model, caption)
            m, c = pairs.unbind(1)
            parts = [one_of(lookup[i, j, nothing, nothing]) for i, j in ((m, c), (m, nothing), (nothing, c))]
            tie = composed(*text_features(model, torch.cat(parts)).chunk(3))
        scale = model.logit_scale.exp()
        fixed, sharp = words.detach(), scale.detach()

        def miss(x):
            with half:
                found = image_features(fixed_model, x)
            return -(target * torch.log_softmax(sharp * found @ fixed.T, 1)).sum()

        radius = torch.rand(len(pictures), 1, 1, 1, device=device) * args.radius * min(1, progress / 0.15)
        pictures = attacked(miss, pictures, radius, args.attack_steps)
        with half:
            found = image_features(model, pictures)
        loss = contrastive(scale * found @ words.T, match) + args.composed * tie
        rate = learning_rate(step, progress, args.rate, args.warm_up)
        for group in optimiser.param_groups:
            group["lr"] = rate
        optimiser.zero_grad(set_to_none=True)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimiser.step()
        with torch.no_grad():
            model.logit_scale.clamp_(0, logit_scale_limit())
        averaged.update(model)
        step += 1
        if log.seconds() - told > 10 or step == 1:
            told = log.seconds()
            if not math.isfinite(loss.item()):
                raise SystemExit(f"loss is {loss.item()} at step {step}")
            speed = step / max(told - began, 1e-6)
            if told - kept > 100:
                kept = told
                snapshot(averaged.model)
            log(f"step {step}  loss {loss.item():.3f}  tie {tie.item():.3f}  scale {scale.item():.1f}  rate {rate:.1e}  {speed:.2f} it/s")
    return averaged.model, step


def pictures_sheet(pool, path, count=24):
    """What the pool holds, as one PNG."""
    from PIL import Image

    some, _ = pool.sample(count * count // 2)
    rows = [torch.cat(list(row), 2) for row in some.split(count)]
    image = (torch.cat(rows, 1).permute(1, 2, 0).cpu().numpy() * 255).astype("uint8")
    Image.fromarray(image).save(path)


def keep(model, tokenizer, out, name):
    """Packs the model as it stands, without figures, into `name`.tar."""
    with tempfile.TemporaryDirectory() as work:
        save_model(model, tokenizer, os.path.join(work, name))
        pack(work, out, name)


def finish(model, tokenizer, robot, args, log, facts):
    """Exports the model at f16, measures what was exported on photographs kept for tests, and packs the folder."""
    with tempfile.TemporaryDirectory() as work:
        directory = os.path.join(work, args.name)
        save_model(model, tokenizer, directory)
        pack(work, args.out, args.name)  # the model is safe before the slower steps
        saved = CLIPModel.from_pretrained(directory, dtype=torch.float32).to(robot.fine.device).requires_grad_(False)
        torch.manual_seed(args.seed + 1000)
        photos = Photos(os.path.join(HERE, "data"), "test", robot.fine.device)
        usual, other = Sources(robot, photos), Sources(robot, photos, other=1.0)
        facts |= evaluate(saved, tokenizer, usual, np.random.default_rng(args.seed + 1000), args.eval_count)
        rng = np.random.default_rng(args.seed + 2000)
        facts["other_filters"] = twelve(Classifier(saved, tokenizer), other, rng, args.eval_count)
        log(json.dumps(facts))
        write(facts, os.path.join(args.out, "metrics.json"))
        settings = {"steps": args.preview_steps, "batch": args.preview_batch}
        photo_sheet(saved, tokenizer, photos, os.path.join(args.out, "photos.png"), **settings)
        facts["preview_cosines"] = sheet(saved, tokenizer, robot, os.path.join(args.out, "preview.png"), **settings)
        for folder in (args.out, directory):
            write(facts, os.path.join(folder, "metrics.json"))
        if not args.judge:
            write({"words": known_words()}, os.path.join(directory, "words.json"), indent=None)
            write_reference(directory, os.path.join(work, "reference"))
        write_card(facts, os.path.join(directory, "README.md"), args.judge)
        pack(work, args.out, args.name)
    log("done")


def facts_of(args, steps, log, model, tokenizer, photos):
    """How a model was trained, for metrics.json; "from" has the facts of the model that training went on from."""
    device = next(model.parameters()).device
    facts = {
        "radius_l2": args.radius,
        "attack_steps": args.attack_steps,
        "part": args.part,
        "steps": steps,
        "batch": args.batch,
        "seconds": round(log.seconds()),
        "device": torch.cuda.get_device_name() if device.type == "cuda" else "cpu",
        "rate": args.rate,
        "object_share": args.objects,
        "unnamed_share": args.unnamed,
        "weights": sum(p.numel() for p in model.parameters()),
        "vocabulary": tokenizer.get_vocab_size(),
        "training_photographs": len(photos.fine),
    }
    return facts | {"from": earlier_facts(args.start, facts)} if args.start else facts


def earlier_facts(directory, keys):
    """The facts of a model's training and the figures that the card compares, as far as its metrics.json has them."""
    with open(os.path.join(directory, "metrics.json"), encoding="utf-8") as file:
        facts = json.load(file)
    kept = (*keys, "from", "pictures_per_medium", *(key for _, key, _ in COMPARED))
    return {key: facts[key] for key in kept if key in facts}


def write(facts, path, indent=2):
    with open(path, "w", encoding="utf-8") as file:
        json.dump(facts, file, indent=indent)
        file.write("\n")


def pack(work, out, name):
    """DIR/NAME.tar with all that lies in the working folder; appears by rename."""
    path = os.path.join(out, f"{name}.tar")
    with tarfile.open(f"{path}.part", "w") as tar:
        for name in sorted(os.listdir(work)):
            tar.add(os.path.join(work, name), name)
    os.replace(f"{path}.part", path)


def main():
    args = arguments()
    os.makedirs(args.out, exist_ok=True)
    log = Log(args.out)
    signal.signal(signal.SIGTERM, lambda *_: setattr(log, "stopped", True))
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    args.name = "judge" if args.judge else "demo-clip"
    args.seed += 500 if args.judge else 0
    torch.manual_seed(args.seed)
    torch.backends.cuda.matmul.allow_tf32 = torch.backends.cudnn.allow_tf32 = True
    log(f"{device}, torch {torch.__version__}")
    tokenizer = Tokenizer.from_file(os.path.join(args.start, "tokenizer.json")) if args.start else build(vocabulary())
    table = CaptionTable(tokenizer, 16, CONTEXT, args.seed)
    robot = Robot(os.path.join(HERE, "data", "robot_views.webp"), device)
    model = CLIPModel.from_pretrained(args.start, dtype=torch.float32) if args.start else new_model(tokenizer, args.judge)
    model = model.to(device).train()
    photos = Photos(os.path.join(HERE, "data"), args.name.split("-")[0], device)
    detail, other = ((0.6, 1.7), 0.6) if args.judge else ((0.5, 1.3), 0.0)
    sources = Sources(robot, photos, detail, other)
    log(f"{len(table.classes)} caption classes, {tokenizer.get_vocab_size()} tokens, {sum(p.numel() for p in model.parameters())} weights")
    size, weights = round(model.config.vision_config.image_size * 1.125), JUDGE_WEIGHTS if args.judge else DEMO_WEIGHTS
    pool = Pool(args.pool, size, args.chunk, sources, weights, args.seed, args.objects)
    pool.fill()
    pictures_sheet(pool, os.path.join(args.out, "pictures.png"))
    log(f"pool of {len(pool.pictures)} pictures drawn")
    end = args.minutes * 60 - args.reserve
    averaged, steps = train(model, pool, table, args, log, end, lambda m: keep(m, tokenizer, args.out, args.name))
    log(f"trained {steps} steps")
    facts = facts_of(args, steps, log, model, tokenizer, photos)
    finish(averaged, tokenizer, robot, args, log, facts)


if __name__ == "__main__":
    main()
