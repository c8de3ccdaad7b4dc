"""Publishing a question: immutable versions, granted to the roles it names."""

import pytest

from approvals.errors import Invalid
from approvals.models import ApprovalPolicy, StageGrant
from approvals.presets import PRESETS
from approvals.question import parse_question, render_question
from approvals.services.policies import publish_policy, question_of_policy
from audit.chain import verify_stream
from audit.clock import db_now
from audit.models import AuditEvent
from audit.services import stored_fields
from tests.stories import people, question, refused

pytestmark = pytest.mark.db


def publish(story, asked, *, slug: str = "spend", **more) -> ApprovalPolicy:
    return publish_policy(
        slug=slug, name="Spend", question=asked, by=story.max, now=db_now(), **more
    )


def granted(policy: ApprovalPolicy) -> set[tuple[int, str]]:
    rows = StageGrant.objects.filter(content_object__policy=policy)
    return set(rows.values_list("content_object__position", "group__name"))


@pytest.mark.parametrize("preset", sorted(PRESETS))
def test_what_is_published_is_what_is_asked(story, preset):
    policy = publish(story, PRESETS[preset], safeguards={"silence_may_allow": True})

    assert question_of_policy(policy) == parse_question(PRESETS[preset])


def test_each_publication_is_the_next_version_and_leaves_the_last_alone(story):
    first = publish(story, question())
    second = publish(story, question(needs=[people("reviewer", 2)]), note="Two, after the audit.")

    assert (first.version, second.version) == (1, 2)
    assert question_of_policy(first) == parse_question(question())
    assert second.published_by == story.max


def test_every_role_named_is_granted_its_stage(story):
    stages = [
        {
            "name": "First", "needs": [people("reviewer")], "rejections": 1,
            "ladder": [{"above": 100, "role": "manager"}],
        },
        {"name": "Second", "needs": [people("auditor")], "rejections": 1, "ladder": []},
    ]  # fmt: skip
    policy = publish(story, question(stages=stages, escalate=[{"after": "PT1H", "role": "lead"}]))

    assert granted(policy) == {
        (0, "reviewer"), (0, "manager"), (0, "lead"), (1, "auditor"), (1, "lead"),
    }  # fmt: skip


@pytest.mark.parametrize(
    "asked",
    [
        question(needs=[people("Nobody")]),
        question(escalate=[{"after": "PT1H", "role": "Nobody"}]),
        {**question(), "stages": []},
        {**question(), "options": []},
        {**question(), "surprise": 1},
        question(silence="unknown"),
    ],
    ids=["role", "escalation", "stages", "options", "unknown key", "silence"],
)
def test_a_question_that_could_not_be_asked_is_not_published(story, asked):
    with refused(Invalid):
        publish(story, asked)
    assert not ApprovalPolicy.objects.filter(slug="spend").exists()


def test_a_role_that_shall_override_must_exist(story):
    with refused(Invalid):
        publish(story, question(), override_roles=["Nobody"])


def test_publications_are_told_with_who_and_why(story):
    publish(story, question())
    publish(story, question(), note="Because.")
    events = list(AuditEvent.objects.filter(stream="policy:spend").order_by("seq"))

    assert [event.data["version"] for event in events] == [1, 2]
    assert (events[1].actor_id, events[1].reason) == (str(story.max.pk), "Because.")
    assert events[0].data["question"] == render_question(parse_question(question()))
    assert verify_stream(stored_fields(events)) == []


class TestSafeguards:
    def test_they_are_stored_whole_and_kept_by_the_next_version(self, story):
        first = publish(story, question(), safeguards={"channels": ["desk"]})
        second = publish(story, question())

        whole = {"confirm_identity": "high_risk", "channels": ["desk"], "silence_may_allow": False}
        assert first.safeguards == second.safeguards == whole
        assert (first.weakens, second.weakens) == (False, False)

    def test_silence_allows_nothing_unless_that_is_switched_on(self, story):
        with refused(Invalid, at="/timing/silence"):
            publish(story, question("post-approval"))
        publish(story, question("post-approval"), safeguards={"silence_may_allow": True})

    def test_asking_less_marks_the_version(self, story):
        publish(story, question(), safeguards={"confirm_identity": "always"})
        assert publish(story, question(), safeguards={"confirm_identity": "never"}).weakens

    def test_safeguards_nobody_knows_are_refused(self, story):
        with refused(Invalid, at="/safeguards/channels/0"):
            publish(story, question(), safeguards={"channels": ["fax"]})


class TestTheLinterRefuses:
    def test_more_people_than_there_are(self, story):
        with refused(Invalid, at="/stages"):
            publish(story, question(needs=[people("reviewer", 4)]))

    def test_a_role_with_nobody_in_it(self, story):
        story.ada.groups.clear()
        with refused(Invalid, at="/stages/0/needs/0/role"):
            publish(story, question(needs=[people("auditor")]))

    def test_people_who_hold_no_seat(self, story):
        asked = question(needs=[{"role": "reviewer", "people": ["lena"]}])
        with refused(Invalid, at="/stages/0/needs/0/people/0"):
            publish(story, asked)

    def test_nothing_of_what_comes_with_the_service(self, story):
        story.ada.groups.clear()
        policy = publish_policy(
            slug="s", name="S", question=question(needs=[people("auditor")]), by=None, now=db_now()
        )
        assert policy.version == 1
