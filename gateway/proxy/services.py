"""What the endpoints are given: every port, built once by `app`."""

from dataclasses import dataclass

from gateway.auth.principals import Principals
from gateway.metrics import Metrics
from gateway.proxy.exchange import Exchanges
from gateway.proxy.load import Load
from gateway.proxy.store import ResourceStore
from gateway.settings import GatewaySettings
from gateway.upstream.models import Catalogue
from gateway.upstream.pool import Pool


@dataclass(frozen=True, slots=True)
class Services:
    """The parts that a call passes through."""

    settings: GatewaySettings
    auth: Principals
    exchanges: Exchanges
    pool: Pool
    resources: ResourceStore
    catalogue: Catalogue
    metrics: Metrics
    load: Load
