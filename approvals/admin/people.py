"""People and machines."""

from typing import Any

from django import forms
from django.contrib import admin
from django.contrib.auth.admin import UserAdmin as DjangoUserAdmin
from django.http import HttpRequest
from django.urls import reverse
from django.utils.html import format_html_join
from unfold.admin import ModelAdmin
from unfold.forms import AdminPasswordChangeForm, UserChangeForm, UserCreationForm
from unfold.widgets import UnfoldAdminTextInputWidget

from approvals.models import User
from audit.stamps import stamped


class WordsField(forms.CharField):
    """Read a list of words, separated by commas."""

    def prepare_value(self, value: Any) -> Any:
        return ", ".join(value) if isinstance(value, list) else value

    def clean(self, value: Any) -> Any:
        return [word.strip() for word in (super().clean(value) or "").split(",") if word.strip()]


_ACCESS = {
    "is_active": ("May sign in", "Somebody who left is switched off, not deleted."),
    "is_staff": ("Has a place at the desk", "Sees the queue; what they decide, their roles say."),
    "is_superuser": ("May change every setting", "Without a role they have no vote all the same."),
}


class PersonForm(UserChangeForm):
    """A person, with the fields of expertise as words."""

    domains = WordsField(
        required=False,
        widget=UnfoldAdminTextInputWidget,
        help_text="Fields of expertise, separated by commas: medical, legal.",
    )

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        for name in _ACCESS.keys() & self.fields.keys():
            self.fields[name].label, self.fields[name].help_text = _ACCESS[name]


@admin.register(User)
class UserAdmin(DjangoUserAdmin, ModelAdmin):
    """Everybody who acts here. Roles are given on the Roles page, machines are made with a key."""

    form = PersonForm
    add_form = UserCreationForm
    change_password_form = AdminPasswordChangeForm
    list_display = ("username", "full_name", "email", "kind", "roles", "is_active")
    list_filter = ("kind", "is_active", "groups")
    filter_horizontal = ()
    seen_last = stamped("last_login", "last signed in")
    since = stamped("date_joined", "here since")
    readonly_fields = ("kind", "roles", "seen_last", "since")
    autocomplete_fields = ("manager",)
    fieldsets = (
        (None, {"fields": ("username", "password", "kind")}),
        ("Person", {"fields": (("first_name", "last_name"), "email", "manager")}),
        ("Work", {"fields": ("roles", "domains", ("time_zone", "capacity"))}),
        ("Access", {"fields": ("is_active", "is_staff", "is_superuser")}),
        ("Dates", {"fields": (("seen_last", "since"),)}),
    )
    add_fieldsets = (
        (None, {"fields": ("username", "email", "usable_password", "password1", "password2")}),
    )

    @admin.display(description="name")
    def full_name(self, user: User) -> str:
        return user.get_full_name()

    @admin.display(description="roles")
    def roles(self, user: User) -> str:
        if not user.pk:
            return ""
        links = [
            (reverse("admin:auth_group_change", args=[role.pk]), role.name)
            for role in user.groups.all()
        ]
        return format_html_join(", ", '<a class="underline" href="{}">{}</a>', links) or "none"

    def get_queryset(self, request: HttpRequest) -> Any:
        return super().get_queryset(request).prefetch_related("groups")

    def get_readonly_fields(self, request: HttpRequest, obj: User | None = None) -> Any:
        """Keep the desk shut for machines, and superusers in the hands of superusers."""
        fields = list(super().get_readonly_fields(request, obj))
        if obj is not None and obj.is_machine:
            fields += ["is_staff", "is_superuser", "manager", "username"]
        elif not request.user.is_superuser:
            fields += ["is_superuser"]
        return fields

    def get_fieldsets(self, request: HttpRequest, obj: User | None = None) -> Any:
        """Show a machine without a password: it has none."""
        sets = super().get_fieldsets(request, obj)
        if obj is not None and obj.is_machine:
            return ((None, {"fields": ("username", "first_name", "kind", "is_active")}),)
        return sets

    def has_change_permission(self, request: HttpRequest, obj: User | None = None) -> bool:
        """Keep superusers in the hands of superusers: a new password would be their account."""
        if obj is not None and obj.is_superuser and not request.user.is_superuser:
            return False
        return super().has_change_permission(request, obj)

    def user_change_password(self, request: HttpRequest, id: str, form_url: str = "") -> Any:
        """Refuse a password for a machine."""
        user = self.get_object(request, id)
        if user is not None and user.is_machine:
            from django.core.exceptions import PermissionDenied

            raise PermissionDenied("A machine has no password.")
        return super().user_change_password(request, id, form_url)

    def has_delete_permission(self, request: HttpRequest, obj: User | None = None) -> bool:
        """Keep people: what they did tells of them. Somebody who left is made inactive."""
        return False
