"""F14: a backup is brought back; spent links and revoked keys stay dead, and the rollback shows."""

import psycopg
from django.conf import settings
from django.core.management import call_command
from django.db import connection, connections

from approvals.errors import Refusal
from approvals.services.keys import create_key, find_key, is_good, revoke_key
from approvals.services.links import find_link
from audit.clock import db_now
from audit.keys import published_keys
from audit.sealing import SEAL_FILE, seal_chains
from audit.verification import verify
from reviews.services.mail_links import vote_by_link
from tests.prove.cast import cast
from tests.prove.letters import link_for
from tests.prove.rows import Figure, Row, figure
from tests.prove.scene import Scene


def back_up() -> str:
    """Copy the database as it stands; return the copy's name."""
    here = connection.settings_dict
    copy = f"{here['NAME']}_backup"
    _apart(f'CREATE DATABASE "{copy}" TEMPLATE "{here["NAME"]}"')
    return copy


def bring_back(copy: str) -> None:
    """Put the copy in the place of the database."""
    name = connection.settings_dict["NAME"]
    _apart(f'DROP DATABASE "{name}" WITH (FORCE)')
    _apart(f'ALTER DATABASE "{copy}" RENAME TO "{name}"')


def _apart(query: str) -> None:
    """Run a statement about databases, for which nobody may be connected to this one."""
    connections.close_all()
    connection.close_pool()
    host = connection.settings_dict["HOST"]
    with psycopg.connect(host=host, user="postgres", dbname="postgres", autocommit=True) as other:
        other.execute(query)


def tried(token: str) -> bool:
    """Return whether a link still decides."""
    link = find_link(token)
    try:
        assert link is not None
        vote_by_link(link=link, signed_in=None, choice="approve")
    except Refusal:
        return False
    return True


def restore(scene: Scene, *, links: int, mend: bool = True) -> Figure:
    settings.HITL_DATA_DIR = scene.folder / f"seals-{connection.settings_dict['NAME']}"
    settings.HITL_DATA_DIR.mkdir()
    seals = settings.HITL_DATA_DIR / SEAL_FILE
    people = cast(voters=2, needed=2, listening=False)
    tokens = [link_for(ticket, people.voters[0])[1] for ticket in people.open_many(links)]
    keys = [
        create_key(name=f"key-{n}", kind="service", owner=people.owner, now=db_now())
        for n in range(10)
    ]
    seal_chains()
    copy = back_up()

    spent = sum(tried(token) for token in tokens)
    for key, _ in keys:
        revoke_key(key=key, by=people.owner, now=db_now())
    seal_chains()
    kept = seals.read_text().splitlines()
    false_alarm = not verify(jwks=published_keys(), kept=kept).holds

    bring_back(copy)
    if mend:
        call_command("restored", "--user", people.owner.username, verbosity=0)
    alive = sum((key := find_key(token)) is not None and is_good(key, now=db_now())
                for _, token in keys)  # fmt: skip
    seen = not verify(jwks=published_keys(), kept=kept).holds
    return figure(
        f"{links} links, of which {spent} were spent, and 10 keys revoked after the backup",
        links_reusable=sum(tried(token) for token in tokens),
        revoked_keys_alive=alive,
        rollbacks_unseen=int(not seen),
        false_alarms=int(false_alarm),
        links_never_spent=links - spent,
    )


def run(scene: Scene) -> Figure:
    return restore(scene, links=scene.size(100, least=5))


def control(scene: Scene) -> Figure:
    return restore(scene, links=scene.size(20, least=5), mend=False)


ROW = Row("F14", "After a restore what was spent stays spent", run, control)
