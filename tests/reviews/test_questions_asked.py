"""Every kind of question, asked and answered over the interface."""

import pytest
from django.contrib.auth.models import Group

from approvals.presets import PRESETS
from approvals.question import parse_question
from reviews.admin.ticket_page import consequence
from tests.stories import checkpoint, everything_told_is_true, people, question

pytestmark = pytest.mark.db


@pytest.fixture
def house(story):
    """Give Legal, Finance and the board their people: Ann and Ben, Ben and Cleo, Lena."""
    for name, members in (
        ("Legal", [story.ann, story.ben]),
        ("Finance", [story.ben, story.cleo]),
        ("Board", [story.lena]),
    ):
        Group.objects.create(name=name).user_set.set(members)
    return story


class Asked:
    """One ticket, driven by bearer tokens alone."""

    def __init__(self, story, slug: str, **body) -> None:
        self.story = story
        answer = story.as_key().post(
            "/api/v1/tickets", {"title": "Pay", "checkpoint": slug, **body}
        )
        assert answer.status_code == 201, answer.json()
        self.told = answer.json()

    def vote(self, person, choice="approve", *, status=201, **more):
        if choice == "reject":
            more.setdefault("reason", "No.")
        address = f"/api/v1/tickets/{self.told['id']}/votes"
        given = {"choice": choice, "version": self.told["version"], **more}
        answer = self.story.as_person(person).post(address, given)
        assert answer.status_code == status, answer.json()
        body = answer.json()
        if status == 201:
            self.told = body["ticket"]
        return body

    def read(self):
        self.told = self.story.as_key().get(f"/api/v1/tickets/{self.told['id']}").json()
        return self.told

    @property
    def status(self) -> str:
        return self.told["status"]


def stage(*needs, **more):
    return {"stages": [{"name": "Sign", "needs": list(needs), **more}]}


class TestHowManyAndWho:
    def test_the_two_person_rule_takes_two_people(self, house):
        checkpoint("two", question(needs=[people("reviewer", 2)]))
        asked = Asked(house, "two")
        asked.vote(house.ann)
        assert (asked.status, asked.told["allowed"]) == ("pending", None)
        assert asked.vote(house.ann, status=200)["ticket"]["status"] == "pending", "the same again"
        asked.vote(house.ben)
        assert (asked.status, asked.told["allowed"]) == ("approved", True)
        everything_told_is_true()

    def test_legal_and_finance_takes_two_people_even_where_one_is_both(self, house):
        checkpoint("both", question(**stage(people("Legal"), people("Finance"))))
        asked = Asked(house, "both")
        asked.vote(house.ben)
        assert asked.status == "pending", "Ben sits in both and has one vote"
        asked.vote(house.cleo)
        assert asked.status == "approved"

    def test_what_ben_filled_is_not_asked_of_ann_again(self, house):
        checkpoint("both", question(**stage(people("Legal"), people("Finance"))))
        asked = Asked(house, "both")
        asked.vote(house.ann)
        refusal = asked.vote(house.lena, status=403)
        assert refusal["code"] == "not-eligible"
        asked.vote(house.ben)
        assert asked.status == "approved"

    def test_stages_follow_each_other(self, house):
        steps = [
            {"name": "Look", "needs": [people("Legal")]},
            {"name": "Sign", "needs": [people("Board")]},
        ]
        checkpoint("steps", question(stages=steps))
        asked = Asked(house, "steps")
        assert asked.vote(house.lena, status=403)["code"] == "not-eligible", "not her turn yet"
        asked.vote(house.ann)
        assert asked.told["tally"]["stage"] == 1
        asked.vote(house.lena)
        assert asked.status == "approved"

    @pytest.mark.parametrize(
        ("amount", "needed"), [("100", 1), ("100.01", 2), ("9999", 2), ("10001", 2), (None, 2)]
    )
    def test_the_amount_climbs_the_ladder(self, house, amount, needed):
        ladder = [{"above": 100, "role": "Finance"}, {"above": 10_000, "role": "Board"}]
        checkpoint("ladder", question(**stage(people("Legal"), ladder=ladder)))
        asked = Asked(house, "ladder", **({"amount": amount} if amount else {}))
        assert asked.told["tally"]["needed"] == needed
        asked.vote(house.ann)
        if needed > 1:
            top = amount is None or float(amount) > 10_000
            assert asked.status == "pending"
            asked.vote(house.cleo, status=403 if top else 201)
            if top:
                asked.vote(house.lena)
        assert asked.status == "approved"

    def test_a_veto_settles_alone_whatever_the_others_said(self, house):
        checkpoint("veto", question(needs=[people("reviewer", 3)]))
        asked = Asked(house, "veto")
        asked.vote(house.ann)
        asked.vote(house.ben)
        asked.vote(house.cleo, "reject", reason="It is not ours to buy.")
        assert (asked.status, asked.told["comments"]) == ("rejected", "It is not ours to buy.")

    def test_a_veto_of_two_waits_for_the_second(self, house):
        checkpoint("veto", question(**stage(people("reviewer", 3), rejections=2)))
        asked = Asked(house, "veto")
        asked.vote(house.ann, "reject")
        assert asked.status == "pending"
        asked.vote(house.ben, "reject")
        assert asked.status == "rejected"

    @pytest.mark.parametrize(("count", "needed"), [("all", 3), ("majority", 2), (1, 1)])
    def test_consensus_majority_or_anybody(self, house, count, needed):
        checkpoint("share", question(needs=[people("reviewer", count)]))
        asked = Asked(house, "share")
        for voter in (house.ann, house.ben, house.cleo)[:needed]:
            assert asked.status == "pending"
            asked.vote(voter)
        assert asked.status == "approved"

    def test_a_share_never_falls_when_people_leave(self, house):
        checkpoint("share", question(needs=[people("reviewer", "all")]))
        asked = Asked(house, "share")
        house.cleo.groups.clear()
        asked.vote(house.ann)
        asked.vote(house.ben)
        assert asked.status == "pending"
        assert asked.told["tally"]["needed"] == 3


