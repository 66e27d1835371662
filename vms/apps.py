from django.apps import AppConfig
from django.db.models.signals import post_migrate


class VmsConfig(AppConfig):
    name = "vms"
    verbose_name = "Virtual machines"

    def ready(self) -> None:
        from vms.services.roles import keep_fixed

        post_migrate.connect(keep_fixed, sender=self)
