"""Addresses of delegations, keys and policies, below `/api/v1/`."""

from django.urls import path

from approvals.api import delegations, keys, policies

urlpatterns = [
    path("keys", keys.KeysPage.as_view()),
    path("keys/<uuid:key_id>", keys.KeyPage.as_view()),
    path("delegations", delegations.DelegationsPage.as_view()),
    path("delegations/<uuid:delegation_id>", delegations.DelegationPage.as_view()),
    path("policies", policies.PoliciesPage.as_view()),
    path("policies/<uuid:policy_id>", policies.PolicyPage.as_view()),
]
