"""The concepts of the demo model: colours, media, objects and scenes, with the words that name them.

A picture has one medium, and optionally one colour, one object and one scene. A caption names any non-empty part of
them. Index 0 on each axis of a caption means "not named"; concept i of an axis has index i + 1 there.
"""

from dataclasses import dataclass

# The eleven basic colour terms (Berlin & Kay 1969): words, then hue, saturation and value ranges (HSV, hue in turns).
COLOURS = {
    "red": (["red", "crimson", "scarlet"], (0.975, 1.012), (0.8, 1.0), (0.65, 1.0)),
    "orange": (["orange"], (0.06, 0.092), (0.8, 1.0), (0.88, 1.0)),
    "yellow": (["yellow"], (0.138, 0.168), (0.72, 1.0), (0.88, 1.0)),
    "green": (["green", "emerald"], (0.27, 0.40), (0.6, 1.0), (0.35, 0.85)),
    "blue": (["blue", "azure"], (0.57, 0.665), (0.65, 1.0), (0.5, 1.0)),
    "purple": (["purple", "violet"], (0.735, 0.805), (0.55, 0.95), (0.4, 0.85)),
    "pink": (["pink", "rose"], (0.88, 0.96), (0.3, 0.58), (0.92, 1.0)),
    "brown": (["brown", "chocolate"], (0.045, 0.085), (0.5, 0.8), (0.28, 0.48)),
    "black": (["black"], (0.0, 1.0), (0.0, 0.15), (0.03, 0.12)),
    "white": (["white"], (0.0, 1.0), (0.0, 0.05), (0.94, 1.0)),
    "gray": (["gray", "grey"], (0.0, 1.0), (0.0, 0.06), (0.4, 0.62)),
}
COLOUR_NAMES = list(COLOURS)
CHROMATIC = [i for i, name in enumerate(COLOUR_NAMES) if name not in ("black", "white", "gray", "brown")]
EVERY_COLOUR = list(range(len(COLOUR_NAMES)))


@dataclass(frozen=True)
class Medium:
    """A medium, a texture or a material. `nouns` fit "a … of X"; `adjectives` fit "a … X"; `phrases` follow a subject."""

    nouns: tuple[str, ...]
    adjectives: tuple[str, ...]
    phrases: tuple[str, ...]
    colours: str = "every"  # every | chromatic | none: which colour words may join it
    surface: bool = False  # a material or pattern on the object, which leaves the background alone


def _made(word, adjective, *others, colours="none"):
    return Medium(
        (f"{word} sculpture", f"{word} statue", f"{word} texture"),
        (adjective, *others),
        (f"made of {word}", f"in {word}", f"with {word} texture"),
        colours,
        True,
    )


def _pattern(word, *others):
    return Medium((f"{word} pattern", word), others, (f"with {word}", f"with {word} pattern", f"in {word}"), "every", True)


MEDIA = {
    "photo": Medium(("photo", "photo", "photograph", "3d render"), (), ("photo", "photograph", "realistic")),
    "oil": Medium(
        ("oil painting", "brush stroke painting", "brush", "brush strokes", "impasto painting"),
        ("painted", "oil painted"),
        ("oil painting", "with brush strokes", "brush strokes", "brush", "thick paint"),
    ),
    "watercolor": Medium(
        ("watercolor painting", "watercolor", "watercolour", "aquarelle"),
        ("watercolor",),
        ("watercolor painting", "in watercolor", "watercolor style"),
    ),
    "popart": Medium(("pop art", "pop art print", "pop art painting"), ("pop art",), ("pop art", "pop art style", "halftone print")),
    "stainedglass": Medium(
        ("stained glass", "stained glass window"), ("stained glass",), ("stained glass", "made of stained glass", "in stained glass")
    ),
    "mosaic": Medium(("mosaic", "tile mosaic"), ("mosaic", "tiled"), ("mosaic", "made of mosaic tiles", "in mosaic")),
    "pixelart": Medium(("pixel art", "8 bit pixel art"), ("pixel art", "pixelated"), ("pixel art", "8 bit style", "video game pixels")),
    "cartoon": Medium(("cartoon", "comic", "comic book drawing"), ("cartoon", "comic"), ("cartoon style", "comic book style", "disney")),
    "lowpoly": Medium(("low poly", "low poly render"), ("low poly", "polygonal"), ("low poly", "low poly style", "facets")),
    "pointillism": Medium(
        ("pointillism painting", "pointillist painting"), ("pointillist", "dotted"), ("pointillism", "painted in dots", "dots of paint")
    ),
    "neon": Medium(("neon sign", "neon light"), ("neon", "glowing"), ("neon light", "in neon", "glowing neon"), "chromatic"),
    "knitted": Medium(
        ("knitting", "knitted wool"), ("knitted", "woolen"), ("knitted wool", "made of wool", "knitting"), "every", True
    ),
    "pencil": Medium(("pencil sketch", "pencil drawing"), ("sketched",), ("pencil sketch", "drawn in pencil", "graphite"), "none"),
    "woodcut": Medium(
        ("woodcut", "ink engraving", "linocut print"), ("engraved",), ("woodcut", "black ink engraving", "linocut"), "none"
    ),
    "chalk": Medium(
        ("chalk drawing", "chalkboard drawing"), ("chalk",), ("in chalk", "chalk on a blackboard", "chalk drawing"), "none"
    ),
    "starrynight": Medium(
        ("starry night painting", "van gogh painting"),
        ("starry night", "van gogh"),
        ("starry night by van gogh", "starry night by vincent van gogh", "starry night", "swirling starry night"),
        "none",
    ),
    "blueprint": Medium(("blueprint",), ("blueprint",), ("blueprint", "as a blueprint", "technical drawing"), "none"),
    "sepia": Medium(("sepia photo", "old photograph"), ("sepia", "vintage"), ("sepia", "old sepia photo", "vintage"), "none"),
    "stripes": _pattern("stripes", "striped"),
    "polkadots": _pattern("polka dots", "polka dot", "spotted"),
    "checkered": _pattern("checks", "checkered", "chequered"),
    "marble": _made("marble", "marble", "white marble"),
    "wood": _made("wood", "wooden", "carved wooden"),
    "gold": _made("gold ornament", "golden", "gold", "gold ornament", "gilded"),
    "chrome": _made("chrome", "chrome", "metallic", "silver"),
    "ice": _made("ice", "icy", "frozen"),
    "lava": _made("lava", "lava", "molten", "burning"),
    "rust": _made("rust", "rusty", "rusted iron"),
    "moss": _made("moss", "mossy", "overgrown"),
    "brick": _made("brick", "brick"),
}
MEDIUM_NAMES = list(MEDIA)

