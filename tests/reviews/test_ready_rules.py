"""Ready-made rules: templates with their legal basis, and bands of confidence by class."""

import pytest
from django.core.management import CommandError, call_command
from django.urls import reverse
from hypothesis import given
from hypothesis import strategies as st

from approvals.errors import Invalid
from approvals.models import ApprovalPolicy
from approvals.services.policies import rendered
from reviews.models import Rule
from reviews.ready.rules import BANDS, TEMPLATES
from reviews.rules import check_rule
from reviews.services.ready_rules import band_rules
from tests.builders import PASSWORD, make_checkpoint, make_policy
from tests.reviews.test_admin_settings import form_fields, page, root  # noqa: F401  a fixture

pytestmark = pytest.mark.db
USUAL = {band.band: band.least for band in BANDS if band.least is not None}


@pytest.fixture
def triage(cast):
    checkpoint = make_checkpoint("triage", question=make_policy("triage"), otherwise="ask")
    Rule.objects.create(checkpoint=checkpoint, position=1, name="Bad", when="false", then="deny")
    Rule.objects.create(checkpoint=checkpoint, position=2, name="All", when="true", then="allow")
    return checkpoint


def names(checkpoint):
    return list(checkpoint.rules.order_by("position").values_list("name", flat=True))


@pytest.mark.parametrize("key", TEMPLATES)
def test_every_template_names_itself_and_its_legal_basis_and_can_be_read(key):
    template = TEMPLATES[key]
    check_rule(template["when"], {})
    Rule(then="ask", **template).clean_fields(exclude=["id", "checkpoint", "position"])
    assert template["name"]
    assert template["legal_basis"]


@pytest.mark.parametrize(
    ("key", "asked", "passes"),
    [
        ("medical-diagnosis", {"domain": "medical", "impact": "diagnosis"}, {"domain": "medical"}),
        ("large-amount", {"domain": "financial", "amount": 10001},
         {"domain": "financial", "amount": 10000}),
        ("legal", {"domain": "legal"}, {"domain": "other"}),
        ("low-confidence", {"ai": {"confidence": 0.79}}, {"ai": {"confidence": 0.8}}),
        ("novel-pattern", {"novel_pattern": True}, {"novel_pattern": False}),
    ],
)  # fmt: skip
def test_a_template_asks_a_person_for_what_it_names(cast, triage, key, asked, passes):
    call_command("load_checkpoints", "--rules", key, "--into", "triage")
    ticket = cast.open(checkpoint="triage", **asked)
    assert (ticket.status, ticket.rule["name"]) == ("pending", TEMPLATES[key]["name"])
    assert ticket.rule["legal_basis"] == TEMPLATES[key]["legal_basis"]
    assert cast.open(checkpoint="triage", **passes).status == "approved"


def test_it_stands_before_what_passes_and_is_added_once(cast, triage):
    for _ in range(2):
        call_command("load_checkpoints", "--rules", "legal", "novel-pattern", "--into", "triage")
    assert names(triage) == [
        "Bad", "Legal matter", "Nothing like it was seen before", "All",
    ]  # fmt: skip


@pytest.mark.parametrize(
    "words", [["--rules", "legal"], ["--into", "triage"], ["--rules", "legal", "--into", "none"]]
)
def test_the_command_says_what_is_missing(cast, words):
    with pytest.raises(CommandError):
        call_command("load_checkpoints", *words)


CONFIDENCES = st.floats(0, 1)


@given(st.lists(CONFIDENCES, min_size=3, max_size=3, unique=True).map(sorted), CONFIDENCES)
def test_every_confidence_falls_into_the_one_band_of_its_bounds(bounds, confidence):
    """Written out as rules, the bands say what the bounds say, at each side of each bound."""
    low, middle, high = (round(bound, 4) for bound in bounds)
    least = {"auto_approve": high, "async_review": middle, "sync_review": low}
    if not 0 < low < middle < high <= 1:
        with pytest.raises(Invalid):
            band_rules(prediction="", least=least, policies={})
        return
    rules = band_rules(prediction="", least=least, policies={})
    for value in (confidence, low, middle, high):
        expected = next((name for name, bound in least.items() if value >= bound), None)
        assert _first(rules, value) == (expected or "manual_handling")


def _first(rules, confidence):
    for rule in rules:
        sign, bound = rule.when.split()[-2:]
        if confidence >= float(bound) if sign == ">=" else confidence < float(bound):
            return rule.band
    return None