class TestPerExactOutcome:
    def test_people_who_agree_must_agree_on_the_same_bytes(self, house):
        checkpoint("price", question(needs=[people("reviewer", 2)]))
        asked = Asked(house, "price", proposal={"price": 10})
        half, less = {"price": 5}, {"price": 6}
        asked.vote(house.ann, "modify", amendments=half, reason="Half.")
        asked.vote(house.ben, "modify", amendments=less, reason="A bit less.")
        assert asked.status == "pending"
        assert asked.told["tally"]["approvals"] == 1
        asked.vote(house.cleo, "modify", amendments=half, reason="Half it is.")
        assert asked.status == "approved"
        assert asked.told["approved"] == {"price": 5}

    def test_everybody_taking_part_sees_who_said_what(self, house):
        checkpoint("open", question(needs=[people("reviewer", 3)]))
        asked = Asked(house, "open", on_behalf_of="otto")
        asked.vote(house.ann, reason="Fine by me.")
        asked.vote(house.ben)
        for anybody in (house.ann, house.ben, house.cleo, house.otto):
            address = f"/api/v1/tickets/{asked.told['id']}"
            told = house.as_person(anybody).get(address).json()["tally"]["people"]
            assert [(p["name"], p["choice"], p["comment"]) for p in told] == [
                ("ann", "approve", "Fine by me."), ("ben", "approve", None),
            ]  # fmt: skip
            assert all(p["at"] for p in told)


class TestReasons:
    @pytest.mark.parametrize("reason", [None, "", "   "])
    def test_an_answer_that_needs_one_is_refused_without(self, house, reason):
        checkpoint("plain", question())
        asked = Asked(house, "plain")
        more = {"reason": reason} if reason is not None else {}
        address = f"/api/v1/tickets/{asked.told['id']}/votes"
        given = {"choice": "reject", "version": 1, **more}
        answer = house.as_person(house.ann).post(address, given)
        assert (answer.status_code, answer.json()["code"]) == (422, "reason-required")
        assert answer.json()["errors"][0]["pointer"] == "/reason"

    def test_a_checkpoint_may_need_one_for_a_plain_approval_too(self, house):
        asked_for = question()
        asked_for["options"] = [{**option, "reason": "required"} for option in asked_for["options"]]
        checkpoint("strict", asked_for)
        asked = Asked(house, "strict")
        assert asked.vote(house.ann, status=422)["code"] == "reason-required"
        asked.vote(house.ann, reason="Compared three offers.")
        assert asked.status == "approved"


