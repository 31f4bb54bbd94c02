"""Foreign clients: programs that others wrote, unmodified, in an environment of their own each.

They are installed from the package registries as these were on the day `AS_OF`, and ask a Hakam
through a recorder that notes what they send. ``python tests/foreign_clients.py URL KEY ABUSIVE
HARMLESS`` lets them ask a Hakam about two texts and prints the table of docs/clients.md; a test
finds rows that are not what happens.
"""

from __future__ import annotations

import json
import os
import shutil
import ssl
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from email.message import Message
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from tempfile import TemporaryDirectory
from threading import Thread
from urllib.parse import parse_qs, urlsplit

import httpx

AS_OF = "2026-11-27"  # what was published later is not installed
GOOGLE = "commentanalyzer.googleapis.com"  # which some clients name in their code
WRONG_KEY = "sk-wrong"


@dataclass(frozen=True)
class Client:
    """A client: what to install, and code of a user of it.

    The code defines ``connect(key)``, which returns a function from a text to whether it is
    flagged, and one that lists models, or nothing in its place. It knows `url`, where Hakam is.
    """

    name: str
    code: str
    version: str = ""  # none is the newest on the day
    more: tuple[str, ...] = ()  # other packages that its users install
    node: bool = False

    @property
    def label(self) -> str:
        """What a test calls it."""
        return f"{self.name} {self.version or 'newest'}{' (npm)' if self.node else ''}"


_OPENAI_0 = """
import openai
openai.api_base = url + "/v1"
def connect(key):
    openai.api_key = key
    def flagged(text):
        return openai.Moderation.create(input=text)["results"][0]["flagged"]
    return flagged, lambda: [one["id"] for one in openai.Model.list()["data"]]
"""
_OPENAI = """
from openai import OpenAI
def connect(key):
    client = OpenAI(api_key=key, base_url=url + "/v1")
    def flagged(text):
        return client.moderations.create(input=text).results[0].flagged
    return flagged, lambda: [one.id for one in client.models.list()]
"""
_LITELLM = """
import litellm
def connect(key):
    where = {"api_key": key, "api_base": url + "/v1"}
    def flagged(text):
        return litellm.moderation(input=text, **where).results[0].flagged
    def models():
        return litellm.get_valid_models(
            check_provider_endpoint=True, custom_llm_provider="openai", **where
        )
    return flagged, models
"""
_LITELLM_ASYNC = """
import asyncio, litellm
def connect(key):
    def flagged(text):
        asked = litellm.amoderation(
            input=text, model="openai/omni-moderation-latest", api_key=key, api_base=url + "/v1"
        )
        return asyncio.run(asked).results[0].flagged
    return flagged, None
"""
_ANY_GUARDRAIL = """
from any_guardrail import AnyGuardrail, GuardrailName
def connect(key):
    guardrail = AnyGuardrail.create(
        GuardrailName.OPENAI_MODERATION, api_key=key, base_url=url + "/v1"
    )
    return lambda text: not guardrail.validate(text).valid, None
"""
_LANGCHAIN = """
from langchain_classic.chains import OpenAIModerationChain
os.environ["OPENAI_BASE_URL"] = url + "/v1"
def connect(key):
    chain = OpenAIModerationChain(openai_api_key=key)
    return lambda text: chain.invoke({"input": text})["output"] != text, None
"""
_GOOGLE_DISCOVERY = """
from googleapiclient import discovery
def connect(key):
    client = discovery.build(
        "commentanalyzer", "v1alpha1", developerKey=key, static_discovery=False,
        discoveryServiceUrl=url + "/$discovery/rest?version=v1alpha1",
    )
    def flagged(text):
        body = {"comment": {"text": text}, "requestedAttributes": {"TOXICITY": {}}}
        answer = client.comments().analyze(body=body).execute()
        return answer["attributeScores"]["TOXICITY"]["summaryScore"]["value"] > 0.5
    return flagged, None
"""
_PERSPECTIVE = """
from perspective import PerspectiveAPI
def connect(key):
    client = PerspectiveAPI(key)
    def flagged(text):
        answer = client.analyze_comment(text, languages=["ar"], do_not_store=True)
        return answer["attributeScores"]["TOXICITY"]["summaryScore"]["value"] > 0.5
    return flagged, None
"""
_PERSPECTIVEAPI = """
from perspective.blocking import Perspective
def connect(key):
    client = Perspective(key)
    return lambda text: client.score(text).toxicity > 0.5, None
"""
_PYSPECTIVE = """
from pyspective.pyspective import PyspectiveAPI
def connect(key):
    client = PyspectiveAPI(key)
    return lambda text: client.score(text, "TOXICITY")["TOXICITY"] > 0.5, None
"""
_PYPERSPECTIVE = """
from PyPerspective.Perspective import Perspective
def connect(key):
    client = Perspective(key)
    def flagged(text):
        return client.get_score(text, tests=["TOXICITY_EXPERIMENTAL"], langs=["ar"])
    return lambda text: flagged(text)["TOXICITY_EXPERIMENTAL"].score > 0.5, None
"""
_OPENAI_NODE_3 = """
const { Configuration, OpenAIApi } = require("openai");
const connect = (key) => {
  const client = new OpenAIApi(new Configuration({ apiKey: key, basePath: url + "/v1" }));
  return [
    async (text) => (await client.createModeration({ input: text })).data.results[0].flagged,
    async () => (await client.listModels()).data.data.map((one) => one.id),
  ];
};
"""
_OPENAI_NODE = """
const { OpenAI } = require("openai");
const connect = (key) => {
  const client = new OpenAI({ apiKey: key, baseURL: url + "/v1" });
  return [
    async (text) => (await client.moderations.create({ input: text })).results[0].flagged,
    async () => (await client.models.list()).data.map((one) => one.id),
  ];
};
"""

