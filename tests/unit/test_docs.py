"""The documents are current: settings, words, links and places named in them exist."""

import re
from itertools import takewhile
from pathlib import Path

import pytest

from common.settings import SharedSettings
from consumer.settings import ConsumerSettings
from gateway.settings import GatewaySettings
from scripts.configuration import GROUPS, PAGE, page
from tests.support.alterations.mutants import MUTANTS
from tests.support.sources import ROOT, sources

DOCUMENTS = [*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")]


def test_configuration_page_is_current() -> None:
    assert PAGE.read_text() == page(), "make docs writes it anew"


@pytest.mark.parametrize("model", [GatewaySettings, ConsumerSettings, SharedSettings])
def test_every_setting_is_described_once(model: type[SharedSettings]) -> None:
    for name, field in model.model_fields.items():
        groups = [
            g.heading
            for g in GROUPS
            if name in g.model.model_fields and name.startswith(g.beginnings)
        ]
        assert len(groups) == 1, f"{name} stands in {groups}"
        assert (field.description or "").endswith("."), name


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: str(path.relative_to(ROOT)))
def test_links_lead_somewhere(document: Path) -> None:
    text = re.sub(r"```.*?```", "", document.read_text(), flags=re.DOTALL)
    targets = re.findall(r"\]\((?!https?:|#|mailto:)([^)#]+)", text)
    assert [t for t in targets if not (document.parent / t).exists()] == []


def test_architecture_names_only_what_exists() -> None:
    text = (ROOT / "docs" / "architecture.md").read_text()
    named = re.findall(r"`((?:gateway|consumer|common|migrations|tests|docs)/[\w./]+)`", text)
    assert named
    assert [name for name in named if not (ROOT / name).exists()] == []


def test_house_on_the_architecture_page_stands() -> None:
    text = (ROOT / "docs" / "architecture.md").read_text()
    house = text.split("## The house")[1].split("```")[1]
    folder, missing = ROOT, []
    for line in house.strip().splitlines():
        names = takewhile(lambda word: word.endswith(("/", ".py")), line.split())
        places = [(folder if line.startswith(" ") else ROOT) / name for name in names]
        folder = folder if line.startswith(" ") else places[0]
        missing += [str(place.relative_to(ROOT)) for place in places if not place.exists()]
    assert missing == []


def test_decisions_are_short_complete_and_listed() -> None:
    pages = sorted((ROOT / "docs" / "decisions").glob("0*.md"))
    index = (ROOT / "docs" / "decisions" / "README.md").read_text()
    for path in pages:
        text = path.read_text()
        assert len(text.splitlines()) <= 60, path.name
        for part in ("## Context", "## Decision", "## Consequences", "## Alternatives"):
            assert part in text, f"{path.name} lacks {part}"
        assert f"({path.name})" in index
    numbers = [path.name[:4] for path in pages]
    assert len(set(numbers)) == len(numbers)


def test_glossary_is_in_use() -> None:
    words = re.findall(r"^\| ([a-z ]+) \|", (ROOT / "docs" / "glossary.md").read_text(), re.M)
    assert {"record", "credential", "spool", "principal"} <= set(words)
    assert len(words) == len(set(words))


def test_durability_page_names_only_tests_that_exist() -> None:
    """And every fault in its table has at least one."""
    text = (ROOT / "docs" / "durability.md").read_text()
    tests = {f.name for s in sources("tests") for f in s.functions()}
    table = text.split("| fault |")[1].split("\n\n")[0].splitlines()[2:]
    assert len(table) >= 20
    for row in table:
        named = re.findall(r"`(test_\w+)`", row)
        assert named and [name for name in named if name not in tests] == [], row


def test_durability_page_lists_every_mutant() -> None:
    text = (ROOT / "docs" / "durability.md").read_text().split("## Mutants")[1]
    assert [name for name in MUTANTS if f"| {name} |" not in text] == []
