"""Roles: their people, and the steps they may vote on."""

from typing import Any, cast

from django import forms
from django.apps import apps
from django.contrib import admin
from django.contrib.auth.admin import GroupAdmin
from django.contrib.auth.models import Group, Permission
from django.db.models import Count, Q
from django.http import HttpRequest
from django.utils.html import format_html_join
from unfold.admin import ModelAdmin
from unfold.widgets import UnfoldAdminSelectMultipleWidget

from approvals.models import StageGrant, User
from approvals.services.roles import set_people
from audit.clock import db_now

# What a role may do on these pages; rights on tables of the framework are no business of a role.
_ROOMS = ("audit", "approvals", "reviews", "auth")


class RoleForm(forms.ModelForm):
    """A role with its people."""

    people = forms.ModelMultipleChoiceField(
        User.objects.none(),
        required=False,
        widget=UnfoldAdminSelectMultipleWidget(attrs={"size": 12}),
        help_text="Hold Ctrl (or Cmd) to choose several. Open questions feel a change at once.",
    )

    class Meta:
        model = Group
        fields = ("name", "people", "permissions")

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        people = User.objects.filter(kind=User.Kind.HUMAN).order_by("username")
        self.fields["people"].queryset = people  # type: ignore[attr-defined]
        if self.instance.pk:
            self.fields["people"].initial = self.instance.user_set.all()
        if "permissions" in self.fields:
            self.fields["permissions"].queryset = (  # type: ignore[attr-defined]
                Permission.objects.filter(content_type__app_label__in=_ROOMS)
                .exclude(Q(content_type__model__startswith="historical"))
                .select_related("content_type")
            )


class _InOurWords:
    """The model's description with the word of the glossary."""

    verbose_name, verbose_name_plural = "role", "roles"

    def __init__(self, described: Any) -> None:
        self._described = described

    def __getattr__(self, name: str) -> Any:
        return getattr(self._described, name)

    @property
    def app_config(self) -> Any:
        return apps.get_app_config("approvals")


admin.site.unregister(Group)


@admin.register(Group)
class RoleAdmin(GroupAdmin, ModelAdmin):
    """People who may vote, by what they are asked for."""

    form = RoleForm
    list_display = ("name", "people_count", "votes_on")
    search_fields = ("name",)

    def __init__(self, model: type[Group], admin_site: admin.AdminSite) -> None:
        super().__init__(model, admin_site)
        # Our word for it. The framework's own row keeps its name: changing that would be a
        # migration of the framework's application.
        self.opts = cast(Any, _InOurWords(self.opts))

    filter_horizontal = ("permissions",)
    readonly_fields = ("may_vote_on", "sees_queues")
    fieldsets = (
        (None, {"fields": ("name", "people", "may_vote_on", "sees_queues")}),
        ("Rights on these pages", {"classes": ("collapse",), "fields": ("permissions",)}),
    )

    def get_queryset(self, request: HttpRequest) -> Any:
        rows = super().get_queryset(request)
        return rows.annotate(how_many=Count("user", distinct=True))

    @admin.display(description="people", ordering="how_many")
    def people_count(self, role: Any) -> int:
        return int(role.how_many)

    @admin.display(description="may vote on")
    def votes_on(self, role: Group) -> str:
        return ", ".join(dict.fromkeys(name for name, _ in _votes_of(role))) or "–"

    @admin.display(description="May vote on")
    def may_vote_on(self, role: Group) -> str:
        """Show the steps of the latest policy versions this role may vote on."""
        rows = [(f"{policy} · {stage}",) for policy, stage in _votes_of(role)] if role.pk else []
        return (
            format_html_join("", "<p>{}</p>", rows) if rows else "Nothing yet: name it in a policy."
        )

    @admin.display(description="Sees queues")
    def sees_queues(self, role: Group) -> str:
        queues = role.queues.all() if role.pk else []
        return ", ".join(queue.name for queue in queues) or "–"

    def has_change_permission(self, request: HttpRequest, obj: Group | None = None) -> bool:
        """Refuse to hand out what one does not have: by a role's rights, or by joining it."""
        if not super().has_change_permission(request, obj):
            return False
        return obj is None or request.user.is_superuser or _rights_of(obj) <= _own(request)

    def get_readonly_fields(self, request: HttpRequest, obj: Group | None = None) -> Any:
        fields = super().get_readonly_fields(request, obj)
        # Questions that are already put name a role by its name.
        fields = (*fields, "name") if obj is not None else fields
        return fields if request.user.is_superuser else (*fields, "permissions")

    def has_delete_permission(self, request: HttpRequest, obj: Group | None = None) -> bool:
        """Keep roles: policies and open questions name them. One without people asks nobody."""
        return False

    def get_object(self, request: HttpRequest, object_id: str, from_field: Any = None) -> Any:
        role = super().get_object(request, object_id, from_field)
        if role is not None:
            # The way back at the top of the page is named by it.
            cast(Any, role)._meta = self.opts  # noqa: SLF001 - public in all but its name
        return role

    def get_changelist_instance(self, request: HttpRequest) -> Any:
        page = super().get_changelist_instance(request)
        page.opts, page.title = self.opts, "Roles"
        return page

    def save_model(self, request: HttpRequest, obj: Group, form: Any, change: bool) -> None:
        super().save_model(request, obj, form, change)
        assert isinstance(request.user, User)
        set_people(role=obj, people=form.cleaned_data["people"], by=request.user, now=db_now())


def _rights_of(role: Group) -> set[str]:
    pairs = role.permissions.values_list("content_type__app_label", "codename")
    return {f"{app}.{codename}" for app, codename in pairs}


def _own(request: HttpRequest) -> set[str]:
    return set(request.user.get_all_permissions())


def _votes_of(role: Group) -> list[tuple[str, str]]:
    """Return (policy, stage) names of the latest versions a role may vote on."""
    latest: dict[str, tuple[int, list[tuple[str, str]]]] = {}
    grants = (
        StageGrant.objects.filter(group=role)
        .select_related("content_object__policy")
        .order_by("content_object__policy__slug", "content_object__position")
    )
    for grant in grants:
        stage = grant.content_object
        policy = stage.policy
        version, rows = latest.get(policy.slug, (0, []))
        if policy.version > version:
            version, rows = policy.version, []
        if policy.version == version:
            latest[policy.slug] = (version, [*rows, (str(policy), stage.name)])
    return [row for _, rows in latest.values() for row in rows]
