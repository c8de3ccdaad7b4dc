"""Rules tried on past tickets before they are saved: by the same judge, and nothing is written."""

import pytest
from django.contrib.auth.models import Permission
from django.urls import reverse

from audit.clock import db_now
from audit.models import AuditEvent
from reviews.models import Rule, Ticket
from reviews.services.simulations import simulate
from tests.builders import make_checkpoint, make_policy, make_region
from tests.reviews.test_admin_settings import page, root  # noqa: F401  a fixture
from tests.stories import people, question

pytestmark = pytest.mark.db
URL = "/api/v1/checkpoints/spend/simulate"
SCHEMA = {"type": "object", "properties": {"total": {"type": "number"}}, "required": ["total"]}


@pytest.fixture
def spend(cast):
    """A checkpoint with one rule in force, and twelve tickets: 0, 100 … 1,100."""
    checkpoint = make_checkpoint(
        "spend", question=make_policy("spend"), otherwise="allow", proposal_schema=SCHEMA
    )
    Rule.objects.create(
        checkpoint=checkpoint, position=1, name="Dear", when="total >= 1000", then="ask"
    )
    for number in range(12):
        cast.open(checkpoint="spend", proposal={"total": number * 100})
    right = Permission.objects.get(codename="change_checkpoint")
    cast.roles["manager"].permissions.add(right)
    return checkpoint


def rules(*rows):
    return [Rule(name=f"R{n}", when=when, then=then) for n, (when, then) in enumerate(rows)]


def tried(cast, checkpoint, *rows, **more):
    wanted = rules(*rows)
    return simulate(checkpoint=checkpoint, wanted=wanted, user=cast.max, now=db_now(), **more)


def test_it_tells_who_would_have_been_asked_and_what_would_change(cast, spend):
    found = tried(cast, spend, ("total >= 1100", "deny"), ("total >= 500", "ask"))
    assert (found.looked_at, found.ask, found.allow, found.deny) == (12, 6, 5, 1)
    assert found.were == {"ask": 2, "allow": 10, "deny": 0}
    assert found.changes == 6
    assert [(one.was, one.would, one.rule) for one in found.changed][:2] == [
        ("ask", "deny", "R0"),
        ("allow", "ask", "R1"),
    ]
    assert (found.more, found.nobody) == (False, 0)


def test_a_policy_is_tried_on_the_tickets_of_the_checkpoint_that_asks_by_it(cast, spend):
    body = {"rules": [{"when": "total >= 500", "then": "ask"}]}
    newer = make_policy("spend")
    answers = [
        cast.as_person(cast.max).post(f"/api/v1/policies/{policy.pk}/simulate", body)
        for policy in (spend.question, newer)
    ]

    assert [answer.status_code for answer in answers] == [200, 200]
    assert answers[0].json() == cast.as_person(cast.max).post(URL, body).json()
    assert answers[0].json()["would"] == {"ask": 7, "allow": 5, "deny": 0}


def test_a_policy_that_several_checkpoints_ask_by_names_them(cast, spend):
    make_checkpoint("lend", question=spend.question)
    unused = make_policy("unused")
    address = "/api/v1/policies/{}/simulate"

    several = cast.as_person(cast.max).post(address.format(spend.question.pk), {})
    none = cast.as_person(cast.max).post(address.format(unused.pk), {})
    outsider = cast.as_person(cast.ann).post(address.format(spend.question.pk), {})

    assert (several.status_code, several.json()["code"]) == (409, "wrong-state")
    assert "/checkpoints/lend/simulate, /checkpoints/spend/simulate" in several.json()["detail"]
    assert none.status_code == 409
    assert outsider.status_code == 404


def test_the_rules_in_force_change_nothing(cast, spend):
    found = simulate(checkpoint=spend, wanted=list(spend.rules.all()), user=cast.max, now=db_now())
    assert (found.changes, found.changed) == (0, [])


def test_it_judges_as_opening_does(cast, spend):
    """What it foretells is what comes: each ticket opened anew under those rules meets it."""
    wanted = [("total > 700", "ask"), ("total > 300", "allow"), ("ticket.amount > 5", "deny")]
    foretold = tried(cast, spend, *wanted)
    spend.rules.all().delete()
    for position, rule in enumerate(rules(*wanted), start=1):
        rule.checkpoint, rule.position = spend, position
        rule.save()
    past = list(Ticket.objects.filter(checkpoint=spend))
    came = [cast.open(checkpoint="spend", proposal=one.proposal).rule["then"] for one in past]
    assert [came.count(then) for then in ("ask", "allow", "deny")] == [
        foretold.ask,
        foretold.allow,
        foretold.deny,
    ]


def test_only_the_latest_are_looked_at_and_it_says_so(cast, spend):
    found = tried(cast, spend, ("true", "ask"), latest=5)
    assert (found.looked_at, found.more, found.ask) == (5, True, 5)
    assert tried(cast, spend, ("true", "ask"), latest=12).more is False


