"""The `notifier` resource: every service that ALERT_URLS names, through Apprise."""

from dagster import InitResourceContext, ResourceDefinition, resource

from xbot_dagster.settings import Settings
from xbot_dagster.stages.notifying import AppriseNotifier, Notifier


def notifier_resource(settings: Settings) -> ResourceDefinition:
    """One notifier per run."""

    @resource(description="Where alerts go: the Apprise addresses of ALERT_URLS and the dead-man address.")
    def notifier(context: InitResourceContext) -> Notifier:
        return AppriseNotifier(settings)

    return notifier
