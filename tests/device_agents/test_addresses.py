"""What peers are told to dial."""

from __future__ import annotations

import socket
from unittest.mock import Mock

import pytest

from device_agents import addresses
from device_agents.addresses import check_advertised, reachable
from lepton_edge.core.errors import InvalidInput


def test_an_address_of_one_interface_is_told_as_it_is() -> None:
    assert reachable("127.0.0.1:8011", "10.0.0.1:8010") == "127.0.0.1:8011"


class Routes:
    """What the system answers when it is asked for its address on the way somewhere."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.known: dict[str, str] = {"127.0.0.1": "127.0.0.1"}
        self.interfaces: dict[str, str] = {"lo": "127.0.0.1"}
        monkeypatch.setattr(addresses, "_facing", lambda target: self.known.get(target[0], ""))
        monkeypatch.setattr("psutil.net_if_addrs", self._addresses)
        monkeypatch.setattr("psutil.net_if_stats", lambda: dict.fromkeys(self.interfaces, Mock(isup=True)))

    def _addresses(self) -> dict[str, list[Mock]]:
        families = {name: Mock(family=socket.AF_INET, address=one) for name, one in self.interfaces.items()}
        return {name: [one] for name, one in families.items()}


@pytest.fixture
def routes(monkeypatch: pytest.MonkeyPatch) -> Routes:
    return Routes(monkeypatch)


def test_any_interface_becomes_the_one_that_faces_the_coordinator(routes: Routes) -> None:
    routes.known["10.0.0.1"] = "10.0.0.7"
    assert reachable("0.0.0.0:8011", "10.0.0.1:8010") == "10.0.0.7:8011"


def test_beside_its_coordinator_it_tells_boards_no_loopback_where_they_would_dial_themselves(
    routes: Routes,
) -> None:
    routes.known["192.0.2.1"] = "10.0.0.7"
    assert reachable("0.0.0.0:8011", "127.0.0.1:8010") == "10.0.0.7:8011"


def test_in_a_network_without_a_way_out_it_is_that_networks_address(routes: Routes) -> None:
    routes.interfaces |= {"docker0": "172.17.0.1", "eth0": "192.168.7.2"}
    assert reachable("0.0.0.0:8011", "127.0.0.1:8010") == "192.168.7.2:8011"


def test_on_a_machine_without_any_network_it_is_loopback(routes: Routes) -> None:
    assert reachable("0.0.0.0:8011", "127.0.0.1:8010") == "127.0.0.1:8011"


def test_no_more_are_advertised_than_a_coordinator_takes() -> None:
    check_advertised(("10.0.0.1:8011",) * 8)
    with pytest.raises(InvalidInput, match="9 addresses"):
        check_advertised(("10.0.0.1:8011",) * 9)
