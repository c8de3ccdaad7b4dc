"""Addresses of the work: `api` below `/api/v1/`, `seed` at the root."""

from django.urls import path

from reviews.api import (
    bypasses,
    checkpoints,
    desk_work,
    figures,
    me,
    receipts,
    seed_routes,
    simulations,
    ticket_acts,
    tickets,
    votes,
    webhooks,
)
from reviews.api.waiting import waiting

api = [
    path("tickets", tickets.TicketsPage.as_view()),
    path("tickets/bulk", tickets.TicketBulkPage.as_view()),
    path("tickets/bulk-votes", desk_work.BulkVotesPage.as_view()),
    path("tickets/<str:identifier>", waiting(tickets.TicketDetailPage)),  # type: ignore[arg-type]
    path("tickets/<str:identifier>/votes", votes.VotesPage.as_view()),
    path("tickets/<str:identifier>/votes/mine", votes.MyVotePage.as_view()),
    path("tickets/<str:identifier>/claim", votes.ClaimPage.as_view()),
    path("tickets/<str:identifier>/release", votes.ReleasePage.as_view()),
    path("tickets/<str:identifier>/skip", desk_work.SkipPage.as_view()),
    path("tickets/<str:identifier>/assign", desk_work.AssignPage.as_view()),
    path("tickets/<str:identifier>/escalate", desk_work.EscalatePage.as_view()),
    path("tickets/<str:identifier>/test-mail", desk_work.TestMailPage.as_view()),
    path("tickets/<str:identifier>/comments", votes.CommentsPage.as_view()),
    path("tickets/<str:identifier>/resubmit", ticket_acts.TicketResubmitPage.as_view()),
    path("tickets/<str:identifier>/cancel", ticket_acts.TicketCancelPage.as_view()),
    path("tickets/<str:identifier>/revoke", ticket_acts.TicketRevokePage.as_view()),
    path("tickets/<str:identifier>/request-review", ticket_acts.TicketReviewPage.as_view()),
    path("tickets/<str:identifier>/acknowledge", ticket_acts.TicketAcknowledgePage.as_view()),
    path("tickets/<str:identifier>/receipt", receipts.ReceiptPage.as_view()),
    path("tickets/<str:identifier>/events", receipts.EventsPage.as_view()),
    path("queues/<slug:slug>/next", votes.NextPage.as_view()),
    path("checkpoints", checkpoints.CheckpointsPage.as_view()),
    path("checkpoints/<slug:slug>", checkpoints.CheckpointPage.as_view()),
    path("checkpoints/<slug:slug>/simulate", simulations.SimulatePage.as_view()),
    path("policies/<uuid:policy_id>/simulate", simulations.PolicySimulatePage.as_view()),
    path("bypasses", bypasses.BypassesPage.as_view()),
    path("bypasses/<uuid:bypass_id>", bypasses.BypassPage.as_view()),
    path("bypasses/<uuid:bypass_id>/end", bypasses.BypassEndPage.as_view()),
    path("webhooks", webhooks.WebhooksPage.as_view()),
    path("webhooks/<uuid:webhook_id>", webhooks.WebhookPage.as_view()),
    path("webhooks/<uuid:webhook_id>/enable", webhooks.WebhookEnablePage.as_view()),
    path("webhooks/<uuid:webhook_id>/test", webhooks.WebhookTestPage.as_view()),
    path("webhooks/<uuid:webhook_id>/rotate-secret", webhooks.WebhookRotatePage.as_view()),
    path("webhooks/<uuid:webhook_id>/deliveries", webhooks.DeliveriesPage.as_view()),
    path(
        "webhooks/<uuid:webhook_id>/deliveries/<uuid:delivery_id>/replay",
        webhooks.ReplayPage.as_view(),
    ),
    path("status", bypasses.StatusPage.as_view()),
    path("metrics-summary", figures.MetricsPage.as_view()),
    path("me", me.MePage.as_view()),
    path("me/pending", me.MyPendingPage.as_view()),
    path("me/requests", me.MyRequestsPage.as_view()),
]

seed = [
    path("hitl/tickets", seed_routes.SeedTicketsPage.as_view()),
    path("hitl/tickets/<str:identifier>", waiting(seed_routes.SeedTicketPage)),  # type: ignore[arg-type]
    path("hitl/pending/<str:user_id>", seed_routes.PendingInteractionsPage.as_view()),
    path("hitl/respond", seed_routes.RespondPage.as_view()),
    path("hitl/status/<str:identifier>", seed_routes.InteractionStatusPage.as_view()),
    path("hms-api/v1/hitl/proposals", seed_routes.HmsProposalsPage.as_view()),
    path("hms-api/v1/hitl/override", seed_routes.HmsOverridePage.as_view()),
    path("interface/hitl/proposals", seed_routes.InterfaceProposalsPage.as_view()),
    path("interface/hitl/override", seed_routes.InterfaceOverridePage.as_view()),
]
