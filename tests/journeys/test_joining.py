"""A fleet that trusts nobody: devices join by a token, work over TLS, renew, and are shut out again."""

from __future__ import annotations

import contextlib
import json
import shutil
import subprocess
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import lepton_edge
from lepton_edge import errors
from lepton_edge.client.keys import trust_for
from lepton_edge.client.remote import RemoteTransport
from tests.journeys.conftest import LEPTON_EDGE, ROOT, House, living, refused, until

pytestmark = pytest.mark.journey


class SecureHouse(House):
    """A house whose devices join by hand."""

    def new_token(self, *more: str) -> str:
        return self.command("token", "create", *more).strip()

    def join(self, name: str, token: str, *more: str, status: int = 0, key: str = "") -> str:
        """Join as `name`, of a role and with further arguments; the token goes by a file. `key` names the state."""
        path = self.directory / f"{name}.token"
        path.write_text(token)
        path.chmod(0o600)
        state = ["--state-directory", str(self.directory / (key or name))]
        given = ["--name", name, "--role", *(more or ["board"]), "--token-file", str(path)]
        return self.command("agent", "join", self.coordinator, *given, *state, status=status)

    def start_joined(self, name: str, *more: str, registered: bool = True) -> str:
        line = self._start(name, ["agent", "start", "--name", name, "--threads", "1", "--port", "0", *more])
        if registered:
            self.wait_for(name, "agent registered")
        return line.partition("data=")[2]

    def examined(self, name: str) -> str:
        """Return what `agent doctor` says of a device, of which something does not work."""
        state = ["--name", name, "--state-directory", str(self.directory / name)]
        done = subprocess.run(
            [*LEPTON_EDGE, "agent", "doctor", *state], capture_output=True, text=True, timeout=60, cwd=ROOT
        )
        assert done.returncode == 16, done.stderr
        return done.stdout

    def audit(self) -> list[dict[str, Any]]:
        path = self.directory / "coordinator" / "security" / "audit.jsonl"
        return [json.loads(line) for line in path.read_text().splitlines()]


@pytest.fixture
def town(tmp_path: Path) -> Iterator[House]:
    with living(SecureHouse(tmp_path)) as made:
        yield made


def far(town: SecureHouse, key: Path) -> lepton_edge.Client:
    """A client with `key` that comes as from another machine: here the near door would know it by its user."""
    return lepton_edge.Client(
        town.coordinator, transport=RemoteTransport(town.coordinator, trust=trust_for(key), near=False)
    )


def asked(number: int) -> dict[str, Any]:
    return {"x": np.random.default_rng(number).standard_normal((1, 3, 32, 32)).astype(np.float32)}


def test_two_devices_join_work_together_and_one_is_shut_out(
    town: SecureHouse, small: Path, tmp_path: Path
) -> None:
    town.start_coordinator()
    for name, role in (("board", "board"), ("cloud", "cloud")):
        assert "agent joined" in town.join(name, town.token, role)
        town.start_joined(name)
    with lepton_edge.Client(town.coordinator) as client:
        client.push("small", small)
        client.deploy("small")
        result = client.infer("small", asked(0), page="cloud-raw")
    assert result["y"].shape == (1, 10)
    assert {hop.device for hop in result.hops} >= {"board", "cloud"}
    _refuses_who_may_not(town)
    _clients_may_do_what_their_key_says(town, tmp_path)
    _shuts_out(town)
    told = json.dumps(town.audit()) + town.log("coordinator") + town.log("board")
    assert town.token.rpartition(".")[2] not in told
    assert {line["what"] for line in town.audit()} >= {"join", "PushModel", "Deploy", "RevokeDevice"}


def _refuses_who_may_not(town: SecureHouse) -> None:
    """Neither an agent's certificate nor none at all administers."""
    stolen = town.directory / "board" / "security" / "agent.pem"
    for client in (
        lepton_edge.Client(town.coordinator, key=stolen),
        lepton_edge.Client(town.coordinator, insecure=True),
    ):
        with client, pytest.raises((errors.PermissionDenied, errors.Unauthenticated, errors.Unavailable)):
            client.devices()


