"""Look for changes in the stored trail: every chain, every seal, and every seal kept outside.

Events are read in pages and streams in batches, so the memory it takes does not grow with the
number of events. It may run while others write: what was told after a stream's head was read is
left for the next time.
"""

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from django.db import connection
from django.db.models import Exists, OuterRef, Q

from audit.chain import GENESIS, Problem, instant, verify_stream
from audit.models import AuditEvent, ChainHead, Seal
from audit.sealing import seal_hash
from audit.seals import head_leaf, merkle_root, verify_statement
from audit.services import stored_fields

PAGE = 500


@dataclass(frozen=True, slots=True)
class Finding:
    """One place that does not hold: `where` is a stream's event or a seal."""

    where: str
    kind: str
    sentence: str


@dataclass(slots=True)
class Report:
    """What was looked at and what was found."""

    streams: int = 0
    events: int = 0
    seals: int = 0
    sealed_heads: int = 0
    kept_seals: int = 0
    findings: list[Finding] = field(default_factory=list)

    @property
    def holds(self) -> bool:
        return not self.findings


def verify(
    *,
    jwks: Sequence[Mapping[str, Any]],
    kept: Iterable[str] = (),
    only_stream: str | None = None,
) -> Report:
    """Return what does not hold in the stored trail.

    ``jwks`` are the public keys seals may be signed with; ``kept`` are lines of a seal file from
    outside; ``only_stream`` looks at one stream and at no seal.
    """
    report = Report()
    for head in _heads(only_stream):
        report.streams += 1
        problems = verify_stream(
            _counted(_events(head), report), heads={head.stream: (head.seq, head.hash)}
        )
        report.findings += [_finding(problem) for problem in problems]
    report.findings += _strays(only_stream)
    if only_stream is None:
        _verify_seals(report, jwks)
        _verify_kept(report, kept, jwks)
    return report


def verify_newest(*, jwks: Sequence[Mapping[str, Any]], most_events: int) -> Report:
    """Return what does not hold in the streams that grew last, and in the newest seals.

    Reads about ``most_events`` events. What is older is `verify`'s, which takes its time.
    """
    report = Report()
    newest = AuditEvent.objects.order_by("-id").values_list("stream", flat=True)
    for stream in dict.fromkeys(newest[:most_events]):
        for head in _heads(stream):
            report.streams += 1
            events = _counted(_events(head), report)
            problems = verify_stream(events, heads={head.stream: (head.seq, head.hash)})
            report.findings += [_finding(problem) for problem in problems]
        if report.events >= most_events:
            break
    for seal in Seal.objects.order_by("-number")[:_NEWEST_SEALS]:
        report.seals += 1
        where = f"seal {seal.number}"
        problems_of_seal = _seal_problems(seal, jwks)
        report.findings += [Finding(where, kind, said) for kind, said in problems_of_seal]
    return report


_NEWEST_SEALS = 20


def _finding(problem: Problem) -> Finding:
    return Finding(f"{problem.stream}#{problem.seq}", problem.kind, problem.sentence)


def _heads(only_stream: str | None) -> Iterator[ChainHead]:
    last = ""
    while True:
        heads = ChainHead.objects.filter(stream__gt=last).order_by("stream")
        if only_stream is not None:
            heads = heads.filter(stream=only_stream)
        batch = list(heads[:PAGE])
        yield from batch
        if len(batch) < PAGE:
            return
        last = batch[-1].stream


def _counted(events: Iterable[Mapping[str, Any]], report: Report) -> Iterator[Mapping[str, Any]]:
    for event in events:
        report.events += 1
        yield event


def _events(head: ChainHead) -> Iterator[Mapping[str, Any]]:
    """Yield a stream's events up to its head, page by page."""
    rows = AuditEvent.objects.filter(stream=head.stream, seq__lte=head.seq).order_by("seq")
    last = 0
    while True:
        seqs = list(rows.filter(seq__gt=last).values_list("seq", flat=True)[:PAGE])
        if not seqs:
            return
        page = rows.filter(seq__gt=last, seq__lte=seqs[-1])
        try:
            yield from list(stored_fields(page))
        except Exception:
            # A row was changed so that its columns cannot even be read; find out which.
            for seq in seqs:
                yield _readable(head.stream, seq)
        if len(seqs) < PAGE:
            return
        last = seqs[-1]


def _readable(stream: str, seq: int) -> Mapping[str, Any]:
    try:
        return next(iter(stored_fields([AuditEvent.objects.get(stream=stream, seq=seq)])))
    except Exception:  # whatever cannot be read was not written by us
        hashes = AuditEvent.objects.filter(stream=stream, seq=seq)
        row = hashes.values_list("hash", "previous_hash").first() or ("", "")
        return {"stream": stream, "seq": seq, "hash": row[0], "previous_hash": row[1]}


def _strays(only_stream: str | None) -> Iterator[Finding]:
    """Yield events no head covers; one statement, so that what is being written is no stray."""
    covering = ChainHead.objects.filter(stream=OuterRef("stream"), seq__gte=OuterRef("seq"))
    strays = AuditEvent.objects.filter(~Exists(covering) | Q(seq__lt=1))
    if only_stream is not None:
        strays = strays.filter(stream=only_stream)
    for stream, seq in strays.values_list("stream", "seq").order_by("stream", "seq")[:1000]:
        sentence = f"Event {seq} of {stream} lies beyond what the head of its stream covers."
        yield Finding(f"{stream}#{seq}", "stray", sentence)


