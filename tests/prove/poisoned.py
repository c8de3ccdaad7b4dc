"""A worker whose process some messages end: `python -m tests.prove.poisoned MINUTES ALLOWED`.

It stands for a worker that runs out of memory over one message: nothing is caught, nothing noted.
"""

import os
import sys
from datetime import timedelta

from tests.prove import stage


def main() -> None:
    """Send what is due so many minutes from now, once."""
    stage.set_up()
    from django.conf import settings

    from audit.clock import shifted
    from reviews.models import Delivery
    from reviews.services import deliveries

    settings.HITL_OUTBOUND_ALLOWED = (("127.0.0.1", sys.argv[2]),)
    if "goes-alone" in os.environ.get("PROVE_OFF", ""):
        deliveries.GOES_ALONE = 10**6
    prepare = deliveries.prepare

    def prepared(delivery: Delivery, now: object) -> object:
        if delivery.body.get("poison") == "exit":
            return lambda _client: os._exit(9)
        if delivery.body.get("poison") == "raise":
            raise MemoryError
        return prepare(delivery, now)  # type: ignore[arg-type]

    deliveries.prepare = prepared  # type: ignore[assignment]
    with shifted(timedelta(minutes=int(sys.argv[1]))):
        deliveries.dispatch_due(longest=120)


if __name__ == "__main__":
    main()
    sys.stdout.flush()
    os._exit(0)
