"""What a pipeline's `interaction` asks of people, said as a preset and a narrower question."""

from collections.abc import Mapping
from typing import Any

from approvals.eligibility import normalise_identity
from approvals.errors import Invalid
from approvals.models import User
from approvals.presets import PRESETS

Json = dict[str, Any]

# Where a caller brings options to vote on and names no preset, it is a vote.
_VOTE = "vote"


def asked_of(interaction: Mapping[str, Any], *, preset: str) -> Json:
    """Return the `preset` and the part of a `question` that an interaction stands for.

    `voting_options` become the options, with what the preset must keep beside them: people can
    always say no. `stakeholders` and `approvers` narrow who is asked.

    :raises Invalid: for somebody nobody knows.
    """
    wanted: Json = {}
    options = interaction.get("voting_options")
    if options or interaction.get("decision_type") == "majority":
        preset = preset or _VOTE
    if preset == _VOTE or options:
        wanted["preset"] = preset
    question: Json = {}
    if options:
        question["options"] = _options(options, PRESETS[preset])
    people = [
        *_people(interaction, "stakeholders"),
        *_people(interaction, "approvers"),
    ]
    if people:
        question["stages"] = [{"needs": [{"people": list(dict.fromkeys(people))}]}]
    return {**wanted, "question": question} if question else wanted


def _options(given: list[str], preset: Json) -> list[str]:
    """Return the options of a vote; a name the preset knows is the preset's, however spelt."""
    own = {option["key"].casefold(): option for option in preset["options"]}
    wanted = [own[name.casefold()]["key"] if name.casefold() in own else name for name in given]
    kept = [key for key in (preset["timing"]["silence"],) if key]
    denying = [option["key"] for option in preset["options"] if option["effect"] == "deny"]
    if denying and not set(denying) & {*wanted, *kept}:
        kept.append(denying[0])
    return [*wanted, *(key for key in kept if key not in wanted)]


def _people(interaction: Mapping[str, Any], member: str) -> list[str]:
    """Return the user names of the people a member names by user name, id or mail address."""
    names = [name.strip() for name in interaction.get(member) or ()]
    if not names:
        return []
    identities = {name: normalise_identity(name) for name in names}
    humans = User.objects.filter(kind=User.Kind.HUMAN, is_active=True)
    named = dict(humans.filter(username__in=names).values_list("username", "username"))
    named |= {
        str(pk): username
        for pk, username in humans.filter(
            pk__in=[int(name) for name in names if name.isascii() and name.isdigit()
                    and len(name) < 10]
        ).values_list("pk", "username")
        if str(pk) not in named
    }  # fmt: skip
    known = humans.filter(identity__in=set(identities.values())).order_by("-pk")
    by_identity = dict(known.values_list("identity", "username"))
    found = [named.get(name) or by_identity.get(identities[name]) for name in names]
    errors = [
        {"pointer": f"/interaction/{member}/{place}", "message": "Nobody here has this name."}
        for place, username in enumerate(found)
        if username is None
    ]
    if errors:
        raise Invalid(errors=errors)
    return [username for username in found if username]
