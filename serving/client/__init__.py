"""A typed Python client of the service, for programs that wait and for those that do not."""

from serving.client.clients import AsyncClient, Client
from serving.client.faults import ServiceError

__all__ = ["AsyncClient", "Client", "ServiceError"]
