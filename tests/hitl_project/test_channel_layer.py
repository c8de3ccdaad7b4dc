"""Live updates cross threads: each receiver is woken on its own loop."""

import asyncio
import threading

import pytest
from channels.exceptions import ChannelFull

from hitl_project.embedded import ThreadSafeChannelLayer


def in_a_thread(coroutine) -> None:
    thread = threading.Thread(target=asyncio.run, args=(coroutine,))
    thread.start()
    thread.join(10)
    assert not thread.is_alive()


def test_a_message_from_another_thread_wakes_who_waits():
    layer = ThreadSafeChannelLayer()

    async def story():
        channel = await layer.new_channel()
        waiting = asyncio.create_task(layer.receive(channel))
        await asyncio.sleep(0)
        await asyncio.to_thread(in_a_thread, layer.send(channel, {"type": "hello"}))
        return await asyncio.wait_for(waiting, 5)

    assert asyncio.run(story()) == {"type": "hello"}


def test_a_message_waits_for_a_late_receiver():
    layer = ThreadSafeChannelLayer()
    in_a_thread(layer.send("inbox", {"type": "early"}))
    assert asyncio.run(layer.receive("inbox")) == {"type": "early"}


def test_every_member_of_a_group_hears_its_own_copy():
    layer = ThreadSafeChannelLayer()

    async def story():
        names = [await layer.new_channel() for _ in range(3)]
        for name in names:
            await layer.group_add("queue", name)
        await layer.group_discard("queue", names[2])
        waiting = [asyncio.create_task(layer.receive(name)) for name in names[:2]]
        await asyncio.to_thread(in_a_thread, layer.group_send("queue", {"type": "t", "ids": [1]}))
        heard = await asyncio.wait_for(asyncio.gather(*waiting), 5)
        heard[0]["ids"].append(2)
        return heard

    assert asyncio.run(story()) == [{"type": "t", "ids": [1, 2]}, {"type": "t", "ids": [1]}]


def test_a_receiver_that_gave_up_takes_no_message_away():
    layer = ThreadSafeChannelLayer()

    async def story():
        gone = asyncio.create_task(layer.receive("inbox"))
        await asyncio.sleep(0)
        stays = asyncio.create_task(layer.receive("inbox"))
        await asyncio.sleep(0)
        await layer.send("inbox", {"type": "one"})
        gone.cancel()
        return await asyncio.wait_for(stays, 5)

    assert asyncio.run(story()) == {"type": "one"}


def test_a_channel_nobody_reads_is_full_in_the_end_and_does_not_stop_its_group():
    layer = ThreadSafeChannelLayer(capacity=2)

    async def story():
        await layer.group_add("queue", "deaf")
        await layer.group_add("queue", "listening")
        for _ in range(3):
            await layer.group_send("queue", {"type": "t"})
            await layer.receive("listening")
        await layer.send("deaf", {"type": "t"})

    with pytest.raises(ChannelFull):
        asyncio.run(story())


def test_an_abandoned_channel_is_forgotten():
    layer = ThreadSafeChannelLayer(expiry=-1, capacity=1)

    async def story():
        await layer.group_add("queue", "gone")
        for _ in range(2):
            await layer.group_send("queue", {"type": "t"})

    asyncio.run(story())
    assert layer._boxes == {}
    assert layer._groups["queue"] == set()


def test_many_threads_lose_no_message():
    layer = ThreadSafeChannelLayer(capacity=1000)

    async def send_all(first: int) -> None:
        for number in range(first, first + 100):
            await layer.send("inbox", {"number": number})

    async def story():
        waiting = asyncio.gather(*(layer.receive("inbox") for _ in range(400)))
        threads = [
            threading.Thread(target=asyncio.run, args=(send_all(n * 100),)) for n in range(4)
        ]
        for thread in threads:
            thread.start()
        heard = await asyncio.wait_for(waiting, 20)
        for thread in threads:
            thread.join()
        return sorted(message["number"] for message in heard)

    assert asyncio.run(story()) == list(range(400))
