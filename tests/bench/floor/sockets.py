"""The least a Channels application does: everybody in one group, each told what the group is."""

import django

django.setup()

from channels.generic.websocket import AsyncWebsocketConsumer  # noqa: E402
from channels.routing import ProtocolTypeRouter  # noqa: E402
from django.core.asgi import get_asgi_application  # noqa: E402


class Bare(AsyncWebsocketConsumer):
    """Pass on what the group is told; ask nobody who they are."""

    groups = ["all"]

    async def told(self, event: dict[str, str]) -> None:
        """Send the text."""
        await self.send(text_data=event["text"])


application = ProtocolTypeRouter({"http": get_asgi_application(), "websocket": Bare.as_asgi()})
