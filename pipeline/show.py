"""Show the first posts with entities on a terminal: `python -m pipeline.show OUT [N]`."""

from __future__ import annotations

import argparse
import sys
from typing import Any, NoReturn

import pyarrow as pa
import pyarrow.dataset as ds


def rendered(row: dict[str, Any]) -> str:
    """Return a post with its entities marked and its pictures below.

    Control characters are escaped, so that no post can control the terminal.
    """
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
    """Return the text with line breaks and control characters escaped."""
    return "".join(c if c.isprintable() or c in "\u200d\u200c\ufe0f" else c.encode("unicode_escape").decode() for c in text)


class _Parser(argparse.ArgumentParser):
    """A parser whose errors are one line."""

    def error(self, message: str) -> NoReturn:
        self.exit(2, f"{self.prog}: {message}\n")


def main(argv: list[str]) -> int:
    """Print the first N posts that have entities. Return the exit status: 2 if an argument is wrong."""
    parser = _Parser(prog="pipeline.show", description=__doc__)
    parser.add_argument("output", metavar="OUT", help="folder that run_pipeline.py wrote")
    parser.add_argument("limit", metavar="N", nargs="?", default="8", help="how many posts to print (default: %(default)s)")
    options = parser.parse_args(argv)
    if not options.limit.isdecimal() or int(options.limit) < 1:
        parser.error(f"N is {options.limit!r}: give a whole number of 1 or more")
    folder = f"{options.output}/annotations"
    try:
        rows = ds.dataset(folder, format="parquet").to_table(columns=["text", "entities", "images"])
    except FileNotFoundError:
        parser.error(f"{options.output!r} is not the output of a run: there is no folder {folder!r}")
    except (OSError, pa.ArrowInvalid) as error:
        first_line = str(error).partition("\n")[0]
        parser.error(f"{options.output!r} is not the output of a run: {folder!r} cannot be read ({first_line})")
    shown = [row for row in rows.to_pylist() if row["entities"]][: int(options.limit)]
    print("\n".join(rendered(row) for row in shown))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
