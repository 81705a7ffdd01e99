"""A batch of pictures on the way to their medium."""

from dataclasses import dataclass

import torch


@dataclass
class Scene:
    """`rgb` [N,3,R,R] is the finished composite; `surface` the object's own colours; `ground` what lies behind it;
    `light` and `alpha` [N,1,R,R] the object's light and coverage; `coloured` [N,1,1,1] where a colour word holds or
    the picture's own colours matter (a scene), so that a medium must keep them; `photo` where a photograph fills it."""

    rgb: torch.Tensor
    surface: torch.Tensor
    ground: torch.Tensor
    light: torch.Tensor
    alpha: torch.Tensor
    coloured: torch.Tensor
    photo: torch.Tensor

    def on_object(self, surface):
        """The picture with another surface on the object."""
        return (surface * self.alpha + self.ground * (1 - self.alpha)).clamp(0, 1)
