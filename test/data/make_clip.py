"""Makes the small CLIP files that the tests compare with, by transformers.CLIPModel in PyTorch (CPU, f32 arithmetic).

    python test/data/make_clip.py        # needs: torch transformers safetensors tokenizers onnx

Writes reference/clip_*_{config.json,model.safetensors,io.safetensors} (layout: test/reference/layouts/clip.ts), the model
folder clip-tiny/ with what transformers' tokenizer and encoders make of some texts (expected.json), and text_model.onnx, a
text encoder unlike that folder's own, to see which one is used.
"""

import json
from pathlib import Path

import onnx
import torch
from onnx import TensorProto, helper
from safetensors.torch import save_file
from tokenizers import Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers, processors
from transformers import CLIPConfig, CLIPModel, PreTrainedTokenizerFast

HERE = Path(__file__).parent
TEXTS = ["a robot", "", "A  painting of the night city, under the sea!", "día 42 ☂", "gold " * 30]


def clip(seed, dtype, text, vision, projection):
    """A random model whose weights are those that `dtype` can hold, large enough for every path to matter."""
    torch.manual_seed(seed)
    config = CLIPConfig(text_config=text, vision_config=vision, projection_dim=projection)
    model = CLIPModel(config).eval()
    with torch.no_grad():
        for name, weight in model.named_parameters():
            centre = 1.0 if "norm" in name and name.endswith("weight") else 0.0
            weight.copy_((centre + 0.15 * torch.randn_like(weight)).to(dtype).float())
    return model


def text_embeds(model, ids):
    out = model.text_model(input_ids=ids)
    return model.text_projection(out.pooler_output)


def image_embeds(model, pixels):
    return model.visual_projection(model.vision_model(pixel_values=pixels).pooler_output)


def save_model(model, dtype, weights, config):
    tensors = {name: t.to(dtype).contiguous() for name, t in model.state_dict().items() if "position_ids" not in name}
    save_file(tensors, weights, metadata={"format": "pt"})
    config.write_text(json.dumps(model.config.to_dict()))


def reference(name, seed, dtype, text, vision, projection, ids):
    model = clip(seed, dtype, text, vision, projection)
    ids = torch.tensor(ids)
    pixels = torch.randn(len(ids), 3, vision["image_size"], vision["image_size"], requires_grad=True)
    words, image = text_embeds(model, ids), image_embeds(model, pixels)
    cosine = torch.nn.functional.cosine_similarity(image, words)
    (gradient,) = torch.autograd.grad(cosine.sum(), pixels)
    stem = HERE / "reference" / name
    save_model(model, dtype, f"{stem}_model.safetensors", Path(f"{stem}_config.json"))
    tensors = {
        "pixel_values": pixels.detach(),
        "input_ids": ids.int(),
        "text_embeds": words.detach(),
        "image_embeds": image.detach(),
        "cosine": cosine.detach(),
        "grad_pixel_values": gradient,
    }
    save_file(tensors, f"{stem}_io.safetensors")


def tokenizer(vocabulary_limit):
    """A byte-level BPE of CLIP's kind: the 512 byte tokens, a few merges, and the two marks last."""
    pattern = Regex(r"'s|'t|[\p{L}]+|[\p{N}]|[^\s\p{L}\p{N}]+")
    letters = sorted(pre_tokenizers.ByteLevel.alphabet())
    merges = [("t", "h"), ("th", "e</w>"), ("r", "o"), ("b", "o"), ("bo", "t</w>"), ("ro", "bot</w>"), ("g", "o"), ("go", "l")]
    names = [*letters, *(f"{c}</w>" for c in letters), *("".join(m) for m in merges)]
    names += ["<|startoftext|>", "<|endoftext|>"]
    assert len(names) <= vocabulary_limit
    vocab = {name: i for i, name in enumerate(names)}
    made = Tokenizer(
        models.BPE(
            vocab=vocab,
            merges=merges,
            unk_token="<|endoftext|>",
            continuing_subword_prefix="",
            end_of_word_suffix="</w>",
        )
    )
    made.normalizer = normalizers.Sequence(
        [normalizers.NFC(), normalizers.Replace(Regex(r"\s+"), " "), normalizers.Lowercase()]
    )
    made.pre_tokenizer = pre_tokenizers.Sequence(
        [pre_tokenizers.Split(pattern, "removed", invert=True), pre_tokenizers.ByteLevel(add_prefix_space=False)]
    )
    made.post_processor = processors.RobertaProcessing(
        ("<|endoftext|>", vocab["<|endoftext|>"]),
        ("<|startoftext|>", vocab["<|startoftext|>"]),
        trim_offsets=False,
        add_prefix_space=False,
    )
    made.decoder = decoders.ByteLevel()
    made.add_special_tokens(["<|startoftext|>", "<|endoftext|>"])
    return made, len(names)


