"""Noticing that Redis could forget what it acknowledged, or has forgotten everything.

A Redis that was restarted on other files, or emptied, looks as good as new: it would say that
comments which people should see are already dealt with, or were never sent. So a random word, the
epoch, is put into Redis once and kept beside it in a file; where the two differ, the store is not
the one that this installation filled, and readiness says so.
"""

from __future__ import annotations

import contextlib
import os
import secrets
from pathlib import Path
from typing import Any

from redis import Redis

from service.errors import StoreMisconfigured, translating_redis_errors

KEY = "hakam:epoch"
SETTINGS = {"appendonly": "yes", "appendfsync": "always", "maxmemory-policy": "noeviction"}


class Epoch:
    """The word that Redis and this installation share.

    Parameters
    ----------
    redis : redis.Redis
    file : Path, optional
        Where the word is kept between starts; without it, only as long as this object lives.
    """

    def __init__(self, redis: Redis, file: Path | None = None) -> None:
        self._redis: Any = redis
        self._file = file
        self._word = ""

    def check(self) -> None:
        """Check that Redis loses nothing and still holds the word; the first time, agree on one.

        Raises
        ------
        StoreMisconfigured
            Names each setting that is not what it must be, or says that Redis is empty, or another
            one than before.
        StoreUnavailable
        """
        self._check_settings()
        known = self._known()
        with translating_redis_errors():
            if not known:
                self._redis.set(KEY, secrets.token_hex(8), nx=True)
            found = self._redis.get(KEY)
        if not known:
            self._keep(found)
        elif found != known:
            raise StoreMisconfigured(
                "Redis has lost what it held, or is another one than before: start it on its own "
                "files again, or take the loss and run `hakam queue rebuild`."
            )

    def accept(self) -> None:
        """Take the loss: from now on this is the Redis that Hakam works with."""
        if known := self._known():
            with translating_redis_errors():
                self._redis.set(KEY, known)

    def _check_settings(self) -> None:
        with translating_redis_errors():
            found = {name: self._redis.config_get(name).get(name) for name in SETTINGS}
        wrong = [
            f"{name} is {found[name]}, must be {value}"
            for name, value in SETTINGS.items()
            if found[name] != value
        ]
        if wrong:
            raise StoreMisconfigured("Redis could lose comments: " + "; ".join(wrong))

    def _known(self) -> str:
        if not self._word and self._file is not None:
            with contextlib.suppress(OSError):
                self._word = self._file.read_text(encoding="ascii")
        return self._word

    def _keep(self, word: str) -> None:
        self._word = word
        if self._file is None:
            return
        with contextlib.suppress(OSError):  # then the word is known to this process only
            new = self._file.with_name(f".{self._file.name}.{os.getpid()}")
            new.write_text(word, encoding="ascii")
            new.replace(self._file)
