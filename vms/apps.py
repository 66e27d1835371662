from django.apps import AppConfig
from django.conf import settings
from django.db.models.signals import post_migrate


class VmsConfig(AppConfig):
    name = "vms"
    verbose_name = "Virtual machines"

    def ready(self) -> None:
        from vms import osdata
        from vms.services.roles import keep_fixed

        osdata.look_in(settings.ENVIRONMENT.osinfo)
        post_migrate.connect(keep_fixed, sender=self)
