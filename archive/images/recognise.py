"""Tell from its first bytes what a file is that is not decoded."""

from __future__ import annotations

import re

from archive.images.image_error import ImageError

_UNSUPPORTED = (
    ("jpeg_xl", rb"\xff\x0a|\x00\x00\x00\x0cJXL "),
    ("jpeg_2000", rb"\xff\x4f\xff\x51|\x00\x00\x00\x0cjP  "),
    ("jpeg_xr", rb"II\xbc"),
    ("raw", rb"....ftypcrx |FUJIFILMCCD-RAW|IIU\x00|II[*]\x00....CR|IIR[OS]|MMOR|FOVb|\x00MRM"),
    ("heic", rb"....ftyp(?:hei[cmsx]|hev[cmsx]|mif1|msf1)"),
    ("avif", rb"....ftypavi[fs]"),
    ("video", rb"....ftyp|....(?:moov|mdat|wide)|\x1a\x45\xdf\xa3|RIFF....AVI |FLV\x01|OggS|\x00\x00\x01[\xba\xb3]|\x30\x26\xb2\x75\x8e\x66"),
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
"""Formats of pictures and films that are known and not decoded, with a pattern of their first bytes."""

_KINDS = re.compile(b"|".join(b"(?P<%s>%s)" % (name.encode(), pattern) for name, pattern in _UNSUPPORTED), re.DOTALL)
_PROLOGUE = re.compile(rb"(?:\xef\xbb\xbf)?(?:\s++|(?><\?.*?\?>)|(?><!--.*?-->))*+", re.DOTALL)
_SVG = re.compile(rb"<(?:!doctype svg|svg|svg:svg)\b", re.IGNORECASE)
_PAGE = re.compile(rb"<(?:!doctype html|html|head|body|script|title|meta)\b", re.IGNORECASE)
_HEAD_BYTES = 2048


def not_a_picture(data: bytes) -> ImageError:
    """Return why a file cannot be decoded that has none of the formats that are."""
    head = data[:_HEAD_BYTES]
    if not head:
        return ImageError("corrupt", "empty_file")
    if kind := _KINDS.match(head):
        return ImageError("unsupported", str(kind.lastgroup))
    prologue = _PROLOGUE.match(head)
    start = prologue.end() if prologue else 0
    if _SVG.match(head, start):
        return ImageError("unsupported", "svg")
    return ImageError("corrupt", "html_page" if _PAGE.match(head, start) else "not_an_image")
