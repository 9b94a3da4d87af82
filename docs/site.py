"""Hooks of MkDocs: README.md and CHANGELOG.md are pages, and links to files that are no pages become their names.

So the same text has links that work on the site, in an editor and on a forge.
"""

from __future__ import annotations

import posixpath
import re
from pathlib import Path

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.exceptions import PluginError
from mkdocs.structure.files import File, Files
from mkdocs.structure.pages import Page

ROOT = Path(__file__).parent.parent
PAGES = {"README.md": "index.md", "CHANGELOG.md": "changelog.md"}
"""Files of the repository's root that are pages of the site."""

_LINK = re.compile(r"(!?)\[((?:[^\[\]]|\[[^\]]*\])*)\]\((?!https?:|mailto:|#)([^)#\s]+)(#[^)]*)?\)")
_CODE = re.compile(r"(^```.*?^```|`[^`\n]+`)", re.DOTALL | re.MULTILINE)


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Add the pages that are outside of docs/."""
    for source, page in PAGES.items():
        files.append(File.generated(config, page, content=(ROOT / source).read_text(encoding="utf-8")))
    return files


def on_page_markdown(markdown: str, page: Page, config: MkDocsConfig, files: Files) -> str:
    """Make the links of a page those of the site."""
    sources = {target: source for source, target in PAGES.items()}
    path = sources.get(page.file.src_uri, f"docs/{page.file.src_uri}")
    parts = _CODE.split(markdown)
    return "".join(part if part.startswith("`") else links_for_site(part, path) for part in parts)


def links_for_site(markdown: str, path: str) -> str:
    """Return Markdown without code, with links as they are on the site.

    Args:
        markdown: of a file.
        path: of the file in the repository.

    Raises:
        PluginError: a link leads to a file that does not exist.
    """

    def replace(link: re.Match[str]) -> str:
        picture, text, target, anchor = link.groups()
        found = posixpath.normpath(posixpath.join(posixpath.dirname(path), target))
        if not (ROOT / found).exists():
            raise PluginError(f"{path}: {target} does not exist")
        if found in PAGES or found.startswith("docs/"):
            return f"{picture}[{text}]({PAGES.get(found, found.removeprefix('docs/'))}{anchor or ''})"
        name = text.strip("`")
        return f"`{found}`" if name in (found, target, posixpath.basename(found)) else f"{text} (`{found}`)"

    return _LINK.sub(replace, markdown)
