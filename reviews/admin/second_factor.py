"""Signing in at the desk, and the second factor of whoever set one up."""

from base64 import b64encode, urlsafe_b64encode
from hashlib import sha256
from typing import Any

from allauth.account.adapter import DefaultAccountAdapter
from allauth.account.internal.flows.login import record_authentication
from allauth.account.models import EmailAddress
from allauth.account.utils import perform_login
from allauth.mfa.adapter import DefaultMFAAdapter, get_adapter
from allauth.mfa.base.views import authenticate
from allauth.mfa.models import Authenticator
from allauth.mfa.totp.internal.auth import clear_totp_secret, get_totp_secret
from cryptography.fernet import Fernet
from django.conf import settings
from django.contrib import admin
from django.contrib.admin.forms import AdminAuthenticationForm
from django.contrib.auth.decorators import login_required
from django.contrib.auth.forms import AuthenticationForm
from django.contrib.auth.views import LoginView
from django.http import HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.urls import path
from django.views.decorators.cache import never_cache
from django.views.generic import RedirectView

from approvals.confirmation import asks_for, confirmed_lately
from approvals.errors import IdentityNotConfirmed, Invalid, Refusal
from approvals.services.identity import (
    has_second_factor,
    remove_second_factor,
    renew_recovery_codes,
    set_up_second_factor,
)
from reviews.admin.pages import UNKNOWN_ACT, desk_page, person_of
from reviews.admin.sent import proof_sent

# What allauth would add to the settings is secret, or is not used here.
admin.site.unregister([Authenticator, EmailAddress])


class Accounts(DefaultAccountAdapter):
    """People are made by an administrator, nobody signs up."""

    def is_open_for_signup(self, request: HttpRequest) -> bool:
        return False

    def add_message(self, *args: Any, **kwargs: Any) -> None:
        """Say nothing: the page one comes to shows who is signed in."""


class SecondFactors(DefaultMFAAdapter):
    """Secrets are stored so that a copy of the database alone does not hold them."""

    def encrypt(self, text: str) -> str:
        return _box().encrypt(text.encode()).decode()

    def decrypt(self, encrypted_text: str) -> str:
        return _box().decrypt(encrypted_text.encode()).decode()


def _box() -> Fernet:
    key = sha256(b"second factor\x00" + settings.SECRET_KEY.encode()).digest()
    return Fernet(urlsafe_b64encode(key))


class SignInForm(AdminAuthenticationForm):
    """Say the same of whatever was wrong, in words of the desk."""

    error_messages = AdminAuthenticationForm.error_messages | {
        "invalid_login": "This username and password do not belong together, or do not open the "
        "desk. Both tell capital letters from small ones."
    }


class SignIn(LoginView):
    """The desk's own sign-in; it goes on with the code where a second factor is set up."""

    def form_valid(self, form: AuthenticationForm) -> HttpResponse:
        user = form.get_user()
        record_authentication(self.request, user, method="password")
        answer: HttpResponse = perform_login(
            self.request, user, redirect_url=self.get_success_url()
        )
        return answer


_shown_by_admin = admin.site.login


@never_cache
def sign_in(request: HttpRequest, extra_context: Any = None) -> HttpResponseBase:
    """Answer the desk's sign-in page."""
    if request.method != "POST":
        return _shown_by_admin(request, extra_context)
    request.current_app = admin.site.name
    context = {
        **admin.site.each_context(request),
        "app_path": request.get_full_path(),
        "username": "",
        "next": request.POST.get("next", ""),
        **(extra_context or {}),
    }
    return SignIn.as_view(
        authentication_form=SignInForm,
        template_name=admin.site.login_template or "admin/login.html",
        extra_context=context,
    )(request)


admin.site.login = sign_in  # type: ignore[assignment]


@login_required
def second_factor(request: HttpRequest) -> HttpResponse:
    """Show whether this person has a second factor, or set it up, renew its codes, remove it."""
    user = person_of(request)
    banner, codes, status = "", [], 200
    if request.method == "POST":
        try:
            codes = _do(request)
        except Refusal as refusal:
            banner, status = refusal.detail, refusal.status
    standing = has_second_factor(user)
    context: dict[str, Any] = {
        "title": "Second factor",
        "banner": banner,
        "codes": codes,
        "standing": standing,
        "asks_for": asks_for(user),
        "confirmed": confirmed_lately(request, user),
    }
    if not standing:
        secret = get_totp_secret()
        adapter = get_adapter()
        picture = adapter.build_totp_svg(adapter.build_totp_url(user, secret))
        context["secret"] = " ".join(secret[i : i + 4] for i in range(0, len(secret), 4))
        context["picture"] = b64encode(picture.encode()).decode()
    return desk_page(request, "second_factor.html", context, status=status)


def _do(request: HttpRequest) -> list[str]:
    """Do what was pressed; return recovery codes to be shown, once.

    :raises Refusal: as the services do.
    """
    user, sent = person_of(request), request.POST
    if not proof_sent(request, user):
        raise IdentityNotConfirmed
    act = sent.get("act", "")
    if act == "set-up":
        codes = set_up_second_factor(user=user, secret=get_totp_secret(), code=sent.get("code", ""))
        clear_totp_secret(request)
        return codes
    if act == "renew":
        return renew_recovery_codes(user=user)
    if act == "remove":
        remove_second_factor(user=user)
        return []
    raise Invalid(UNKNOWN_ACT)


urlpatterns = [
    path("account/second-factor/", second_factor, name="mfa_index"),
    path("account/second-factor/code/", authenticate, name="mfa_authenticate"),
    # Where allauth sends somebody whose sign-in has lapsed.
    path(
        "account/sign-in/", RedirectView.as_view(pattern_name="admin:login"), name="account_login"
    ),
]
