"""C1: whatever opens an address, and however often, no row changes; the person still decides."""

from collections import Counter
from collections.abc import Iterator
from typing import Any

from django.urls import URLPattern, URLResolver, get_resolver
from django.urls.resolvers import RoutePattern

from approvals.models import User, Vote
from tests.prove import web
from tests.prove.cast import Cast, cast, person
from tests.prove.letters import Reader, every_row, link_for
from tests.prove.rows import Figure, Row, figure
from tests.prove.scene import Scene

METHODS = ("GET", "HEAD", "OPTIONS")
SCANNERS = [
    *(
        "Mozilla/5.0 (compatible; Microsoft Outlook SafeLinks)",
        "Microsoft Office Protocol Discovery",
    ),
    *("Mozilla/5.0 (compatible; Barracuda Sentinel)", "Mimecast/1.0", "ProofPoint-URLDefense/2"),
    *("Cisco-IronPort-URL-Scanner", "TrendMicro-ScanMail", "Symantec Email.cloud", "FireEye-ETP"),
    *("Sophos Email Appliance", "Forcepoint-ThreatSeeker", "GoogleImageProxy", "YahooMailProxy"),
    *("Slackbot-LinkExpanding 1.0", "Mozilla/5.0 SkypeUriPreview Preview/0.5", "WhatsApp/2.23"),
    *(
        "TelegramBot (like TwitterBot)",
        "facebookexternalhit/1.1",
        "curl/8.5.0",
        "python-requests/2",
    ),
]


def addresses(samples: dict[str, str]) -> Iterator[str]:
    """Yield one address for every pattern the service knows."""

    def walk(patterns: Any, before: str) -> Iterator[str]:
        for entry in patterns:
            route = before + _filled(entry, samples)
            if isinstance(entry, URLResolver):
                yield from walk(entry.url_patterns, route)
            elif isinstance(entry, URLPattern):
                yield f"/{route}"

    yield from dict.fromkeys(walk(get_resolver().url_patterns, ""))


def _filled(entry: Any, samples: dict[str, str]) -> str:
    if not isinstance(entry.pattern, RoutePattern):
        text = str(entry.pattern).replace(r"\.(?P<format>[a-z0-9]+)/?", ".json")
        return text.lstrip("^").rstrip("$") if text.isidentifier() else "api/v1/nothing-there"
    route = str(entry.pattern)
    for name, converter in entry.pattern.converters.items():
        kind = type(converter).__name__
        value = samples.get(name, "1" if kind == "IntConverter" else samples["ticket"])
        start = route.index("<")
        route = route[:start] + value + route[route.index(">") + 1 :]
    return route


def everywhere(url: str, people: Cast, samples: dict[str, str]) -> tuple[int, int, Counter[str]]:
    """Look at every address as everybody; return (tables changed, calls, answers)."""
    boss: User = person("boss", "manager", "reviewer")
    User.objects.filter(pk=boss.pk).update(is_staff=True, is_superuser=True)
    reviewer = people.voters[0]
    User.objects.filter(pk=reviewer.pk).update(is_staff=True)
    callers = {
        "nobody": web.Client(url),
        "a reviewer": web.Client(url, **web.session_of(reviewer)),
        "a superuser": web.Client(url, **web.session_of(boss)),
        "a key": web.Client(url, people.token),
    }
    before, answers, calls = every_row(), Counter[str](), 0
    for address in addresses(samples):
        for method in METHODS:
            for client in callers.values():
                status, _, _ = client.call(method, address)
                answers[f"{method} {status // 100}xx"] += 1
                if status >= 500 and status != 503:  # no worker runs here, so it is not ready
                    answers[f"{method} {address}: {status}"] += 1
                calls += 1
    after = every_row()
    return sum(before[table] != after[table] for table in before), calls, answers


def links(scene: Scene) -> Figure:
    count = scene.size(500, least=10)
    people = cast(voters=2, listening=False)
    tickets = people.open_many(count)
    tokens = [link_for(ticket, people.voters[0])[1] for ticket in tickets]
    with scene.served() as url:
        _, token = link_for(people.open().pk, people.voters[0])
        samples = {"ticket": str(tickets[0]), "token": token, "identifier": str(tickets[0])}
        changed, calls, answers = everywhere(url, people, samples)
        before = every_row()
        opened = 0
        for number, agent in enumerate(SCANNERS):
            scanner = Reader(url, **{"User-Agent": agent})
            for place, token in enumerate(tokens):
                for method in METHODS:
                    opened += scanner.call(method, f"/a/{token}")[0] < 500
                if place % len(SCANNERS) == number:  # some go on to the page, cookie in hand
                    for method in METHODS:
                        opened += scanner.call(method, scanner.page)[0] == 200
            scanner.close()
        after = every_row()
        by_scanners = Vote.objects.count()
        decided = 0
        for token in tokens:
            human = Reader(url)
            decided += human.open(token) == 200 and human.confirm(choice="approve") == 303
            human.close()
    return figure(
        f"{calls} calls of all addresses; {len(SCANNERS)} scanners × {count} links, "
        f"{opened} looks; then {decided} of {count} people decided",
        details={"answers": dict(answers), "changed": [t for t in before if before[t] != after[t]]},
        tables_changed_by_looking_anywhere=changed,
        tables_changed_by_scanners=sum(before[table] != after[table] for table in before),
        decisions_by_scanners=by_scanners,
        people_who_could_not_decide=count - decided,
        server_errors=sum(n for told, n in answers.items() if ": 5" in told),
    )


def run(scene: Scene) -> Figure:
    scene.switch_off("wrong-link-limit")
    return links(scene)


def control(scene: Scene) -> Figure:
    """Let the link in the mail decide when it is opened."""
    scene.switch_off("wrong-link-limit", "link-confirm")
    scene.scale = min(scene.scale, 0.04)
    return links(scene)


ROW = Row("C1", "Looking never decides; the person still can", run, control)