def _clients_may_do_what_their_key_says(town: SecureHouse, tmp_path: Path) -> None:
    for name, model in (("app", "small"), ("other", "another")):
        town.command(
            "client", "key", "create", name, "--model", model, "--out", str(tmp_path / f"{name}.pem")
        )
        assert (tmp_path / f"{name}.pem").stat().st_mode & 0o777 == 0o600
    with far(town, tmp_path / "app.pem") as client:
        assert client.infer("small", asked(1))["y"].shape == (1, 10)
        with pytest.raises(errors.PermissionDenied):
            client.devices()
    with (
        far(town, tmp_path / "other.pem") as client,
        pytest.raises(errors.PermissionDenied),
    ):
        client.infer("small", asked(1))
    town.command("client", "key", "revoke", "app")
    with (
        far(town, tmp_path / "app.pem") as client,
        pytest.raises(errors.Unauthenticated, match="'app' is revoked"),
    ):
        client.infer("small", asked(1))


def _shuts_out(town: SecureHouse) -> None:
    """A revoked device is gone within seconds, and its links with it."""
    town.command("device", "revoke", "cloud")
    until(lambda: not _row(town, "cloud")["connected"], 10)
    with lepton_edge.Client(town.coordinator) as client:
        until(lambda: client.infer("small", asked(2), page="cloud-raw").page == "local", 10)
    revoked = town.directory / "board" / "security" / "revoked.json"
    assert json.loads(revoked.read_text())


def _row(town: SecureHouse, name: str) -> Any:
    rows = town.json("device", "list")["devices"]
    return next(row for row in rows if row["device"] == name)


def test_who_is_refused_hears_why_and_comes_back_without_a_restart(town: SecureHouse) -> None:
    town.start_coordinator()
    town.join("board", town.token)
    town.start_joined("board")
    refused = town.join("board", town.token, status=3, key="another")
    assert "another agent called 'board' is connected from 127.0.0.1 since" in refused
    assert "--replace" in refused
    town.command("device", "revoke", "board")
    until(lambda: "shut out" in town.log("board"), 10)
    assert "REVOKED" in town.command("device", "list")
    assert "the certificate of agent 'board' is revoked" in town.examined("board")
    assert "agent joined" in town.join("board", town.token)
    town.wait_for("board", "agent registered")
    assert not _row(town, "board")["revoked"]
    assert town.log("board").count("shut out") == 1
    assert "was connected from 127.0.0.1" in town.join(
        "board", town.token, "board", "--replace", key="another"
    )
    until(lambda: town.log("board").count("shut out") == 2, 10)
    assert "replaced" in {one["after"] for one in town.json("events", "--device", "board")["events"]}
    assert town.processes["board"].poll() is None, "it serves what it has"


