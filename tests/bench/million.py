"""Make a crowd of waiting tickets that look like the service's own, by SQL alone.

Every row is whole: frozen question and content with their digests, who may not vote, and one event
per ticket with its head; the hashes of the chain and of the decision are the ones the service would
have written, so verification passes. What a real service would have beside it is left out: history
rows and deliveries. PostgreSQL only.
"""

from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

from django.db import connection, models, transaction

# Two thirds of the queue is older than a day, as it is where people cannot keep up.
OLDEST = timedelta(hours=72)
QUEUES = 12
SEEN_BY_REVIEWERS = 8


@dataclass
class _Table:
    """One table's columns as SQL expressions over `crowd`; columns left out hold their default."""

    model: type[models.Model]
    given: dict[str, str]
    parameters: list[Any] = field(default_factory=list)

    def insert(self, crowd: str) -> str:
        columns, values = [], []
        for each in self.model._meta.concrete_fields:
            if each.column in self.given:
                value = self.given[each.column]
            elif each.has_default() or not each.null:
                default = each.get_db_prep_save(each.get_default(), connection)
                self.parameters.append(default)
                value = "%s"
            else:
                value = "NULL"
            columns.append(f'"{each.column}"')
            values.append(value)
        return (
            f"INSERT INTO {self.model._meta.db_table} ({', '.join(columns)}) "
            f"SELECT {', '.join(values)} FROM {crowd}"
        )


def fill(count: int, *, seed: float = 0.5) -> None:
    """Fill an empty, migrated database with the cast and `count` waiting tickets."""
    from approvals.models import Decision, Exclusion
    from audit.canonical import canonical_bytes
    from audit.chain import GENESIS
    from audit.models import AuditEvent, ChainHead
    from reviews.models import Ticket
    from reviews.services.lanes import put_in_lane
    from tests import builders

    cast = builders.make_cast()
    queues = _queues(cast)
    policies = {"reviewer": cast.general.question, "lead": _lead_policy(builders)}
    questions = {role: _question(policy) for role, policy in policies.items()}
    with transaction.atomic(), connection.cursor() as sql:
        sql.execute("SET LOCAL statement_timeout = 0")
        sql.execute("SET LOCAL work_mem = '256MB'")
        sql.execute("SET LOCAL maintenance_work_mem = '512MB'")
        # Thirteen million lookups of rows that were just written; `check` makes up for them.
        sql.execute("SET LOCAL session_replication_role = replica")
        sql.execute("SELECT setseed(%s)", [seed])
        sql.execute(
            "CREATE TEMP TABLE crowd_queue "
            "(n int, queue uuid, policy uuid, lane uuid, question text, asked jsonb)"
        )
        for number, (queue, role) in enumerate(queues):
            question = canonical_bytes(questions[role]).decode()
            policy = policies[role].pk
            lane = put_in_lane(queue_id=queue.pk, policy_id=policy, region_id=None)
            row = [number, queue.pk, policy, lane, question, question]
            sql.execute("INSERT INTO crowd_queue VALUES (%s, %s, %s, %s, %s, %s)", row)
        sql.execute(_CROWD, [OLDEST.total_seconds(), QUEUES, count, str(cast.machine.pk), GENESIS])
        sql.execute("ANALYZE crowd, crowd_queue")
        tables = [
            _Table(AuditEvent, {
                "id": "event", "stream": "stream", "seq": "1", "type": "'ticket.opened'",
                "actor_id": "actor", "actor_kind": "'machine'", "at": "at", "channel": "'api'",
                "data": "'{}'", "personal": "'{}'", "salts": "'{}'", "field_commitments": "'{}'",
                "previous_hash": f"'{GENESIS}'", "hash": "event_hash",
            }),
            _Table(ChainHead, {"stream": "stream", "seq": "1", "hash": "event_hash"}),
            _Table(Decision, {
                "id": "decision", "subject": "ticket", "round": "1", "version": "1",
                "policy_id": "policy", "question": "asked", "rule": "NULL",
                "content": "content", "action_digest": "action_digest", "digest": "digest",
                "nonce": "md5(ticket::text)", "opened_at": "at", "last_event_id": "event",
            }),
            _Table(Exclusion, {"decision_id": "decision", "user_id": str(cast.max.pk),
                               "why": "'key_owner'", "id": "nextval(pg_get_serial_sequence("
                               "'approvals_exclusion', 'id'))"}),
            _Table(Ticket, {
                "id": "ticket", "ref": "nextval('reviews_ticket_ref_seq')", "queue_id": "queue",
                "lane_id": "lane",
                "checkpoint_id": f"'{cast.general.pk}'", "requester_id": str(cast.machine.pk),
                "access_key_id": f"'{cast.key.pk}'", "title": "'Pay ' || payee",
                "summary": "'Pay ' || payee", "proposal": "proposal::jsonb",
                "ai": "CASE WHEN confidence IS NULL THEN '{}'::jsonb ELSE "
                      "jsonb_build_object('confidence', confidence) END",
                "priority": "priority", "amount": "amount", "decision_id": "decision",
                "created_at": "at", "due_at": "at + interval '60 days'",
                "expires_at": "at + interval '120 days'",
                "next_deadline_at": "at + interval '60 days'", "last_event_id": "event",
                "rank_base": "rank_base",
                "rank_young": "rank_base - 0.3 * extract(epoch FROM at)::float8 / 86400",
            }),
        ]  # fmt: skip
        names = [table.model._meta.db_table for table in tables]
        # What an index costs row by row is many times what it costs once.
        sql.execute(
            "UPDATE pg_index SET indisready = false WHERE indrelid = ANY (%s::regclass[])", [names]
        )
        for table in tables:
            sql.execute(table.insert("crowd JOIN crowd_queue USING (n)"), table.parameters)
        for name in names:
            sql.execute(f"REINDEX TABLE {name}")
    with connection.cursor() as sql:
        sql.execute("SET statement_timeout = 0")
        sql.execute(f"VACUUM (ANALYZE) {', '.join(names)}")
        # Only now are the pages on the disk, and none of it happens while something is measured.
        sql.execute("CHECKPOINT")


