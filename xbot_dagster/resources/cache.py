"""The `cache` resource: Redis or the embedded Valkey. Lost at any moment without losing anything."""

from collections.abc import Iterator

from dagster import InitResourceContext, ResourceDefinition, resource

from xbot_dagster.embedded import services
from xbot_dagster.settings import Settings
from xbot_dagster.store.cache import Cache


def make_cache(settings: Settings) -> Cache:
    """The cache of this deployment."""
    return Cache(services.attach(settings).redis_url, settings.redis_prefix)


def cache_resource(settings: Settings) -> ResourceDefinition:
    """One connection per run."""

    @resource(description="Redis: candidate queue, content hashes, bandit and predictor caches under REDIS_PREFIX.")
    def cache(context: InitResourceContext) -> Iterator[Cache]:
        found = make_cache(settings)
        try:
            yield found
        finally:
            found.close()

    return cache
