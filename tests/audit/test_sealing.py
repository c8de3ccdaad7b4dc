"""Seals: one signed statement over every stream that grew."""

import json
import threading
from pathlib import Path
from typing import Any

import pytest
from django.db import connections, transaction

from audit.chain import GENESIS
from audit.clock import db_now
from audit.keys import signing_key
from audit.models import ChainHead, Seal
from audit.sealing import SEAL_FILE, seal_chains, seal_hash
from audit.seals import head_leaf, merkle_root, verify_statement
from audit.services import Actor, Draft, record, record_alone

ANN = Actor("7", "human", "Ann")


def tell(stream: str, times: int = 1) -> None:
    for number in range(times):
        record_alone(stream, Draft("test.told", db_now(), ANN, data={"n": number}))


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, settings: Any) -> Path:
    settings.HITL_DATA_DIR = tmp_path
    return tmp_path


@pytest.mark.db
def test_a_seal_covers_every_stream_that_grew_and_only_those() -> None:
    tell("ticket:a", 3)
    tell("ticket:b")
    assert seal_chains() == 2
    tell("ticket:b")
    assert seal_chains() == 1
    assert seal_chains() == 0
    first, second = Seal.objects.order_by("number")
    assert [row[:2] for row in first.heads] == [["ticket:a", 3], ["ticket:b", 1]]
    assert [row[:2] for row in second.heads] == [["ticket:b", 2]]
    assert dict(ChainHead.objects.values_list("stream", "sealed_seq")) == {
        "ticket:a": 3,
        "ticket:b": 2,
    }


@pytest.mark.db
def test_anybody_with_the_public_key_can_check_a_seal() -> None:
    tell("ticket:a")
    tell("policy:x", 2)
    seal_chains()
    seal = Seal.objects.get()
    leaves = [head_leaf(stream=s, seq=n, head_hash=h) for s, n, h in seal.heads]
    assert seal.heads == sorted(seal.heads)
    assert seal.statement["root"] == seal.root == merkle_root(leaves)
    assert seal.statement["heads"] == 2
    assert verify_statement(seal.statement, seal.signature, signing_key().public_jwk())
    assert seal.key_id == signing_key().kid


@pytest.mark.db
def test_each_seal_names_the_one_before_it() -> None:
    for _ in range(3):
        tell("system")
        seal_chains()
    first, second, third = Seal.objects.order_by("number")
    assert first.previous == GENESIS
    assert second.previous == seal_hash(first.statement)
    assert third.statement["previous"] == seal_hash(second.statement)


@pytest.mark.db
def test_many_streams_go_into_several_seals_in_one_run() -> None:
    for number in range(7):
        tell(f"ticket:{number}")
    assert seal_chains(most_heads=3) == 7
    assert [len(seal.heads) for seal in Seal.objects.order_by("number")] == [3, 3, 1]


@pytest.mark.db
def test_every_seal_is_also_a_line_of_a_private_file(folder: Path) -> None:
    tell("system")
    seal_chains()
    tell("system")
    seal_chains()
    path = folder / SEAL_FILE
    lines = [json.loads(line) for line in path.read_text().splitlines()]
    assert [line["statement"]["number"] for line in lines] == [1, 2]
    assert path.stat().st_mode & 0o077 == 0


@pytest.mark.db
def test_a_folder_that_takes_no_file_does_not_stop_the_sealing(folder: Path, settings: Any) -> None:
    settings.HITL_DATA_DIR = folder / "gone"
    tell("system")
    assert seal_chains() == 1


@pytest.mark.real
def test_a_stream_that_is_being_written_to_waits_for_the_next_seal() -> None:
    from django.db import connection

    tell("ticket:busy")
    tell("ticket:idle")
    written, sealed = threading.Event(), threading.Event()

    def write() -> None:
        with transaction.atomic():
            record("ticket:busy", [Draft("test.told", db_now(), ANN)])
            written.set()
            sealed.wait(10 if connection.vendor == "postgresql" else 0.1)
        connections.close_all()

    writer = threading.Thread(target=write)
    writer.start()
    assert written.wait(10)
    count = seal_chains()
    sealed.set()
    writer.join(10)
    # SQLite has one writer: there the seal simply came after it.
    assert count == (1 if connection.vendor == "postgresql" else 2)
    assert seal_chains() == (1 if connection.vendor == "postgresql" else 0)


@pytest.mark.real
def test_sealers_that_meet_make_no_second_seal_of_the_same_number() -> None:
    for number in range(20):
        tell(f"ticket:{number}")
    together = threading.Barrier(3)
    sealed = []

    def run() -> None:
        together.wait()
        sealed.append(seal_chains(most_heads=4))
        connections.close_all()

    runs = [threading.Thread(target=run) for _ in range(3)]
    for thread in runs:
        thread.start()
    for thread in runs:
        thread.join(30)
    assert len(sealed) == 3
    seal_chains()
    seals = list(Seal.objects.order_by("number"))
    assert [seal.number for seal in seals] == list(range(1, len(seals) + 1))
    assert sorted(row[0] for seal in seals for row in seal.heads) == sorted(
        f"ticket:{number}" for number in range(20)
    )
