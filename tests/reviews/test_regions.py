"""A region narrows who sees and who decides; a machine sees its own."""

import pytest
from django.contrib.auth.models import AnonymousUser

from approvals.errors import Invalid, NotEligible, NotVisible, RegionNotYours
from reviews.models import Queue, QueueChoice, Ticket
from reviews.services.lookup import find_ticket
from reviews.services.requests import TicketRequest
from reviews.services.tickets import open_ticket
from tests.builders import make_person, make_region, make_service_key
from tests.stories import checkpoint, people, question, refused

pytestmark = pytest.mark.db


@pytest.fixture
def north(story):
    return make_region("north", story.ben, story.cleo)


@pytest.fixture
def northern(story, north) -> Ticket:
    return story.open(region="north", reference="n-1")


class TestSeeing:
    @pytest.mark.parametrize("name", ["pk", "label", "reference"])
    def test_a_ticket_of_another_region_is_not_there(self, story, northern, name):
        identifier = str(getattr(northern, name))
        with refused(NotVisible):
            find_ticket(identifier, user=story.ann)
        assert find_ticket(identifier, user=story.ben) == northern

    def test_lists_leave_it_out_too(self, story, northern):
        everywhere = story.open()

        assert list(Ticket.objects.visible_to(story.ann)) == [everywhere]
        assert Ticket.objects.visible_to(story.ben).count() == 2

    def test_the_region_alone_shows_nothing(self, story, north, northern):
        north.people.add(story.otto)
        with refused(NotVisible):
            find_ticket(northern.label, user=story.otto)

    def test_who_opened_it_sees_it_wherever_it_lies(self, story, northern):
        assert find_ticket("n-1", user=story.machine) == northern

    def test_for_whom_it_was_opened_sees_it(self, story, north):
        ticket = story.open(region="north", on_behalf_of="otto")

        assert find_ticket(ticket.label, user=story.otto) == ticket

    def test_an_auditor_sees_every_region(self, story, northern):
        assert find_ticket(northern.label, user=story.ada) == northern

    def test_another_key_sees_nothing_of_it_even_of_the_same_owner(self, story, northern):
        twin, _ = make_service_key(story.max, name="twin")
        for identifier in (str(northern.pk), northern.label, "n-1"):
            with refused(NotVisible):
                find_ticket(identifier, user=twin.user)
        assert not Ticket.objects.visible_to(twin.user).exists()

    def test_a_machine_with_a_role_still_sees_only_its_own(self, story):
        ticket = story.open()
        twin, _ = make_service_key(story.max, name="twin")
        twin.user.groups.add(story.roles["auditor"], story.roles["reviewer"])

        assert not Ticket.objects.visible_to(twin.user).exists()
        assert Ticket.objects.visible_to(story.machine).get() == ticket

    def test_strangers_and_leavers_see_nothing(self, story):
        story.open()
        story.ann.is_active = False
        assert not Ticket.objects.visible_to(AnonymousUser()).exists()
        assert not Ticket.objects.visible_to(story.ann).exists()
        assert not Ticket.objects.visible_to(story.otto).exists()

    def test_who_is_asked_sees_it_though_the_queue_is_not_theirs(self, story):
        checkpoint("spend", question(needs=[people("manager")]))
        ticket = story.open(checkpoint="spend")
        mia = make_person("mia", roles=[story.roles["manager"]])
        story.roles["manager"].permissions.clear()

        assert find_ticket(ticket.label, user=mia) == ticket

    @pytest.mark.parametrize(
        "identifier", ["", " ", "T-", "T-0", "T-" + "9" * 30, "\x00", "x" * 5000, "%", "../1"]
    )
    def test_a_strange_identifier_is_simply_not_found(self, story, identifier):
        story.open()
        with refused(NotVisible):
            find_ticket(identifier, user=story.ann)

    def test_a_ticket_that_matches_twice_is_seen_once(self, story):
        story.ann.groups.add(story.roles["lead"])
        region = make_region("south", story.ann, story.ben)
        region.people.add(story.cleo)
        story.open(region="south", on_behalf_of="ann")

        assert Ticket.objects.visible_to(story.ann).count() == 1


class TestDeciding:
    def test_the_role_without_the_region_cannot_vote(self, story, northern):
        for choice in ("approve", "reject"):
            with refused(NotEligible):
                story.vote(northern, story.ann, choice)
        assert story.vote(northern, story.ben, "approve").ticket.status == "approved"

    def test_the_region_without_the_role_cannot_vote(self, story, north, northern):
        north.people.add(story.otto)
        with refused(NotEligible):
            story.vote(northern, story.otto, "approve")

    def test_who_leaves_the_region_counts_no_more(self, story, north):
        checkpoint("pair", question(needs=[people("reviewer", 2)]))
        north.people.add(story.ann)
        ticket = story.open(checkpoint="pair", region="north")
        story.vote(ticket, story.ben, "approve")
        north.people.remove(story.ben)

        assert story.vote(ticket, story.cleo, "approve").ticket.status == "pending"
        assert story.vote(ticket, story.ann, "approve").ticket.status == "approved"

    def test_a_majority_is_one_of_the_regions_people(self, story, north):
        checkpoint("board", question("vote"))
        ticket = story.open(checkpoint="board", region="north")

        assert ticket.decision.question["stages"][0]["needs"][0]["count"] == 2
        here, there = story.ben, story.ann
        assert story.vote(ticket, here, "approve").tally.eligible_left == 1
        with refused(NotEligible):
            story.vote(ticket, there, "approve")

    def test_what_nobody_of_the_region_can_decide_escalates(self, story):
        make_region("island", story.ben)
        checkpoint("pair", question(needs=[people("reviewer", 2)]))
        ticket = story.open(checkpoint="pair", region="island")

        assert story.vote(ticket, story.ben, "approve").tally.can_settle is False


class TestOpening:
    def test_a_person_opens_only_in_their_own_region(self, story, north):
        request = TicketRequest(title="x", region="north")
        with refused(RegionNotYours):
            open_ticket(requester=story.ann, key=None, request=request)
        assert open_ticket(requester=story.ben, key=None, request=request).region == north

    def test_an_unknown_region_is_refused(self, story):
        with refused(Invalid, at="/region"):
            story.open(region="atlantis")

    @pytest.mark.parametrize("name", ["north", "NORTH", "North"])
    def test_a_region_is_found_by_name_whatever_its_case(self, story, north, name):
        assert story.open(region=name).region == north

    def test_the_first_fitting_line_chooses_the_queue(self, story, north):
        lines = [("north-law", "law", north), ("north", None, north), ("law", "law", None)]
        law = checkpoint("law")
        queues = {}
        for position, (slug, about, region) in enumerate(lines):
            queues[slug] = Queue.objects.create(slug=slug, name=slug)
            QueueChoice.objects.create(
                position=position,
                checkpoint=law if about else None,
                region=region,
                queue=queues[slug],
            )

        def queue(**given) -> str:
            return story.open(**given).queue.slug

        assert queue(checkpoint="law", region="north") == "north-law"
        assert queue(region="north") == "north"
        assert queue(checkpoint="law") == "law"
        assert queue() == "general"
