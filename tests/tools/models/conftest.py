"""What tests of models share."""

from collections.abc import AsyncIterator

import pytest_asyncio

from tests.tools.models.foreign_world import CLIENTS


@pytest_asyncio.fixture(autouse=True)
async def _closed_clients() -> AsyncIterator[None]:
    """Close the connections of the clients that a test has made."""
    yield
    while CLIENTS:
        blocking, awaiting = CLIENTS.pop()
        blocking.close()
        await awaiting.aclose()
