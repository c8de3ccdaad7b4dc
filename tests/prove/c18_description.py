"""C18: whatever is sent to whichever address: no failure of ours, the description holds, no key
no answer.
"""

from itertools import count
from typing import Any

from approvals.models import User
from reviews.services.ready import load_ready
from tests import fuzzing
from tests.prove import web
from tests.prove.cast import Cast, cast, person
from tests.prove.rows import Figure, Row, figure
from tests.prove.scene import Scene

# What the control breaks, and the words in which each must be found.
_BROKEN = ("Server error", "Response violates schema", "API accepts requests without auth")
_WHERE = r"^/api/v1/(tickets|me/requests|checkpoints)$"


def callers(people: Cast) -> tuple[User | None, ...]:
    """Return who calls: a program (None), a reviewer, and a manager who is everything else too."""
    return (None, people.voters[0], person("describes", "manager", "lead", "auditor"))


def search(scene: Scene, *, cases: int, each: int, addresses: str = "") -> tuple[int, list[str]]:
    """Return how many calls were made, and every failure found."""
    load_ready()  # the office roles, with what each may do
    people = cast(voters=1)
    people.open_many(20)
    asking = callers(people)
    asked, failures = 0, list[str]()
    with scene.served() as url:
        for turn in count():
            for user in asking:
                # A caller may well have revoked its own key by now.
                token = people.token if user is None else web.token_of(user)
                found = fuzzing.fuzz(
                    url,
                    token,
                    folder=scene.folder,
                    seed=scene.seed + turn,
                    each=each,
                    known=fuzzing.names_of(lambda path, token=token: _read(url, token, path)),
                    phases=fuzzing.PHASES if not turn else ("fuzzing", "stateful"),
                    addresses=addresses,
                )
                asked += found.cases
                failures += found.failures
            if asked >= cases:
                return asked, failures
    raise AssertionError


def _read(url: str, token: str, path: str) -> Any:
    client = web.Client(url, token)
    try:
        status, answer, _ = client.call("GET", path)
        assert status == 200, answer
        return answer
    finally:
        client.close()


def run(scene: Scene) -> Figure:
    asked, failures = search(scene, cases=scene.size(20_000, least=500), each=scene.size(60))
    return figure(
        f"{asked} calls of three callers over HTTP, every address, every phase",
        details={"failures": failures},
        answers_that_break_the_description=len(failures),
    )


def control(scene: Scene) -> Figure:
    scene.switch_off("honest-description")
    asked, failures = search(scene, cases=1, each=10, addresses=_WHERE)
    kinds = [kind for kind in _BROKEN if any(kind in failure for failure in failures)]
    found = len(failures) if len(kinds) == len(_BROKEN) else 0
    return figure(
        f"{asked} calls; one member told wrong, one address that fails, no key needed",
        details={"failures": failures, "kinds": kinds},
        answers_that_break_the_description=found,
    )


ROW = Row("C18", "No call is our failure, and the description holds", run, control)
