from django.apps import AppConfig


class WiringConfig(AppConfig):
    name = "hitl_project"
    verbose_name = "Wiring"

    def ready(self) -> None:
        # Every process that may send a task needs the application that knows the broker.
        from django_structlog.signals import bind_extra_request_metadata

        from hitl_project import celery, logs  # noqa: F401

        bind_extra_request_metadata.connect(logs.name_request)
