# SPDX-License-Identifier: Apache-2.0
"""The pages: links that lead somewhere, sentences that can be read, words that a stranger knows."""

from __future__ import annotations

import ast
import importlib
import re
import subprocess
import textwrap
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from rldg_bringup.stacks import STACKS

ROOT = Path(__file__).parents[1]
PAGES = sorted(
    ROOT / name
    for name in subprocess.check_output(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard", "*.md"],
        cwd=ROOT,
        text=True,
    ).split()
)
GUIDES = [
    ROOT / "README.md",
    ROOT / "docs/glossary.md",
    *sorted(ROOT.glob("docs/how-to/*.md")),
    *sorted(ROOT.glob("docs/reference/*.md")),
]
"""pages for everybody; those below docs/results are the laboratory's notebook"""

WORDS = 24
"""in a sentence at most"""

IDIOMS = (
    "the wheel",
    "did the corn",
    "as it comes",
    "as they come",
    "told",
    "nobody",
    "somebody",
    "lived",
    "a hand on the robot",
    "what it takes",
    "that is none",
    "tell us",
    "wish",
    "wishes",
    "hears nothing",
    "for ever",
    "learning to see",
    "pictures",
    "mended",
)
"""turns of phrase of the authors, which explain nothing to others"""


def prose(text: str) -> list[str]:
    """Paragraphs, list items and table cells of a page, without code blocks, headings and addresses.

    Inline code, whatever is in it, becomes one word.
    """
    text = re.sub(r"^ *```.*?^ *```", "\n", text, flags=re.DOTALL | re.MULTILINE)
    text = re.sub(r"`[^`]*`", "code", text)
    text = re.sub(r"\]\([^)]*\)", "]", text)
    blocks: list[str] = [""]
    for line in text.splitlines():
        if not line.strip() or line.startswith("#"):
            blocks.append("")
        elif line.startswith("    ") and not blocks[-1]:
            continue
        elif line.lstrip().startswith("|"):
            blocks += [*line.split("|"), ""]
        elif item := re.match(r" *(?:[-*]|\d+\.) (.*)", line):
            blocks.append(item[1])
        else:
            blocks[-1] += " " + line
    return [block.strip() for block in blocks if block.strip()]


def sentences(text: str) -> list[str]:
    """The sentences of a page's prose: they end with a full stop, a question or an exclamation mark."""
    return [
        sentence
        for block in prose(text)
        for sentence in re.split(r"(?<=[.!?])[\])*\"]*\s+", block)
        if re.search(r"\w", sentence)
    ]


def idioms(text: str) -> list[str]:
    """Which of the IDIOMS a page uses; what the gate says of a task 'nobody/knows' is quoted."""
    words = " ".join(prose(text)).lower().replace("'nobody/knows'", "")
    return [idiom for idiom in IDIOMS if re.search(rf"\b{idiom}\b", words)]


def anchors(page: Path) -> set[str]:
    """What a link behind `#` can name: the headings of a page, as GitHub spells them."""
    headings = re.findall(r"^#+ (.*)$", page.read_text(), flags=re.MULTILINE)
    return {
        re.sub(r"[^\w -]", "", heading.lower()).strip().replace(" ", "-") for heading in headings
    }


def dead_links(page: Path) -> list[str]:
    """Links of a page that lead to no file, or to no heading of it."""
    text = re.sub(r"```.*?```", "", page.read_text(), flags=re.DOTALL)
    dead = []
    for name, anchor in re.findall(r"\]\(([^)#\s]*)(?:#([^)\s]*))?\)", text):
        target = page.parent / name if name else page
        if "://" in name:
            continue
        if not target.exists() or (anchor and anchor not in anchors(target)):
            dead.append(f"{name}#{anchor}" if anchor else name)
    return dead


def unknown_arguments(text: str) -> list[str]:
    """Stacks with arguments that they do not have, in the commands of a page."""
    return [
        f"{stack} {name}"
        for stack, rest in re.findall(r"\./rldg launch (\w+)([^\n`#|]*)", text.replace("\\\n", " "))
        for name in re.findall(r"(\w+):=", rest)
        if name not in {argument.name for argument in STACKS[stack].arguments}
    ]


