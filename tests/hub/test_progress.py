"""Progress: every reader sees every step, and the bar never goes back."""

import asyncio

from hub.spawn.progress import Progress, Step


async def read(progress: Progress) -> list[Step]:
    return [step async for step in progress.follow()]


async def test_readers_see_all_steps_whenever_they_come() -> None:
    progress = Progress()
    progress.tell(10, "first")
    early = asyncio.ensure_future(read(progress))
    await asyncio.sleep(0)
    progress.tell(50, "second")
    progress.end()
    expected = [Step(10, "first"), Step(50, "second")]
    assert await early == expected
    assert await read(progress) == expected


async def test_bar_never_goes_back_and_a_repeated_message_is_one_step() -> None:
    progress = Progress()
    progress.tell(50, "waiting")
    progress.tell(60, "waiting")
    progress.tell(10, "again")
    progress.end()
    assert await read(progress) == [Step(50, "waiting"), Step(50, "again")]
