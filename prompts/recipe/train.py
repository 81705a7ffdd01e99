"""Trains the demo CLIP model on one GPU against the clock and writes everything into one folder.

    python3 prompts/recipe/train.py --out DIR --minutes 8

Leaves demo-clip.tar (the model directory and its reference tensors), metrics.json, preview.png, pictures.png and log.txt.
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

from augment import attacked, crops, logit_scale_limit, worn
from captions import CaptionTable, vocabulary
from evaluate import evaluate
from make_reference import write_reference
from model import CONTEXT, IMAGE_SIZE, image_features, new_model, save_model, text_features
from model_card import write_card
from objective import contrastive, fits, named_parts
from pool import Pool
from preview import sheet
from subjects import Robot
from tokenizer import build

HERE = os.path.dirname(os.path.abspath(__file__))
PICTURE_SIZE = 72


def arguments():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", required=True)
    parser.add_argument("--minutes", type=float, default=8, help="the whole run, evaluation included")
    parser.add_argument("--batch", type=int, default=2048)
    parser.add_argument("--pool", type=int, default=262144, help="pictures held on the GPU")
    parser.add_argument("--chunk", type=int, default=512, help="pictures drawn at a time")
    parser.add_argument("--rate", type=float, default=1e-3)
    parser.add_argument("--radius", type=float, default=2.0, help="largest L2 radius of the adversarial pictures")
    parser.add_argument("--attack-steps", type=int, default=2)
    parser.add_argument("--eval-count", type=int, default=512, help="test pictures of each medium")
    parser.add_argument("--preview-steps", type=int, default=300)
    parser.add_argument("--preview-batch", type=int, default=8)
    parser.add_argument("--reserve", type=float, default=70, help="seconds kept for evaluation and preview")
    parser.add_argument("--seed", type=int, default=1)
    return parser.parse_args()


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

    def __init__(self, model, decay=0.998):
        self.model, self.decay, self.step = copy.deepcopy(model).requires_grad_(False), decay, 0

    @torch.no_grad()
    def update(self, model):
        self.step += 1
        decay = min(self.decay, (1 + self.step) / (10 + self.step))
        torch._foreach_lerp_(list(self.model.parameters()), list(model.parameters()), 1 - decay)


def optimiser_for(model, rate):
    """AdamW, with decay on matrices alone."""
    matrices = [p for p in model.parameters() if p.ndim >= 2]
    others = [p for p in model.parameters() if p.ndim < 2]
    groups = [{"params": matrices, "weight_decay": 0.05}, {"params": others, "weight_decay": 0.0}]
    return torch.optim.AdamW(groups, lr=rate, betas=(0.9, 0.98), eps=1e-6)


def learning_rate(step, progress, peak):
    """Warm-up by steps, then a cosine over the share of the time that is spent."""
    return peak * min(1, (step + 1) / 200) * (0.02 + 0.98 * (0.5 + 0.5 * math.cos(math.pi * min(progress, 1))))


def train(model, pool, table, args, log, deadline, snapshot):
    """Trains until `deadline` (seconds on the log's clock) or a SIGTERM; returns the averaged model and its steps.

    `snapshot(model)` is called every 100 s, so that a run that is killed leaves a model.
    """
    device = pool.labels.device
    tokens = torch.from_numpy(table.tokens).to(device)
    lookup = torch.from_numpy(table.lookup).to(device)
    optimiser, averaged = optimiser_for(model, args.rate), Averaged(model)
    half = torch.autocast(device.type, torch.bfloat16, enabled=device.type == "cuda")
    began, step, told, kept = log.seconds(), 0, 0.0, log.seconds()
    while (now := log.seconds()) < deadline and not log.stopped:
        progress = (now - began) / max(deadline - began, 1)
        pool.renew()
        pictures, labels = pool.sample(args.batch)
        pictures = worn(crops(pictures, IMAGE_SIZE))
        named = named_parts(labels)
        kind = lookup[tuple((named + 1).unbind(1))]
        caption = tokens[kind, torch.randint(tokens.shape[1], kind.shape, device=device)]
        match = fits(labels, named)
        target = match.float() / match.sum(1, keepdim=True)
        with half:
            words = text_features(model, caption)
        scale = model.logit_scale.exp()
        fixed, sharp = words.detach(), scale.detach()

        def miss(x):
            with half:
                found = image_features(model, x)
            return -(target * torch.log_softmax(sharp * found @ fixed.T, 1)).sum()

        radius = torch.rand(len(pictures), 1, 1, 1, device=device) * args.radius * min(1, progress / 0.15)
        pictures = attacked(miss, pictures, radius, args.attack_steps)
        with half:
            found = image_features(model, pictures)
        loss = contrastive(scale * found @ words.T, match)
        rate = learning_rate(step, progress, args.rate)
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
            log(f"step {step}  loss {loss.item():.3f}  scale {scale.item():.1f}  rate {rate:.1e}  {speed:.2f} it/s")
    return averaged.model, step


def pictures_sheet(pool, path, count=24):
    """What the pool holds, as one PNG."""
    from PIL import Image

    some, _ = pool.sample(count * count // 2)
    rows = [torch.cat(list(row), 2) for row in some.split(count)]
    image = (torch.cat(rows, 1).permute(1, 2, 0).cpu().numpy() * 255).astype("uint8")
    Image.fromarray(image).save(path)


def keep(model, tokenizer, out):
    """Packs the model as it stands, without figures."""
    with tempfile.TemporaryDirectory() as work:
        save_model(model, tokenizer, os.path.join(work, "demo-clip"))
        pack(work, out)


def finish(model, tokenizer, robot, args, log, facts):
    """Exports the model at f16, measures what was exported, and packs the folder."""
    from transformers import CLIPModel

    with tempfile.TemporaryDirectory() as work:
        directory = os.path.join(work, "demo-clip")
        save_model(model, tokenizer, directory)
        pack(work, args.out)  # the model is safe before the slower steps
        saved = CLIPModel.from_pretrained(directory, dtype=torch.float32).to(robot.fine.device).requires_grad_(False)
        torch.manual_seed(args.seed + 1000)
        facts |= evaluate(saved, tokenizer, robot, np.random.default_rng(args.seed + 1000), PICTURE_SIZE, args.eval_count)
        log(json.dumps(facts))
        facts["preview_cosines"] = sheet(
            saved, tokenizer, robot, os.path.join(args.out, "preview.png"), steps=args.preview_steps, batch=args.preview_batch
        )
        with open(os.path.join(args.out, "metrics.json"), "w", encoding="utf-8") as file:
            json.dump(facts, file, indent=2)
        with open(os.path.join(directory, "metrics.json"), "w", encoding="utf-8") as file:
            json.dump(facts, file, indent=2)
            file.write("\n")
        with open(os.path.join(directory, "words.json"), "w", encoding="utf-8") as file:
            json.dump({"words": sorted(word for word in vocabulary() if word.isalnum())}, file)
            file.write("\n")
        write_card(facts, os.path.join(directory, "README.md"))
        write_reference(directory, os.path.join(work, "reference"))
        pack(work, args.out)
    log("done")


def pack(work, out):
    """DIR/demo-clip.tar with all that lies in the working folder; appears by rename."""
    path = os.path.join(out, "demo-clip.tar")
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
    torch.manual_seed(args.seed)
    torch.backends.cuda.matmul.allow_tf32 = torch.backends.cudnn.allow_tf32 = True
    log(f"{device}, torch {torch.__version__}")
    tokenizer = build(vocabulary())
    table = CaptionTable(tokenizer, 16, CONTEXT, args.seed)
    robot = Robot(os.path.join(HERE, "data", "robot_views.webp"), device)
    model = new_model(tokenizer).to(device)
    log(f"{len(table.classes)} caption classes, {tokenizer.get_vocab_size()} tokens, {sum(p.numel() for p in model.parameters())} weights")
    pool = Pool(args.pool, PICTURE_SIZE, args.chunk, robot, args.seed)
    pool.fill()
    pictures_sheet(pool, os.path.join(args.out, "pictures.png"))
    log(f"pool of {len(pool.pictures)} pictures drawn")
    end = args.minutes * 60 - args.reserve
    averaged, steps = train(model, pool, table, args, log, end, lambda m: keep(m, tokenizer, args.out))
    log(f"trained {steps} steps")
    facts = {
        "steps": steps,
        "batch": args.batch,
        "seconds": round(log.seconds()),
        "device": torch.cuda.get_device_name() if device.type == "cuda" else "cpu",
        "radius_l2": args.radius,
        "attack_steps": args.attack_steps,
        "weights": sum(p.numel() for p in model.parameters()),
        "vocabulary": tokenizer.get_vocab_size(),
    }
    finish(averaged, tokenizer, robot, args, log, facts)


if __name__ == "__main__":
    main()
