"""Make the image shards of the demo archive: `python -m demo.make_images demo/archive`.

The photos come from installed packages, the other pictures are drawn. The output has the same bytes every time.
`demo/archive/README.md` lists origins and licences. The posts of the archive are written by hand.
"""

from __future__ import annotations

import struct
import sys
import tarfile
import zlib
from io import BytesIO
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw

from archive.command_line import Parser

LONGER_SIDE = 640
SHARDS = (
    ("images-00000.tar", ("flower.jpg", "grace-hopper.jpg", "chart.png", "truncated.jpg", "spin.gif", "rotated.jpg", "not-a-picture.jpg")),
    ("images-00001.tar", ("summer-palace.jpg", "print.jpg", "poster.webp", "badge.png", "depth.png", "bomb.png", "pixel.png")),
)


def photo(path: Path) -> Image.Image:
    """Open a photo and scale it to at most 640 pixels wide and high."""
    image = Image.open(path).convert("RGB")
    image.thumbnail((LONGER_SIDE, LONGER_SIDE))
    return image


def encoded(image: Image.Image, kind: str, **options: object) -> bytes:
    """Return an image as the bytes of a file of that format."""
    file = BytesIO()
    image.save(file, kind, **options)
    return file.getvalue()


def drawn(title: str, colour: str, size: tuple[int, int] = (480, 320)) -> Image.Image:
    """Draw a poster: a title above a few circles."""
    image = Image.new("RGB", size, colour)
    draw = ImageDraw.Draw(image)
    for i in range(6):
        draw.ellipse([40 + 70 * i, 160, 90 + 70 * i, 210], fill="white", outline="black")
    draw.text((40, 60), title, fill="white", font_size=40)
    return image


def png_with_size(width: int, height: int) -> bytes:
    """Return a PNG without pixels whose header says that it has this size: a decompression bomb."""
    header = b"IHDR" + struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    end = b"IEND"
    chunks = [struct.pack(">I", len(body) - 4) + body + struct.pack(">I", zlib.crc32(body)) for body in (header, end)]
    return b"\x89PNG\r\n\x1a\n" + b"".join(chunks)


def pictures() -> dict[str, bytes]:
    """Return all pictures of the shards by key."""
    import matplotlib  # takes seconds, as scikit-learn does
    import sklearn.datasets

    samples = Path(sklearn.datasets.__file__).parent / "images"
    flower, palace = photo(samples / "flower.jpg"), photo(samples / "china.jpg")
    hopper = photo(Path(matplotlib.get_data_path()) / "sample_data" / "grace_hopper.jpg")
    rotation = Image.Exif()
    rotation[0x0112] = 6  # orientation: rotate by 90 degrees to view
    frames = [drawn(f"frame {i}", colour, (240, 160)) for i, colour in enumerate(("navy", "purple", "teal"))]
    transparent = drawn("10K", "darkgreen", (200, 200)).convert("RGBA")
    transparent.putalpha(Image.linear_gradient("L").resize((200, 200)))
    depth = Image.fromarray(np.linspace(0, 65535, 200 * 300).reshape(200, 300).astype(np.uint16))
    return {
        "flower.jpg": encoded(flower, "JPEG", quality=85),
        "summer-palace.jpg": encoded(palace, "JPEG", quality=85),
        "grace-hopper.jpg": encoded(hopper, "JPEG", quality=85),
        "rotated.jpg": encoded(hopper.rotate(90, expand=True), "JPEG", quality=80, exif=rotation),
        "print.jpg": encoded(flower.convert("CMYK"), "JPEG", quality=80),
        "truncated.jpg": encoded(palace, "JPEG", quality=85)[:9000],
        "not-a-picture.jpg": b"<html><title>404 Not Found</title></html>\n",
        "chart.png": encoded(drawn("Q3 results", "steelblue").quantize(16), "PNG"),
        "poster.webp": encoded(drawn("LIVE TONIGHT", "darkred"), "WEBP", quality=80),
        "badge.png": encoded(transparent, "PNG"),
        "depth.png": encoded(depth, "PNG"),
        "spin.gif": encoded(frames[0], "GIF", save_all=True, append_images=frames[1:], duration=200),
        "bomb.png": png_with_size(50_000, 50_000),
        "pixel.png": encoded(Image.new("RGB", (1, 1), "orange"), "PNG"),
    }


def main(folder: Path) -> int:
    """Write the shards to an existing folder."""
    members = pictures()
    for shard, keys in SHARDS:
        with tarfile.open(folder / shard, "w", format=tarfile.USTAR_FORMAT) as archive:
            for key in keys:
                info = tarfile.TarInfo(key)
                info.size = len(members[key])
                archive.addfile(info, BytesIO(members[key]))
    return 0


def command(argv: list[str]) -> int:
    """Run the command and return its exit status: 2 if an argument is wrong."""
    parser = Parser("demo.make_images", __doc__)
    parser.add_argument("folder", nargs="?", type=Path, metavar="FOLDER", help="folder of the shards")
    folder = parser.parse_args(argv).folder
    if folder is None or not folder.is_dir():
        wrong = "FOLDER is missing" if folder is None else f"there is no folder {str(folder)!r}"
        print(f"demo.make_images: {wrong}: give an existing folder, such as demo/archive", file=sys.stderr)
        return 2
    return main(folder)


if __name__ == "__main__":
    sys.exit(command(sys.argv[1:]))
