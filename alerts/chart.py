"""The chart of a message as a PNG, drawn without a browser: what was seen, what was expected, and the alarm limit."""

from __future__ import annotations

import io
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache
from typing import TypeAlias

from PIL import Image, ImageDraw, ImageFont

from alerts.message import Message, parsed_instant
from alerts.render.text import plain

WIDTH, HEIGHT = 540, 200
"""In the pixels of a page; the picture has twice as many, for sharp screens. The type is still read at 350."""

_SCALE = 2
_LEFT, _RIGHT, _TOP, _BOTTOM = 52, 14, 32, 30

Point: TypeAlias = "tuple[datetime, float | None, float | None, float | None]"


@dataclass(frozen=True, slots=True)
class Theme:
    paper: str
    ink: str
    soft: str
    line: str
    expected: str
    limit: str
    onset: str


LIGHT = Theme("#f5f7f9", "#17202a", "#56616d", "#dde3e9", "#8a97a5", "#b06a00", "#fde8e4")
DARK = Theme("#222a33", "#f0f3f6", "#a9b4c0", "#36414c", "#8a97a5", "#e0a243", "#4a2a2a")


def chart_png(message: Message, colour: str, theme: Theme = LIGHT) -> bytes | None:
    """The picture; None when there are fewer than two known points. colour: of what was seen, as #rrggbb."""
    points = message.series
    values = [value for _, *three in points for value in three if value is not None]
    if sum(point[1] is not None for point in points) < 2 or not values:
        return None
    image = Image.new("RGB", (WIDTH * _SCALE, HEIGHT * _SCALE), theme.paper)
    draw = ImageDraw.Draw(image)
    low, high = min(0.0, *values), max(values) or 1.0
    begin, end = points[0][0].timestamp(), points[-1][0].timestamp()

    def x(at: datetime) -> float:
        share = (at.timestamp() - begin) / max(end - begin, 1.0)
        return (_LEFT + max(0.0, min(1.0, share)) * (WIDTH - _LEFT - _RIGHT)) * _SCALE

    def y(value: float) -> float:
        return (HEIGHT - _BOTTOM - (value - low) / max(high - low, 1e-12) * (HEIGHT - _TOP - _BOTTOM)) * _SCALE

    _onset(draw, message, points, x, theme)
    _grid(draw, low, high, y, theme)
    _times(draw, points, x, theme)
    _line(draw, points, 3, x, y, theme.limit, 1.0, dashed=True)
    _line(draw, points, 2, x, y, theme.expected, 1.5)
    _line(draw, points, 1, x, y, colour, 2.2)
    _legend(draw, message, points, colour, theme)
    out = io.BytesIO()
    image.quantize(96).save(out, "PNG", optimize=True)
    return out.getvalue()


@lru_cache(maxsize=4)
def _font(size: float) -> ImageFont.FreeTypeFont | ImageFont.ImageFont:
    return ImageFont.load_default(size * _SCALE)


def _onset(
    draw: ImageDraw.ImageDraw,
    message: Message,
    points: Sequence[Point],
    x: Callable[[datetime], float],
    theme: Theme,
) -> None:
    """The time of the finding, shaded."""
    start = parsed_instant(message.start.replace(" UTC", "Z").replace(" ", "T"))
    end = parsed_instant(message.end.replace(" UTC", "Z").replace(" ", "T")) or points[-1][0]
    if start is not None and start <= points[-1][0]:
        draw.rectangle((x(start), _TOP * _SCALE, max(x(end), x(start) + 2), (HEIGHT - _BOTTOM) * _SCALE), theme.onset)


def _grid(draw: ImageDraw.ImageDraw, low: float, high: float, y: Callable[[float], float], theme: Theme) -> None:
    for share in (0.0, 0.5, 1.0):
        value = low + share * (high - low)
        draw.line((_LEFT * _SCALE, y(value), (WIDTH - _RIGHT) * _SCALE, y(value)), theme.line, _SCALE)
        draw.text(((_LEFT - 6) * _SCALE, y(value)), short(value), theme.soft, _font(13.5), anchor="rm")


def _times(draw: ImageDraw.ImageDraw, points: Sequence[Point], x: Callable[[datetime], float], theme: Theme) -> None:
    first, middle, last = points[0][0], points[len(points) // 2][0], points[-1][0]
    form = "%H:%M" if (last - first).total_seconds() < 86_400 else "%m-%d %H:%M"
    for at, anchor in ((first, "lm"), (middle, "mm"), (last, "rm")):
        place = (x(at), (HEIGHT - _BOTTOM / 2) * _SCALE)
        draw.text(place, f"{at:{form}}" + (" UTC" if at == last else ""), theme.soft, _font(13.5), anchor=anchor)


def _line(
    draw: ImageDraw.ImageDraw,
    points: Sequence[Point],
    column: int,
    x: Callable[[datetime], float],
    y: Callable[[float], float],
    colour: str,
    width: float,
    *,
    dashed: bool = False,
) -> None:
    """A line with gaps where nothing is known; pieces of it when dashed."""
    run: list[tuple[float, float]] = []
    for number, point in enumerate([*points, (points[-1][0], None, None, None)]):
        value = point[column]
        if isinstance(value, float) and not (dashed and number % 4 == 3):
            run.append((x(point[0]), y(value)))
            continue
        if len(run) > 1:
            draw.line(run, colour, round(width * _SCALE), joint="curve")
        elif run:
            ((left, top),) = run
            draw.ellipse((left - _SCALE, top - _SCALE, left + _SCALE, top + _SCALE), colour)
        run = []


def _legend(draw: ImageDraw.ImageDraw, message: Message, points: Sequence[Point], colour: str, theme: Theme) -> None:
    left = _LEFT
    middle = (_TOP - 15) * _SCALE
    for label, column, shade in (
        (plain(message.unit, 40) or "observed", 1, colour),
        ("expected", 2, theme.expected),
        ("alarm limit", 3, theme.limit),
    ):
        if all(point[column] is None for point in points):
            continue
        draw.line((left * _SCALE, middle, (left + 14) * _SCALE, middle), shade, 2 * _SCALE)
        draw.text(((left + 19) * _SCALE, middle), label, theme.ink, _font(14), anchor="lm")
        left += 19 + round(draw.textlength(label, _font(14)) / _SCALE) + 16


def short(value: float) -> str:
    """A number for an axis: 1,200 is 1.2k."""
    for size, letter in ((1e9, "G"), (1e6, "M"), (1e3, "k")):
        if abs(value) >= size:
            return f"{value / size:.3g}{letter}"
    return f"{value:.3g}"
