"""A real WordPress: Debian's code and its own database server, behind PHP's own web server.

Everything lives in one short-lived folder and on the loopback interface; WordPress asks nobody
else, and its jobs run only when a test says so.
"""

from __future__ import annotations

import os
import re
import secrets
import shutil
import socket
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from signal import SIGKILL, SIGTERM
from typing import Any

import httpx
import pytest

from conftest import await_condition, free_port

DEBIAN = Path("/usr/share/wordpress")
PROGRAMS = ("php", "mariadbd", "mariadb-install-db")
THEME = "twentytwentyone"
EDITOR, PASSWORD = "editor", "correct horse battery staple"

_CONFIG = """<?php
define( 'DB_NAME', 'wordpress' );
define( 'DB_USER', 'root' );
define( 'DB_PASSWORD', '' );
define( 'DB_HOST', 'localhost:{socket}' );
define( 'DB_CHARSET', 'utf8mb4' );
define( 'WP_DEFAULT_THEME', '{theme}' );
define( 'WP_HOME', '{url}' );
define( 'WP_SITEURL', '{url}' );
define( 'AUTH_SALT', 'salt of a site that goes' );
define( 'FS_METHOD', 'direct' );
define( 'DISABLE_WP_CRON', true ); // The test asks for wp-cron.php.
define( 'AUTOMATIC_UPDATER_DISABLED', true );
define( 'WP_HTTP_BLOCK_EXTERNAL', true );
define( 'WP_ACCESSIBLE_HOSTS', '127.0.0.1' );
define( 'WP_DEBUG', true );
define( 'WP_DEBUG_DISPLAY', false );
define( 'WP_DEBUG_LOG', '{folder}/debug.log' );
$table_prefix = 'wp_';
if ( ! defined( 'ABSPATH' ) ) {{
    define( 'ABSPATH', __DIR__ . '/' );
}}
require_once ABSPATH . 'wp-settings.php';
"""
# No page names another host, the tests may comment as fast as they like, and run code.
_FOR_TESTS = """<?php
add_action( 'wp_loaded', static function () {
    if ( 'KEY' !== ( $_SERVER['HTTP_X_KEY_OF_THE_TEST'] ?? '' ) ) {
        return;
    }
    require_once ABSPATH . 'wp-admin/includes/admin.php';
    $test = json_decode( file_get_contents( 'php://input' ), true );
    extract( $test['values'] );
    exit( json_encode( eval( $test['code'] ) ) );
}, 1000 );
remove_action( 'wp_head', 'wp_resource_hints', 2 );
add_filter( 'emoji_svg_url', '__return_false' );
add_filter( 'pre_option_show_avatars', '__return_zero' );
add_filter( 'comment_flood_filter', '__return_false', 100 );
add_filter( 'duplicate_comment_id', '__return_zero' );
add_filter( 'rest_allow_anonymous_comments', '__return_true' );
add_filter( 'locale', static function ( $locale ) {
    return get_option( 'locale_for_tests', $locale );
} );
add_action( 'init', static function () {
    if ( get_option( 'careless_plugin_for_tests' ) ) {
        add_filter( 'pre_comment_approved', static function () {
            return 1;
        }, PHP_INT_MAX );
    }
} );
add_filter( 'pre_wp_mail', static function ( $sent, $mail ) {
    $letters   = get_option( 'letters_for_tests', array() );
    $letters[] = $mail['subject'];
    update_option( 'letters_for_tests', $letters );
    return true;
}, 10, 2 );
"""


@dataclass
class WordPress:
    """A running WordPress, and what the people on it do."""

    url: str
    root: Path
    browser: httpx.Client = field(repr=False)  # of somebody who is not logged in
    key: str  # with which a test may run code

    def php(self, code: str, **values: Any) -> Any:
        """Run PHP code inside WordPress, with these variables; return what it returns."""
        answer = httpx.post(
            f"{self.url}/",
            json={"code": code, "values": values},
            headers={"x-key-of-the-test": self.key},
            timeout=60.0,
        )
        assert answer.is_success, answer.text
        return answer.json()

    def set_up(self, **settings: Any) -> None:
        """Change settings of the plugin, as if in its form."""
        self.php(
            "$stored = get_option( 'hakam_settings' );"
            "delete_option( 'hakam_health' );"
            "remove_all_filters( 'sanitize_option_hakam_settings' );"
            "$stored = is_array( $stored ) ? $stored : array();"
            "update_option( 'hakam_settings', array_merge( $stored, $given ) );",
            given=settings,
        )

    def comment(self, text: str, name: str = "Reader", parent: int = 0) -> int:
        """Write a comment with the form below the first article; return its id."""
        page = self.page_of_article()
        (action,) = re.findall(r'<form action="([^"]+)" method="post" id="commentform"', page)
        answer = self.browser.post(
            action,
            data={
                "comment": text,
                "author": name,
                "email": "reader@mail.example",
                "comment_post_ID": "1",
                "comment_parent": str(parent),
            },
        )
        assert answer.status_code == 302, answer.text
        (number,) = re.findall(r"#comment-(\d+)", answer.headers["location"])
        return int(number)

    def status(self, comment: int) -> str:
        """Where a comment stands."""
        status: str = self.php("return wp_get_comment_status( $id );", id=comment)
        return status

    def known(self, comment: int) -> dict[str, Any]:
        """What the plugin knows of a comment."""
        found = self.php("return get_comment_meta( $id, '_hakam', true );", id=comment)
        return found if isinstance(found, dict) else {}

    def outbox(self) -> list[dict[str, Any]]:
        """What Hakam is still to be told."""
        rows: list[dict[str, Any]] = self.php(
            "global $wpdb;"
            'return $wpdb->get_results( "SELECT * FROM {$wpdb->prefix}hakam_outbox", ARRAY_A );'
        )
        return rows

    def page_of_article(self) -> str:
        """What readers see below the first article."""
        return self.browser.get(f"{self.url}/?p=1", follow_redirects=True).text

    def let_cron_run(self) -> None:
        """Let everything be due, and WP-Cron do it."""
        self.php(
            "global $wpdb;"
            '$wpdb->query( "UPDATE {$wpdb->prefix}hakam_outbox SET due = 0" );'
            "wp_clear_scheduled_hook( 'hakam_send' );"
            "wp_schedule_event( time() - 1, 'hakam_minute', 'hakam_send' );"
            "delete_transient( 'doing_cron' );"
        )
        assert self.browser.get(f"{self.url}/wp-cron.php").is_success

    @contextmanager
    def logged_in(self, account: str = EDITOR) -> Iterator[httpx.Client]:
        """Be somebody with an account, in a browser of their own."""
        with httpx.Client(timeout=60.0, follow_redirects=True) as client:
            form = {"log": account, "pwd": PASSWORD, "testcookie": "1"}
            client.cookies.set("wordpress_test_cookie", "WP Cookie check")
            answer = client.post(f"{self.url}/wp-login.php", data=form)
            assert "wp-admin" in str(answer.url), answer.text
            yield client

    def debug_log(self) -> str:
        """What PHP had to complain about."""
        log = self.root.parent / "debug.log"
        return log.read_text() if log.exists() else ""


