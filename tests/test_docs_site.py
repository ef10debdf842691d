"""The documentation site builds without warnings, lists every page, and loads nothing from other servers."""

import re
import subprocess
import sys
from collections import Counter
from collections.abc import Callable
from html.parser import HTMLParser
from importlib.metadata import version
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import griffe
import pytest
import yaml

REPOSITORY = Path(__file__).resolve().parent.parent
URL = "https://forge.example/oige"


class _Loader(yaml.SafeLoader):
    """Reads mkdocs.yml, which names functions of Python."""


_Loader.add_multi_constructor("tag:yaml.org,2002:python/", lambda loader, suffix, node: None)


@pytest.fixture
def api(import_tool: Callable[[str], ModuleType]) -> ModuleType:
    return import_tool("docs_site.api")


@pytest.fixture
def pages(import_tool: Callable[[str], ModuleType]) -> ModuleType:
    return import_tool("docs_site.pages")


def navigation() -> list:
    return yaml.load((REPOSITORY / "mkdocs.yml").read_text(), _Loader)["nav"]


def test_every_page_is_listed(api: ModuleType, pages: ModuleType) -> None:
    names = [*pages.each_page(REPOSITORY / "docs"), *{api.page_of(module) for module in api.public_modules()}]
    assert pages.unlisted(navigation(), names) == []


def test_page_that_nav_does_not_list_is_named(pages: ModuleType) -> None:
    nav = ["index.md", {"Notes": ["results/*.md"]}]
    assert pages.unlisted(nav, ["index.md", "new.md", "results/speed.md", "contributing.md"]) == [
        "docs/new.md is in no section of mkdocs.yml: add new.md to nav.",
        "CONTRIBUTING.md is in no section of mkdocs.yml: add contributing.md to nav.",
    ]


def test_listed_page_that_does_not_exist_is_named(pages: ModuleType) -> None:
    assert pages.unlisted(["index.md", "gone.md"], ["index.md"]) == [
        "mkdocs.yml lists gone.md, which does not exist: remove it from nav."
    ]


def test_pattern_leaves_out_pages_that_nav_names(pages: ModuleType) -> None:
    nav = ["index.md", {"Notes": ["results/z.md", "results/*.md"]}]
    assert pages.expand(nav, ["index.md", "results/z.md", "results/b.md", "results/a.md"]) == [
        "index.md",
        {"Notes": ["results/z.md", "results/a.md", "results/b.md"]},
    ]


@pytest.mark.parametrize(
    ("page", "text", "expected"),
    [
        ("tasks.md", "[a](results/gpu.md#x)", "[a](results/gpu.md#x)"),
        ("tasks.md", "[a](../CONTRIBUTING.md#style)", "[a](contributing.md#style)"),
        ("results/gpu.md", "[a](../../CONTRIBUTING.md)", "[a](../contributing.md)"),
        ("results/gpu.md", "[a](data)", f"[a]({URL}/tree/main/docs/results/data)"),
        ("tasks.md", "[a](../Makefile)", f"[a]({URL}/blob/main/Makefile)"),
        ("tasks.md", "[a](../packages/oige-core)", "[a](package/oige-core.md)"),
        ("contributing.md", "![a](docs/images/ant.png)", "![a](images/ant.png)"),
        ("package/oige-core.md", '<a href="../../docs/gallery.md#ant">', '<a href="../gallery.html#ant">'),
        ("tasks.md", "[a](https://mujoco.org) [b](#style)", "[a](https://mujoco.org) [b](#style)"),
        ("tasks.md", "`[a](gone.md)`\n```\n[a](gone.md)\n```\n", "`[a](gone.md)`\n```\n[a](gone.md)\n```\n"),
    ],
)
def test_links_lead_to_pages_or_to_the_repository(pages: ModuleType, page: str, text: str, expected: str) -> None:
    assert pages.rewrite_links(text, page, URL) == expected