RULES = [
    {"name": "forbidden", "when": "total > 1000", "then": "deny"},
    {"name": "dear", "when": "total > 100", "then": "ask"},
    {"name": "cheap", "when": "total >= 0", "then": "allow"},
]
SCHEMA = {"type": "object", "properties": {"total": {"type": "number"}}, "required": ["total"]}


class TestFrozenAndBound:
    @pytest.fixture
    def asked(self, house):
        checkpoint("spend", question(), rules=RULES, proposal_schema=SCHEMA)
        return Asked(house, "spend", proposal={"total": 500})

    def resubmit(self, asked, total):
        address = f"/api/v1/tickets/{asked.told['id']}/resubmit"
        answer = asked.story.as_key().post(address, {"proposal": {"total": total}})
        assert answer.status_code == 200, answer.json()
        return answer.json()

    @pytest.mark.parametrize(
        ("total", "status", "rule"),
        [(200, "pending", "dear"), (50, "approved", "cheap"), (5000, "rejected", "forbidden")],
    )
    def test_an_edit_goes_through_the_rules_for_what_it_has_become(
        self, asked, total, status, rule
    ):
        edited = self.resubmit(asked, total)
        assert (edited["status"], edited["rule"]["name"], edited["round"]) == (status, rule, 2)

    def test_votes_on_what_it_was_are_refused(self, asked):
        self.resubmit(asked, 200)
        body = asked.vote(asked.story.ann, status=412)
        assert (body["code"], body["version"]) == ("ticket-changed", 2)

    def test_a_modification_the_rules_refuse_is_not_taken(self, asked):
        body = asked.vote(
            asked.story.ann, "modify", amendments={"total": 5000}, reason="More.", status=422
        )
        assert body["errors"][0]["pointer"] == "/amendments"
        asked.vote(asked.story.ann, "modify", amendments={"total": 400}, reason="Less.")
        assert asked.told["approved"] == {"total": 400}


def test_a_rollout_goes_on_step_by_step_each_its_own_ticket(story):
    """10, 50 and 100 per cent: the next opens when the last is recorded as applied."""
    checkpoint("rollout", PRESETS["stepwise"])
    asked = Asked(story, "rollout", proposal={"model": "new"}, title="Move to the new model")
    seen = []
    for portion in (10, 50, 100):
        steps = asked.read()["policy"]["repeat"]["steps"]
        assert steps[0] == portion
        asked.vote(story.ann)
        seen.append(asked.told["id"])
        receipts = f"/api/v1/tickets/{asked.told['id']}/receipt"
        stamp = {"nonce": f"n-{portion}", "digest": asked.told["action_digest"]}
        stamped = story.as_key().post(receipts, stamp).json()
        assert len(all_of(story)) == len(seen), "approved is not applied"
        result = {"consumption_id": stamped["consumption_id"], "result": "applied"}
        assert story.as_key().post(receipts, result).status_code == 200
        following = [row for row in all_of(story) if row["id"] not in seen]
        if portion == 100:
            assert not following
            break
        (opened,) = following
        assert (opened["status"], opened["title"]) == ("pending", "Move to the new model")
        asked.told = opened
    from reviews.models import Ticket

    chain = [str(t.previous_id) for t in Ticket.objects.order_by("pk")]
    assert chain == ["None", *seen[:2]]
    everything_told_is_true()


@pytest.mark.parametrize(
    ("steps", "told"),
    [
        ([50, 100], "A step to 50 %; you are asked again before 100 %."),
        ([100], "The last step, to 100 %."),
        ([], ""),
    ],
)
def test_who_decides_on_a_step_reads_which_it_is(steps, told):
    given = {**PRESETS["stepwise"], "repeat": {"rounds": 1, "steps": steps}}
    said = consequence(parse_question(given))
    assert said.removesuffix("Can be revoked for 5 min once in effect.").strip() == told


def test_a_step_that_failed_opens_no_other(story):
    checkpoint("rollout", PRESETS["stepwise"])
    asked = Asked(story, "rollout", proposal={"model": "new"})
    asked.vote(story.ann)
    receipts = f"/api/v1/tickets/{asked.told['id']}/receipt"
    stamp = {"nonce": "n", "digest": asked.told["action_digest"]}
    stamped = story.as_key().post(receipts, stamp).json()
    result = {"consumption_id": stamped["consumption_id"], "result": "failed"}
    story.as_key().post(receipts, result)
    assert len(all_of(story)) == 1


def all_of(story):
    return story.as_key().get("/api/v1/tickets").json()["data"]
