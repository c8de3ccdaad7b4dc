"""Who looks at hostile texts: people with a browser, and with a terminal."""

import contextlib
import os
import subprocess
import sys
from collections.abc import Iterator, Sequence
from typing import Any

from playwright.sync_api import Browser

from tests.prove import web
from tests.prove.cast import Cast
from tests.prove.hostile import HOST
from tests.prove.switches import off
from tests.prove.windows import Seen, Window, hides

# What the command line runs when a control takes its caution away.
_CARELESS = (
    "import hitl_client.cli.screen as screen\n"
    "screen.inert = lambda text, lines=False: text\n"
    "from hitl_client.cli.app import main\n"
    "main()\n"
)


def parcels(texts: Sequence[Any], size: int) -> Iterator[Any]:
    """Split texts into pages."""
    for start in range(0, len(texts), size):
        yield texts[start : start + size]


class House:
    """The service, its people, a browser, and the texts."""

    def __init__(self, url: str, browser: Browser, people: Cast, texts: Sequence[str]) -> None:
        self.url, self.browser, self.people, self.texts = url, browser, people, texts
        self.cookie = web.session_of(people.voters[0])["Cookie"]
        self.token = web.token_of(people.voters[0])

    @contextlib.contextmanager
    def window(self, seen: Seen, *, signed_in: bool = True) -> Iterator[Window]:
        window = Window(self.browser, self.url, seen, self.cookie if signed_in else "")
        try:
            yield window
        finally:
            window.close()


def printed_by(house: House, seen: Seen, *arguments: str) -> str:
    """Run `hitl`, count what a terminal would obey or not show, and return what it wrote."""
    program = ["-c", _CARELESS] if "inert" in off() else ["-m", "hitl_client"]
    done = subprocess.run(
        [sys.executable, *program, *arguments],
        env=os.environ | {"HITL_URL": house.url, "HITL_TOKEN": house.token},
        capture_output=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stderr.decode()
    text = (done.stdout + done.stderr).decode()
    seen.pages += 1
    seen.told += HOST in text
    seen.hidden.update(f"U+{ord(c):04X}" for c in text if hides(c) or c == "\r")
    return text