_GOOGLE_NODE = """
const { google } = require("googleapis");
const connect = (key) => [
  async (text) => {
    const client = await google.discoverAPI(url + "/$discovery/rest?version=v1alpha1");
    const request = { comment: { text }, requestedAttributes: { TOXICITY: {} } };
    const answer = await client.comments.analyze({ key, resource: request });
    return answer.data.attributeScores.TOXICITY.summaryScore.value > 0.5;
  },
  null,
];
"""

_CONVERSATION_NODE = """
const { Client } = require("@conversationai/perspectiveapi-js-client");
const connect = (key) => {
  const client = new Client(key);
  client.perspectiveApiUrl = url + "/v1alpha1/comments:analyze?key=" + key;
  return [async (text) => (await client.getScores(text)).TOXICITY > 0.5, null];
};
"""

CLIENTS = (
    Client("openai", _OPENAI_0, "0.23.0"),
    Client("openai", _OPENAI_0, "0.28.1"),
    Client("openai", _OPENAI, "1.0.0", more=("httpx<0.28",)),  # it names no newest httpx
    Client("openai", _OPENAI),
    Client("openai", _OPENAI_NODE_3, "3.3.0", node=True),
    Client("openai", _OPENAI_NODE, "4.0.0", node=True),
    Client("openai", _OPENAI_NODE, node=True),
    Client("litellm", _LITELLM),
    Client("any-guardrail", _ANY_GUARDRAIL),
    Client("langchain-classic", _LANGCHAIN, more=("openai",)),
    Client("google-api-python-client", _GOOGLE_DISCOVERY),
    Client("googleapis", _GOOGLE_NODE, node=True),
    Client("@conversationai/perspectiveapi-js-client", _CONVERSATION_NODE, "1.0.1", node=True),
    Client("perspective", _PERSPECTIVE, "1.0.3"),
    Client("perspectiveapi", _PERSPECTIVEAPI, "1.1.0"),
    Client("pyspective", _PYSPECTIVE, "0.0.2", more=("requests",)),
    Client("PyPerspective", _PYPERSPECTIVE, "1.0.4"),
)

