"""The least a Channels application does: everybody in one group, each told what the group is."""

import time

import django
from django.conf import settings

django.setup()
# In this process, which is the least; and a thousand members do not fit through Redis' layer.
settings.CHANNEL_LAYERS = {"default": {"BACKEND": "channels.layers.InMemoryChannelLayer"}}

from channels.generic.websocket import AsyncWebsocketConsumer  # noqa: E402
from channels.routing import ProtocolTypeRouter  # noqa: E402
from django.core.asgi import get_asgi_application  # noqa: E402


class Bare(AsyncWebsocketConsumer):
    """Pass on what the group is told; ask nobody who they are."""

    groups = ["all"]

    async def receive(self, text_data: str | None = None, bytes_data: bytes | None = None) -> None:
        """Tell everybody what one of them sent, and when that began."""
        text = f"{text_data} {time.monotonic()}"
        await self.channel_layer.group_send("all", {"type": "told", "text": text})

    async def told(self, event: dict[str, str]) -> None:
        """Send the text."""
        await self.send(text_data=event["text"])


application = ProtocolTypeRouter({"http": get_asgi_application(), "websocket": Bare.as_asgi()})