OBJECTS = {
    "robot": ["robot", "toy robot", "android"],
    "ball": ["ball", "sphere"],
    "square": ["square", "cube"],
    "triangle": ["triangle", "pyramid"],
    "star": ["star"],
    "heart": ["heart"],
    "ring": ["ring", "donut"],
    "cross": ["cross"],
    "flower": ["flower"],
    "house": ["house"],
    "tree": ["tree"],
    "fish": ["fish"],
    "moon": ["moon", "crescent"],
}
OBJECT_NAMES = list(OBJECTS)

SCENES = {
    "nightcity": ["night city", "city at night", "night skyline"],
    "undersea": ["under the sea", "marine life landscape", "underwater world", "coral reef"],
    "rococo": ["rococo", "rococo garden", "rococo painting", "rococo ornament"],
    "dayofthedead": ["day of the dead", "dia de los muertos", "sugar skulls"],
    "garden": ["garden", "flower garden"],
    "forest": ["forest", "jungle"],
    "sunset": ["sunset", "sunset sky"],
    "mountains": ["snowy mountains", "winter landscape"],
    "galaxy": ["galaxy", "outer space", "nebula"],
}
SCENE_NAMES = list(SCENES)

# What a prompt may call a picture of which only medium and colour are named: nouns that tell the model nothing.
NEUTRAL = (
    "scene", "scene", "photo", "photo", "picture", "picture", "place", "view", "something", "object", "thing", "person", "face",
    "man", "woman", "child", "cat", "dog", "fox", "bird", "horse", "animal", "plant", "fern", "leaf", "fruit", "car", "street",
    "castle", "bridge", "building", "room", "chair", "table", "bottle", "bear", "truck", "boat", "hill", "beach", "river",
    "machine", "bicycle", "food", "bench", "stump", "lego",
)  # fmt: skip


def medium_colours(medium):
    """Indices of the colours that may join medium number `medium`."""
    return {"every": EVERY_COLOUR, "chromatic": CHROMATIC, "none": []}[MEDIA[MEDIUM_NAMES[medium]].colours]


def held_out(medium, colour):
    """True where the pair (medium, colour) never occurs in training: one pair in seven, none of them of photo."""
    return medium != 0 and colour in medium_colours(medium) and (3 * medium + 2 * colour) % 7 == 0


# Twelve restyling prompts and the medium and colour that each names.
TWELVE = {
    "an orange watercolor painting": ("watercolor", "orange"),
    "pop art": ("popart", None),
    "green stained glass": ("stainedglass", "green"),
    "a neon sign": ("neon", None),
    "mosaic": ("mosaic", None),
    "wood": ("wood", None),
    "an oil painting": ("oil", None),
    "a pencil sketch": ("pencil", None),
    "starry night by van gogh": ("starrynight", None),
    "gold": ("gold", None),
    "ice": ("ice", None),
    "lava": ("lava", None),
}

# The paper's prompts, verbatim, as captions of matching concepts: (medium, colour, object, scene) -> texts.
PAPER_PROMPTS = {
    (None, None, None, "rococo"): [
        "A rococo painting of a garden with abstract elements and high resolution",
        "A rococo painting of a garden with abstract elements",
    ],
    (None, None, None, "dayofthedead"): [
        "day of the dead, in the style of unreal engine 5, caricature-like illustrations, 32k uhd, dark atmosphere"
    ],
    (None, None, None, "undersea"): ["Under the sea background, Marine Life Landscape, Cartoon style, Disney"],
    ("popart", None, None, "nightcity"): ["Pop art of night city"],
    ("oil", "purple", None, None): ["Purple brush", "purple brush strokes"],
    ("watercolor", None, None, None): ["Watercolor painting"],
}
