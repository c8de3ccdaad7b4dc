"""Who may vote is asked anew at every vote: loosening is frozen, tightening is live."""

import pytest
from django.contrib.auth.models import Group

from approvals import permissions
from approvals.errors import NotEligible
from approvals.models import PolicyStage, StageGrant
from tests.builders import make_person, make_policy
from tests.stories import checkpoint, people, question, refused

pytestmark = pytest.mark.db


@pytest.fixture
def half_done(story):
    """A question of two that ann has approved."""
    checkpoint("pair", question(needs=[people("reviewer", 2)]))
    ticket = story.open(checkpoint="pair")
    story.vote(ticket, story.ann, "approve")
    return ticket


class TestTighteningIsLive:
    def test_a_vote_of_who_lost_the_role_counts_no_more(self, story, half_done):
        story.ann.groups.clear()

        assert story.vote(half_done, story.ben, "approve").ticket.status == "pending"
        assert story.vote(half_done, story.cleo, "approve").ticket.status == "approved"

    def test_a_vote_of_who_left_counts_no_more(self, story, half_done):
        story.ann.is_active = False
        story.ann.save()

        assert story.vote(half_done, story.ben, "approve").ticket.status == "pending"

    def test_a_vote_of_who_became_a_machine_counts_no_more(self, story, half_done):
        story.ann.kind = "machine"
        story.ann.is_staff = False
        story.ann.save()

        assert story.vote(half_done, story.ben, "approve").ticket.status == "pending"

    def test_a_revoked_grant_stops_everybody_of_the_role(self, story, half_done):
        permissions.revoke_votes(role=story.roles["reviewer"], policy_slug="pair")
        with refused(NotEligible):
            story.vote(half_done, story.ben, "approve")

    def test_a_grant_given_back_lets_the_first_vote_count_again(self, story, half_done):
        permissions.revoke_votes(role=story.roles["reviewer"], policy_slug="pair")
        stage = PolicyStage.objects.get(policy__slug="pair")
        permissions.grant_votes(stage=stage, roles=[story.roles["reviewer"]])

        assert story.vote(half_done, story.ben, "approve").ticket.status == "approved"

    def test_removing_a_role_removes_it_from_every_version(self, story, half_done):
        make_policy("pair", question(needs=[people("reviewer", 2)]))
        permissions.revoke_votes(role=story.roles["reviewer"], policy_slug="pair")

        assert not StageGrant.objects.filter(
            content_object__policy__slug="pair", group=story.roles["reviewer"]
        ).exists()

    def test_a_deleted_role_takes_its_votes_with_it(self, story, half_done):
        story.roles["reviewer"].delete()
        with refused(NotEligible):
            story.vote(half_done, story.ben, "approve")

    def test_a_rejection_of_who_lost_the_role_counts_no_more(self, story):
        checkpoint("board", question("vote"))
        ticket = story.open(checkpoint="board")
        story.vote(ticket, story.ann, "reject")
        story.ann.groups.clear()

        assert story.vote(ticket, story.ben, "reject").ticket.status == "pending"


class TestLooseningIsFrozen:
    def test_a_role_granted_later_cannot_vote_on_an_open_question(self, story, half_done):
        stage = PolicyStage.objects.get(policy__slug="pair")
        permissions.grant_votes(stage=stage, roles=[story.roles["lead"]])
        with refused(NotEligible):
            story.vote(half_done, story.lena, "approve")

    def test_who_joins_the_role_later_may_vote(self, story, half_done):
        dan = make_person("dan", roles=[story.roles["reviewer"]])

        assert story.vote(half_done, dan, "approve").ticket.status == "approved"

    def test_a_softer_version_does_not_reach_open_questions(self, story, half_done):
        make_policy("pair", question(needs=[people("lead", 1)]))
        with refused(NotEligible):
            story.vote(half_done, story.lena, "approve")


class TestOtherRights:
    def test_model_permissions_give_no_vote(self, story):
        from django.contrib.auth.models import Permission

        voting = Permission.objects.get(codename="vote_policystage")
        story.otto.user_permissions.add(voting)
        clerks = Group.objects.create(name="clerks")
        clerks.permissions.add(voting)
        story.lena.groups.add(clerks)
        for person in (story.otto, story.lena):
            with refused(NotEligible):
                story.vote(story.open(), person, "approve")

    def test_a_grant_on_one_policy_is_none_on_another(self, story):
        checkpoint("law", question(needs=[people("lead")]))
        ticket = story.open(checkpoint="law")
        with refused(NotEligible):
            story.vote(ticket, story.ann, "approve")

    def test_overriding_is_a_roles_right_and_not_a_superusers(self, story):
        policy = story.general.question
        root = make_person("root", is_superuser=True)

        assert permissions.may_override(user=story.max, policy=policy)
        for person in (story.ann, story.lena, root):
            assert not permissions.may_override(user=person, policy=policy)

    def test_who_left_overrides_nothing(self, story):
        story.max.is_active = False
        assert not permissions.may_override(user=story.max, policy=story.general.question)

    def test_the_right_to_override_goes_over_to_the_next_version(self, story):
        from approvals.services.policies import publish_policy
        from audit.clock import db_now

        following = publish_policy(
            slug="general", name="General", question=question(), by=story.max, now=db_now()
        )
        assert permissions.may_override(user=story.max, policy=following)
