"""Who may call and how often: keys, requests a minute, pictures a day."""

from __future__ import annotations

import ipaddress
import threading
import time
from dataclasses import dataclass

from sqlalchemy import Connection

from sayso.storage import people
from sayso.storage.database import Database
from sayso.storage.rows import Key
from sayso.studio.errors import QuotaExceeded, RateLimited, Unauthorized
from sayso.studio.settings import Settings

LOCAL = Key("local", "this machine", admin=True)


def is_loopback(host: str) -> bool:
    """Whether only this machine reaches an address."""
    try:
        return ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return host == "localhost"


@dataclass
class Bucket:
    tokens: float
    at: float


class Gate:
    """Checks keys against the database, and rates in memory: each process counts its own."""

    def __init__(self, db: Database, settings: Settings):
        self.db, self.settings = db, settings
        self._buckets: dict[str, Bucket] = {}
        self._lock = threading.Lock()

    def demands_keys(self) -> bool:
        if self.settings.keys == "auto":
            return not is_loopback(self.settings.host)
        return self.settings.keys == "always"

    def authenticate(self, secret: str | None) -> Key:
        """Without keys demanded any secret that we did not make is let in as LOCAL, as clients must always send one."""
        demanded = self.demands_keys()
        if secret and secret.startswith(people.PREFIX):
            with self.db.read() as tx:
                key = people.find(tx, secret)
            if key is not None and key.revoked is None and (key.expires is None or key.expires > time.time()):
                return key
            raise Unauthorized("this API key is unknown, revoked or expired; use another")
        if not demanded:
            return LOCAL
        if secret:
            raise Unauthorized("this API key is unknown, revoked or expired; use another")
        raise Unauthorized("an API key is needed here; send it as Authorization: Bearer …")

    def take_request(self, owner: Key) -> None:
        """A bucket that holds one minute's requests and fills evenly. Raises RateLimited."""
        rate = owner.rate or self.settings.rate
        if not rate:
            return
        now = time.monotonic()
        with self._lock:
            bucket = self._buckets.setdefault(owner.id, Bucket(rate, now))
            bucket.tokens = min(rate, bucket.tokens + (now - bucket.at) * rate / 60)
            bucket.at = now
            if bucket.tokens < 1:
                wait = (1 - bucket.tokens) * 60 / rate
                raise RateLimited(f"this key may ask {rate} times a minute; try again in {wait:.1f} seconds", wait)
            bucket.tokens -= 1

    def count_pictures(self, tx: Connection, owner: Key, pictures: int) -> None:
        """Counts pictures of today in the caller's transaction. Raises QuotaExceeded."""
        if not pictures:
            return
        quota = owner.quota or self.settings.quota
        used = people.count(tx, owner.id, people.day(), pictures)
        if quota and used > quota:
            wait = 86_400 - time.time() % 86_400
            raise QuotaExceeded(f"this key may have {quota} pictures a day and {used - pictures} are used; try again tomorrow (UTC)", wait)