def test_a_token_counts_for_whom_it_was_made_and_no_longer(
    town: SecureHouse, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LEPTON_EDGE_MACHINE", "one machine")
    town.start_coordinator()
    used = town.new_token("--uses", "1")
    assert "agent joined" in town.join("one", used)
    assert "was used 1 times" in town.join("two", used, status=15)
    revoked = town.new_token()
    town.command("token", "revoke", revoked.split(".")[2])
    assert "was revoked" in town.join("three", revoked, status=15)
    short = town.new_token("--ttl", "0.1s")
    time.sleep(0.2)
    assert "has expired" in town.join("three", short, status=15)
    wrong = used[:-4] + "AAAA"
    assert "no such token" in town.join("three", wrong, status=15)
    foreign = used.replace(used.split(".")[1], "0" * 64)
    assert "nothing was sent" in town.join("three", foreign, status=15)
    assert "agent joined" in town.join("one", town.new_token()), "installed anew on its own machine"
    monkeypatch.setenv("LEPTON_EDGE_MACHINE", "another machine")
    shutil.rmtree(town.directory / "one")
    assert "known already" in town.join("one", town.new_token(), status=3)
    assert not any(part in json.dumps(town.audit()) for part in (used.split(".")[3], revoked.split(".")[3]))
    assert [line["outcome"] for line in town.audit() if line["what"] == "join"].count("ok") == 2


def test_a_copied_storage_is_refused_and_the_first_goes_on(
    town: SecureHouse, monkeypatch: pytest.MonkeyPatch
) -> None:
    town.start_coordinator()
    monkeypatch.setenv("LEPTON_EDGE_MACHINE", "the first board")
    town.join("board", town.token)
    town.start_joined("board")
    shutil.copytree(town.directory / "board", town.directory / "copy", ignore=shutil.ignore_patterns("near"))
    monkeypatch.setenv("LEPTON_EDGE_MACHINE", "the second board")
    arguments = ["agent", "start", "--name", "board", "--threads", "1", "--port", "0"]
    town._start("copy", arguments)
    assert town.processes["copy"].wait(30) == 15
    assert "another machine" in town.log("copy")
    town.end("copy")
    assert _row(town, "board")["connected"]
    events = town.json("events", "--device", "board")["events"]
    assert any(one["after"] == "refused" for one in events)
    assert any(line["outcome"] == "permission_denied" for line in town.audit())


def test_a_device_waits_until_a_person_lets_it_in(town: SecureHouse, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LEPTON_EDGE_COORDINATOR_APPROVE", "true")
    monkeypatch.setattr("tests.journeys.conftest.PATIENCE", 100.0)  # five commands run before it is let in
    town.start_coordinator()
    path = town.directory / "t"
    path.write_text(town.new_token("--uses", "2"))
    state = ["--state-directory", str(town.directory / "pi"), "--name", "pi", "--role", "board"]
    arguments = [
        "agent",
        "start",
        "--coordinator",
        town.coordinator,
        "--token-file",
        str(path),
        *state,
        "--port",
        "0",
    ]
    begun = threading.Thread(target=lambda: town._start("pi", arguments), daemon=True)
    begun.start()
    until(lambda: bool(town.json("device", "approve")["joining"]), 20)
    meant = town.json("device", "approve")["joining"][0]["fingerprint"]
    with _asks_too(town, path) as other:
        assert "2 keys ask to be 'pi'" in town.command("device", "approve", "pi", status=3)
        (waits,) = town.json("device", "approve")["joining"]
        assert (waits["fingerprint"], waits["others"]) == (meant, [other])
    # the other one is gone, and its key is still known: it would ask again between pi's joining and its attaching
    assert meant in town.command("device", "approve", "pi", "--fingerprint", meant[:4])
    begun.join(100)
    town.wait_for("pi", "agent registered")
    assert town.json("device", "approve")["joining"] == []


@contextlib.contextmanager
def _asks_too(town: SecureHouse, token: Path) -> Iterator[str]:
    """Have somebody else who has the token ask to be "pi" meanwhile; yield how its key begins, as it shows it."""
    state = ["--state-directory", str(town.directory / "mallory")]
    words = ["agent", "join", town.coordinator, "--name", "pi", "--role", "board", "--token-file", str(token)]
    command = [*LEPTON_EDGE, *words, *state]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=ROOT) as other:
        assert other.stdout is not None
        try:
            yield other.stdout.readline().strip().rpartition("--fingerprint ")[2]
        finally:
            other.kill()


def test_certificates_renew_under_load_and_nothing_is_dropped(town: SecureHouse, small: Path) -> None:
    town.start_coordinator()
    for name, role in (("board", "board"), ("cloud", "cloud")):
        town.join(name, town.token, role)
        town.start_joined(name)
    before = (town.directory / "board" / "security" / "agent.pem").read_bytes()
    kept = town.directory / "board" / "security" / "life.json"
    kept.write_text(json.dumps([0, time.time() + 3600]))  # as if two thirds of it were over
    with lepton_edge.Client(town.coordinator) as client:
        client.push("small", small)
        client.deploy("small")
        pages = set()
        end = time.monotonic() + 20
        while time.monotonic() < end:
            pages.add(client.infer("small", asked(0), page="cloud-raw").page)
            if (town.directory / "board" / "security" / "agent.pem").read_bytes() != before:
                break
        for number in range(30):
            pages.add(client.infer("small", asked(number), page="cloud-raw").page)
    assert (town.directory / "board" / "security" / "agent.pem").read_bytes() != before
    assert pages == {"cloud-raw"}
    assert any(line["what"] == "renew" for line in town.audit())


def test_a_client_makes_its_key_where_it_is_used(town: SecureHouse) -> None:
    town.start_coordinator()
    path = town.directory / "token"
    given = ["--name", "app", "--token-file", str(path), "--out", str(town.directory / "app.pem")]
    path.write_text(town.new_token())
    path.chmod(0o600)
    assert "not for this client" in town.command("client", "join", town.coordinator, *given, status=15)
    path.write_text(town.new_token("--role", "client", "--model", "small"))
    assert "app may infer on small" in town.command("client", "join", town.coordinator, *given)
    assert (town.directory / "app.pem").stat().st_mode & 0o777 == 0o600
    assert town.command("client", "join", town.coordinator, *given, status=3), "it writes over no key"
    with far(town, town.directory / "app.pem") as client:
        refused(errors.PermissionDenied, client.devices, "client 'app'")
        refused(errors.UnknownModel, lambda: client.model("small"))
