"""Pages of the site that lie outside docs/, links between pages and the repository, and the order of pages."""

import os
import re
import textwrap
from collections.abc import Iterator, Sequence
from fnmatch import fnmatch
from pathlib import Path, PurePosixPath
from typing import Any

REPOSITORY = Path(__file__).resolve().parents[2]
DOCS = "docs"

OUTSIDE = {
    "CONTRIBUTING.md": "contributing.md",
    "examples/README.md": "examples.md",
    **{
        f"packages/{folder.name}/{file}": f"package/{folder.name}{end}.md"
        for folder in sorted((REPOSITORY / "packages").iterdir())
        if (folder / "pyproject.toml").is_file()
        for file, end in (("README.md", ""), ("CHANGELOG.md", "-changes"))
    },
}
"""Pages of the site by their files outside docs/."""

INSIDE = {page: source for source, page in OUTSIDE.items()}

_CODE = re.compile(
    r"^(?P<fence>```+|~~~+).*?^(?P=fence)\s*?$|(?<!`)(`+)(?!`).+?(?<!`)\2(?!`)", re.MULTILINE | re.DOTALL
)
_LINK = re.compile(r"(\]\()([^)\s]+)|(^\[[^\]]+\]: )(\S+)|(\b(?:href|src)=\")([^\"]+)", re.MULTILINE)


_FENCED = re.compile(r"^(?P<fence>```+|~~~+).*?^(?P=fence)[^\n]*$", re.MULTILINE | re.DOTALL)
_INDENTED = re.compile(r"(?P<before>[^\n]*)\n\n(?P<block> {4}\S[^\n]*\n(?:(?: {4}[^\n]*)?\n)*)")
_LANGUAGES = {
    "sh": r"# |(?:[A-Z_]+=\S+ )*(?:uv|git|cd|pip|make|python|torchrun|docker|<isaac_sim>/python\.sh|oige-[a-z-]+)\b",
    "python": r"(?:import|from) \w|env = |viewer, ",
}
"""How indented blocks of code begin, by language."""


class BrokenLinkError(Exception):
    """A link of a page leads to a file that is not in the repository."""


def source_of(page: str) -> str:
    """Return the path in the repository of a page of the site."""
    return INSIDE.get(page, f"{DOCS}/{page}")


def rewrite_links(text: str, page: str, repository_url: str) -> str:
    """Return a page's Markdown with links that lead to pages of the site, or else to the repository.

    Args:
        text: Markdown of the page. Its links are relative to the page's file in the repository.
        page: path of the page in the site, such as ``contributing.md``.
        repository_url: address of the repository; ``/blob/main/<path>`` follows.

    Raises:
        BrokenLinkError: the target of a link does not exist.
    """
    source = source_of(page)

    def rewrite(match: re.Match[str]) -> str:
        before, target = next((match[n], match[n + 1]) for n in (1, 3, 5) if match[n])
        new = new_target(target, source, page, repository_url)
        in_html = bool(match[5])  # where mkdocs does not look for links
        return before + (re.sub(r"\.md(?=#|$)", ".html", new) if in_html and "://" not in new else new)

    parts, end = [], 0
    for code in _CODE.finditer(text):
        parts += [_LINK.sub(rewrite, text[end : code.start()]), code[0]]
        end = code.end()
    return "".join([*parts, _LINK.sub(rewrite, text[end:])])


def fence_code(text: str) -> str:
    """Return Markdown in which indented blocks of commands and of Python have fences, so that they are highlighted.

    Blocks in lists stay as they are.
    """

    def fenced(match: re.Match[str]) -> str:
        code = textwrap.dedent(match["block"]).strip("\n")
        language = next((name for name, start in _LANGUAGES.items() if re.match(start, code)), None)
        if language is None or re.match(r" |[*-] |\d+\. ", match["before"]):
            return match[0]
        return f"{match['before']}\n\n```{language}\n{code}\n```\n\n"

    parts, end = [], 0
    for block in _FENCED.finditer(text):
        parts += [_INDENTED.sub(fenced, text[end : block.start()]), block[0]]
        end = block.end()
    return "".join([*parts, _INDENTED.sub(fenced, text[end:] + "\n")])


def new_target(target: str, source: str, page: str, repository_url: str) -> str:
    """Return the target of a link in the site, given its target in the repository.

    Raises:
        BrokenLinkError: it does not exist.
    """
    path, mark, anchor = target.partition("#")
    if not path or re.match(r"[a-z][a-z+.-]*:", path):
        return target
    linked = os.path.normpath(PurePosixPath(source).parent / path).replace(os.sep, "/")
    at = PurePosixPath(page).parent
    if not (REPOSITORY / linked).exists():
        # A page that hooks write has no file. mkdocs checks links to it.
        if linked.startswith(f"{DOCS}/api/"):
            return relative(linked.removeprefix(f"{DOCS}/"), at) + mark + anchor
        raise BrokenLinkError(f"{source}: the link to {target} leads to {linked}, which is not in the repository.")
    if (REPOSITORY / linked).is_dir():
        if f"{linked}/README.md" in OUTSIDE:
            return relative(OUTSIDE[f"{linked}/README.md"], at) + mark + anchor
        return f"{repository_url}/tree/main/{linked}"
    if linked in OUTSIDE:
        return relative(OUTSIDE[linked], at) + mark + anchor
    if linked.startswith(f"{DOCS}/"):
        return relative(linked.removeprefix(f"{DOCS}/"), at) + mark + anchor
    return f"{repository_url}/blob/main/{linked}{mark}{anchor}"


def relative(page: str, folder: PurePosixPath) -> str:
    """Return a path of the site relative to a folder of it."""
    return os.path.relpath(page, folder).replace(os.sep, "/")


def expand(nav: Any, pages: Sequence[str]) -> Any:
    """Return the navigation of mkdocs.yml with a pattern such as ``results/*.md`` replaced by the pages that match.

    Args:
        nav: pages, patterns, and sections of them, as in mkdocs.yml.
        pages: all pages of the site. Those that nav lists by name are left out of patterns.
    """
    named = {entry for entry in entries(nav) if "*" not in entry}

    def expanded(node: Any) -> Any:
        if isinstance(node, list):
            return [
                new
                for item in node
                for new in (
                    sorted(page for page in pages if fnmatch(page, item) and page not in named)
                    if isinstance(item, str) and "*" in item
                    else [expanded(item)]
                )
            ]
        if isinstance(node, dict):
            return {title: expanded(inner) for title, inner in node.items()}
        return node

    return expanded(nav)


def entries(nav: Any) -> Iterator[str]:
    """Yield the pages and patterns of a navigation."""
    if isinstance(nav, str):
        yield nav
    else:
        for item in nav.values() if isinstance(nav, dict) else nav:
            yield from entries(item)


def unlisted(nav: Any, pages: Sequence[str]) -> list[str]:
    """Return messages on pages that no section of mkdocs.yml lists, and on listed pages that do not exist."""
    listed = set(entries(expand(nav, pages)))
    return [
        f"{source_of(page)} is in no section of mkdocs.yml: add {page} to nav." for page in pages if page not in listed
    ] + [f"mkdocs.yml lists {page}, which does not exist: remove it from nav." for page in sorted(listed - set(pages))]


def each_page(docs: Path) -> list[str]:
    """Return the pages below docs/ and those outside it, in alphabetical order."""
    inside = [path.relative_to(docs).as_posix() for path in docs.rglob("*.md")]
    return sorted([*inside, *INSIDE])
