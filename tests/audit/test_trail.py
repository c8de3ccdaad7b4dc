"""Whoever changes the trail is found, and the place is named; and it reads as a story."""

import io
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from django.core.management import call_command
from django.db import DatabaseError, connection, transaction

from audit import triggers
from audit.clock import db_now
from audit.context import entering
from audit.keys import signing_key
from audit.models import AuditEvent, ChainHead, Seal
from audit.sealing import SEAL_FILE, seal_chains
from audit.services import THE_SERVICE, Actor, Draft, record, record_alone
from audit.signing import SigningKey
from audit.timeline import CHANNELS, WORDS, what, who
from audit.verification import Report, verify

ANN = Actor("7", "human", "Ann")


@pytest.fixture
def trail(tmp_path: Path, settings: Any, db: None) -> Path:
    """Tell three sealed stories and one that is not sealed; return the file of seals kept."""
    settings.HITL_DATA_DIR = tmp_path
    for name in ("a", "b", "c"):
        for number in range(12):
            draft = Draft(
                "test.told",
                db_now(),
                ANN if number % 2 else THE_SERVICE,
                reason="Because." if number % 3 else "",
                data={"n": number, "list": [1, 2.5, None, True]},
                personal={"note": f"private {number}"},
            )
            record_alone(f"ticket:{name}", draft)
        seal_chains()
    record_alone("ticket:d", Draft("test.told", db_now(), ANN))
    return tmp_path / SEAL_FILE


def look(kept: Path | None = None) -> Report:
    lines = kept.read_text().splitlines() if kept else []
    return verify(jwks=[signing_key().public_jwk()], kept=lines)


def found(report: Report) -> set[str]:
    return {finding.where for finding in report.findings}


def behind_the_back(query: str, *parameters: Any) -> None:
    """Change the database as somebody would who holds it whole."""
    triggers.drop_all()
    try:
        with connection.cursor() as cursor:
            cursor.execute(query, parameters)
    finally:
        triggers.install_all()


@pytest.mark.db
def test_a_trail_nobody_touched_holds(trail: Path) -> None:
    report = look(trail)
    assert report.holds
    assert (report.streams, report.events, report.seals) == (4, 37, 3)
    assert (report.sealed_heads, report.kept_seals) == (3, 3)


@pytest.mark.db
@pytest.mark.parametrize(
    "column, value",
    [
        ("type", "'test.tolf'"),
        ("actor_id", "'8'"),
        ("actor_kind", "'machine'"),
        ("actor_label", "'Ben'"),
        ("channel", "'web'"),
        ("reason", "'Becausf.'"),
        ("data", """'{"n": 6, "list": [1, 2.5, null, true]}'"""),
        ("personal", """'{"note": "publicly 5"}'"""),
        ("salts", """'{"note": "00"}'"""),
        ("field_commitments", "'{}'"),
        ("previous_hash", "'" + "0" * 63 + "1'"),
        ("hash", "'" + "0" * 63 + "1'"),
        ("seq", "77"),
        ("stream", "'ticket:z'"),
        ("at", "'2001-01-01 00:00:00'"),
    ],
)
def test_a_changed_column_is_found_and_its_place_named(
    trail: Path, column: str, value: str
) -> None:
    assert look().holds
    behind_the_back(
        f"UPDATE audit_auditevent SET {column} = {value} WHERE stream = %s AND seq = %s",
        "ticket:b",
        6,
    )
    report = look()
    assert {where for where in found(report) if where.startswith("ticket:b#")} >= (
        {"ticket:b#7"} if column in {"seq", "stream"} else {"ticket:b#6"}
    )


@pytest.mark.db
@pytest.mark.parametrize("change", ["at = 'soon'", "id = 'nobody'", "data = '[1]'", "seq = -4"])
def test_a_column_that_can_no_longer_be_read_is_found_too(trail: Path, change: str) -> None:
    query = f"UPDATE audit_auditevent SET {change} WHERE stream = 'ticket:a' AND seq = 4"
    try:
        with transaction.atomic():
            behind_the_back(query)
    except DatabaseError:
        return  # the column's own type refuses it
    assert {"ticket:a#4", "ticket:a#5"} & found(look())


@pytest.mark.db
@pytest.mark.parametrize("cut", ["seq >= 12", "seq >= 3", "seq = 1", "seq = 5", "seq > 0"])
def test_cut_out_events_are_found(trail: Path, cut: str) -> None:
    behind_the_back(f"DELETE FROM audit_auditevent WHERE stream = 'ticket:c' AND {cut}")
    assert any(where.startswith("ticket:c#") for where in found(look()))


@pytest.mark.db
def test_an_end_cut_off_together_with_its_head_contradicts_the_seal(trail: Path) -> None:
    behind_the_back("DELETE FROM audit_auditevent WHERE stream = 'ticket:c' AND seq > 10")
    last = AuditEvent.objects.get(stream="ticket:c", seq=10)
    behind_the_back(
        "UPDATE audit_chainhead SET seq = 10, sealed_seq = 10, hash = %s WHERE stream = 'ticket:c'",
        last.hash,
    )
    assert found(look()) == {"ticket:c#12"}


@pytest.mark.db
def test_a_trail_made_anew_as_a_whole_contradicts_a_seal_kept_outside(trail: Path) -> None:
    for table in ("audit_auditevent", "audit_chainhead", "audit_seal"):
        behind_the_back(f"DELETE FROM {table}")
    kept = trail.read_text()
    for number in range(12):
        record_alone("ticket:a", Draft("test.told", db_now(), ANN, data={"n": -number}))
    seal_chains()
    assert look().holds  # by itself it is flawless
    trail.write_text(kept)
    report = look(trail)
    assert not report.holds
    assert {"kept seal, line 1", "kept seal, line 2", "kept seal, line 3"} <= found(report)