def test_link_to_nothing_is_refused(pages: ModuleType) -> None:
    with pytest.raises(pages.BrokenLinkError) as raised:
        pages.rewrite_links("[a](../gone.py)", "tasks.md", URL)
    assert str(raised.value) == (
        "docs/tasks.md: the link to ../gone.py leads to gone.py, which is not in the repository."
    )


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Run\n\n    uv run x \\\n        --y\n\nNow", "Run\n\n```sh\nuv run x \\\n    --y\n```\n\nNow\n"),
        ("Use\n\n    import torch\n\n    x = 1\n", "Use\n\n```python\nimport torch\n\nx = 1\n```\n\n"),
        ("Files\n\n    runs/Ant\n", "Files\n\n    runs/Ant\n\n"),
        ("* item\n\n    uv run x\n", "* item\n\n    uv run x\n\n"),
        ("```yaml\na:\n\n    git x\n```\n", "```yaml\na:\n\n    git x\n```\n\n"),
    ],
)
def test_indented_commands_and_python_get_fences(pages: ModuleType, text: str, expected: str) -> None:
    assert pages.fence_code(text) == expected


class SitePage(HTMLParser):
    """What a page of the site loads and shows.

    Attributes:
        loaded: addresses that a browser loads to show the page, but not those of links in text.
        ids: values of ``id``.
        classes: values of ``class``.
        text: text of the article, without code.
    """

    ATTRIBUTES = ("src", "srcset", "poster", "data", "action")
    NO_TEXT = ("code", "pre", "script", "style", "svg")

    def __init__(self) -> None:
        super().__init__()
        self.loaded: list[str] = []
        self.ids: list[str] = []
        self.classes: set[str] = set()
        self.text = ""
        self._in_article = False
        self._in_code = 0

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        found = {name: value or "" for name, value in attrs}
        self._in_article |= tag == "article"
        self._in_code += tag in self.NO_TEXT
        self.loaded += [found[name] for name in self.ATTRIBUTES if name in found]
        if tag == "link" and found.get("rel") not in ("canonical", "prev", "next"):
            self.loaded.append(found["href"])
        self.ids += [found["id"]] if "id" in found else []
        self.classes |= set(found.get("class", "").split())

    def handle_endtag(self, tag: str) -> None:
        self._in_article &= tag != "article"
        self._in_code -= tag in self.NO_TEXT

    def handle_data(self, data: str) -> None:
        if self._in_article and not self._in_code:
            self.text += data


MARKUP = re.compile(r"\*\*|`|\]\(|\]\[|\\<|:(?:attr|class|data|func|meth|mod):|\| ?-{3}|::\s")
"""Markdown and reStructuredText that a reader should not see."""


def read(file: Path) -> SitePage:
    parser = SitePage()
    parser.feed(file.read_text(encoding="utf-8"))
    return parser


def external(addresses: list[str]) -> list[str]:
    return [address for address in addresses if re.match(r"(https?:)?//", address)]


def test_resources_of_other_servers_are_found() -> None:
    parser = SitePage()
    parser.feed('<a href="https://a.example"></a><script src="//b.example/x.js"></script><link rel=icon href="i.png">')
    assert external(parser.loaded) == ["//b.example/x.js"]


@pytest.mark.parametrize("text", ["see [the page](page.md)", ":class:`Scene`", "**bold", "| --- |", "as follows::\n"])
def test_markup_that_readers_would_see_is_found(text: str) -> None:
    parser = SitePage()
    parser.feed(f"<article><p>{text}</p><code>**</code></article>")
    assert MARKUP.search(parser.text)


def test_public_methods_without_docstring_are_named(api: ModuleType) -> None:
    module = griffe.visit("made", Path("made.py"), 'class Documented:\n    """A."""\n    def silent(self): ...\n')
    reference = api.Reference()
    reference.exports = {"made": [api.Export("made", "Documented", module["Documented"])]}
    assert reference.undocumented() == ["made.Documented.silent"]


