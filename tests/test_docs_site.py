"""The documentation site builds without warnings, lists every page, and loads nothing from other servers."""

import re
import subprocess
import sys
from collections import Counter
from collections.abc import Callable
from html.parser import HTMLParser
from pathlib import Path
from types import ModuleType

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
        ("package/oige-core.md", '<a href="../../docs/tasks.md#ant">', '<a href="../tasks.html#ant">'),
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


class Resources(HTMLParser):
    """Collects the addresses that a browser loads to show a page, but not those of links in text."""

    ATTRIBUTES = ("src", "srcset", "poster", "data", "action")

    def __init__(self) -> None:
        super().__init__()
        self.loaded: list[str] = []
        self.ids: list[str] = []
        self.classes: set[str] = set()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        found = {name: value or "" for name, value in attrs}
        self.loaded += [found[name] for name in self.ATTRIBUTES if name in found]
        if tag == "link" and found.get("rel") not in ("canonical", "prev", "next"):
            self.loaded.append(found["href"])
        self.ids += [found["id"]] if "id" in found else []
        self.classes |= set(found.get("class", "").split())


def read(file: Path) -> Resources:
    parser = Resources()
    parser.feed(file.read_text(encoding="utf-8"))
    return parser


def external(addresses: list[str]) -> list[str]:
    return [address for address in addresses if re.match(r"(https?:)?//", address)]


def test_resources_of_other_servers_are_found() -> None:
    parser = Resources()
    parser.feed('<a href="https://a.example"></a><script src="//b.example/x.js"></script><link rel=icon href="i.png">')
    assert external(parser.loaded) == ["//b.example/x.js"]


def test_site_builds_without_warnings_and_loads_nothing_from_other_servers(api: ModuleType, tmp_path: Path) -> None:
    """One test, because a build takes some ten seconds."""
    done = subprocess.run(
        [sys.executable, "-m", "mkdocs", "build", "--strict", "--quiet", "--site-dir", tmp_path],
        cwd=REPOSITORY,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    sites = {file.relative_to(tmp_path).as_posix(): read(file) for file in tmp_path.rglob("*.html")}
    assert len(sites) > 40
    for name, page in sites.items():
        assert external(page.loaded) == [], name
        assert "mermaid" not in page.classes, f"{name}: the theme loads mermaid from a server"
        assert not page.classes & {"md-source__facts"}, name
    for file in tmp_path.rglob("*.css"):
        assert not re.findall(r"(?:@import|url\()\s*[\"']?(?:https?:)?//", file.read_text(encoding="utf-8")), file
    symbols = Counter(name for uri, page in sites.items() if uri.startswith("api/") for name in page.ids)
    for module, exports in api.Reference().exports.items():
        for export in exports:
            assert symbols[f"{export.home or module}.{export.name}"] == 1, f"{module}.{export.name}"
