"""A typed Python client of the service, for programs that wait and for those that do not."""

from serving.client.calls import ServiceError
from serving.client.clients import AsyncClient, Client

__all__ = ["AsyncClient", "Client", "ServiceError"]
