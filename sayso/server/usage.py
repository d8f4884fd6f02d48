"""Tokens, so that clients which budget by them can: a fixed arithmetic over sizes and letters, not a price.

A drawn picture counts by the public formula for gpt-image-2: with f = 16, 48, 96 for low, medium, high and
s = f · short / long rounded, ceil(f · s · (2·10⁶ + W·H) / 4·10⁶). "auto" counts as medium, above high as high. Each partial
picture adds 100. A picture that is read counts as one drawn at low. Words count a token for every four bytes of UTF-8.
"""

from __future__ import annotations

from collections.abc import Iterable

from sayso.server.schemas.common import TokenDetails, Usage

FACTOR = {"low": 16, "medium": 48, "high": 96}
PER_PARTIAL = 100


def image_tokens(width: int, height: int, quality: str) -> int:
    """Tokens of one picture of W × H pixels."""
    f = FACTOR.get({"auto": "medium", "standard": "medium"}.get(quality, quality), FACTOR["high"])
    short, long = min(width, height), max(width, height)
    s = (2 * f * short + long) // (2 * long)
    return -(-f * s * (2_000_000 + width * height) // 4_000_000)


def text_tokens(text: str) -> int:
    return -(-len(text.encode("utf-8", "replace")) // 4)


def usage(
    words: Iterable[str],
    read: Iterable[tuple[int, int]],
    drawn: Iterable[tuple[int, int]],
    quality: str,
    partials: int = 0,
    said: Iterable[str] = (),
) -> Usage:
    """`read`, `drawn`: width and height of each picture that was sent and made; `said`: words that came back."""
    text, images = sum(map(text_tokens, words)), sum(image_tokens(w, h, "low") for w, h in read)
    made = sum(image_tokens(w, h, quality) for w, h in drawn) + PER_PARTIAL * partials
    back = sum(map(text_tokens, said))
    return Usage(
        input_tokens=text + images,
        output_tokens=made + back,
        total_tokens=text + images + made + back,
        input_tokens_details=TokenDetails(text_tokens=text, image_tokens=images),
        output_tokens_details=TokenDetails(image_tokens=made, text_tokens=back),
    )
