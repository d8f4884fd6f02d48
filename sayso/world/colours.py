"""Colour words in English and Chinese, hex parsing, and the CIEDE2000 difference.

Source of the difference: Sharma, Wu, Dalal, "The CIEDE2000 Color-Difference Formula" (2005).
"""

from __future__ import annotations

import re
from dataclasses import dataclass

import numpy as np

from sayso.errors import BadInput, Unknown


@dataclass(frozen=True)
class ColourWord:
    """`en[0]` and `zh[0]` are the usual words, the rest are synonyms. `item`: clear enough to tint an item with."""

    hex: str
    en: tuple[str, ...]
    zh: tuple[str, ...]
    item: bool = False


COLOURS: tuple[ColourWord, ...] = (
    ColourWord("#e02424", ("red", "bright red"), ("红色", "大红色"), True),
    ColourWord("#f58220", ("orange",), ("橙色", "橘色"), True),
    ColourWord("#f7d020", ("yellow", "bright yellow"), ("黄色", "明黄色"), True),
    ColourWord("#2e9e3f", ("green",), ("绿色",), True),
    ColourWord("#2563eb", ("blue",), ("蓝色",), True),
    ColourWord("#7e3ab8", ("purple", "violet"), ("紫色",), True),
    ColourWord("#f472b6", ("pink",), ("粉色", "粉红色"), True),
    ColourWord("#8b5a2b", ("brown",), ("棕色", "褐色"), True),
    ColourWord("#222222", ("black",), ("黑色",), True),
    ColourWord("#ffffff", ("white", "plain white"), ("白色", "纯白色")),
    ColourWord("#8c8c8c", ("grey", "gray"), ("灰色",), True),
    ColourWord("#22c3d6", ("cyan", "aqua"), ("青色",), True),
    ColourWord("#0f8b8d", ("teal",), ("蓝绿色",)),
    ColourWord("#1e2a5a", ("navy", "navy blue"), ("藏青色", "深蓝色")),
    ColourWord("#9ad0f5", ("light blue", "pale blue"), ("浅蓝色", "淡蓝色")),
    ColourWord("#a8e6a1", ("light green", "pale green"), ("浅绿色", "淡绿色")),
    ColourWord("#a3e635", ("lime", "lime green"), ("青柠色",)),
    ColourWord("#7b1e2b", ("maroon", "dark red"), ("酒红色", "深红色")),
    ColourWord("#c9b6f2", ("lavender", "lilac"), ("淡紫色", "薰衣草色")),
    ColourWord("#fbd9c0", ("peach",), ("桃色",)),
    ColourWord("#f3ead3", ("beige", "cream"), ("米色", "米白色")),
    ColourWord("#d4a017", ("gold", "golden"), ("金色",)),
    ColourWord("#14532d", ("dark green", "forest green"), ("深绿色", "墨绿色")),
    ColourWord("#d9d9d9", ("light grey", "light gray"), ("浅灰色",)),
    ColourWord("#d6249f", ("magenta",), ("品红色", "洋红色")),
)

BY_WORD: dict[str, str] = {w: c.hex for c in COLOURS for w in c.en + c.zh}
ITEM_COLOURS: tuple[ColourWord, ...] = tuple(c for c in COLOURS if c.item)
_HEX = re.compile(r"#([0-9a-fA-F]{6}|[0-9a-fA-F]{3})\Z")


def parse(text: str) -> str:
    """A colour word (English or Chinese) or "#rgb" / "#rrggbb" → "#rrggbb" in lower case. Raises BadInput or Unknown."""
    word = text.strip().lower()
    if word.startswith("#"):
        if not _HEX.match(word):
            raise BadInput(f'"{text}" is not a hex colour; write it as #rrggbb, for example #2563eb')
        return word if len(word) == 7 else "#" + "".join(2 * c for c in word[1:])
    if word in BY_WORD:
        return BY_WORD[word]
    raise Unknown("colour", text, tuple(BY_WORD))


