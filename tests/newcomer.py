"""Walk a newcomer's first minutes, from a clone to a decided ticket: `python -m tests.newcomer`.

Does what the README says and nothing else: clones this repository's last commit into an empty
folder, runs `make demo`, starts the README's script that waits for the loan-term draft, signs in
with a browser, approves the draft, and reads what the script printed. Prints how long each took.
"""

import os
import signal
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from json import loads
from pathlib import Path

from playwright.sync_api import sync_playwright

from tests.servers import free_port

ROOT = Path(__file__).resolve().parents[1]
PATIENCE = 300
ARGUMENTS = ["--no-sandbox", "--disable-background-networking", "--disable-component-update"]


def main() -> int:
    """Return 0 when the draft was decided and proved within five minutes."""
    begun = time.monotonic()

    def tell(what: str) -> None:
        print(f"{time.monotonic() - begun:6.1f} s  {what}", flush=True)

    with tempfile.TemporaryDirectory(prefix="newcomer-") as folder:
        home = Path(folder) / "countersign"
        subprocess.run(["git", "clone", "--quiet", str(ROOT), str(home)], check=True)
        tell("cloned")
        port = free_port()
        address = f"http://127.0.0.1:{port}"
        plain = {k: v for k, v in os.environ.items() if not k.startswith(("HITL_", "DATABASE_"))}
        demo = subprocess.Popen(
            ["make", "demo", f"PORT={port}"],
            cwd=home,
            env=plain,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )
        try:
            _until_ready(f"{address}/readyz", demo)
            tell("make demo is ready")
            waiting = subprocess.Popen(
                [".venv-run/bin/python", "docs/examples/loan_term.py"],
                cwd=home,
                stdout=subprocess.PIPE,
                text=True,
            )
            _decide(address, loads((home / "var" / "demo.json").read_text()))
            tell("a reviewer approved the loan-term draft in the browser")
            printed, _ = waiting.communicate(timeout=60)
            tell("the waiting script ended:")
            print(printed)
            proved = waiting.returncode == 0 and "receipt  verified" in printed
        finally:
            os.killpg(demo.pid, signal.SIGINT)
            demo.wait(30)
    took = time.monotonic() - begun
    print(f"{'Done' if proved else 'Failed'} in {took:.0f} s of the 300 a newcomer has.")
    return 0 if proved and took <= PATIENCE else 1


def _until_ready(url: str, demo: subprocess.Popen[bytes]) -> None:
    deadline = time.monotonic() + PATIENCE
    while time.monotonic() < deadline and demo.poll() is None:
        try:
            urllib.request.urlopen(url, timeout=2).close()
        except (urllib.error.URLError, OSError):
            time.sleep(0.2)
        else:
            return
    raise SystemExit("make demo did not become ready.")


def _decide(address: str, known: dict[str, object]) -> None:
    people = known["people"]
    assert isinstance(people, list)
    person = next(one for one in people if "reviewer" in one["roles"])
    with sync_playwright() as playwright:
        program = os.environ.get("CHROMIUM", "/usr/bin/chromium")
        browser = playwright.chromium.launch(executable_path=program, args=ARGUMENTS)
        page = browser.new_page()
        page.goto(f"{address}/admin/")
        page.get_by_label("Username").fill(person["username"])
        page.get_by_label("Password").fill(person["password"])
        page.get_by_role("button", name="Sign in").or_(
            page.get_by_role("button", name="Log in")
        ).click()
        page.get_by_role("link", name="Expand loan term to 7 years").first.click()
        page.get_by_role("button", name="Approve", exact=False).first.click()
        page.get_by_text("Approved").first.wait_for()
        browser.close()


if __name__ == "__main__":
    sys.exit(main())
