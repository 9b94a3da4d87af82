"""Write NOTICE: the licences of what is shipped here, and of the packages that requirements.txt installs.

    python -m deploy.notice > NOTICE    # make notice

Licences are what the installed packages say of themselves, read by pip-licenses.
"""

from __future__ import annotations

import json
import re
import subprocess
import sys
from importlib.metadata import PackageNotFoundError, requires
from pathlib import Path

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from archive.command_line import Parser

REQUIREMENTS = Path(__file__).parent.parent / "requirements.txt"

HEAD = """\
Postner
=======

AGPL-3.0 comes first, since it asks for the most:

- The weights in models/pretrained/detector (YOLOv8n, by Ultralytics) are AGPL-3.0, with their licence beside them.
- The packages ultralytics, ultralytics-thop and ultralytics-platform, which requirements.txt installs, are AGPL-3.0. They
  are imported only for ultralytics' own detectors, the shipped one among them.

Who offers a program with these to others, also as a service over a network, has to offer its source too, or needs a
licence of Ultralytics. Without them: --detector none, or --detector FILE.onnx, and no ultralytics in the environment.

The code of this repository is Apache-2.0 (LICENSE). Shipped with it:

- models/pretrained/default: the tagger, Apache-2.0. Its text encoder began as e5-small-v2, which is under the MIT licence:

  Copyright (c) Microsoft Corporation

  Permission is hereby granted, free of charge, to any person obtaining a copy of this software and associated documentation
  files (the "Software"), to deal in the Software without restriction, including without limitation the rights to use, copy,
  modify, merge, publish, distribute, sublicense, and/or sell copies of the Software, and to permit persons to whom the
  Software is furnished to do so, subject to the following conditions:

  The above copyright notice and this permission notice shall be included in all copies or substantial portions of the Software.

  THE SOFTWARE IS PROVIDED "AS IS", WITHOUT WARRANTY OF ANY KIND, EXPRESS OR IMPLIED, INCLUDING BUT NOT LIMITED TO THE
  WARRANTIES OF MERCHANTABILITY, FITNESS FOR A PARTICULAR PURPOSE AND NONINFRINGEMENT. IN NO EVENT SHALL THE AUTHORS OR
  COPYRIGHT HOLDERS BE LIABLE FOR ANY CLAIM, DAMAGES OR OTHER LIABILITY, WHETHER IN AN ACTION OF CONTRACT, TORT OR OTHERWISE,
  ARISING FROM, OUT OF OR IN CONNECTION WITH THE SOFTWARE OR THE USE OR OTHER DEALINGS IN THE SOFTWARE.

- demo/archive: posts, Apache-2.0; pictures by others, with their licences in demo/archive/README.md (CC BY 2.0 and others).

Packages of requirements.txt, and what they require in turn, as installed on Linux for x86-64. The packages themselves are
not part of this repository; an image that you build contains them.
"""


def required(name: str, extras: frozenset[str] = frozenset()) -> set[str]:
    """Return the canonical names of the installed packages that a package requires, directly or not."""
    found: set[str] = set()
    waiting = [(name, extras)]
    seen = set()
    while waiting:
        name, extras = waiting.pop()
        if (name, extras) in seen:
            continue
        seen.add((name, extras))
        for line in _requires(name):
            needed = Requirement(line)
            if needed.marker is None or any(needed.marker.evaluate({"extra": extra}) for extra in extras or {""}):
                found.add(canonicalize_name(needed.name))
                waiting.append((canonicalize_name(needed.name), frozenset(needed.extras)))
    return found


def _requires(name: str) -> list[str]:
    try:
        return requires(name) or []
    except PackageNotFoundError:
        return []


def licences(names: set[str]) -> list[tuple[str, str, str]]:
    """Return (name, version, licence) of the installed ones of these packages, sorted by name."""
    command = [sys.executable, "-m", "piplicenses", "--format=json", "--with-system", "--from=mixed"]
    told = json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)
    rows = [(canonicalize_name(row["Name"]), row["Version"], " ".join(row["License"].split())) for row in told]
    return sorted(row for row in rows if row[0] in names)


def notice() -> str:
    """Return the text of NOTICE."""
    direct = [Requirement(line.partition("#")[0]) for line in REQUIREMENTS.read_text().splitlines()]
    names: set[str] = {canonicalize_name(one.name) for one in direct}
    for one in direct:
        names |= required(canonicalize_name(one.name), frozenset(one.extras))
    rows = licences(names)
    lines = [f"  {name} {version}: {licence}" for name, version, licence in rows]
    missing = sorted(names - {name for name, _, _ in rows})
    if missing:
        lines += ["", f"Required, but not installed where this was written: {', '.join(missing)}"]
    return re.sub(r" +\n", "\n", "\n".join([HEAD, *lines, ""]))


if __name__ == "__main__":
    Parser("deploy.notice", __doc__).parse_args()
    print(notice(), end="")