def imports(text: str) -> Iterator[tuple[str, str]]:
    """Modules of the project, and the names of them, that the Python of a page imports."""
    for block in re.findall(r"^ *```python\n(.*?)^ *```", text, flags=re.DOTALL | re.MULTILINE):
        for node in ast.walk(ast.parse(textwrap.dedent(block))):
            if isinstance(node, ast.ImportFrom) and str(node.module).startswith("rldg_"):
                yield from ((str(node.module), alias.name) for alias in node.names)


def is_there(module: str, name: str) -> bool:
    """Whether a module has a name, be it a module's own."""
    with suppress(ModuleNotFoundError):
        importlib.import_module(f"{module}.{name}")
        return True
    return hasattr(importlib.import_module(module), name)


def title(page: Path) -> str:
    return str(page.relative_to(ROOT))


@pytest.mark.parametrize("page", PAGES, ids=title)
def test_links_lead_somewhere(page: Path) -> None:
    assert dead_links(page) == []


@pytest.mark.parametrize("page", GUIDES, ids=title)
def test_what_its_python_imports_is_there(page: Path) -> None:
    assert [one for one in imports(page.read_text()) if not is_there(*one)] == []


@pytest.mark.parametrize("page", GUIDES, ids=title)
def test_sentences_are_short(page: Path) -> None:
    assert [one for one in sentences(page.read_text()) if len(one.split()) > WORDS] == []


@pytest.mark.parametrize("page", GUIDES, ids=title)
def test_words_are_the_fields_own(page: Path) -> None:
    assert idioms(page.read_text()) == []


@pytest.mark.parametrize("page", PAGES, ids=title)
def test_launches_on_pages_have_arguments_that_exist(page: Path) -> None:
    if page.name != "CHANGELOG.md":  # what it says was true of its day
        assert unknown_arguments(page.read_text()) == []


def test_the_first_page_is_short_and_names_every_command() -> None:
    text = (ROOT / "README.md").read_text()
    assert len(text.splitlines()) <= 120
    command = (ROOT / "rldg").read_text().partition("cat <<'EOF'")[2].partition("EOF")[0]
    verbs = set(re.findall(r"\./rldg ([a-z-]+)", command))
    stacks = (ROOT / "src/rldg_bringup/rldg_bringup/stacks.py").read_text()
    verbs |= {f"launch {name}" for name in re.findall(r'Stack\(\s*"(\w+)"', stacks)} - {
        "launch doctor"
    }
    assert [verb for verb in verbs - {"launch"} if f"`./rldg {verb}" not in text] == []


def test_the_glossary_has_at_most_two_sentences_for_a_term() -> None:
    text = (ROOT / "docs/glossary.md").read_text()
    terms = re.findall(r"^### (.*)\n+((?:.+\n)+)", text, flags=re.MULTILINE)
    assert len(terms) == text.count("\n### ")
    assert [name for name, meaning in terms if len(sentences(meaning)) > 2] == []


@pytest.mark.parametrize("page", GUIDES[2:], ids=title)
def test_a_page_leads_to_the_glossary(page: Path) -> None:
    assert "glossary.md#" in page.read_text()


def test_every_page_is_in_the_index() -> None:
    index = (ROOT / "docs/README.md").read_text()
    pages = [page.relative_to(ROOT / "docs") for page in (ROOT / "docs").rglob("*.md")]
    assert [
        page for page in map(str, pages) if page != "README.md" and f"({page})" not in index
    ] == []


def test_the_checks_find_faults(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text(
        "# A heading\n\n" + "word " * 25 + "end. Short one.\n\n    code " + "x " * 40 + "\n\n"
        "| cell | " + "word " * 25 + "|\n\n[dead](none.md) [lost](#nowhere) [found](#a-heading)\n"
    )
    assert [len(one.split()) > WORDS for one in sentences(page.read_text())] == [
        *(True, False, False, True),
        False,
    ]
    assert dead_links(page) == ["none.md", "#nowhere"]
    assert unknown_arguments("./rldg launch collect policy:=a \\\n  colour:=red") == [
        "collect colour"
    ]
    assert idioms("It is told `what it takes`, by nobody.") == ["told", "nobody"]
