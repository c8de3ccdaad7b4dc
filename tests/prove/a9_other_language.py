"""A9: a receipt is verified offline by a JWT library of another language, and altered ones fall.

Needs node and npm; the library is fetched into the folder of the run.
"""

import base64
import json
import os
import re
import shutil
import subprocess
from pathlib import Path
from tempfile import mkdtemp
from typing import Any

from django.conf import settings

from approvals.receipts import RECEIPT_TYPE
from audit.clock import db_now
from audit.keys import published_keys, rotate
from audit.signing import SigningKey
from reviews.services.receipts import signed_receipt
from tests.prove.cast import cast
from tests.prove.d6_same_bytes import TOKENS, approved
from tests.prove.rows import Figure, Row, figure
from tests.prove.scene import Scene

NODE = Path(__file__).parent / "node"
QUIET = ["--no-audit", "--no-fund", "--ignore-scripts", "--no-package-lock", "--loglevel=error"]


def installed(folder: Path) -> Path:
    """Return a folder with the scripts and the libraries, at exactly the versions named."""
    place = Path(mkdtemp(dir=folder))
    for one in NODE.iterdir():
        shutil.copy(one, place / one.name)
    done = subprocess.run(
        ["npm", "install", *QUIET], cwd=place, capture_output=True, text=True, check=False
    )
    if done.returncode:
        raise RuntimeError(f"npm could not fetch the library:\n{done.stderr[-1000:]}")
    return place


def believed(place: Path, asked: list[dict[str, str]], *, keys: list[dict[str, Any]]) -> list[bool]:
    """Return which of the tokens the library believes to allow the action with that digest."""
    given = {
        "keys": keys,
        "issuer": settings.BASE_URL,
        "type": RECEIPT_TYPE,
        "now": db_now().timestamp(),
        "asked": asked,
    }
    return answers_of(place, "verify.mjs", given)


def answers_of(place: Path, script: str, given: Any) -> list[bool]:
    """Return what one of the scripts says of each thing it is given."""
    run = subprocess.run(
        ["node", script],
        cwd=place,
        input=json.dumps(given),
        capture_output=True,
        text=True,
        check=True,
        env={"PATH": os.environ["PATH"]},
    )
    answers: list[bool] = json.loads(run.stdout)
    return answers


def _reads(token: str) -> tuple[str, bytes]:
    """Return a token as a lenient reader takes it: its signature has more than one spelling.

    Ours refuse all spellings but one (D6); to another library they are the same receipt.
    """
    said, _, signature = token.rpartition(".")
    letters = re.sub(r"[^A-Za-z0-9_-]", "", signature.replace("+", "-").replace("/", "_"))
    letters = letters[: len(letters) - (len(letters) % 4 == 1)]
    return said, base64.urlsafe_b64decode(letters + "=" * (-len(letters) % 4))


def compare(scene: Scene, *, receipts: int, altered: int, keys: Any = None) -> Figure:
    place = installed(scene.folder)
    people = cast(voters=1)
    genuine = []
    for number in range(receipts):
        if number == receipts // 2:
            new = SigningKey.generate()
            rotate(to=new)
            settings.HITL_SIGNING_KEY = new.to_pem().decode()
        ticket = approved(people, proposal={"n": number})
        token = signed_receipt(ticket)
        genuine.append({"token": token, "digest": ticket.decision.executed_digest})
    forged = []
    while len(forged) < altered:
        one, other = scene.rng.sample(genuine, 2)
        changed = scene.rng.choice(TOKENS)(scene.rng, one["token"], other["token"])
        if _reads(changed) not in (_reads(one["token"]), _reads(other["token"])):
            forged.append({"token": changed, "digest": one["digest"]})
    # A genuine receipt for another action is none for this one.
    swapped = [
        {"token": one["token"], "digest": other["digest"]}
        for one, other in zip(genuine, genuine[1:] + genuine[:1], strict=True)
    ]
    known = published_keys() if keys is None else keys(published_keys())
    yes = believed(place, genuine, keys=known)
    no = believed(place, forged + swapped, keys=known)
    return figure(
        f"jose: {receipts} receipts of 2 keys, {len(forged)} altered, {len(swapped)} swapped",
        genuine_refused=yes.count(False),
        altered_believed=no.count(True),
    )


def run(scene: Scene) -> Figure:
    return compare(scene, receipts=scene.size(200, least=4), altered=scene.size(10_000, least=100))


def control(scene: Scene) -> Figure:
    """Verify with the key set of somebody else."""
    return compare(
        scene,
        receipts=8,
        altered=50,
        keys=lambda known: [SigningKey.generate().public_jwk() | {"kid": k["kid"]} for k in known],
    )


ROW = Row("A9", "Another language's library verifies a receipt offline", run, control)
