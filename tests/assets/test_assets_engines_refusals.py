"""What keeps an engine from working is an error that names the way out."""

import socket
from dataclasses import replace
from pathlib import Path

import pytest

from assets.engines import engine_of
from assets.engines.choice import EngineMissingError
from assets.engines.sameness import DifferentNodeError, Sameness
from crossmodal.settings import Settings
from models.protocol import NothingToLearnError


def test_ray_that_is_not_installed_is_named_with_the_way_out(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("assets.engines.choice.find_spec", lambda name: None)
    with pytest.raises(EngineMissingError, match=r"pip install \.\[ray\]"):
        engine_of(Settings(engine="ray"))


@pytest.mark.parametrize("address", ["localhost:1", "localhost:99999", f"{'a' * 70}:6379"])
def test_an_address_that_does_not_answer_is_named(address: str) -> None:
    cluster = pytest.importorskip("assets.engines.cluster", exc_type=ImportError)
    with pytest.raises(cluster.RayUnreachableError, match=f"CROSSMODAL_RAY_ADDRESS={address} "):
        cluster.connect(address)


@pytest.mark.slow
def test_another_service_at_the_address_is_not_taken_for_ray() -> None:
    cluster = pytest.importorskip("assets.engines.cluster", exc_type=ImportError)
    refused = pytest.raises(cluster.RayUnreachableError, match="what answers there is not Ray")
    with socket.create_server(("127.0.0.1", 0)) as silent, refused:
        cluster.connect(f"127.0.0.1:{silent.getsockname()[1]}")


def test_a_node_without_the_home_or_with_other_code_is_named(tmp_path: Path) -> None:
    here = Sameness.of(tmp_path)
    here.require()
    with pytest.raises(DifferentNodeError, match="install the same version on every node"):
        replace(here, code="other").require()
    with pytest.raises(DifferentNodeError, match=f"does not see the files of {tmp_path}"):
        replace(here, mark=tmp_path / "gone").require()


def test_a_fit_that_fails_on_this_machine_is_named_too() -> None:
    answers = engine_of(Settings(device="cpu")).fit(fails, (), {"the fit of b": ("b",)})
    with pytest.raises(NothingToLearnError, match=r"^too few events") as found:
        next(answers)
    assert found.value.__notes__ == ["This happened in the fit of b."]


def fails(name: str) -> None:
    raise NothingToLearnError("too few events")
