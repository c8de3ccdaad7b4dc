"""What is wrong with how people are asked: questions nobody can answer, rules that never decide."""

from approvals.linting import Finding
from approvals.models import AccessKey, ApprovalPolicy
from approvals.services.policies import findings_of
from reviews.models import Checkpoint
from reviews.rule_order import never_first
from reviews.services.asking import plain_rule

Json = dict[str, str | int | None]


def findings() -> list[Json]:
    """Return what is wrong with the questions in use and the rules in force, errors first.

    Each is `{checkpoint, policy, version, severity, code, pointer, message}`.
    """
    authors = _authors()
    linted: dict[str, list[Finding]] = {}
    found: list[Json] = []
    for checkpoint in _in_use():
        rules = [plain_rule(row) for row in checkpoint.rules.all()]
        asked = [checkpoint.question]
        asked += [row.question for row in checkpoint.rules.all()
                  if row.question is not None and row.state != "off"]  # fmt: skip
        for policy in {one.pk: one for one in asked}.values():
            key = str(policy.pk)
            if key not in linted:
                linted[key] = findings_of(policy, authors=authors)
            found += [_told(checkpoint, finding, policy) for finding in linted[key]]
        for shadowed in never_first(rules):
            message = (
                f"“{shadowed.rule.name}” never decides: “{shadowed.by.name}” comes first and "
                "holds wherever it does."
            )
            finding = Finding("warning", "rule-unreachable", "/rules", message)
            found.append(_told(checkpoint, finding, None))
    return sorted(found, key=lambda one: str(one["severity"]))


def _authors() -> dict[str, set[int]]:
    """Return for each service key in use whose own work all is that it asks for."""
    keys = AccessKey.objects.filter(kind=AccessKey.Kind.SERVICE, revoked_at__isnull=True)
    return {
        f"{name} ({prefix})": {owner, *([maker] if maker else [])}
        for name, prefix, owner, maker in keys.values_list(
            "name", "prefix", "owner_id", "made_by_id"
        )
    }


def _in_use() -> list[Checkpoint]:
    return list(
        Checkpoint.objects.filter(active=True)
        .select_related("question")
        .prefetch_related("question__stages", "rules__question__stages")
    )


def _told(checkpoint: Checkpoint, finding: Finding, policy: ApprovalPolicy | None) -> Json:
    return {
        "checkpoint": checkpoint.slug,
        "policy": policy.slug if policy else None,
        "version": policy.version if policy else None,
        **finding.as_json(),
    }
