"""C12: no address a webhook is given reaches the inside: forms, names, rebinding, redirects."""

from collections import Counter
from collections.abc import Iterator
from itertools import count

from audit.clock import db_now
from audit.services import Draft
from reviews import outbound, outbox
from reviews.models import Delivery, WebhookEndpoint
from reviews.services import deliveries
from reviews.signatures import new_secret
from tests.prove.cast import cast
from tests.prove.receiver import receiving
from tests.prove.rows import Figure, Row, figure
from tests.prove.scene import Scene
from tests.reviews.test_outbound import FORMS, INSIDE_HOSTS, Canary, OnlyThisMachine

# A public address nobody is asked at: what a name shows while it is checked.
OUTSIDE = "93.184.215.14"


def forms(port: int) -> Iterator[str]:
    """Yield addresses of this machine and of other insides, in every notation."""
    for host in INSIDE_HOSTS:
        for form in FORMS:
            yield form.format(host=host, port=port)
    for host in INSIDE_HOSTS[:20]:
        yield f"https://example.com@{host}:{port}/"
        yield f"https://example.com%23@{host}:{port}/"


def resolving(port: int) -> outbound.Resolve:
    """Return a resolver of our own: names that lead inside, mixed ones, and ones that change."""
    asked = count()

    def resolve(name: str, at: int) -> list[str]:
        label = name.partition(".")[0]
        if label.startswith("inside-"):
            literal = INSIDE_HOSTS[int(label.removeprefix("inside-"))].strip("[]")
            return outbound.system_resolve(literal.replace("%25", "%"), at)
        if label == "mixed":
            return [OUTSIDE, "127.0.0.1"]
        if label == "rebinding":
            return [OUTSIDE] if next(asked) % 2 == 0 else ["127.0.0.1"]
        return outbound.system_resolve(name, at)

    return resolve


def names(port: int, times: int) -> Iterator[str]:
    for place in range(len(INSIDE_HOSTS)):
        yield f"https://inside-{place}.example:{port}/"
    for _ in range(times):
        yield f"https://mixed.example:{port}/"
        yield f"https://rebinding.example:{port}/"


def send_all(urls: list[str], owner: object) -> Counter[str]:
    """Let one message leave for each address, as if a form had let it through."""
    now, rows = db_now(), []
    for place, url in enumerate(urls):
        one = WebhookEndpoint.objects.create(
            name=f"n {place}", url=url, secret=new_secret(), created_by=owner, created_at=now
        )
        rows.append(
            outbox.delivery(
                Draft("ticket.decided", now), "webhook", str(one.pk), body={}, endpoint=one
            )
        )
    Delivery.objects.bulk_create(rows)
    deliveries.dispatch_due(longest=300)
    return Counter(
        Delivery.objects.filter(pk__in=[r.pk for r in rows]).values_list("state", flat=1)
    )


def reach(scene: Scene) -> Figure:
    people = cast(voters=1, listening=False)
    canary = Canary()
    # Not the port is what protects it.
    outbound.PORTS = frozenset({*outbound.PORTS, canary.port})
    client = outbound.Client(
        resolve=resolving(canary.port), network=OnlyThisMachine(), total_seconds=2
    )
    deliveries._client = lambda: client
    given = list(forms(canary.port))
    named = list(names(canary.port, scene.size(20, least=4)))
    told = send_all([*given, *named], people.owner)
    direct = len(canary.knocks)
    moved = 0
    with receiving() as redirector:
        for status in (301, 302, 303, 307, 308):
            redirector.status = status
            redirector.more = {"Location": f"http://127.0.0.1:{canary.port}/inside"}
            send_all([redirector.url], people.owner)
            moved += 1
        asked = len(redirector.messages)
    redirected = len(canary.knocks) - direct
    canary.close()
    return figure(
        f"{len(given)} forms, {len(named)} names, {moved} redirects",
        connections_to_the_inside=direct,
        redirects_followed=redirected,
        messages_sent_inside=told["sent"],
        redirects_never_asked=moved - asked,
    )


def run(scene: Scene) -> Figure:
    return reach(scene)


def control(scene: Scene) -> Figure:
    """Take every address for a public one."""
    outbound.is_public = lambda _address: True
    return reach(scene)


ROW = Row("C12", "A webhook never reaches the inside, however it is addressed", run, control)
