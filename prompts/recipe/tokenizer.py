"""The demo model's tokenizer: CLIP's own pipeline (Radford et al. 2021) with a small vocabulary of whole words.

Byte-pair encoding (Sennrich et al. 2016) over bytes, words ending in </w>. Every caption word has a token of its own;
any other text falls back to pieces and at last to bytes, so nothing is unknown.
"""

import json

from tokenizers import Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers, processors

START, END = "<|startoftext|>", "<|endoftext|>"
WORD_PATTERN = r"'s|'t|'re|'ve|'m|'ll|'d|[\p{L}]+|[\p{N}]|[^\s\p{L}\p{N}]+"


def byte_alphabet():
    """The 256 printable characters that stand for bytes in byte-level BPE, in byte order."""
    shown = [*range(33, 127), *range(161, 173), *range(174, 256)]
    hidden = [b for b in range(256) if b not in shown]
    names = {b: chr(b) for b in shown} | {b: chr(256 + i) for i, b in enumerate(hidden)}
    return [names[b] for b in range(256)]


def merges_for(words):
    """Merges, most frequent pair first (ties in alphabetical order), until each word is one token."""
    pieces = {w: [*w[:-1], f"{w[-1]}</w>"] for w in sorted(words) if w.isascii()}
    merges = []
    while True:
        counts = {}
        for word, parts in pieces.items():
            for pair in zip(parts, parts[1:]):
                counts[pair] = counts.get(pair, 0) + 1
        if not counts:
            return merges
        best = min(counts, key=lambda pair: (-counts[pair], pair))
        merges.append(best)
        for word, parts in pieces.items():
            joined, i = [], 0
            while i < len(parts):
                together = i + 1 < len(parts) and (parts[i], parts[i + 1]) == best
                joined.append("".join(best) if together else parts[i])
                i += 2 if together else 1
            pieces[word] = joined


def build(words):
    """The `tokenizers.Tokenizer`; the two special tokens come last, as in CLIP."""
    pattern_parts = pre_tokenizers.Split(Regex(WORD_PATTERN), "removed", invert=True)
    parts = {p for w in words for p, _ in pattern_parts.pre_tokenize_str(w)}
    merges = merges_for(parts)
    letters = byte_alphabet()
    names = [*letters, *(f"{c}</w>" for c in letters), *dict.fromkeys("".join(m) for m in merges), START, END]
    vocab = {name: i for i, name in enumerate(dict.fromkeys(names))}
    tokenizer = Tokenizer(
        models.BPE(vocab=vocab, merges=merges, unk_token=END, continuing_subword_prefix="", end_of_word_suffix="</w>")
    )
    tokenizer.normalizer = normalizers.Sequence(
        [normalizers.NFC(), normalizers.Replace(Regex(r"\s+"), " "), normalizers.Lowercase()]
    )
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence([pattern_parts, pre_tokenizers.ByteLevel(add_prefix_space=False)])
    tokenizer.post_processor = processors.RobertaProcessing(
        (END, vocab[END]), (START, vocab[START]), trim_offsets=False, add_prefix_space=False
    )
    tokenizer.decoder = decoders.ByteLevel()
    tokenizer.add_special_tokens([START, END])
    return tokenizer


def save(tokenizer, directory, context):
    """Writes tokenizer.json and tokenizer_config.json, which `transformers.AutoTokenizer` reads."""
    tokenizer.save(f"{directory}/tokenizer.json")
    config = {
        "tokenizer_class": "CLIPTokenizer",
        "model_max_length": context,
        "bos_token": START,
        "eos_token": END,
        "unk_token": END,
        "pad_token": END,
        "do_lower_case": True,
        "clean_up_tokenization_spaces": False,
    }
    with open(f"{directory}/tokenizer_config.json", "w", encoding="utf-8") as file:
        json.dump(config, file, indent=2)
        file.write("\n")
