"""Renders views of a 3DGS .ply splat into one sheet with alpha, the recipe's pictures of the robot.

    python3 prompts/recipe/render_views.py SPLAT.ply prompts/recipe/data/robot_views.webp [--views 96] [--size 128]

The sheet holds `--columns` tiles a row, RGBA, colours premultiplied by alpha (drawn over black). Of four views two show
the figure alone (what lies higher than `--figure` above the origin), one the figure before its surroundings, one
everything. A plain CPU
compositor: EWA projection with the 0.3 px blur and the 0.99 / 1/255 alpha rules of 3DGS (Kerbl et al. 2023).
"""

import argparse

import numpy as np
from PIL import Image

SH_C0 = 0.28209479177387814
SH_C1 = 0.4886025119029199
SH_C2 = (1.0925484305920792, -1.0925484305920792, 0.31539156525252005, -1.0925484305920792, 0.5462742152960396)


def read_ply(path):
    """Reads a binary little-endian 3DGS .ply of float32 properties into a name -> [N] dictionary."""
    with open(path, "rb") as file:
        names, count = [], 0
        for line in iter(lambda: file.readline().decode("ascii").strip(), "end_header"):
            words = line.split()
            if words[:2] == ["element", "vertex"]:
                count = int(words[2])
            elif words[0] == "property":
                if words[1] != "float":
                    raise SystemExit(f"{path}: property {words[-1]} is {words[1]}; this tool reads float only")
                names.append(words[2])
        table = np.frombuffer(file.read(4 * count * len(names)), "<f4").reshape(count, len(names)).astype(np.float64)
    return {name: table[:, i] for i, name in enumerate(names)}


def rotations(quats):
    """[N,4] wxyz quaternions to [N,3,3] rotation matrices."""
    w, x, y, z = (quats / np.linalg.norm(quats, axis=1, keepdims=True)).T
    rows = [
        [1 - 2 * (y * y + z * z), 2 * (x * y - w * z), 2 * (x * z + w * y)],
        [2 * (x * y + w * z), 1 - 2 * (x * x + z * z), 2 * (y * z - w * x)],
        [2 * (x * z - w * y), 2 * (y * z + w * x), 1 - 2 * (x * x + y * y)],
    ]
    return np.moveaxis(np.array(rows), 2, 0)


def look_at(eye, target, up):
    """World-to-camera rotation, OpenCV axes (x right, y down, z forward)."""
    forward = (target - eye) / np.linalg.norm(target - eye)
    right = np.cross(forward, up)
    right /= np.linalg.norm(right)
    return np.stack([right, np.cross(forward, right), forward])


