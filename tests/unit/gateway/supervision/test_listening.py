"""What cannot be claimed is refused in a sentence that names the setting."""

import socket
from pathlib import Path

import pytest

from common.settings import SettingsError
from gateway.supervision.listening import claim_data_dir, listen


def test_socket_listens_on_the_address_given() -> None:
    with listen("127.0.0.1", 0) as sock:
        socket.create_connection(sock.getsockname()).close()


def test_port_in_use_names_port_and_host() -> None:
    with listen("127.0.0.1", 0) as sock:
        port = sock.getsockname()[1]
        with pytest.raises(SettingsError, match=rf"Port {port} .*OPENAI_SERVICE_PORT.*HOST"):
            listen("127.0.0.1", port)


@pytest.mark.parametrize("host", ["192.0.2.1", "no.such.host.invalid", "a" * 70])
def test_address_of_somebody_else_names_host(host: str) -> None:
    with pytest.raises(SettingsError, match="HOST") as refusal:
        listen(host, 0)
    assert "127.0.0.1" in str(refusal.value)


def test_data_dir_is_made_for_its_owner_alone(tmp_path: Path) -> None:
    claim_data_dir(tmp_path / "a" / "b")
    assert (tmp_path / "a" / "b").stat().st_mode & 0o777 == 0o700
    assert list((tmp_path / "a" / "b").iterdir()) == []


@pytest.mark.parametrize("below", ["file/data", "file"])
def test_data_dir_that_cannot_be_is_refused(tmp_path: Path, below: str) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(SettingsError, match="DATA_DIR"):
        claim_data_dir(tmp_path / below)


def test_data_dir_without_write_is_refused() -> None:
    with pytest.raises(SettingsError, match="DATA_DIR"):
        claim_data_dir(Path("/proc/self"))
