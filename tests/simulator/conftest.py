import pytest


@pytest.fixture(autouse=True)
def _impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Short pauses between tries: what is tested is that they are made, not how long they are."""
    monkeypatch.setattr("meibo.simulator.client._FIRST_PAUSE_SECONDS", 0.002)