# One line per ticket; every table takes its columns from here, so they agree.
_CROWD = """
CREATE TEMP TABLE crowd AS
WITH thrown AS (
    SELECT i, clock_timestamp() - make_interval(secs => %s * random()) AS at,
           floor(random() * %s)::int AS n, floor(random() ^ 3 * 2000000) AS amount,
           CASE WHEN random() < 0.8 THEN round(random()::numeric, 3) END AS confidence,
           'Company ' || floor(random() * 5000)::int AS payee,
           (ARRAY['low', 'medium', 'medium', 'high', 'critical'])[1 + floor(random() * 5)::int]
               AS priority
    FROM generate_series(1, %s) i ORDER BY at
), named AS (
    SELECT t.*,
           left(lpad(to_hex((extract(epoch FROM at) * 1000)::bigint), 12, '0'), 12) AS ms,
           md5(i::text) AS one, md5(i || 'd') AS two, md5(i || 'e') AS three,
           '{"payee":"' || payee || '","total":' || amount::bigint || '}' AS proposal
    FROM thrown t
), made AS (
    SELECT *, %s AS actor, convert_to(proposal, 'UTF8') AS content,
           (ms || '7' || left(one, 3) || '8' || right(one, 15))::uuid AS ticket,
           (ms || '7' || left(two, 3) || '8' || right(two, 15))::uuid AS decision,
           (ms || '7' || left(three, 3) || '8' || right(three, 15))::uuid AS event,
           0.4 * least(amount / 1000000, 1) + 0.2 * (1 - coalesce(confidence, 0))::float8
               AS rank_base,
           encode(sha256(convert_to(proposal, 'UTF8')), 'hex') AS action_digest
    FROM named
)
SELECT made.*, 'ticket:' || ticket AS stream,
       encode(sha256(convert_to('{"action_digest":"' || action_digest || '","question":' || question
           || ',"round":1,"rule":null,"ticket":"' || ticket || '"}', 'UTF8')), 'hex') AS digest,
       encode(sha256(convert_to('{"actor_id":"' || actor || '","actor_kind":"machine","at":"'
           || to_char(at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"')
           || '","channel":"api","data":{},"field_commitments":{},"id":"' || event
           || '","previous_hash":"' || %s || '","seq":1,"stream":"ticket:' || ticket
           || '","type":"ticket.opened"}', 'UTF8')), 'hex') AS event_hash
FROM made JOIN crowd_queue USING (n)
"""


