"""A picture of dots in a few colours, drawn in memory and written as PNG.

It exists so that pictures need no library of their own. Whatever is drawn beyond the edge is not seen.

Source: W3C, "Portable Network Graphics (PNG) Specification (Third Edition)".
"""

import struct
import zlib
from collections.abc import Sequence

from shopkart_pipeline.services import plot_font

Colour = tuple[int, int, int]
SCALE = 2
"""Dots of the picture for each dot of a letter, across and down."""
ADVANCE, LINE_HEIGHT = (plot_font.WIDTH + 1) * SCALE, (plot_font.HEIGHT + 2) * SCALE
_SIGNATURE = b"\x89PNG\r\n\x1a\n"
_EIGHT_BITS, _PALETTE = 8, 3


class Canvas:
    """A picture; colours are numbers in its palette, and the first one is the ground."""

    def __init__(self, width: int, height: int, palette: Sequence[Colour]) -> None:
        self.width, self.height, self._palette = width, height, palette
        self._rows = [bytearray(width) for _ in range(height)]

    def dot(self, x: int, y: int, colour: int) -> None:
        if 0 <= x < self.width and 0 <= y < self.height:
            self._rows[y][x] = colour

    def rectangle(self, left: int, top: int, width: int, height: int, colour: int) -> None:
        """A filled one."""
        right = min(self.width, left + width)
        left = max(0, left)
        if left < right:
            for row in self._rows[max(0, top) : max(0, top + height)]:
                row[left:right] = bytes([colour]) * (right - left)

    def line(self, begin: tuple[int, int], end: tuple[int, int], colour: int, thickness: int = 1) -> None:
        """A straight line."""
        steps = max(abs(end[0] - begin[0]), abs(end[1] - begin[1]), 1)
        for step in range(steps + 1):
            x = round(begin[0] + (end[0] - begin[0]) * step / steps)
            y = round(begin[1] + (end[1] - begin[1]) * step / steps)
            self.rectangle(x, y, thickness, thickness, colour)

    def text(self, x: int, y: int, words: str, colour: int) -> None:
        """A line of text with its upper left corner there."""
        for letter in words:
            for across, column in enumerate(plot_font.columns(letter)):
                for down in range(plot_font.HEIGHT):
                    if column >> down & 1:
                        self.rectangle(x + across * SCALE, y + down * SCALE, SCALE, SCALE, colour)
            x += ADVANCE

    def png(self) -> bytes:
        """The picture as a file."""
        header = struct.pack("!IIBBBBB", self.width, self.height, _EIGHT_BITS, _PALETTE, 0, 0, 0)
        palette = bytes(value for colour in self._palette for value in colour)
        content = zlib.compress(b"".join(b"\0" + row for row in self._rows), 9)
        chunks = ((b"IHDR", header), (b"PLTE", palette), (b"IDAT", content), (b"IEND", b""))
        return _SIGNATURE + b"".join(_chunk(kind, data) for kind, data in chunks)


def _chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack("!I", len(data)) + kind + data + struct.pack("!I", zlib.crc32(kind + data))
