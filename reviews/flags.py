"""The switches of the environment that let everything pass at a checkpoint."""

from collections.abc import Collection

from django.conf import settings

EVERYWHERE = "ENABLE_HUMAN_IN_THE_LOOP"
BYPASS_REVIEW = "bypass-review"
# The service's own: people are asked there whatever flags, rules and bypasses say.
ALWAYS_ASKING = frozenset({BYPASS_REVIEW})


def switched_off_by(slug: str) -> str:
    """Return the variable that lets everything pass at this checkpoint, or nothing."""
    if slug in ALWAYS_ASKING:
        return ""
    if not settings.ENABLE_HUMAN_IN_THE_LOOP:
        return EVERYWHERE
    if settings.HITL_FLAGS.get(_as_flag(slug), True):
        return ""
    return _variable(_as_flag(slug))


def switching_nothing(slugs: Collection[str]) -> list[str]:
    """Return the variables that name none of these checkpoints, though they look like switches."""
    unknown = settings.HITL_FLAGS.keys() - {_as_flag(slug) for slug in slugs}
    return sorted(_variable(flag) for flag in unknown)


def sentence(variable: str) -> str:
    """Return what people are told of a checkpoint that a variable switched off."""
    return f"Switched off by {variable}: everything passes."


def any_off() -> bool:
    """Tell whether anything is switched off at all; no query is made."""
    return not settings.ENABLE_HUMAN_IN_THE_LOOP or not all(settings.HITL_FLAGS.values())


def why_reserved(slug: str) -> str:
    """Return why no checkpoint may bear a slug: its variable means something else; or nothing."""
    name = _as_flag(slug)
    if name in settings.HITL_RESERVED_SLUGS:
        variable = _variable(name)
        return f"{variable} is a setting of the service, so no checkpoint can be called {slug}."
    if name.endswith("-file"):
        return "A variable that ends in _FILE names a file, so no slug can end in -file."
    return ""


def _as_flag(slug: str) -> str:
    return slug.lower().replace("_", "-")


def _variable(flag: str) -> str:
    return f"HITL_{flag.upper().replace('-', '_')}"
