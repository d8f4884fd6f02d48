"""Small words for writing SVG: numbers, shapes and gradients as strings."""

from __future__ import annotations

from collections.abc import Sequence


def num(value: float) -> str:
    """A coordinate with at most three decimals."""
    text = f"{value:.3f}".rstrip("0").rstrip(".")
    return "0" if text in ("-0", "") else text


def rect(x: float, y: float, width: float, height: float, fill: str, radius: float = 0.0, extra: str = "") -> str:
    round_ = f' rx="{num(radius)}"' if radius else ""
    return f'<rect x="{num(x)}" y="{num(y)}" width="{num(width)}" height="{num(height)}"{round_} fill="{fill}"{extra}/>'


def circle(x: float, y: float, radius: float, fill: str, opacity: float = 1.0) -> str:
    return f'<circle cx="{num(x)}" cy="{num(y)}" r="{num(radius)}" fill="{fill}"{faded(opacity)}/>'


def ellipse(x: float, y: float, rx: float, ry: float, fill: str, opacity: float = 1.0) -> str:
    return f'<ellipse cx="{num(x)}" cy="{num(y)}" rx="{num(rx)}" ry="{num(ry)}" fill="{fill}"{faded(opacity)}/>'


def polygon(points: Sequence[tuple[float, float]], fill: str, opacity: float = 1.0) -> str:
    listed = " ".join(f"{num(x)},{num(y)}" for x, y in points)
    return f'<polygon points="{listed}" fill="{fill}"{faded(opacity)}/>'


def path(d: str, fill: str, opacity: float = 1.0) -> str:
    return f'<path d="{d}" fill="{fill}"{faded(opacity)}/>'


def stroke(d: str, colour: str, width: float, extra: str = "") -> str:
    return f'<path d="{d}" fill="none" stroke="{colour}" stroke-width="{num(width)}"{extra}/>'


def faded(opacity: float) -> str:
    return "" if opacity >= 1 else f' opacity="{num(opacity)}"'


def linear(name: str, stops: Sequence[str], x1: float, y1: float, x2: float, y2: float) -> str:
    """A linear gradient in user units with evenly spaced stops."""
    last = max(len(stops) - 1, 1)
    inner = "".join(f'<stop offset="{num(i / last)}" stop-color="{colour}"/>' for i, colour in enumerate(stops))
    ends = f'x1="{num(x1)}" y1="{num(y1)}" x2="{num(x2)}" y2="{num(y2)}"'
    return f'<linearGradient id="{name}" gradientUnits="userSpaceOnUse" {ends}>{inner}</linearGradient>'


def glow(name: str, colour: str, opacity: float) -> str:
    """A radial gradient in its shape's box: `colour` at `opacity` in the centre, linearly to nothing at the rim."""
    ends = f'<stop offset="0" stop-color="{colour}" stop-opacity="{num(opacity)}"/>'
    return f'<radialGradient id="{name}">{ends}<stop offset="1" stop-color="{colour}" stop-opacity="0"/></radialGradient>'


def wave(width: float, bottom: float, y: float, height: float, length: float, phase: float = 0.0) -> str:
    """The path of a band from a wavy upper edge at `y` (amplitude `height`, period `length`) down to `bottom`."""
    x = -length * (1 + phase % 1)
    d = f"M{num(x)} {num(bottom)}V{num(y)}"
    while x < width:
        d += f"q{num(length / 4)} {num(-2 * height)} {num(length / 2)} 0t{num(length / 2)} 0"
        x += length
    return d + f"V{num(bottom)}Z"


def hill(width: float, bottom: float, left: float, peak: tuple[float, float], right: float) -> str:
    """The path of a rolling hill: from height `left` at x = 0 over the curve's control `peak` to `right` at the far edge."""
    return f"M0 {num(bottom)}V{num(left)}Q{num(peak[0])} {num(peak[1])} {num(width)} {num(right)}V{num(bottom)}Z"
