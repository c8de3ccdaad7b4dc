"""What leaves: every message, waiting, sent or parked, and what became of each attempt."""

from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.db.models import Case, CharField, OuterRef, QuerySet, Subquery, When
from django.db.models.functions import Cast
from django.http import HttpRequest, HttpResponse

from approvals.errors import Refusal
from approvals.models import User
from audit.admin import ReadOnlyAdmin
from audit.clock import db_now
from audit.stamps import stamped
from reviews.admin.pages import person_of
from reviews.admin.settings_pages import SettingsAdmin
from reviews.channels import MAILS
from reviews.mail_health import people_of
from reviews.models import Delivery, Ticket
from reviews.services.deliveries import REPLAYED, deliver_again

SEND_AGAIN = "reviews.change_delivery"
_TONES = {
    Delivery.State.SENT: ("", "done"),
    Delivery.State.PARKED: ("bad", "overdue"),
    Delivery.State.WAITING: ("", "clock"),
}


def chip_of(delivery: Delivery) -> dict[str, str]:
    """Return how a message stands: its word, its colour and its icon."""
    tone, icon = _TONES[Delivery.State(delivery.state)]
    if delivery.state == Delivery.State.WAITING and delivery.last_error:
        return {"word": "retrying", "tone": "warn", "icon": "soon"}
    return {"word": delivery.get_state_display().lower(), "tone": tone, "icon": icon}


def may_replay(delivery: Delivery) -> bool:
    """Tell whether a message can be sent again as it stands."""
    if delivery.endpoint is not None and delivery.endpoint.disabled_at is not None:
        return False
    parked = delivery.state == Delivery.State.PARKED
    return parked or (delivery.state == Delivery.State.SENT and delivery.channel in REPLAYED)


@admin.register(Delivery)
class DeliveryAdmin(ReadOnlyAdmin, SettingsAdmin):
    """Every message that leaves: waiting, sent, or parked after too many attempts."""

    plural, singular = "Deliveries", "delivery"
    made = stamped("created_at", "made")
    list_display = ("made", "type", "ticket", "channel", "to", "state", "attempts", "last_status")
    list_filter = ("state", "channel")
    list_select_related = ("ticket", "endpoint")
    search_fields = ("target__startswith",)
    ordering = ("-created_at",)
    sortable_by = ()

    @admin.display(description="to")
    def to(self, delivery: Delivery) -> str:
        """Show whom it goes to by name where it is one of ours."""
        if delivery.endpoint is not None:
            return delivery.endpoint.name
        return getattr(delivery, "mailed_to", None) or delivery.target

    def get_queryset(self, request: HttpRequest) -> QuerySet[Delivery]:
        """Read with each mail the address of the person it is for."""
        person = User.objects.annotate(key=Cast("pk", CharField())).filter(key=OuterRef("target"))
        mailed = Case(When(channel__in=MAILS, then=Subquery(person.values("email")[:1])))
        found: QuerySet[Delivery] = super().get_queryset(request)
        return found.annotate(mailed_to=mailed)

    def thing_page(self, request: HttpRequest, delivery: Delivery) -> HttpResponse:
        """Show one message with every failed attempt, and let it leave again."""
        may = request.user.has_perm(SEND_AGAIN)
        banners = []
        if request.method == "POST":
            if not may:
                raise PermissionDenied
            try:
                deliver_again(delivery_id=delivery.pk, by=person_of(request))
            except Refusal as refusal:
                banners = [refusal.detail]
            else:
                messages.success(request, "It leaves again, under its old id.")
                return self.see(delivery)
        context = {
            "delivery": delivery,
            "chip": chip_of(delivery),
            "failures": delivery.failures.order_by("-id"),
            "to": self.to(delivery),
            "person": people_of([delivery]).get(delivery.target),
            "sees_people": request.user.has_perm("approvals.view_user"),
            "may_replay": may and may_replay(delivery),
            "sees_endpoint": request.user.has_perm("reviews.view_webhookendpoint"),
            "sees_ticket": delivery.ticket is not None
            and Ticket.objects.visible_to(person_of(request)).contains(delivery.ticket),
            "banners": banners,
            "now": db_now(),
        }
        title = f"{delivery.type} → {delivery.channel}"
        return self.page(request, "delivery.html", context, title=title)
