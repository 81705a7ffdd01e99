"""Labelled pictures: a content, put into a medium, with the concepts that it shows."""

from dataclasses import dataclass

import numpy as np
import torch

import media_other as other
import media_paint as paint
import media_surface as surface
from concepts import COLOUR_NAMES, MEDIA, MEDIUM_NAMES, OBJECT_NAMES, SCENE_NAMES, held_out, medium_colours
from draw import Detail, blur, grid, look_up, luminance, mix, noise, uniform, vivid
from photos import Photos, light_of, partly, recoloured
from scene import Scene
from scenes import SCENE_PAINTERS
from subjects import Robot, draw_objects, many_coloured, tinted

FILTERS = {
    "photo": lambda scene: scene.rgb,
    "oil": paint.oil,
    "watercolor": paint.watercolor,
    "popart": paint.pop_art,
    "stainedglass": paint.stained_glass,
    "mosaic": paint.mosaic,
    "pixelart": paint.pixel_art,
    "cartoon": paint.cartoon,
    "lowpoly": paint.low_poly,
    "pointillism": paint.pointillism,
    "neon": surface.neon,
    "knitted": surface.knitted,
    "pencil": paint.pencil,
    "woodcut": paint.woodcut,
    "chalk": paint.chalk,
    "starrynight": paint.starry_night,
    "blueprint": paint.blueprint,
    "sepia": paint.sepia,
    "stripes": surface.stripes,
    "polkadots": surface.polka_dots,
    "checkered": surface.checkered,
    "marble": surface.marble,
    "wood": surface.wood,
    "gold": surface.gold,
    "chrome": surface.chrome,
    "ice": surface.ice,
    "lava": surface.lava,
    "rust": surface.rust,
    "moss": surface.moss,
    "brick": surface.brick,
}
ROBOT = OBJECT_NAMES.index("robot")


@dataclass
class Sources:
    """What pictures are drawn from: the robot's views and photographs; and how: the texture's range of sizes, and the share
    of pictures whose medium is drawn in the other way (media_other.py)."""

    robot: Robot
    photos: Photos
    detail: tuple[float, float] = (0.5, 1.3)
    other: float = 0.0


def backgrounds(n, size, sources):
    """The background of objects: plain (black, white, grey, any), a gradient, soft noise, or a photograph."""
    device = sources.robot.fine.device
    grey = uniform(n, 0, 1, device)
    pick = uniform(n, 0, 1, device)
    plain = torch.where(pick < 0.25, torch.zeros_like(grey), torch.where(pick < 0.5, torch.ones_like(grey), grey)).expand(n, 3, 1, 1)
    plain = torch.where(pick > 0.78, mix(vivid(n, device), grey.expand(n, 3, 1, 1), 0.4), plain)
    x, y = grid(n, size, device)
    other = mix(plain, uniform(n, 0, 1, device).expand(n, 3, 1, 1), 0.5)
    fade = mix(plain, other, (0.5 + 0.35 * y + 0.15 * noise(n, size, device, 2, 3)).clamp(0, 1))
    drawn = torch.where(uniform(n, 0, 1, device) < 0.6, plain.expand(n, 3, size, size), fade)
    return torch.where(uniform(n, 0, 1, device) < 0.2, sources.photos.draw(n, size, 0.3), drawn)


def labels_for(medium, n, rng, only_held_out=False, objects=0.45):
    """Concept indices of n pictures in `medium`: int64 [n,4] (medium, colour, object, scene), −1 where there is none.

    Without an object and a scene, the picture is a photograph. `objects` is the share that shows an object before scenes
    take theirs; five in eight of them are the robot.

    Held-out pairs of medium and colour never occur, or, with `only_held_out`, are all that occurs.
    """
    rows = np.full((n, 4), -1, np.int64)
    rows[:, 0] = medium
    colours = [c for c in medium_colours(medium) if held_out(medium, c) == only_held_out]
    kind = rng.random(n)
    shapes = rng.integers(0, len(OBJECT_NAMES), n)
    rows[:, 2] = np.where(kind < objects * 28 / 45, ROBOT, np.where(kind < objects, shapes, -1))
    if colours:
        named = np.where(rows[:, 2] < 0, 0.6 if medium else 0.3, 0.8)
        rows[:, 1] = np.where(rng.random(n) < (2 if only_held_out else named), rng.choice(colours, n), -1)
    if not only_held_out and not MEDIA[MEDIUM_NAMES[medium]].surface:
        scenic = rng.random(n) < (0.3 if medium == 0 else 0.2)
        # One scene a batch keeps the drawing cheap; batches are small against the pool.
        rows[scenic, 3] = rng.integers(0, len(SCENE_NAMES))
        rows[scenic, 1] = -1
        rows[:, 2] = np.where(scenic & (rng.random(n) < 0.25), -1, rows[:, 2])
    return rows


