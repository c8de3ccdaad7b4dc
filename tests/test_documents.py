"""What the pages name is there: variables, addresses, commands, files, links, other pages."""

import os
import re
import subprocess
from pathlib import Path

import pytest
from django.core.management import get_commands
from django.urls import Resolver404, resolve

from hitl_project.env import NOT_FLAGS
from tests.serving import ROOT


def files(*patterns: str) -> list[str]:
    found = subprocess.run(
        ["git", "ls-files", *patterns], cwd=ROOT, capture_output=True, text=True, check=True
    )
    return found.stdout.split()


PAGES = {name: (ROOT / name).read_text(encoding="utf-8") for name in files("*.md")}
# What people read to set the service up, beside the pages.
BESIDE = {
    name: (ROOT / name).read_text(encoding="utf-8")
    for name in (".env.example", "Makefile", "compose.yaml", *files("scripts", "docs/examples"))
}
TOLD = "\n".join({**PAGES, **BESIDE}.values())
SETTINGS = (ROOT / "hitl_project" / "settings.py").read_text(encoding="utf-8")
READ = set(re.findall(r'\benv\.\w+\(\s*"([A-Z_]+[A-Z])"', SETTINGS))
LISTED = set(re.findall(r"^([A-Z_]+)=", BESIDE[".env.example"], re.MULTILINE))
# The slug of a ready checkpoint: what a switch of one looks like.
SWITCHES = {"HITL_DATA_PURCHASE"}
# Variables of the programs on our side of the interface.
CLIENT = {"HITL_URL", "HITL_TOKEN"}
ANY_ID = "01a1fcc8-968b-776a-b5af-1ad889d74589"


def anchor(heading: str) -> str:
    """Return what a heading is called in a link."""
    plain = re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", heading).lower().replace("`", "")
    return re.sub(r"[^\w\- ]", "", plain).strip().replace(" ", "-")


def links(page: str) -> list[tuple[str, str]]:
    """Return the (path, anchor) pairs a page leads to, inside the repository."""
    text = PAGES[page]
    named = re.findall(r"\]\(([^)\s]+)\)", text) + re.findall(r'(?:src|srcset)="([^"]+)"', text)
    inside = (link.partition("#") for link in named if not re.match(r"[a-z]+:", link))
    folder = Path(page).parent
    return [(os.path.normpath(folder / path) if path else page, to) for path, _, to in inside]


def test_every_variable_the_service_reads_is_listed_and_nothing_else():
    assert READ | SWITCHES == LISTED


def test_every_variable_of_ours_that_a_page_names_is_read_by_somebody():
    named = {name.removesuffix("_FILE") for name in re.findall(r"\bHITL_[A-Z_]*[A-Z]\b", TOLD)}
    assert named - SWITCHES - READ - CLIENT == set()
    assert {name for name in READ if name.startswith("HITL_")} | CLIENT == NOT_FLAGS


@pytest.mark.parametrize("page", [*PAGES, *BESIDE])
def test_every_command_and_file_a_page_names_is_there(page):
    text = {**PAGES, **BESIDE}[page]
    assert set(re.findall(r"manage\.py +([a-z_]+)", text)) - set(get_commands()) == set()
    targets = set(re.findall(r"^([a-z-]+):", BESIDE["Makefile"], re.MULTILINE))
    asked = re.findall(r"(?:^|`)(?:[A-Z_]+=\S+ )*make ([a-z-]+)", text, re.MULTILINE)
    assert set(asked) - targets == set()
    rows = {Path(name).name.partition("_")[0].upper() for name in files("tests/prove/*_*.py")}
    assert set(re.findall(r"\bROW=([A-Z][0-9]+)", text)) - rows == set()
    paths = re.findall(r"`((?:tests|sdk|scripts|docs|templates)/[\w./-]+\.\w+)`", text)
    assert [path for path in paths if not (ROOT / path).exists()] == []


@pytest.mark.parametrize("page", [*PAGES, *BESIDE])
def test_every_address_a_page_names_is_served(page):
    for told in re.findall(r"(/api/v1/[\w{}./-]*|/\.well-known/[\w.]+)", {**PAGES, **BESIDE}[page]):
        address = re.sub(r"\{[^}]*\}", ANY_ID, told.rstrip("./"))
        if address == "/api/v1":
            continue
        try:
            view = resolve(address).func.__name__
        except Resolver404:
            view = "nowhere"
        assert view != "nowhere", told


@pytest.mark.parametrize("page", PAGES)
def test_every_link_leads_somewhere(page):
    for path, to in links(page):
        assert (ROOT / path).exists(), path
        if to and path in PAGES:
            headings = re.findall(r"^#+ (.*)$", PAGES[path], re.MULTILINE)
            assert to in map(anchor, headings), f"{path}#{to}"


def test_every_page_is_found_from_the_readme():
    found, ahead = set(), ["README.md"]
    while ahead:
        page = ahead.pop()
        if (ROOT / page).is_dir():
            ahead += [name for name in PAGES if str(Path(name).parent) == page]
        if page in found or page not in PAGES:
            continue
        found.add(page)
        ahead += [path for path, _ in links(page) if path not in found]
    assert set(PAGES) - found == set()
