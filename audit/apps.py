from django.apps import AppConfig
from django.db.models.signals import post_migrate, pre_migrate


class AuditConfig(AppConfig):
    name = "audit"
    verbose_name = "Audit"

    def ready(self) -> None:
        from audit import checks, triggers  # noqa: F401  (checks register themselves on import)

        pre_migrate.connect(triggers.drop_all, dispatch_uid="audit.triggers.drop")
        post_migrate.connect(triggers.install_all, dispatch_uid="audit.triggers.install")
