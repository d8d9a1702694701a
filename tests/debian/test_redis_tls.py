"""A `rediss://` URL is verified: the private CA that it names is taken, another one is refused. (Debian's server speaks TLS.)"""

from __future__ import annotations

import subprocess
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
import redis

from dbkit.testing.redis_cluster import free_ports
from scratch import Scratch, until

ROOT = Path(__file__).parents[2]
SERVER = "/usr/bin/redis-server"
PASSWORD = "canary-of-tls"
NEW = ("-newkey", "rsa:2048", "-nodes")


@dataclass(frozen=True)
class Tls:
    """A server that speaks TLS alone."""

    folder: Path
    port: int

    def url(self, ca: str, host: str = "localhost") -> str:
        return f"rediss://:{PASSWORD}@{host}:{self.port}/0?ssl_ca_certs={self.folder}/{ca}.crt"


def openssl(folder: Path, *arguments: str) -> None:
    subprocess.run(["openssl", *arguments], cwd=folder, check=True, capture_output=True)


@pytest.fixture(scope="module")
def tls() -> Iterator[Tls]:
    """A server with a certificate of a private CA; another CA beside it."""
    with tempfile.TemporaryDirectory(prefix="dbkit-tls-") as name:
        folder = Path(name)
        for ca in ("ours", "theirs"):
            made = (
                "req",
                "-x509",
                "-newkey",
                "rsa:2048",
                "-nodes",
                "-days",
                "2",
                "-subj",
                f"/CN={ca}",
                "-addext",
                "keyUsage=critical,keyCertSign",
            )
            openssl(folder, *made, "-keyout", f"{ca}.key", "-out", f"{ca}.crt")
        openssl(folder, "req", *NEW, "-subj", "/CN=localhost", "-keyout", "server.key", "-out", "server.csr")
        (folder / "names").write_text("subjectAltName=DNS:localhost\n")
        signing = ("-CA", "ours.crt", "-CAkey", "ours.key", "-CAcreateserial", "-days", "2", "-extfile", "names")
        openssl(folder, "x509", "-req", "-in", "server.csr", *signing, "-out", "server.crt")
        port = free_ports(1)[0]
        options = (
            "--port",
            "0",
            "--tls-port",
            str(port),
            "--tls-auth-clients",
            "no",
            "--save",
            "",
            "--dir",
            name,
            "--requirepass",
            PASSWORD,
        )
        certificates = ("--tls-cert-file", "server.crt", "--tls-key-file", "server.key", "--tls-ca-cert-file", "ours.crt")
        server = subprocess.Popen([SERVER, *options, *certificates], cwd=folder, stdout=subprocess.DEVNULL)
        try:
            found = Tls(folder, port)
            until(lambda: answers(found))
            yield found
        finally:
            server.kill()
            server.wait()


def answers(tls: Tls) -> bool:
    try:
        with redis.Redis.from_url(tls.url("ours")) as client:
            return bool(client.ping())
    except redis.ConnectionError:
        time.sleep(0.05)
        return False


def test_a_private_ca_is_taken_by_every_command(tls: Tls, scratch: Scratch) -> None:
    call = ("--project", str(ROOT))
    scratch.call(*call, "migrate", "cart", "--url", tls.url("ours"), code=0)
    scratch.call(*call, "verify", "cart", "--url", tls.url("ours"), code=0)
    assert PASSWORD not in scratch.call(*call, "-v", "status", "cart", "--url", tls.url("ours"), code=0).out


@pytest.mark.parametrize(
    ("ca", "host", "why"), [("theirs", "localhost", "certificate verify failed"), ("ours", "127.0.0.1", "certificate")]
)
def test_another_ca_or_another_name_is_refused(tls: Tls, scratch: Scratch, ca: str, host: str, why: str) -> None:
    """Nothing is sent, and the error says why, without the password."""
    told = scratch.call("--project", str(ROOT), "migrate", "cart", "--url", tls.url(ca, host), code=3)

    assert "certificate verify failed" in told.err.replace("\n", " ")
    assert PASSWORD not in told.out + told.err
