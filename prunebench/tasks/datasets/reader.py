"""From an image file to pixels."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from prunebench.errors import DataError

if TYPE_CHECKING:
    from pathlib import Path
    from typing import BinaryIO

    from torch import Tensor

_DEEP = ("I", "F")
"""Beginnings of Pillow's modes with more than 8 bits a channel."""


@dataclass(frozen=True)
class Reader:
    """Decodes an image to RGB, brings its shorter side to `resize` pixels and cuts out the central square of `side`.

    As torchvision's transforms evaluate a Pillow image: bilinear, antialiased. Transparency is dropped, a rotation that
    the file asks for is not applied.
    """

    side: int
    resize: int

    def __call__(self, source: Path | BinaryIO, name: str = "") -> Tensor:
        """`[3, side, side]` uint8, of a file by its path, or of an open one with a name for errors.

        Raises:
            DataError: the file is no image that can be read, or has more than 8 bits a channel.
        """
        from PIL import Image
        from torchvision.transforms.v2 import functional

        try:
            with Image.open(source) as opened:
                if opened.mode.startswith(_DEEP):
                    raise DataError(f"{name or source} has more than 8 bits a channel ({opened.mode})")
                image = opened.convert("RGB")
        except (OSError, SyntaxError, ValueError, Image.DecompressionBombError) as error:
            raise DataError(f"{name or source} is no image that can be read: {error}") from error
        if image.size != (self.side, self.side) or self.resize != self.side:
            image = functional.resize(image, [self.resize])
            image = functional.center_crop(image, [self.side, self.side])
        pixels: Tensor = functional.pil_to_tensor(image)
        return pixels