class Splat:
    """A splat's arrays, and its covariances."""

    def __init__(self, path, up):
        ply = read_ply(path)
        self.up = np.asarray(up, float)
        self.means = np.stack([ply["x"], ply["y"], ply["z"]], 1)
        scales = np.exp(np.stack([ply[f"scale_{i}"] for i in range(3)], 1))
        rot = rotations(np.stack([ply[f"rot_{i}"] for i in range(4)], 1))
        half = rot * scales[:, None, :]
        self.covariances = half @ half.transpose(0, 2, 1)
        self.opacity = 1 / (1 + np.exp(-ply["opacity"]))
        rest = sorted((n for n in ply if n.startswith("f_rest_")), key=lambda n: int(n[7:]))
        bands = len(rest) // 3
        self.dc = np.stack([ply[f"f_dc_{i}"] for i in range(3)], 1)
        self.rest = np.stack([ply[n] for n in rest], 1).reshape(-1, 3, bands) if bands else np.zeros((len(self.dc), 3, 0))

    def colours(self, eye):
        """SH colour [N,3] seen from `eye`, degree 2 at most (higher bands are left out)."""
        d = self.means - eye
        x, y, z = (d / np.linalg.norm(d, axis=1, keepdims=True)).T
        basis = [-SH_C1 * y, SH_C1 * z, -SH_C1 * x]
        basis += [SH_C2[0] * x * y, SH_C2[1] * y * z, SH_C2[2] * (2 * z * z - x * x - y * y)]
        basis += [SH_C2[3] * x * z, SH_C2[4] * (x * x - y * y)]
        used = min(len(basis), self.rest.shape[2])
        colour = 0.5 + SH_C0 * self.dc
        if used:
            colour = colour + np.einsum("nck,kn->nc", self.rest[:, :, :used], np.array(basis[:used]))
        return np.maximum(colour, 0)

    def frame(self, keep):
        """Robust centre [3] and radius of the splats in `keep` [N] (boolean)."""
        low, high = np.percentile(self.means[keep], [2, 98], axis=0)
        return (low + high) / 2, np.linalg.norm(high - low) / 2

    def render(self, eye, target, size, focal, keep):
        """Premultiplied RGBA [size,size,4] in [0,1] of the splats in `keep` [N] (boolean)."""
        rot = look_at(eye, target, self.up)
        cam = (self.means - eye) @ rot.T
        order = np.argsort(cam[:, 2], kind="stable")
        order = order[(cam[order, 2] > 0.01) & keep[order]]
        cam, z = cam[order], cam[order, 2]
        centre2d = cam[:, :2] / z[:, None] * focal + size / 2
        jac = np.zeros((len(z), 2, 3))
        jac[:, 0, 0] = jac[:, 1, 1] = focal / z
        jac[:, 0, 2] = -focal * cam[:, 0] / z**2
        jac[:, 1, 2] = -focal * cam[:, 1] / z**2
        t = jac @ rot
        cov = t @ self.covariances[order] @ t.transpose(0, 2, 1) + 0.3 * np.eye(2)
        conic = np.linalg.inv(cov)
        opacity, colour = self.opacity[order], np.minimum(self.colours(eye)[order], 1)
        reach = np.sqrt(np.maximum(2 * np.log(np.maximum(255 * opacity, 1)), 0))
        extent = reach[:, None] * np.sqrt(cov[:, [0, 1], [0, 1]])
        low = np.clip(np.floor(centre2d - extent).astype(int), 0, size)
        high = np.clip(np.ceil(centre2d + extent).astype(int) + 1, 0, size)
        picture, through = np.zeros((size, size, 3)), np.ones((size, size))
        for i in np.flatnonzero((opacity > 1 / 255) & (high > low).all(1)):
            rows, columns = slice(low[i, 1], high[i, 1]), slice(low[i, 0], high[i, 0])
            dx = np.arange(low[i, 0], high[i, 0]) + 0.5 - centre2d[i, 0]
            dy = (np.arange(low[i, 1], high[i, 1]) + 0.5 - centre2d[i, 1])[:, None]
            power = 0.5 * (conic[i, 0, 0] * dx * dx + conic[i, 1, 1] * dy * dy) + conic[i, 0, 1] * dx * dy
            alpha = np.minimum(0.99, opacity[i] * np.exp(-power))
            alpha[alpha < 1 / 255] = 0
            weight = alpha * through[rows, columns]
            picture[rows, columns] += weight[..., None] * colour[i]
            through[rows, columns] -= weight
        return np.concatenate([picture, 1 - through[..., None]], 2)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("splat")
    parser.add_argument("sheet")
    parser.add_argument("--views", type=int, default=96)
    parser.add_argument("--size", type=int, default=128)
    parser.add_argument("--columns", type=int, default=12)
    parser.add_argument("--up", type=float, nargs=3, default=(0, -1, 0), help="world direction that is up in pictures")
    parser.add_argument("--figure", type=float, default=0.15, help="height above the origin where the figure begins")
    parser.add_argument("--quality", type=int, default=88)
    args = parser.parse_args()
    splat, rng = Splat(args.splat, args.up), np.random.default_rng(1)
    rows = -(-args.views // args.columns)
    sheet = Image.new("RGBA", (args.columns * args.size, rows * args.size))
    forward = np.eye(3)[np.argmin(np.abs(splat.up))]
    side = np.cross(splat.up, forward)
    figure = splat.means @ splat.up > args.figure
    everything = np.ones_like(figure)
    for view in range(args.views):
        framed, shown = ((figure, figure), (figure, figure), (figure, everything), (everything, everything))[view % 4]
        centre, radius = splat.frame(framed)
        azimuth = 2 * np.pi * (view + 0.5 * rng.random()) * 0.6180339887
        height = np.radians(rng.uniform(-12, 45))
        flat = np.cos(azimuth) * forward + np.sin(azimuth) * side
        direction = np.cos(height) * flat + np.sin(height) * splat.up
        rgba = splat.render(centre + direction * radius * 3.2, centre, args.size, args.size * rng.uniform(1.4, 1.9), shown)
        tile = Image.fromarray((np.clip(rgba, 0, 1) * 255 + 0.5).astype(np.uint8), "RGBA")
        sheet.paste(tile, (view % args.columns * args.size, view // args.columns * args.size))
        print(f"view {view + 1}/{args.views}", flush=True)
    sheet.save(args.sheet, quality=args.quality, method=6, exact=True)


if __name__ == "__main__":
    main()