def _verify_seals(report: Report, jwks: Sequence[Mapping[str, Any]]) -> None:
    number, previous = 0, GENESIS
    # Where each stream was last sealed: of all that is kept in memory, the one thing that grows.
    reached: dict[str, int] = {}
    for found in Seal.objects.order_by("number").values_list("number", flat=True).iterator():
        report.seals += 1
        where = f"seal {found}"
        if found != number + 1:
            report.findings.append(Finding(where, "gap", f"Before seal {found} one is missing."))
        try:
            seal = Seal.objects.get(pk=found)
            if found == number + 1 and seal.statement.get("previous") != previous:
                sentence = f"Seal {found} does not follow from the one before it."
                report.findings.append(Finding(where, "previous", sentence))
            for kind, sentence in _seal_problems(seal, jwks):
                report.findings.append(Finding(where, kind, sentence))
            previous = seal_hash(seal.statement)
            rows = [row for row in seal.heads if _is_head(row)]
        except Exception:
            # Its columns were changed into something that cannot even be read.
            sentence = f"Seal {found} cannot be read."
            report.findings.append(Finding(where, "unreadable", sentence))
            previous, rows = "", []
        number = found
        report.sealed_heads += len(rows)
        report.findings += _unmatched(number, rows)
        for stream, seq, _ in rows:
            reached[stream] = max(seq, reached.get(stream, 0))
    for head in ChainHead.objects.exclude(sealed_seq=0).iterator(chunk_size=PAGE):
        # A seal made while this was running is newer than what was read above.
        if head.sealed_seq > reached.get(head.stream, 0) and not _sealed_since(number):
            sentence = f"{head.stream} was sealed up to {head.sealed_seq}, but that seal is gone."
            report.findings.append(Finding(f"{head.stream}#{head.sealed_seq}", "seal", sentence))


def _sealed_since(number: int) -> bool:
    return Seal.objects.filter(number__gt=number).exists()


def _seal_problems(seal: Seal, jwks: Sequence[Mapping[str, Any]]) -> Iterator[tuple[str, str]]:
    said = seal.statement
    stored = {"number": seal.number, "at": instant(seal.at), "root": seal.root}
    stored |= {"previous": seal.previous, "heads": len(seal.heads)}
    if any(said.get(name) != value for name, value in stored.items()):
        yield "seal", f"The columns of seal {seal.number} are not what its statement says."
    if not all(_is_head(row) for row in seal.heads) or said.get("root") != _root(seal.heads):
        yield "root", f"The heads of seal {seal.number} do not give the root it states."
    if sentence := _unsigned(said, seal.signature, seal.key_id, jwks):
        yield "signature", f"Seal {seal.number}: {sentence}"


def _unsigned(
    statement: Mapping[str, Any], signature: str, key_id: str, jwks: Sequence[Mapping[str, Any]]
) -> str:
    jwk = next((jwk for jwk in jwks if jwk.get("kid") == key_id), None)
    if jwk is None:
        return f"its key {key_id} is not among the known ones."
    return "" if verify_statement(statement, signature, jwk) else "its signature does not hold."


def _is_head(row: object) -> bool:
    if not isinstance(row, list) or len(row) != 3:
        return False
    return isinstance(row[0], str) and type(row[1]) is int and isinstance(row[2], str)


def _root(rows: Sequence[Sequence[Any]]) -> str:
    return merkle_root([head_leaf(stream=s, seq=n, head_hash=h) for s, n, h in rows])


def _unmatched(number: int, rows: Sequence[Sequence[Any]]) -> Iterator[Finding]:
    """Yield the sealed heads whose event is gone or another one."""
    for start in range(0, len(rows), 100):
        part = rows[start : start + 100]
        found = _hashes_at([(stream, seq) for stream, seq, _ in part])
        for stream, seq, hash_ in part:
            if found.get((stream, seq)) != hash_:
                sentence = f"Seal {number} covers another event {seq} of {stream}."
                yield Finding(f"{stream}#{seq}", "sealed", sentence)


def _hashes_at(places: Sequence[tuple[str, int]]) -> dict[tuple[str, int], str]:
    """Return the hash of the event at each place, in one query."""
    marks = ", ".join(["(%s, %s)"] * len(places))
    query = "SELECT stream, seq, hash FROM audit_auditevent WHERE (stream, seq) IN (VALUES "
    with connection.cursor() as cursor:
        cursor.execute(query + marks + ")", [value for place in places for value in place])
        return {(stream, seq): hash_ for stream, seq, hash_ in cursor.fetchall()}


def _verify_kept(report: Report, kept: Iterable[str], jwks: Sequence[Mapping[str, Any]]) -> None:
    """Compare seals kept outside with what is stored: this is what finds a trail made anew."""
    for line in kept:
        if not line.strip():
            continue
        report.kept_seals += 1
        where = f"kept seal, line {report.kept_seals}"
        try:
            seal = json.loads(line)
            statement, rows = seal["statement"], seal["heads"]
            number = statement["number"]
            whole = all(_is_head(row) for row in rows) and _root(rows) == statement["root"]
            unsigned = _unsigned(statement, seal["signature"], seal["key_id"], jwks)
        except (ValueError, KeyError, TypeError, AttributeError):
            report.findings.append(Finding(where, "unreadable", "This line is no seal."))
            continue
        if not whole or unsigned:
            sentence = unsigned or "its heads do not give its root."
            report.findings.append(Finding(where, "signature", f"Kept seal {number}: {sentence}"))
            continue
        stored = Seal.objects.filter(number=number).values_list("statement", flat=True).first()
        if stored != statement:
            sentence = f"Seal {number} was kept outside, and is not the one stored."
            report.findings.append(Finding(where, "kept", sentence))
        report.findings += _unmatched(number, rows)