def folder(seed):
    """clip-tiny/: a whole model folder in f16."""
    root, length, size = HERE / "clip-tiny", 12, 24
    made, vocabulary = tokenizer(1000)
    text = dict(
        vocab_size=vocabulary,
        hidden_size=24,
        intermediate_size=40,
        num_hidden_layers=2,
        num_attention_heads=3,
        max_position_embeddings=length,
        hidden_act="gelu",
        bos_token_id=vocabulary - 2,
        eos_token_id=vocabulary - 1,
        pad_token_id=vocabulary - 1,
    )
    vision = dict(
        hidden_size=32,
        intermediate_size=64,
        num_hidden_layers=2,
        num_attention_heads=4,
        image_size=size,
        patch_size=8,
        hidden_act="gelu",
    )
    model = clip(seed, torch.float16, text, vision, 16)
    save_model(model, torch.float16, root / "model.safetensors", root / "config.json")
    made.save(str(root / "tokenizer.json"))
    (root / "tokenizer_config.json").write_text(json.dumps({"tokenizer_class": "CLIPTokenizer", "model_max_length": length}))
    preprocessor = {
        "do_center_crop": True,
        "do_normalize": True,
        "size": {"shortest_edge": size},
        "crop_size": {"height": size, "width": size},
        "image_mean": [0.48, 0.45, 0.4],
        "image_std": [0.26, 0.25, 0.27],
    }
    (root / "preprocessor_config.json").write_text(json.dumps(preprocessor))
    fast = PreTrainedTokenizerFast(
        tokenizer_object=made, bos_token="<|startoftext|>", eos_token="<|endoftext|>", pad_token="<|endoftext|>"
    )
    ids = fast(TEXTS, padding="max_length", truncation=True, max_length=length, return_tensors="pt").input_ids
    # A wide picture, fitted as CLIPImageProcessor does (with the antialiased triangle filter): halved, and the middle cut.
    side = 2 * size
    y, x = torch.meshgrid(torch.arange(side), torch.arange(3 * side), indexing="ij")
    picture = torch.stack([x / (3 * side), y / side, ((x // 7 + y // 5) % 2).float()], -1)
    planes = picture.permute(2, 0, 1)[None]
    small = torch.nn.functional.interpolate(planes, size=(size, 3 * size), mode="bilinear", antialias=True)
    small = small[..., size : 2 * size]
    mean, deviation = (torch.tensor(preprocessor[k]).view(1, 3, 1, 1) for k in ("image_mean", "image_std"))
    with torch.no_grad():
        words, image = text_embeds(model, ids), image_embeds(model, (small - mean) / deviation)
    unit = torch.nn.functional.normalize(words)
    expected = {
        "texts": TEXTS,
        "ids": ids.tolist(),
        "textEmbeds": unit.tolist(),
        "imageEmbeds": image[0].tolist(),
        "cosines": (unit @ torch.nn.functional.normalize(image)[0]).tolist(),
    }
    (root / "expected.json").write_text(json.dumps(expected))
    onnx_text(vocabulary, 16)


def onnx_text(vocabulary, dimensions):
    """text_model.onnx: text_embeds[t, d] = mean over the ids of ((id + 3d) mod 7)."""
    table = [[float((i + 3 * d) % 7) for d in range(dimensions)] for i in range(vocabulary)]
    flat = [value for row in table for value in row]
    graph = helper.make_graph(
        [
            helper.make_node("Gather", ["table", "input_ids"], ["rows"], axis=0),
            helper.make_node("ReduceMean", ["rows", "axes"], ["text_embeds"], keepdims=0),
        ],
        "text",
        [helper.make_tensor_value_info("input_ids", TensorProto.INT64, ["texts", "length"])],
        [helper.make_tensor_value_info("text_embeds", TensorProto.FLOAT, ["texts", dimensions])],
        [
            helper.make_tensor("table", TensorProto.FLOAT, [vocabulary, dimensions], flat),
            helper.make_tensor("axes", TensorProto.INT64, [1], [1]),
        ],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=9)
    onnx.checker.check_model(model)
    (HERE / "text_model.onnx").write_bytes(model.SerializeToString())


def main():
    reference(
        "clip_gelu",
        seed=1,
        dtype=torch.float16,
        text=dict(
            vocab_size=97,
            hidden_size=30,
            intermediate_size=44,
            num_hidden_layers=2,
            num_attention_heads=3,
            max_position_embeddings=11,
            hidden_act="gelu",
            bos_token_id=0,
            eos_token_id=2,  # OpenAI's rule: the place of the largest id
            pad_token_id=1,
        ),
        vision=dict(
            hidden_size=36,
            intermediate_size=52,
            num_hidden_layers=3,
            num_attention_heads=3,
            image_size=50,  # 12 does not divide it: two rows and columns are never seen
            patch_size=12,
            hidden_act="gelu",
        ),
        projection=17,
        ids=[[0, 5, 96, 96, 96, 96, 96, 96, 96, 96, 96], [0, 95, 3, 2, 40, 8, 9, 10, 11, 12, 96], [0, 96, 4, 2, 1, 1, 1, 1, 1, 1, 1]],
    )
    reference(
        "clip_bfloat",
        seed=2,
        dtype=torch.bfloat16,
        text=dict(
            vocab_size=60,
            hidden_size=16,
            intermediate_size=64,
            num_hidden_layers=1,
            num_attention_heads=2,
            max_position_embeddings=9,
            hidden_act="quick_gelu",
            bos_token_id=50,
            eos_token_id=51,  # the first of these, although larger ids follow
            pad_token_id=59,
        ),
        vision=dict(
            hidden_size=40,
            intermediate_size=160,
            num_hidden_layers=2,
            num_attention_heads=5,
            image_size=28,
            patch_size=7,
            hidden_act="quick_gelu",
            layer_norm_eps=1e-6,
        ),
        projection=24,
        ids=[[50, 3, 51, 59, 59, 59, 59, 59, 59], [50, 1, 2, 58, 4, 5, 6, 7, 51]],
    )
    folder(seed=3)


if __name__ == "__main__":
    main()
