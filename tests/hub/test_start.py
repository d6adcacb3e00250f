"""Progress: every reader sees every step, and the bar never goes back."""

import asyncio

from hub.spawn.start import Line, Progress


async def read(progress: Progress) -> list[Line]:
    return [step async for step in progress.follow()]


async def test_readers_see_all_steps_whenever_they_come() -> None:
    progress = Progress()
    progress.add(10, "first")
    early = asyncio.ensure_future(read(progress))
    await asyncio.sleep(0)
    progress.add(50, "second")
    progress.end()
    expected = [Line(10, "first"), Line(50, "second")]
    assert await early == expected
    assert await read(progress) == expected


async def test_bar_never_goes_back_and_a_repeated_message_is_one_step() -> None:
    progress = Progress()
    progress.add(50, "waiting")
    progress.add(60, "waiting")
    progress.add(10, "again")
    progress.end()
    assert await read(progress) == [Line(50, "waiting"), Line(50, "again")]
