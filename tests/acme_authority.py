"""An authority that gives certificates by ACME (RFC 8555): pebble, which Let's Encrypt makes.

It looks at what a name shows on port 80 as every authority does, once it has asked a name server.
"""

from __future__ import annotations

import json
import ssl
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx
from containers import servers

from conftest import await_condition, free_port


@dataclass
class Authority:
    """A running authority."""

    directory: str  # the address that its clients are given
    vouching: Path  # the certificate by which they know it
    issued_by: Path  # the one by which visitors know the certificates that it gives


def certify(folder: Path, subject: str) -> tuple[Path, Path, Path]:
    """Make a certification authority and a certificate for DNS:name or IP:address, by openssl.

    Return the authority's certificate, the chain and the key.
    """
    folder.mkdir()
    authority, chain, key = (folder / name for name in ("ca.pem", "fullchain.pem", "privkey.pem"))
    new = ["openssl", "req", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes"]
    words = [*new, "-x509", "-days", "2", "-subj", "/CN=authority", "-out", str(authority)]
    subprocess.run([*words, "-keyout", f"{folder}/ca.key"], check=True, capture_output=True)
    words = [*new, "-x509", "-days", "20", "-subj", "/CN=leaf", "-out", str(chain)]
    words += ["-addext", f"subjectAltName={subject}", "-addext", "basicConstraints=CA:FALSE"]
    words += ["-CA", str(authority), "-CAkey", f"{folder}/ca.key", "-keyout", str(key)]
    subprocess.run(words, check=True, capture_output=True)
    return authority, chain, key


# Left to itself it refuses one request of twenty, and waits, to see what clients make of that.
SURE = {"PATH": "/usr/bin:/bin", "PEBBLE_VA_NOSLEEP": "1", "PEBBLE_WFE_NONCEREJECT": "0"}


@contextmanager
def authority(folder: Path, host: str, names: dict[str, str], port: int) -> Iterator[Authority]:
    """Run one at `host` that finds `names` at these addresses and asks there on `port`."""
    vouching, _, _ = certify(folder, f"IP:{host}")
    numbers = {name: free_port() for name in ("acme", "management", "dns")}
    config = {
        "listenAddress": f"{host}:{numbers['acme']}",
        "managementListenAddress": f"{host}:{numbers['management']}",
        "certificate": "/mnt/fullchain.pem",
        "privateKey": "/mnt/privkey.pem",
        "httpPort": port,
        "tlsPort": port,
        "certificateValidityPeriod": 90 * 86_400,
    }
    (folder / "pebble.json").write_text(json.dumps({"pebble": config}))
    dns = ["dnsmasq", "--keep-in-foreground", "--conf-file=/dev/null", "--user=root", "--no-hosts"]
    dns += ["--no-resolv", "--pid-file", "--bind-interfaces", "--listen-address=127.0.0.1"]
    dns += [f"--port={numbers['dns']}", *(f"--address=/{one}/{at}" for one, at in names.items())]
    pebble = ["bwrap", "--ro-bind", str(servers()), "/", "--dev", "/dev", "--proc", "/proc"]
    pebble += ["--ro-bind", str(folder), "/mnt", "--die-with-parent", "--"]
    pebble += ["pebble", "-config", "/mnt/pebble.json"]
    pebble += ["-dnsserver", f"127.0.0.1:{numbers['dns']}"]
    log = (folder / "log").open("wb")
    with (
        log,
        subprocess.Popen(dns, stdout=log, stderr=log) as resolver,
        subprocess.Popen(pebble, stdout=log, stderr=log, env=SURE) as running,
    ):
        try:
            directory = f"https://{host}:{numbers['acme']}/dir"
            trust = ssl.create_default_context(cafile=str(vouching))

            def answers() -> bool:
                assert running.poll() is None, (folder / "log").read_text()
                try:
                    return httpx.get(directory, verify=trust).is_success
                except httpx.TransportError:
                    return False

            await_condition(answers, what="the authority")
            root = httpx.get(f"https://{host}:{numbers['management']}/roots/0", verify=trust)
            issued_by = folder / "root.pem"
            issued_by.write_text(root.text)
            yield Authority(directory, vouching, issued_by)
        finally:
            running.terminate()
            resolver.terminate()
