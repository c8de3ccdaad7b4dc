from django.apps import AppConfig


class WiringConfig(AppConfig):
    name = "hitl_project"
    verbose_name = "Wiring"

    def ready(self) -> None:
        # Every process that may send a task needs the application that knows the broker.
        from hitl_project import celery  # noqa: F401