_PYTHON = """
import importlib.metadata, json, os
url = os.environ["HAKAM"]
{code}
flagged, models = connect(os.environ["KEY"])
found = {{
    "version": importlib.metadata.version({name!r}),
    "flagged": [bool(flagged(text)) for text in json.loads(os.environ["TEXTS"])],
    "models": models and models(),
}}
try:
    connect({wrong!r})[0]("x")
except Exception as error:
    found["wrong_key"] = type(error).__name__
print(json.dumps(found))
"""
_NODE = """
const url = process.env.HAKAM;
{code}
(async () => {{
  const [flagged, models] = connect(process.env.KEY);
  const found = {{
    version: JSON.parse(
      require("node:fs").readFileSync("node_modules/{name}/package.json", "utf8")).version,
    flagged: [],
    models: models ? await models() : null,
  }};
  for (const text of JSON.parse(process.env.TEXTS)) found.flagged.push(await flagged(text));
  try {{
    await connect("{wrong}")[0]("x");
  }} catch (error) {{
    found.wrong_key = error.constructor.name;
  }}
  console.log(JSON.stringify(found));
}})();
"""


@dataclass(frozen=True)
class Sent:
    """A request as a client sent it, without what was in it."""

    method: str
    path: str
    key_in: str
    fields: tuple[str, ...]

    def __str__(self) -> str:
        fields = f" {{{', '.join(self.fields)}}}" if self.fields else ""
        return f"`{self.method} {self.path}`{fields}{self.key_in and ', '}{self.key_in}"


@dataclass
class Recorder:
    """A way to Hakam that notes what comes along, and takes its time for Google's host too."""

    url: str
    certificate: Path
    sent: list[Sent] = field(default_factory=list)