def content(labels, size, sources, span=(0.1, 1.0)):
    """The `Scene` of labels [n,4] before its medium is applied; photographs are crops of sides in `span`."""
    robot = sources.robot
    n, device = len(labels), robot.fine.device
    native, light, alpha = draw_objects(labels[:, 2], size, robot)
    colours = [COLOUR_NAMES[c] if c >= 0 else None for c in labels[:, 1]]
    named = torch.from_numpy(labels[:, 1] >= 0).to(device).view(n, 1, 1, 1)
    own = torch.from_numpy(labels[:, 2] == ROBOT).to(device).view(n, 1, 1, 1) & (uniform(n, 0, 1, device) < 0.7)
    coat = torch.where(named, tinted(light, colours), torch.where(own, native, many_coloured(light)))
    photo = torch.from_numpy((labels[:, 2] < 0) & (labels[:, 3] < 0)).to(device).view(n, 1, 1, 1)
    view = sources.photos.draw(n, size, *span)
    own_light = light_of(view)
    light = torch.where(photo, own_light, light)
    coat = torch.where(photo, torch.where(named, recoloured(view, own_light, colours), view), coat)
    # Colour on a part alone has no name: where a colour is named, it holds everywhere.
    stray = ~named & (uniform(n, 0, 1, device) < 0.2) & (photo | own)
    anything = [COLOUR_NAMES[int(c)] for c in torch.randint(len(COLOUR_NAMES), (n,))]
    coat = torch.where(stray, mix(coat, recoloured(coat, light, anything), partly(n, size, device)), coat)
    ground = backgrounds(n, size, sources)
    scenic = torch.from_numpy(labels[:, 3] >= 0).to(device).view(n, 1, 1, 1)
    if (labels[:, 3] >= 0).any():
        painter = SCENE_PAINTERS[SCENE_NAMES[labels[:, 3].max()]]
        full = painter(n, size, device)
        x, y = grid(n, size, device)
        zoom = uniform(n, 0.6, 1.0, device)
        shift = 1 - zoom
        view = look_up(full, x * zoom + uniform(n, -1, 1, device) * shift, y * zoom + uniform(n, -1, 1, device) * shift)
        painted = (view * (0.55 + 0.8 * light)).clamp(0, 1)
        empty = torch.from_numpy(labels[:, 2] < 0).to(device).view(n, 1, 1, 1)
        painted = torch.where(empty, view, painted)
        # The scene lies on the object (as a restyled splat shows it), behind it, or both.
        place = uniform(n, 0, 1, device)
        coat = torch.where(scenic & ((place < 0.75) | empty), painted, coat)
        ground = torch.where(scenic & (place > 0.45), torch.flip(full, [3]), ground)
    return Scene(coat * alpha + ground * (1 - alpha), coat, ground, light, alpha, named | scenic | stray | (photo & (uniform(n, 0, 1, device) < 0.25)), photo)


def with_edges(painted, photo):
    """A photograph's fine light and shade on the material that replaced its colours, so that it stays recognisable."""
    grey = luminance(photo)
    fine = grey - blur(grey, 2.5)
    return (painted * (1 + fine * uniform(len(photo), 0.8, 2.2, photo.device))).clamp(0, 1)


def draw(labels, size, sources, span=(0.1, 1.0)):
    """Pictures [n,3,size,size] in [0,1] of labels [n,4]; all of one medium, and of at most one scene."""
    medium = MEDIUM_NAMES[labels[0, 0]]
    Detail.vary(*sources.detail)
    scene = content(labels, size, sources, span)
    painter = FILTERS[medium]
    if medium in other.FILTERS and torch.rand(()).item() < sources.other:
        painter = other.FILTERS[medium]
    full = painter(scene)
    if MEDIA[medium].surface or medium == "starrynight":
        full = torch.where(scene.photo, with_edges(full, scene.rgb), full)
    n, device = len(labels), full.device
    # A restyled splat has an unchanged background, and so do half of the pictures.
    cut_out = (uniform(n, 0, 1, device) < 0.5) & ~scene.photo & (torch.from_numpy(labels[:, 3] < 0).to(device).view(n, 1, 1, 1))
    full = torch.where(cut_out, scene.on_object(full), full)
    if medium == "photo":
        return full.clamp(0, 1)
    # Drawings and materials that have their own colours hide the content's more thoroughly.
    slack = 0.35 if medium_colours(labels[0, 0]) else 0.15
    slack = torch.where(scene.photo, slack * 0.6, slack)
    strength = 1 - slack * uniform(n, 0, 1, device) ** 2
    return mix(scene.rgb, full, strength).clamp(0, 1)