def test_roles_become_links_with_the_last_part_of_a_name_after_a_tilde(
    import_tool: Callable[[str], ModuleType],
) -> None:
    roles = import_tool("docs_site.roles")
    module, nothing = griffe.visit("made", Path("made.py"), "class Scene: ...\n"), griffe.ModulesCollection()
    link = '<autoref optional identifier="made.Scene">`{}`</autoref>'
    assert roles.markdown("A :class:`~made.Scene`::", module, nothing) == f"A {link.format('Scene')}:"
    assert roles.markdown("See :class:`made.Scene`.", module, nothing) == f"See {link.format('made.Scene')}."


def test_tables_of_keys_are_marked(import_tool: Callable[[str], ModuleType]) -> None:
    hooks = import_tool("docs_site.hooks")
    heads = "".join(f"<th>{title}</th>\n" for title in ("key", "type", "default", "unit", "meaning"))
    keys, other = f"<table>\n<thead>\n<tr>\n{heads}</tr></thead></table>", "<table><thead></thead></table>"
    assert hooks.on_page_content(keys + other) == f'<div class="keys">{keys}</div>{other}'


def test_pages_of_the_api_cannot_be_edited(import_tool: Callable[[str], ModuleType]) -> None:
    hooks = import_tool("docs_site.hooks")
    edits = {}
    for uri in ("api/oige_core.md", "contributing.md"):
        page: Any = SimpleNamespace(file=SimpleNamespace(src_uri=uri), edit_url="x")
        config: Any = SimpleNamespace(repo_url="https://a.b/oige")
        hooks.on_page_markdown("text", page=page, config=config)
        edits[uri] = page.edit_url
    assert edits == {"api/oige_core.md": None, "contributing.md": "https://a.b/oige/edit/main/CONTRIBUTING.md"}


def test_banner_shows_the_version_of_oige_core(import_tool: Callable[[str], ModuleType]) -> None:
    config: Any = SimpleNamespace(extra={})
    import_tool("docs_site.hooks").on_config(config)
    assert config.extra == {"release": version("oige-core")}


def build(folder: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "mkdocs", "build", "--strict", "--site-dir", folder],  # --quiet hides warnings from it
        cwd=REPOSITORY,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr


def test_site_builds_without_warnings_and_loads_nothing_from_other_servers(api: ModuleType, tmp_path: Path) -> None:
    """One test, because a build takes some ten seconds."""
    build(tmp_path)
    sites = {file.relative_to(tmp_path).as_posix(): read(file) for file in tmp_path.rglob("*.html")}
    assert len(sites) > 40
    for name, page in sites.items():
        assert external(page.loaded) == [], name
        assert not MARKUP.search(page.text), f"{name}: {MARKUP.search(page.text)}"
        assert "mermaid" not in page.classes, f"{name}: the theme loads mermaid from a server"
    for file in tmp_path.rglob("*.css"):
        assert not re.findall(r"(?:@import|url\()\s*[\"']?(?:https?:)?//", file.read_text(encoding="utf-8")), file
    symbols = Counter(name for uri, page in sites.items() if uri.startswith("api/") for name in page.ids)
    for module, exports in api.Reference().exports.items():
        for export in exports:
            assert symbols[f"{export.home or module}.{export.name}"] == 1, f"{module}.{export.name}"


@pytest.mark.slow
def test_site_works_from_files_and_on_a_phone(tmp_path: Path, browser: Any) -> None:
    build(tmp_path)
    browser.open(f"{(tmp_path / 'index.html').as_uri()}?q=horizon_length")
    browser.wait_for_text("train.params.config of PPO")
    for file in sorted(tmp_path.rglob("*.html")):
        browser.open(file.as_uri())
        browser.wait_for_text("OIGE")
        browser.call("Emulation.setDeviceMetricsOverride", width=390, height=844, deviceScaleFactor=1, mobile=True)
        assert browser.evaluate("document.documentElement.scrollWidth") <= 390, f"{file}: wider than a phone"
        loaded = browser.evaluate("performance.getEntriesByType('resource').map(entry => entry.name)")
        assert all(name.startswith("file:") for name in loaded), file
