"""The documents: their links lead somewhere, and the changelog's pieces have their form."""

import itertools
import re
from pathlib import Path
from urllib.parse import unquote

import pytest
from markdown_it import MarkdownIt

from tests.postgres import ROOT

DOCUMENTS = sorted(
    path.relative_to(ROOT)
    for pattern in ("*.md", "docs/**/*.md", "changelog.d/*.md")
    for path in ROOT.glob(pattern)
)
PIECE = re.compile(r"[a-z0-9]+(-[a-z0-9]+)*\.(added|changed|fixed|removed|security)\.md")

PARSER = MarkdownIt("commonmark").enable("table")


def links(document: Path) -> list[str]:
    """The targets of all links and images of a document, outside of code."""
    return [
        str(child.attrs.get("href") or child.attrs.get("src"))
        for token in PARSER.parse((ROOT / document).read_text())
        for child in token.children or ()
        if child.type in ("link_open", "image")
    ]


def anchors(document: Path) -> set[str]:
    """The names that headings of a document have as link targets (GitHub's and Gitea's rule)."""
    tokens = PARSER.parse((ROOT / document).read_text())
    headings = [
        "".join(child.content for child in following.children or ())
        for token, following in itertools.pairwise(tokens)
        if token.type == "heading_open"
    ]
    return {
        re.sub(r"[^\w\- ]", "", heading.strip().lower()).replace(" ", "-") for heading in headings
    }


@pytest.mark.parametrize("document", DOCUMENTS, ids=str)
def test_every_link_leads_to_a_file_of_the_repository(document: Path) -> None:
    for link in links(document):
        if re.match(r"[a-z]+:", link):
            continue
        path, _, anchor = unquote(link).partition("#")
        target = (ROOT / document.parent / path).resolve() if path else ROOT / document
        assert target.is_relative_to(ROOT), f"{link} leads out of the repository"
        assert target.exists(), f"{link}: there is no such file"
        if anchor and target.suffix == ".md":
            assert anchor in anchors(target.relative_to(ROOT)), f"{link}: no such heading"


def test_the_pieces_of_the_changelog_are_named_by_topic_and_kind() -> None:
    for path in (ROOT / "changelog.d").iterdir():
        assert path.name == "README.md" or PIECE.fullmatch(path.name), path
