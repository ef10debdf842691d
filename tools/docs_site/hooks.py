"""Hooks of mkdocs: pages outside docs/, pages of the API, links to the repository, pages that nav does not list."""

import re
import sys
import tomllib
from pathlib import Path
from typing import Any

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.exceptions import PluginError
from mkdocs.structure.files import File, Files
from mkdocs.structure.pages import Page

REPOSITORY = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(REPOSITORY))  # mkdocs loads this file by its path

from tools.docs_site import api, pages  # noqa: E402

KEYS = re.compile(
    r"<table>\s*<thead>\s*<tr>\s*"
    + r"\s*".join(f"<th>{title}</th>" for title in ("key", "type", "default", "unit", "meaning"))
    + r".*?</table>",
    re.DOTALL,
)


def on_config(config: MkDocsConfig) -> None:
    """Tell the theme the version that the banner shows."""
    project = tomllib.loads((REPOSITORY / "packages" / "oige-core" / "pyproject.toml").read_text(encoding="utf-8"))
    config.extra["release"] = project["project"]["version"]


def on_files(files: Files, config: MkDocsConfig) -> None:
    """Add the pages that are not below docs/, and check that nav lists every page."""
    for source, page in pages.OUTSIDE.items():
        files.append(File.generated(config, page, abs_src_path=str(REPOSITORY / source)))
    reference = api.Reference()
    if names := reference.undocumented():
        raise PluginError("\n".join(f"{name} is public and has no docstring: write one." for name in names))
    for page, text in reference.pages():
        files.append(File.generated(config, page, content=text))
    names = sorted(file.src_uri for file in files.documentation_pages())
    if wrong := pages.unlisted(config.nav, names):
        raise PluginError("\n".join(wrong))
    config.nav = pages.expand(config.nav, names)


def on_page_markdown(markdown: str, page: Page, config: MkDocsConfig, **_: Any) -> str:
    """Let links lead to pages of the site or to the repository, edit links to the file, and highlight indented code."""
    uri = page.file.src_uri
    if uri.startswith("api/"):
        page.edit_url = None
        return markdown
    page.edit_url = f"{config.repo_url}/edit/main/{pages.source_of(uri)}"
    try:
        return pages.fence_code(pages.rewrite_links(markdown, uri, config.repo_url or ""))
    except pages.BrokenLinkError as error:
        raise PluginError(str(error)) from error


def on_page_content(html: str, **_: Any) -> str:
    """Mark the tables of configuration keys, which the theme shows row by row on a phone."""
    return KEYS.sub(r'<div class="keys">\g<0></div>', html)
