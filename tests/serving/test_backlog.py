"""Inspections that are answered later come to an end, whatever happens to one of them."""

import asyncio
import uuid
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from rectangles import as_photo, rectangles_rgb

from dentwatch.records import inspections
from dentwatch.records.inspections import KeptInspection
from dentwatch.records.model_bundle import ModelBundle
from dentwatch.serving import backlog
from dentwatch.serving.assembly import Request
from dentwatch.serving.form import Upload
from dentwatch.serving.intake import Ask
from dentwatch.serving.runtime import Runtime
from dentwatch.settings import Settings

PHOTO = as_photo(rectangles_rgb(640, 480, ("scratch", 100, 50, 120, 20)))


async def _accepted(runtime: Runtime) -> str:
    """The id of a new pending inspection."""
    request = Request(id=str(uuid.uuid4()), created_at=datetime.now(UTC))
    outcome = await runtime.intake.accept(Ask(request, [Upload("a.png", PHOTO)], "ada"))
    runtime.backlog.wake()
    assert outcome.document["status"] == "pending"
    return request.id


async def _ended(runtime: Runtime, inspection_id: str) -> KeptInspection:
    """The inspection once it is pending no longer."""
    async with asyncio.timeout(60):
        while True:
            kept = await runtime.intake.read(lambda connection: inspections.find(connection, inspection_id))
            assert kept is not None
            if kept.status != "pending":
                return kept
            await asyncio.sleep(0.01)


@pytest.mark.parametrize(("faults", "status"), [(1, "done"), (99, "failed")])
def test_a_fault_of_ours_does_not_end_the_backlog(
    faults: int, status: str, bundle: ModelBundle, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Who was at it lets go of it at once, and the next look is soon.
    monkeypatch.setattr(backlog, "_LEASE", timedelta(0))
    monkeypatch.setattr(backlog, "_LOOK_SECONDS", 0.01)

    async def both_end() -> tuple[KeptInspection, KeptInspection]:
        runtime = Runtime(Settings(home=home), str(bundle.folder))
        finish, left, unlucky = runtime.intake.finish, faults, ""

        async def faulty(pending: KeptInspection) -> bool:
            nonlocal left
            if pending.id == unlucky and left:
                left -= 1
                raise ZeroDivisionError("a fault of ours")
            return await finish(pending)

        monkeypatch.setattr(runtime.intake, "finish", faulty)
        unlucky = await _accepted(runtime)
        runtime.start()
        try:
            first = await _ended(runtime, unlucky)
            return first, await _ended(runtime, await _accepted(runtime))
        finally:
            await runtime.close()

    first, second = asyncio.run(both_end())
    assert first.status == status
    assert first.answer is not None
    if status == "failed":
        assert f"The service failed or ended {backlog._MOST_ATTEMPTS} times" in first.answer["error"]
    assert second.status == "done"
