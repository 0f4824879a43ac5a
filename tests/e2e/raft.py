"""Three OpenBao nodes that form one raft cluster, unsealed by themselves, for the length of a ``with`` block."""

from __future__ import annotations

import http.client
import json
import os
import secrets
import shutil
import socket
import subprocess
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

from ciplug.standins.openbao import find_bao
from ciplug.values import Secret

if TYPE_CHECKING:
    from collections.abc import Callable

NODES = 3
START_SECONDS = 60.0

_NODE = """\
storage "raft" {{
  path = "{folder}/data{number}"
  node_id = "n{number}"
  performance_multiplier = 1
  {join}
}}
listener "tcp" {{
  address = "127.0.0.1:{api}"
  cluster_address = "127.0.0.1:{cluster}"
  tls_disable = true
}}
api_addr = "http://127.0.0.1:{api}"
cluster_addr = "https://127.0.0.1:{cluster}"
seal "static" {{
  current_key_id = "k1"
  current_key = "file://{folder}/unseal.key"
}}
"""

# It runs once, on the first node, and prints no root token: the administrator logs in by password.
_INITIALIZE = """\
initialize "base" {
  request "policy" {
    operation = "update"
    path = "sys/policies/acl/admin"
    data = {
      policy = "path \\"*\\" { capabilities = [\\"create\\", \\"read\\", \\"update\\", \\"list\\", \\"sudo\\"] }"
    }
  }
  request "userpass" {
    operation = "update"
    path = "sys/auth/userpass"
    data = { type = "userpass" }
  }
  request "user" {
    operation = "update"
    path = "auth/userpass/users/admin"
    data = {
      password = { eval_type = "string", eval_source = "env", env_var = "ADMIN_PASSWORD" }
      token_policies = ["admin"]
    }
  }
  request "autopilot" {
    operation = "update"
    path = "sys/storage/raft/autopilot/configuration"
    data = { server_stabilization_time = "1s", min_quorum = 3 }
  }
  request "kv" {
    operation = "update"
    path = "sys/mounts/secret"
    data = { type = "kv", options = { version = "2" } }
  }
}
"""


class RaftCluster:
    """`addresses` of all nodes, `token` of an administrator; ``kill_leader`` ends one without warning."""

    def __init__(self) -> None:
        self._ports: list[tuple[int, int]] = []
        self._nodes: list[subprocess.Popen[bytes]] = []
        self._password = secrets.token_hex(16)
        self.token = Secret("")

    @property
    def addresses(self) -> list[str]:
        return [f"http://127.0.0.1:{api}" for api, _ in self._ports]

    def __enter__(self) -> Self:
        self._folder = Path(tempfile.mkdtemp(prefix="ciplug-raft-"))
        try:
            self._start()
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *exc: object) -> None:
        for node in self._nodes:
            node.kill()
            node.wait()
        shutil.rmtree(self._folder, ignore_errors=True)

    def kill_leader(self) -> str:
        """SIGKILL for the node that leads; its address."""
        for number, node in enumerate(self._nodes):
            if node.poll() is None and self._ask(number, "GET", "sys/leader").get("is_self"):
                node.kill()
                node.wait()
                return self.addresses[number]
        raise AssertionError("no node leads")

    def await_everywhere(self, path: str) -> None:
        """Wait until every node has what the leader was told: standbys serve reads themselves, and lag behind."""
        for number in range(NODES):
            self._await(lambda number=number: self._exchange(number, "GET", path)[0] == 200)

    def _start(self) -> None:
        (self._folder / "unseal.key").write_bytes(secrets.token_bytes(32))
        self._ports = _free_ports()
        self._spawn(0)
        self._await(lambda: self._health(0) == 200)
        for number in range(1, NODES):
            self._spawn(number)
        for number in range(1, NODES):
            self._await(lambda number=number: self._health(number) in {200, 429})
        login = self._ask(0, "POST", "auth/userpass/login/admin", {"password": self._password})
        self.token = Secret(login["auth"]["client_token"])
        # NOTE: a joined node has no vote until autopilot promotes it; a leader killed before that is never replaced.
        self._await(lambda: self._voters() == NODES)

    def _spawn(self, number: int) -> None:
        api, cluster = self._ports[number]
        (self._folder / f"data{number}").mkdir()
        join = f'retry_join {{ leader_api_addr = "{self.addresses[0]}" }}' if number else ""
        text = _NODE.format(folder=self._folder, number=number, api=api, cluster=cluster, join=join)
        config = self._folder / f"node{number}.hcl"
        config.write_text(text if number else text + _INITIALIZE)
        with (self._folder / f"node{number}.log").open("wb") as log:
            self._nodes.append(
                subprocess.Popen(
                    [find_bao(os.environ), "server", f"-config={config}"],
                    env={"PATH": os.environ["PATH"], "HOME": str(self._folder), "ADMIN_PASSWORD": self._password},
                    stdout=log,
                    stderr=log,
                    stdin=subprocess.DEVNULL,
                    start_new_session=True,
                )
            )

    def _await(self, holds: Callable[[], bool]) -> None:
        until = time.monotonic() + START_SECONDS
        while not holds():
            assert time.monotonic() < until, "the cluster did not form in time"
            assert all(node.poll() is None for node in self._nodes), "a node ended"
            time.sleep(0.05)

    def _voters(self) -> int:
        data = self._ask(0, "GET", "sys/storage/raft/configuration").get("data", {})
        return sum(server["voter"] for server in data.get("config", {}).get("servers", []))

    def _health(self, number: int) -> int:
        try:
            return self._exchange(number, "GET", "sys/health")[0]
        except OSError:
            return 0

    def _ask(self, number: int, method: str, path: str, body: dict[str, Any] | None = None) -> dict[str, Any]:
        answer: dict[str, Any] = json.loads(self._exchange(number, method, path, body)[1] or b"{}")
        return answer

    def _exchange(self, number: int, method: str, path: str, body: dict[str, Any] | None = None) -> tuple[int, bytes]:
        connection = http.client.HTTPConnection("127.0.0.1", self._ports[number][0], timeout=5)
        try:
            headers = {"X-Vault-Token": self.token.reveal().decode()} if len(self.token) else {}
            connection.request(method, f"/v1/{path}", json.dumps(body) if body else None, headers)
            answer = connection.getresponse()
            return answer.status, answer.read()
        finally:
            connection.close()


def _free_ports() -> list[tuple[int, int]]:
    """An API port and a cluster port for each node, all free at this moment."""
    sockets = [socket.socket() for _ in range(2 * NODES)]
    try:
        for each in sockets:
            each.bind(("127.0.0.1", 0))
        ports = [each.getsockname()[1] for each in sockets]
    finally:
        for each in sockets:
            each.close()
    return list(zip(ports[::2], ports[1::2], strict=True))