@pytest.mark.db
@pytest.mark.parametrize(
    "change",
    [
        "UPDATE audit_seal SET root = hash_ WHERE number = 2",
        "UPDATE audit_seal SET heads = '[]' WHERE number = 2",
        "UPDATE audit_seal SET heads = '[[\"ticket:b\", 12, 5]]' WHERE number = 2",
        "UPDATE audit_seal SET signature = 'AAAA' WHERE number = 2",
        "UPDATE audit_seal SET key_id = 'other' WHERE number = 2",
        "UPDATE audit_seal SET previous = 'other' WHERE number = 2",
        "UPDATE audit_seal SET statement = '{}' WHERE number = 2",
        "UPDATE audit_seal SET statement = '[]' WHERE number = 2",
        "DELETE FROM audit_seal WHERE number = 2",
        "DELETE FROM audit_seal WHERE number = 3",
    ],
)
def test_a_changed_or_missing_seal_is_found(trail: Path, change: str) -> None:
    behind_the_back(change.replace("hash_", "'" + "0" * 64 + "'"))
    assert not look().holds
    assert not look(trail).holds


@pytest.mark.db
def test_a_seal_by_another_key_is_not_believed(trail: Path) -> None:
    stranger = SigningKey.generate()
    report = verify(jwks=[stranger.public_jwk()])
    assert {finding.kind for finding in report.findings} == {"signature"}
    both = [stranger.public_jwk(), signing_key().public_jwk()]
    assert verify(jwks=both).holds


@pytest.mark.db
def test_an_event_slipped_in_behind_the_head_is_found(trail: Path) -> None:
    row = AuditEvent.objects.get(stream="ticket:d", seq=1)
    row.pk, row.seq, row.previous_hash = None, 2, row.hash
    row.id = AuditEvent().id
    row.save(force_insert=True)
    assert "ticket:d#2" in found(look())


@pytest.mark.db
def test_an_erased_personal_value_leaves_the_chain_whole(trail: Path) -> None:
    behind_the_back(
        "UPDATE audit_auditevent SET personal = '{}', actor_label = '', reason = '' WHERE seq = 6"
    )
    assert look(trail).holds


@pytest.mark.db
@pytest.mark.parametrize(
    "change",
    [
        lambda: AuditEvent.objects.filter(seq=3).update(type="x"),
        lambda: AuditEvent.objects.filter(seq=3)._raw_delete("default"),
        lambda: Seal.objects.filter(number=1).update(root="x"),
        lambda: Seal.objects.filter(number=1).delete(),
        lambda: ChainHead.objects.filter(stream="ticket:a").update(seq=1),
        lambda: ChainHead.objects.filter(stream="ticket:a").delete(),
    ],
)
def test_the_database_itself_refuses_to_change_the_trail(
    trail: Path, change: Callable[[], object]
) -> None:
    with pytest.raises(DatabaseError), transaction.atomic():
        change()
    assert look().holds


def run(*arguments: str) -> tuple[int, str]:
    out = io.StringIO()
    try:
        call_command("verify_audit", *arguments, stdout=out, no_color=True)
    except SystemExit as end:
        return int(end.code or 0), out.getvalue()
    return 0, out.getvalue()


@pytest.mark.db
def test_the_command_says_what_it_looked_at_and_where_trouble_is(trail: Path) -> None:
    code, text = run("--against", str(trail))
    assert code == 0
    assert "The audit trail holds." in text
    assert text.splitlines()[1].split() == ["events", "37"]
    behind_the_back("UPDATE audit_auditevent SET type = 'x' WHERE stream = 'ticket:b' AND seq = 6")
    code, text = run()
    assert code == 1
    assert "ticket:b#6" in text
    assert "does not hold" in text
    assert run("--stream", "ticket:a")[0] == 0
    assert run("--stream", "ticket:b")[0] == 1


@pytest.mark.db
def test_the_command_takes_the_public_keys_of_earlier_days(trail: Path, settings: Any) -> None:
    keys = trail.with_name("keys.json")
    keys.write_text(json.dumps({"keys": [signing_key().public_jwk()]}))
    settings.HITL_SIGNING_KEY = SigningKey.generate().to_pem().decode()
    assert run()[0] == 1
    assert run("--keys", str(keys))[0] == 0


@pytest.mark.db
def test_a_story_reads_in_words(db: None) -> None:
    with entering(channel="web"), transaction.atomic():
        record(
            "ticket:s",
            [
                Draft("ticket.opened", db_now(), Actor("9", "machine", "Buyer")),
                Draft("ticket.vote_cast", db_now(), ANN, "Fine.", {"choice": "request_changes"}),
                Draft("ticket.decided", db_now(), THE_SERVICE, data={"status": "approved"}),
                Draft("ticket.never_heard_of", db_now(), Actor("8", "human", "")),
            ],
        )
    events = AuditEvent.objects.filter(stream="ticket:s").order_by("seq")
    assert [(who(event), what(event.type, event.data)) for event in events] == [
        ("Buyer", "opened the ticket"),
        ("Ann", "voted request changes"),
        ("Countersign", "made it final: approved"),
        ("Somebody (8)", "never heard of"),
    ]
    assert {CHANNELS[event.channel] for event in events} == {"at the desk"}


def test_every_type_has_words_even_when_its_data_lacks() -> None:
    for words in (what(name, {}) for name in WORDS):
        assert words
        assert "{" not in words
        assert words == words.strip(" :,")


def test_data_of_strangers_cannot_stretch_or_nest_the_words() -> None:
    assert what("ticket.escalated", {"role": "x" * 500}).count("x") == 80
    assert what("ticket.escalated", {"role": "{status}", "status": "s"}) == "asked {status} as well"