def test_only_what_somebody_may_see_is_looked_at(cast, spend):
    region = make_region("north", cast.ben)
    cast.open(checkpoint="spend", proposal={"total": 5000}, region=region.slug)
    found = simulate(checkpoint=spend, wanted=[], user=cast.ann, now=db_now())
    assert found.looked_at == 12
    assert simulate(checkpoint=spend, wanted=[], user=cast.otto, now=db_now()).looked_at == 0


def test_what_nobody_could_answer_is_counted(cast, spend):
    for person in (cast.ann, cast.ben, cast.cleo):
        person.groups.clear()
    found = tried(cast, spend, ("total >= 500", "ask"), ("true", "allow"))
    assert (found.ask, found.nobody) == (7, 7)


def test_a_rule_with_a_question_of_its_own_is_answered_by_its_people(cast, spend):
    own = make_policy("of-leads", question=question(needs=[people("lead")]))
    wanted = rules(("true", "ask"))
    wanted[0].question = own
    found = simulate(checkpoint=spend, wanted=wanted, user=cast.max, now=db_now())
    assert found.nobody == 0
    cast.lena.groups.clear()
    assert simulate(
        checkpoint=spend, wanted=wanted, user=cast.max, now=db_now()
    ).nobody == 12  # fmt: skip


def test_nothing_is_written(cast, spend):
    before = (Ticket.objects.count(), AuditEvent.objects.count(), Rule.objects.count())
    tried(cast, spend, ("total > 1", "deny"))
    assert (Ticket.objects.count(), AuditEvent.objects.count(), Rule.objects.count()) == before
    assert spend.rules.get().then == "ask"


def test_a_manager_tries_rules_over_the_api(cast, spend):
    body = {"rules": [{"name": "Half", "when": "total >= 600", "then": "ask"}], "latest": 10}
    answer = cast.as_person(cast.max).post(URL, body, format="json")
    assert answer.status_code == 200, answer.data
    told = answer.data
    assert (told["looked_at"], told["more"]) == (10, True)
    assert told["would"] == {"ask": 6, "allow": 4, "deny": 0}
    assert told["changes"] == 4
    assert told["changed"][0]["ref"].startswith("T-")
    assert cast.as_person(cast.max).post(URL, {}, format="json").data["changes"] == 0


def test_who_may_not_change_a_checkpoint_tries_nothing(cast, spend):
    assert cast.as_key().post(URL, {}, format="json").status_code == 403
    assert cast.as_person(cast.ann).post(URL, {}, format="json").status_code == 404
    assert cast.as_person(cast.ada).post(URL, {}, format="json").status_code == 403
    missing = cast.as_person(cast.max).post(URL.replace("spend", "none"), {}, format="json")
    assert missing.status_code == 404


@pytest.mark.parametrize(
    ("row", "pointer"),
    [
        ({"when": "nothing > 1", "then": "ask"}, "/rules/0/when"),
        ({"when": "true", "then": "maybe"}, "/rules/0/then"),
        (
            {"when": "true", "then": "ask", "expires_at": "2030-01-01T00:00:00Z"},
            "/rules/0/expires_at",
        ),
    ],
)
def test_a_rule_that_could_not_be_saved_cannot_be_tried(cast, spend, row, pointer):
    answer = cast.as_person(cast.max).post(URL, {"rules": [row]}, format="json")
    assert answer.status_code == 422
    assert pointer in [error["pointer"] for error in answer.data["errors"]]


def test_the_page_shows_it_for_the_rules_as_typed(cast, spend, root):  # noqa: F811
    where = page("reviews_checkpoint", "change", spend.pk)
    shown = root.get(where).content.decode()
    assert "Ready-made rules" in shown
    sent = {
        "title": "Spend", "otherwise": "allow", "question": spend.question_id, "risk": "low",
        "proposal_schema": '{"type": "object", "properties": {"total": {"type": "number"}}, '
        '"required": ["total"]}',
        "rules-TOTAL_FORMS": "1", "rules-INITIAL_FORMS": "1", "rules-0-id": spend.rules.get().pk,
        "rules-0-name": "Dear", "rules-0-when": "total >= 500", "rules-0-then": "ask",
        "rules-0-state": "live", "rules-0-ORDER": "1",
    }  # fmt: skip
    tried_at = reverse("admin:reviews_checkpoint_simulate", args=[spend.pk])
    told = root.post(tried_at, sent).content.decode()
    assert "On the 12 tickets opened here" in told
    assert "would have asked for <b>7</b>" in told
    assert "5 would change" in told
    unread = root.post(tried_at, {**sent, "rules-0-when": "nonsense >"}).content.decode()
    assert "Finish rule 1" in unread
    assert spend.rules.get().when == "total >= 1000"
    assert root.get(tried_at).status_code == 405