def _program(name: str) -> str | None:
    return shutil.which(name, path=f"{os.environ['PATH']}:/usr/sbin")


def _started(stack: ExitStack, command: list[str], log: Path, **environ: str) -> None:
    process = subprocess.Popen(
        [_program(command[0]) or command[0], *command[1:]],
        stdin=subprocess.DEVNULL,
        stdout=stack.enter_context(log.open("w")),
        stderr=subprocess.STDOUT,
        env=os.environ | environ,
        start_new_session=True,
    )

    def stop() -> None:  # with the workers of PHP's server, which outlive it
        os.killpg(process.pid, SIGTERM)
        try:
            process.wait(timeout=30.0)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, SIGKILL)
            process.wait()

    stack.callback(stop)


def _database(stack: ExitStack, folder: Path) -> Path:
    """Start a database server of its own; return its socket."""
    data, address = folder / "db", folder / "db.sock"
    account = ["--user=root"] if os.geteuid() == 0 else []
    command = ["mariadb-install-db", "--no-defaults", f"--datadir={data}", "--skip-test-db"]
    command += ["--auth-root-authentication-method=normal", *account]
    subprocess.run(command, check=True, capture_output=True)
    command = ["mariadbd", "--no-defaults", f"--datadir={data}", f"--socket={address}", *account]
    command += ["--skip-networking", "--innodb-flush-log-at-trx-commit=0", "--skip-log-bin"]
    _started(stack, command, folder / "db.log")

    def answers() -> bool:
        with socket.socket(socket.AF_UNIX) as probe:
            return probe.connect_ex(str(address)) == 0

    await_condition(answers, what="the database", seconds=120.0)
    make = f"$db = new mysqli( 'localhost', 'root', '', '', 0, '{address}' );"
    make += "$db->query( 'CREATE DATABASE wordpress CHARACTER SET utf8mb4' );"
    subprocess.run(["php", "-r", make], check=True, capture_output=True)
    return address


def _install(url: str, client: httpx.Client) -> None:
    """Answer WordPress' own page of installation."""
    answer = client.post(
        f"{url}/wp-admin/install.php?step=2",
        data={
            "weblog_title": "News",
            "user_name": EDITOR,
            "admin_password": PASSWORD,
            "admin_password2": PASSWORD,
            "pw_weak": "1",
            "admin_email": "editor@mail.example",
            "language": "",
        },
    )
    assert "Success!" in answer.text, answer.text


@contextmanager
def wordpress() -> Iterator[WordPress]:
    """Install and run a WordPress without the plugin."""
    missing = [name for name in PROGRAMS if _program(name) is None]
    if missing or not (DEBIAN / "wp-content" / "themes" / THEME).is_dir():
        pytest.skip(f"WordPress needs {', '.join([*missing, str(DEBIAN), THEME])}")
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="wp")))
        root = folder / "www"
        shutil.copytree(
            DEBIAN,
            root,
            ignore=shutil.ignore_patterns("wp-config.php", ".htaccess"),
            ignore_dangling_symlinks=True,
        )
        url = f"http://127.0.0.1:{free_port()}"
        address = _database(stack, folder)
        config = _CONFIG.format(socket=address, url=url, folder=folder, theme=THEME)
        (root / "wp-config.php").write_text(config)
        must_use = root / "wp-content" / "mu-plugins"
        must_use.mkdir(parents=True)
        key = secrets.token_hex(16)
        (must_use / "for-tests.php").write_text(_FOR_TESTS.replace("KEY", key, 1))
        command = ["php", "-d", "opcache.enable_cli=1", "-d", "display_errors=0"]
        command += ["-S", url.removeprefix("http://"), "-t", str(root)]
        _started(stack, command, folder / "php.log", PHP_CLI_SERVER_WORKERS="4")
        client = stack.enter_context(httpx.Client(timeout=60.0))

        def answers() -> bool:
            try:
                return client.get(f"{url}/wp-admin/install.php").status_code < 500
            except httpx.TransportError:
                return False

        await_condition(answers, what="PHP's web server", seconds=60.0)
        _install(url, client)
        yield WordPress(url, root, client, key)
