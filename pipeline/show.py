"""Show some annotated posts on a terminal: `python -m pipeline.show OUT [N]`."""

from __future__ import annotations

import sys
from typing import Any

import pyarrow.dataset as ds


def rendered(row: dict[str, Any]) -> str:
    """A post with its entities marked, its pictures below; nothing in it can steer the terminal."""
    text, parts, position = row["text"], [], 0
    for entity in row["entities"]:
        parts += [text[position : entity["start"]], f"[{entity['text']} {entity['type']} {entity['score']:.2f}]"]
        position = entity["end"]
    lines = [printable("".join([*parts, text[position:]]))]
    for image in row["images"]:
        objects = ", ".join(f"{found['label']} {found['score']:.2f}" for found in image["objects"][:5])
        lines.append(printable(f"    {image['key']}: {image['status']}" + (f", {objects}" if objects else "")))
    return "\n".join(lines)


def printable(text: str) -> str:
    """Text without control characters: line breaks and escapes are shown as such."""
    return "".join(c if c.isprintable() or c in "\u200d\u200c\ufe0f" else c.encode("unicode_escape").decode() for c in text)


def main(argv: list[str]) -> int:
    """Print the first N posts that have entities."""
    rows = ds.dataset(f"{argv[0]}/annotations", format="parquet").to_table(columns=["text", "entities", "images"])
    limit = int(argv[1]) if len(argv) > 1 else 8
    shown = [row for row in rows.to_pylist() if row["entities"]][:limit]
    print("\n".join(rendered(row) for row in shown))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