def _queues(cast: Any) -> list[tuple[Any, str]]:
    from reviews.models import Queue

    made = []
    for number in range(QUEUES):
        role = "reviewer" if number < SEEN_BY_REVIEWERS else "lead"
        queue = cast.queue
        if number:
            queue = Queue.objects.create(slug=f"queue-{number}", name=f"Queue {number}")
            queue.roles.set([cast.roles[role]])
        queue.impact_scale = 1_000_000
        queue.save()
        made.append((queue, role))
    return made


def _lead_policy(builders: Any) -> Any:
    from approvals.presets import PRESETS

    question = {**PRESETS["review"]}
    needs = [{**need, "role": "lead"} for need in question["stages"][0]["needs"]]
    question["stages"] = [{**question["stages"][0], "needs": needs}]
    return builders.make_policy("leads", question)


def _question(policy: Any) -> dict[str, Any]:
    from approvals.question import render_question, resolve
    from approvals.services.policies import question_of_policy

    asked = question_of_policy(policy)
    return render_question(resolve(asked, eligible=lambda _stage, _need: 3, amount=None))


def check(sample: int) -> list[str]:
    """Return what is wrong: rows that point at nothing, or digests of some tickets."""
    from approvals.models import Decision, Exclusion
    from reviews.models import Ticket

    wrong = [
        f"{model._meta.db_table}.{key.column} points at nothing"
        for model in (Ticket, Decision, Exclusion)
        for key in model._meta.concrete_fields
        if key.is_relation and _dangling(key)
    ]
    for ticket in Ticket.objects.select_related("decision").order_by("pk")[:sample]:
        wrong += _digests(ticket)
    return wrong


def _dangling(key: Any) -> bool:
    one, other = key.model._meta, key.related_model._meta
    with connection.cursor() as sql:
        sql.execute(
            f"SELECT EXISTS (SELECT 1 FROM {one.db_table} a LEFT JOIN {other.db_table} b "
            f"ON b.{other.pk.column} = a.{key.column} "
            f"WHERE a.{key.column} IS NOT NULL AND b.{other.pk.column} IS NULL)"
        )
        return bool(sql.fetchone()[0])


def _digests(ticket: Any) -> list[str]:
    from audit.canonical import digest_of, sha256_hex
    from audit.chain import verify_stream
    from audit.models import AuditEvent
    from audit.services import stored_fields

    decision = ticket.decision
    told = stored_fields(AuditEvent.objects.filter(stream=ticket.stream))
    wrong = [problem.sentence for problem in verify_stream(told)]
    facts = {
        "ticket": str(ticket.pk), "action_digest": decision.action_digest,
        "question": decision.question, "rule": decision.rule, "round": decision.round,
    }  # fmt: skip
    if digest_of(facts) != decision.digest:
        wrong.append(f"{ticket.label} has another digest")
    if sha256_hex(bytes(decision.content)) != decision.action_digest:
        wrong.append(f"{ticket.label} has another action digest")
    if digest_of(ticket.proposal) != decision.action_digest:
        wrong.append(f"{ticket.label} shows another proposal")
    return wrong
