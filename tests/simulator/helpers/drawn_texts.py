"""Boxes of the texts of a picture, measured on the pixels that they cover."""

from __future__ import annotations

import io
import xml.etree.ElementTree as ET
from dataclasses import dataclass
from itertools import combinations

import numpy as np
import vl_convert
from PIL import Image

SVG = "{http://www.w3.org/2000/svg}"

SCALE = 3
"""Pixels a unit of the picture: enough that every stroke of a letter covers a whole pixel."""


@dataclass(frozen=True, slots=True)
class DrawnText:
    """A text and the box of its ink, in pixels."""

    text: str
    left: int
    top: int
    right: int
    bottom: int

    def overlaps(self, other: DrawnText) -> bool:
        """Return True if the two boxes share an area."""
        across = min(self.right, other.right) - max(self.left, other.left)
        down = min(self.bottom, other.bottom) - max(self.top, other.top)
        return across > 0 and down > 0


def _texts(svg: bytes) -> tuple[ET.Element, list[tuple[str, ET.Element]]]:
    """Strip a picture of all but its visible texts; return it, and them."""
    ET.register_namespace("", SVG[1:-1])
    root = ET.fromstring(svg)
    for parent in [*root.iter()]:
        for child in [*parent]:
            halo_or_hidden = child.get("stroke") or child.get("opacity") == "0"
            drawn = child.tag in (f"{SVG}path", f"{SVG}rect", f"{SVG}line")
            if drawn or (child.tag == f"{SVG}text" and halo_or_hidden):
                parent.remove(child)
    found = []
    for each in root.iter(f"{SVG}text"):
        words = " ".join(part for text in each.itertext() if (part := text.strip()))
        if words:
            found.append((words, each))
    return root, found


def texts_of(svg: bytes) -> list[str]:
    """Return the visible texts of a picture; lines of one text are joined by a space."""
    return [words for words, _ in _texts(svg)[1]]


def collisions(svg: bytes) -> list[tuple[str, str]]:
    """Return the texts that overlap, in pairs, and those that the picture's edge cuts.

    The texts are drawn alone, each in a colour of its own, in which its box is found.
    """
    root, texts = _texts(svg)
    for number, (_, each) in enumerate(texts):
        each.set("fill", f"#{number + 1:06x}")
    png = vl_convert.svg_to_png(ET.tostring(root, encoding="unicode"), scale=SCALE)
    with Image.open(io.BytesIO(png)) as image:
        pixels = np.asarray(image.convert("RGBA")).astype(np.int64)
    height, width = pixels.shape[:2]
    rows, columns = np.nonzero(pixels[..., 3] == 255)
    inks = pixels[rows, columns, :3] @ np.array([65536, 256, 1])
    boxes = []
    for number, (words, _) in enumerate(texts):
        mine = inks == number + 1
        assert mine.any(), f"outside of the picture, or covered: {words}"
        across, down = columns[mine], rows[mine]
        ends = across.min(), down.min(), across.max() + 1, down.max() + 1
        boxes.append(DrawnText(words, *(int(end) for end in ends)))
    found = [(one.text, other.text) for one, other in combinations(boxes, 2) if one.overlaps(other)]
    return found + [
        (box.text, "the edge")
        for box in boxes
        if box.left <= 0 or box.top <= 0 or box.right >= width or box.bottom >= height
    ]
