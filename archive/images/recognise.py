"""Tell from its first bytes what a file is that is not decoded."""

from __future__ import annotations

import re
from collections.abc import Collection

from archive.images.image_error import ImageError

_KNOWN = (
    ("jpeg_xl", rb"\xff\x0a|\x00\x00\x00\x0cJXL "),
    ("jpeg_2000", rb"\xff\x4f\xff\x51|\x00\x00\x00\x0cjP  "),
    ("jpeg_xr", rb"II\xbc"),
    ("raw", rb"....ftypcrx |FUJIFILMCCD-RAW|IIU\x00|II[*]\x00....CR|IIR[OS]|MMOR|FOVb|\x00MRM"),
    ("heic", rb"....ftyp(?:hei[cmsx]|hev[cmsx]|mif1|msf1)"),
    ("avif", rb"....ftypavi[fs]"),
    (
        "video",
        rb"....ftyp|....(?:moov|mdat|wide)|\x1a\x45\xdf\xa3|RIFF....AVI |FLV\x01|OggS|\x00\x00\x01[\xba\xb3]|\x30\x26\xb2\x75\x8e\x66",
    ),
    ("psd", rb"8BPS"),
    ("ico", rb"\x00\x00[\x01\x02]\x00[^\x00]\x00"),
    ("icns", rb"icns"),
    ("openexr", rb"\x76\x2f\x31\x01"),
    ("radiance", rb"#\?(?:RADIANCE|RGBE)"),
    ("dds", rb"DDS "),
    ("xcf", rb"gimp xcf"),
    ("netpbm", rb"P[1-7]\s(?:#|\d|WIDTH)"),
    ("qoi", rb"qoif"),
    ("bpg", rb"BPG\xfb"),
    ("djvu", rb"AT&TFORM"),
)
"""Formats of pictures and films with a pattern of their first bytes. Most are not decoded; two depend on Pillow."""

_KINDS = re.compile(b"|".join(b"(?P<%s>%s)" % (name.encode(), pattern) for name, pattern in _KNOWN), re.DOTALL)
_PROLOGUE = re.compile(rb"(?:\xef\xbb\xbf)?(?:\s++|(?><\?.*?\?>)|(?><!--.*?-->))*+", re.DOTALL)
_SVG = re.compile(rb"<(?:!doctype svg|svg|svg:svg)\b", re.IGNORECASE)
_PAGE = re.compile(rb"<(?:!doctype html|html|head|body|script|title|meta)\b", re.IGNORECASE)
_HEAD_BYTES = 2048


def explain(data: bytes, decoded: Collection[str], otherwise: str) -> ImageError:
    """Return why a file cannot be decoded.

    Args:
        data: content of the file.
        decoded: formats of `_KNOWN` that are decoded here; one that fails is corrupt.
        otherwise: reason where the first bytes tell nothing.
    """
    head = data[:_HEAD_BYTES]
    if not head:
        return ImageError("corrupt", "empty_file")
    if kind := _KINDS.match(head):
        name = str(kind.lastgroup)
        return ImageError("corrupt", "undecodable") if name in decoded else ImageError("unsupported", name)
    prologue = _PROLOGUE.match(head)
    start = prologue.end() if prologue else 0
    if _SVG.match(head, start):
        return ImageError("unsupported", "svg")
    return ImageError("corrupt", "html_page" if _PAGE.match(head, start) else otherwise)