def rgb(hex_colour: str) -> tuple[int, int, int]:
    """"#rrggbb" → three values 0..255."""
    return int(hex_colour[1:3], 16), int(hex_colour[3:5], 16), int(hex_colour[5:7], 16)


def to_lab(srgb: np.ndarray) -> np.ndarray:
    """sRGB [..., 3] in 0..255 → CIE L*a*b* [..., 3] under D65."""
    c = np.asarray(srgb, dtype=np.float64) / 255.0
    linear = np.where(c <= 0.04045, c / 12.92, ((c + 0.055) / 1.055) ** 2.4)
    matrix = np.array([[0.4124564, 0.3575761, 0.1804375], [0.2126729, 0.7151522, 0.0721750], [0.0193339, 0.1191920, 0.9503041]])
    xyz = linear @ matrix.T / np.array([0.95047, 1.0, 1.08883])
    f = np.where(xyz > (6 / 29) ** 3, np.cbrt(xyz), xyz / (3 * (6 / 29) ** 2) + 4 / 29)
    return np.stack([116 * f[..., 1] - 16, 500 * (f[..., 0] - f[..., 1]), 200 * (f[..., 1] - f[..., 2])], axis=-1)


def ciede2000(lab1: np.ndarray, lab2: np.ndarray) -> np.ndarray:
    """Difference of two Lab arrays [..., 3] → [...]; about 1 is just noticeable."""
    l1, a1, b1 = np.moveaxis(np.asarray(lab1, dtype=np.float64), -1, 0)
    l2, a2, b2 = np.moveaxis(np.asarray(lab2, dtype=np.float64), -1, 0)
    c_mean7 = ((np.hypot(a1, b1) + np.hypot(a2, b2)) / 2) ** 7
    g = 0.5 * (1 - np.sqrt(c_mean7 / (c_mean7 + 25.0**7)))
    a1p, a2p = (1 + g) * a1, (1 + g) * a2
    c1, c2 = np.hypot(a1p, b1), np.hypot(a2p, b2)
    h1, h2 = np.degrees(np.arctan2(b1, a1p)) % 360, np.degrees(np.arctan2(b2, a2p)) % 360
    grey = c1 * c2 == 0
    dh = np.where(grey, 0.0, (h2 - h1 + 180) % 360 - 180)
    dl, dc, dhh = l2 - l1, c2 - c1, 2 * np.sqrt(c1 * c2) * np.sin(np.radians(dh) / 2)
    lm, cm = (l1 + l2) / 2, (c1 + c2) / 2
    wrap = np.abs(h1 - h2) > 180
    hm = np.where(grey, h1 + h2, np.where(wrap, (h1 + h2 + np.where(h1 + h2 < 360, 360, -360)) / 2, (h1 + h2) / 2))
    t = (1 - 0.17 * np.cos(np.radians(hm - 30)) + 0.24 * np.cos(np.radians(2 * hm))
         + 0.32 * np.cos(np.radians(3 * hm + 6)) - 0.20 * np.cos(np.radians(4 * hm - 63)))
    sl = 1 + 0.015 * (lm - 50) ** 2 / np.sqrt(20 + (lm - 50) ** 2)
    sc, sh = 1 + 0.045 * cm, 1 + 0.015 * cm * t
    rc = 2 * np.sqrt(cm**7 / (cm**7 + 25.0**7))
    rt = -rc * np.sin(np.radians(60 * np.exp(-(((hm - 275) / 25) ** 2))))
    return np.sqrt((dl / sl) ** 2 + (dc / sc) ** 2 + (dhh / sh) ** 2 + rt * (dc / sc) * (dhh / sh))


def difference(a: str, b: str) -> float:
    """CIEDE2000 between two "#rrggbb" colours."""
    return float(ciede2000(to_lab(np.array(rgb(a))), to_lab(np.array(rgb(b)))))