@contextmanager
def recording(hakam: str, folder: Path) -> Iterator[Recorder]:
    """Pass on to `hakam` what is sent here, or by a proxy's tunnel to the host of Google."""
    certificate, key = folder / "certificate.pem", folder / "key.pem"
    subprocess.run(
        [
            *("openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "1"),
            *("-subj", f"/CN={GOOGLE}", "-addext", f"subjectAltName=DNS:{GOOGLE}"),
            *("-keyout", key, "-out", certificate),
        ],
        check=True,
        capture_output=True,
    )
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    tls.load_cert_chain(certificate, key)

    class Passing(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_CONNECT(self) -> None:
            self.send_response(200)
            self.end_headers()
            self.request = tls.wrap_socket(self.request, server_side=True)
            self.setup()
            self.close_connection = False

        def finish(self) -> None:
            super().finish()
            self.request.close()

        def _pass_on(self) -> None:
            raw = self.rfile.read(int(self.headers.get("Content-Length", 0)))
            recorder.sent.append(_sent(self.command, self.path, self.headers, raw))
            kept = {
                name: value
                for name, value in self.headers.items()
                if name.lower() not in {"connection", "accept-encoding"} and value != GOOGLE
            }
            answer = httpx.request(
                self.command, f"{hakam}{self.path}", content=raw, headers=kept, timeout=60.0
            )
            self.send_response(answer.status_code)
            for name in ("content-type", "retry-after"):
                if name in answer.headers:
                    self.send_header(name, answer.headers[name])
            self.send_header("content-length", str(len(answer.content)))
            self.end_headers()
            self.wfile.write(answer.content)

        do_GET = do_POST = _pass_on  # noqa: N815

        def log_message(self, *_: object) -> None: ...

    with ThreadingHTTPServer(("127.0.0.1", 0), Passing) as server:
        recorder = Recorder(f"http://127.0.0.1:{server.server_port}", certificate)
        Thread(target=server.serve_forever, daemon=True).start()
        yield recorder
        server.shutdown()


def _sent(method: str, path: str, headers: Message, raw: bytes) -> Sent:
    parts = urlsplit(path)
    where = [
        ("bearer key", headers.get("Authorization", "").lower().startswith("bearer ")),
        ("`?key=`", "key" in parse_qs(parts.query)),
        ("`X-Goog-Api-Key`", "X-Goog-Api-Key" in headers),
    ]
    try:
        body = json.loads(raw or b"{}")
    except ValueError:
        body = {}
    named = ", ".join(name for name, is_there in where if is_there)
    return Sent(method, parts.path, named, tuple(body) if isinstance(body, dict) else ())


def install(client: Client, folder: Path) -> Sequence[str]:
    """Install a client into a folder; return the command that runs its code there."""
    sign = "@" if client.node else "=="
    wanted = f"{client.name}{sign}{client.version}" if client.version else client.name
    if client.node:
        npm_install(folder, wanted, *client.more)
        (folder / "ask.cjs").write_text(_filled(_NODE, client))
        return ["node", "ask.cjs"]
    python = pip_install(folder, wanted, *client.more)
    (folder / "ask.py").write_text(_filled(_PYTHON, client))
    return [str(python), "ask.py"]


def pip_install(folder: Path, *wanted: str, without: str = "") -> Path:
    """Install packages, all but one that nothing imports, into a folder; return its Python."""
    uv, python = [sys.executable, "-m", "uv", "--quiet"], folder / "venv" / "bin" / "python"
    _run([*uv, "venv", "--python", sys.executable, "venv"], folder)
    left_out = folder / "left_out.txt"
    left_out.write_text(f"{without}; python_version < '0'" if without else "")
    options = ["--exclude-newer", AS_OF, "--python", str(python), "--override", str(left_out)]
    _run([*uv, "pip", "install", *options, *wanted], folder)
    return python


def npm_install(folder: Path, *wanted: str) -> None:
    """Install packages of Node into a folder; none of them runs anything meanwhile."""
    options = ["--no-audit", "--no-fund", "--ignore-scripts", "--loglevel=error"]
    options += ["--prefer-offline"]
    _run(["npm", "install", "--before", AS_OF, *options, *wanted], folder)


def _filled(code: str, client: Client) -> str:
    return code.format(code=client.code, name=client.name, wrong=WRONG_KEY)


def _run(command: Sequence[str], folder: Path) -> None:
    subprocess.run(command, cwd=folder, check=True, capture_output=True, text=True)


@dataclass(frozen=True)
class Asked:
    """How a client fared."""

    client: Client
    version: str
    flagged: list[bool]
    models: list[str] | None
    wrong_key: str
    sent: tuple[Sent, ...]

    @property
    def row(self) -> str:
        """The row of the table of clients."""
        sends = "; ".join(map(str, dict.fromkeys(self.sent)))
        kind = "npm" if self.client.node else "PyPI"
        right = self.flagged == [True, False]
        told = ["verdicts are right" if right else f"verdicts: {self.flagged}"]
        if self.models is not None:
            told.append("models are listed")
        told.append(f"a wrong key is `{self.wrong_key}`")
        return f"| {kind} `{self.client.name}` | {self.version} | {sends} | {', '.join(told)} |"


def ask(
    client: Client, command: Sequence[str], folder: Path, recorder: Recorder, key: str, *texts: str
) -> Asked:
    """Let an installed client ask about an abusive text and a harmless one."""
    recorder.sent.clear()
    environment = {
        "HAKAM": recorder.url,
        "KEY": key,
        "TEXTS": json.dumps(texts),
        "HTTPS_PROXY": recorder.url,
        "NO_PROXY": "127.0.0.1",
        "SSL_CERT_FILE": str(recorder.certificate),
        "REQUESTS_CA_BUNDLE": str(recorder.certificate),
        "LITELLM_LOCAL_MODEL_COST_MAP": "True",  # else it asks the network before anything else
        "HOME": str(folder),
        "PATH": os.environ["PATH"],
    }
    run = subprocess.run(
        command, cwd=folder, env=environment, capture_output=True, text=True, check=False
    )
    assert run.returncode == 0, f"{client.label}: {run.stderr}"
    found = json.loads(run.stdout.splitlines()[-1])
    return Asked(
        client,
        found["version"],
        found["flagged"],
        found["models"],
        found.get("wrong_key", ""),
        tuple(recorder.sent),
    )


def has_node() -> bool:
    """Say whether this machine has what clients in JavaScript run on."""
    return bool(shutil.which("node") and shutil.which("npm"))


def print_table(hakam: str, key: str, *texts: str) -> None:
    """Print the table of what happens when the clients ask a Hakam."""
    sys.stdout.write("| client | version | it sends | it gets |\n|---|---|---|---|\n")
    for client in CLIENTS:
        with TemporaryDirectory() as name, recording(hakam, Path(name)) as recorder:
            command = install(client, Path(name))
            asked = ask(client, command, Path(name), recorder, key, *texts)
        sys.stdout.write(f"{asked.row}\n")


if __name__ == "__main__":
    print_table(*sys.argv[1:])
