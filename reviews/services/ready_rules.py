"""Rules that come ready: templates with their legal basis, and bands of confidence."""

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from itertools import pairwise

from approvals.errors import Invalid
from approvals.models import ApprovalPolicy, User
from approvals.permissions import overriding_roles
from approvals.presets import apply_preset
from approvals.question import render_question
from approvals.services.policies import latest_version, publish_policy, published_question
from reviews.models import Checkpoint, Rule
from reviews.ready.rules import BANDS, TEMPLATES
from reviews.services.checkpoints import save_checkpoint


def template_rule(name: str) -> Rule:
    """Return a ready rule, not stored.

    :raises Invalid: where there is none of this name.
    """
    if name not in TEMPLATES:
        message = f"There is no ready rule `{name}`; there are: {', '.join(TEMPLATES)}."
        raise Invalid.at("/rules", message, detail=message)
    return Rule(then=Rule.Then.ASK, **TEMPLATES[name])


def add_templates(
    *, checkpoint: Checkpoint, names: Sequence[str], by: User | None, now: datetime
) -> list[str]:
    """Put ready rules where they are read in time; return the names of those that were not there.

    :raises Invalid: where there is none of a name.
    """
    standing = list(checkpoint.rules.select_related("question"))
    known = {rule.name for rule in standing}
    added = [rule for rule in map(template_rule, names) if rule.name not in known]
    if added:
        place = before_what_passes([rule.then for rule in standing])
        ordered = [*standing[:place], *added, *standing[place:]]
        save_checkpoint(checkpoint=checkpoint, rules=ordered, removed=[], by=by, now=now)
    return [rule.name for rule in added]


def before_what_passes(thens: Sequence[str]) -> int:
    """Return the place of a rule that asks a person: before the first that lets things pass."""
    return next((n for n, then in enumerate(thens) if then == Rule.Then.ALLOW), len(thens))


def band_rules(
    *,
    prediction: str,
    least: Mapping[str, float],
    policies: Mapping[str, ApprovalPolicy],
    among: Collection[str] = (),
) -> list[Rule]:
    """Return the bands of confidence of one predicted class (empty: any) as rules, not stored.

    :param least: where each band but the lowest begins, by its name, from 0 to 1.
    :param policies: what a preset's question is asked under, by the preset's name.
    :param among: the names of rules there are; a class that has its bands keeps one set.
    :raises Invalid: for bounds that do not fall, a class that cannot be written, or twice the same.
    """
    bounds = [least.get(band.band) for band in BANDS if band.least is not None]
    given = [bound for bound in bounds if bound is not None]
    if len(given) < len(bounds) or not given[0] <= 1 or not given[-1] > 0:
        raise _wrong("Each band begins at a number from 0 to 1.")
    if any(above <= below for above, below in pairwise(given)):
        raise _wrong("Each band begins below the one before it.")
    if any(sign in prediction for sign in "\"'\\\n") or not prediction.isprintable():
        raise _wrong("A class is written without quotes and backslashes.")
    rules = []
    for band in BANDS:
        bound = f"{least[band.band]:g}" if band.least is not None else f"{given[-1]:g}"
        when = f"ai.confidence {'>=' if band.least is not None else '<'} {bound}"
        rules.append(
            Rule(
                name=f"{prediction}: {band.name.lower()}" if prediction else band.name,
                when=f'ai.prediction == "{prediction}" and {when}' if prediction else when,
                then=band.then,
                band=band.band,
                priority=band.priority,
                audit_sample=band.audit_sample,
                question=policies.get(band.preset),
            )
        )
    twice = [rule.name for rule in rules if rule.name in among]
    if twice:
        raise _wrong(f"“{twice[0]}” is there already; change it, or delete it first.")
    return rules


def policies_of_bands(
    *, checkpoint: Checkpoint, by: User, now: datetime
) -> dict[str, ApprovalPolicy]:
    """Return the policies that bands ask under instead of the checkpoint's own, by their preset.

    The same roles are asked as at the checkpoint, in the preset's way. One that is missing is
    published; it is asked nowhere until a rule names it.
    """
    asked = checkpoint.question
    found = {}
    for preset in {band.preset for band in BANDS if band.preset}:
        slug = f"{checkpoint.slug}-{preset}"[:60]
        wanted = render_question(apply_preset(preset, onto=published_question(asked.pk)))
        standing = latest_version(slug)
        if standing is None or render_question(published_question(standing.pk)) != wanted:
            standing = publish_policy(
                slug=slug,
                name=f"{checkpoint.title}: by hand"[:120],
                question=wanted,
                by=by,
                now=now,
                note=f"Asked at {checkpoint.title} where a band says so.",
                override_roles=overriding_roles(asked),
                safeguards=asked.safeguards,
            )
        found[preset] = standing
    return found


def _wrong(message: str) -> Invalid:
    return Invalid.at("/bands", message, detail=message)