@pytest.mark.parametrize("text", ['a"b', "a\\b", "a\nb", "a\u200bb"])
def test_a_class_is_never_a_way_into_the_condition(text):
    with pytest.raises(Invalid):
        band_rules(prediction=text, least=USUAL, policies={})


def shown_form(answer):
    """Return what the page's form would send; a browser drops the first line break of a text."""
    fields = form_fields(answer.content.decode(), "edit")
    return {name: str(value).removeprefix("\n") for name, value in fields.items()} | {
        "active": "on"
    }


def pressed(root, triage, **more):  # noqa: F811
    """Press a button of the page as it stands; return where, what its form then holds, the page."""
    where = page("reviews_checkpoint", "change", triage.pk)
    answer = root.post(where, {**shown_form(root.get(where)), **more})
    assert answer.status_code == 200
    return where, shown_form(answer), answer.content.decode()


def test_one_press_adds_a_template_to_the_page_and_save_stores_it(cast, triage, root):  # noqa: F811
    where, sent, _ = pressed(root, triage, go="template:legal")
    assert names(triage) == ["Bad", "All"]
    saved = root.post(where, {**sent, "go": "save"})
    assert saved.status_code == 303
    assert names(triage) == ["Bad", "Legal matter", "All"]


def test_bands_are_added_with_one_press_and_a_class_stands_before_the_rest(cast, triage, root):  # noqa: F811
    triage.rules.all().delete()
    for prediction in ("", "safe"):
        where, sent, _ = pressed(root, triage, go="bands", **{"bands-class": prediction})
        assert root.post(where, {**sent, "go": "save"}).status_code == 200  # it lets things pass
        saved = root.post(where, {**sent, "go": "save", "password": PASSWORD})
        assert saved.status_code == 303
    assert names(triage) == [f"safe: {band.name.lower()}" for band in BANDS] + [
        band.name for band in BANDS
    ]
    by_hand = ApprovalPolicy.objects.get(slug="triage-fallback")
    assert [one["key"] for one in rendered(by_hand)["options"]] == ["submit", "cannot"]
    met = {}
    for prediction in ("safe", "other"):
        for confidence in (0.97, 0.95, 0.9, 0.7, 0.3):
            ai = {"confidence": confidence, "prediction": prediction}
            ticket = cast.open(checkpoint="triage", ai=ai)
            met[prediction, confidence] = (
                ticket.rule["band"], ticket.status, ticket.priority, ticket.decision.policy.slug,
            )  # fmt: skip
            assert ticket.rule["name"].startswith("safe") is (prediction == "safe")
    for prediction in ("safe", "other"):
        assert met[prediction, 0.97] == ("auto_approve", "approved", "medium", "triage")
        assert met[prediction, 0.95][0] == "auto_approve"
        assert met[prediction, 0.9] == ("async_review", "pending", "medium", "triage")
        assert met[prediction, 0.7] == ("sync_review", "pending", "high", "triage")
        assert met[prediction, 0.3] == ("manual_handling", "pending", "high", "triage-fallback")


def test_without_a_confidence_a_person_is_asked(cast, triage):
    triage.rules.all().delete()
    for position, rule in enumerate(band_rules(prediction="", least=USUAL, policies={}), start=1):
        rule.checkpoint, rule.position = triage, position
        rule.save()
    ticket = cast.open(checkpoint="triage")
    assert (ticket.status, ticket.rule["band"]) == ("pending", None)


def test_bounds_that_do_not_fall_are_told_and_nothing_is_published(cast, triage, root):  # noqa: F811
    _, sent, shown = pressed(root, triage, go="bands", **{"bands-async_review": "0.99"})
    assert "begins below the one before it" in shown
    assert sent["rules-TOTAL_FORMS"] == "2"
    assert not ApprovalPolicy.objects.filter(slug="triage-fallback").exists()


def test_a_stranger_presses_nothing(cast, triage, client):
    client.force_login(cast.ann, backend="django.contrib.auth.backends.ModelBackend")
    where = page("reviews_checkpoint", "change", triage.pk)
    assert client.post(where, {"go": "template:legal"}).status_code == 403
    tried_at = reverse("admin:reviews_checkpoint_simulate", args=[triage.pk])
    assert client.post(tried_at, {}).status_code == 403
