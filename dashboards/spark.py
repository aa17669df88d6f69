"""A small line drawing out of numbers, for SVG: what is seen without a script or before it runs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

WIDTH = 300
HEIGHT = 60
_MARGIN = 3  # so that the stroke is not cut off at the edge


@dataclass(frozen=True, slots=True)
class Line:
    """One unbroken stretch: SVG point lists of its stroke and of the shape under it."""

    stroke: str
    shape: str


def lines(values: Sequence[int | float | None]) -> list[Line]:
    """The stretches between gaps, in a box of WIDTH by HEIGHT; None is a gap."""
    top = max((v for v in values if v is not None), default=0) or 1
    step = WIDTH / max(len(values) - 1, 1)
    found: list[Line] = []
    run: list[tuple[float, float]] = []
    for index, value in enumerate([*values, None]):
        if value is not None:
            run.append((index * step, HEIGHT - _MARGIN - (HEIGHT - 2 * _MARGIN) * value / top))
        elif run:
            found.append(_line(run if len(run) > 1 else _dash(run[0], step)))
            run = []
    return found


def _dash(point: tuple[float, float], step: float) -> list[tuple[float, float]]:
    """A single point between two gaps would be invisible."""
    x, y = point
    half = min(step / 3, WIDTH / 20)
    return [(max(x - half, 0), y), (min(x + half, WIDTH), y)]


def _line(run: list[tuple[float, float]]) -> Line:
    floor: list[tuple[float, float]] = [(run[-1][0], HEIGHT), (run[0][0], HEIGHT)]
    return Line(_points(run), _points(run + floor))


def _points(run: list[tuple[float, float]]) -> str:
    return " ".join(f"{x:.1f},{y:.1f}" for x, y in run)
