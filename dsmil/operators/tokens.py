"""Bearer tokens: 256 random bits for a program, kept as their SHA-256 alone.

A digest of 256 random bits needs no salt and no slow hash: there is nothing to guess. Who shows a token is looked
up by its digest, so no comparison takes longer for a nearer miss.
"""

from __future__ import annotations

import secrets
from hashlib import sha256
from hmac import compare_digest

from msgspec import Struct

from dsmil.clock import SYSTEM, Clock
from dsmil.errors import DsmilError
from dsmil.operators.accounts import Accounts, NoSuch
from dsmil.operators.book import Book
from dsmil.operators.roles import Role, service_of

TOKEN_BYTES = 32
TOKEN_CHARS = 43
"""32 bytes in base64 without padding."""
LABEL_CHARS_MAX = 128
USED_EVERY_S = 60.0
"""How exact `last_used_at` is: one write a minute and token, however many requests."""
KNOWN_MAX = 1024
"""Tokens remembered between two changes of the file."""

_LIST = """SELECT token_id, tokens.operator_id, role, label, tokens.created_at, expires_at, last_used_at, revoked_at
  FROM tokens JOIN operators USING (operator_id)"""


class Token(Struct, frozen=True, kw_only=True):
    """What is known of a token; not the token."""

    token_id: str
    operator_id: str
    role: Role
    label: str = ""
    created_at: float
    expires_at: float | None = None
    last_used_at: float | None = None
    revoked_at: float | None = None


class Refused(DsmilError):
    """A credential that opens nothing; the text says why."""


class Tokens:
    """The tokens in a book. `shown` is for the API's one loop; the rest for anybody."""

    def __init__(self, book: Book, *, clock: Clock = SYSTEM) -> None:
        self._book = book
        self._clock = clock
        self._known: dict[bytes, Token] = {}
        self._version = (-1, -1)
        self._used: dict[str, float] = {}

    def make(self, role: Role, *, label: str = "", lives_s: float | None = None) -> tuple[str, Token]:
        """A new token, and what is known of it. The text is told here and never again."""
        if len(label) > LABEL_CHARS_MAX:
            raise DsmilError(f"make token: a label of {len(label)} characters", hint=f"at most {LABEL_CHARS_MAX}")
        owner, now, text = service_of(role), self._clock.now(), secrets.token_urlsafe(TOKEN_BYTES)
        Accounts(self._book, clock=self._clock).ensure(owner, role)
        made = Token(
            token_id=secrets.token_hex(6), operator_id=owner, role=role, label=label, created_at=now,
            expires_at=None if lives_s is None else now + lives_s,
        )  # fmt: skip
        with self._book.writing() as db:
            db.execute(
                "INSERT INTO tokens (token_id, operator_id, sha256, label, created_at, expires_at)"
                " VALUES (?, ?, ?, ?, ?, ?)",
                (made.token_id, owner, digest_of(text), label, now, made.expires_at),
            )
        return text, made

    def all(self) -> list[Token]:
        """Every token, the newest first, those that open nothing any more too."""
        with self._book.reading() as db:
            rows = db.execute(f"{_LIST} ORDER BY tokens.created_at DESC, token_id").fetchall()
        return [_token(row) for row in rows]

    def revoke(self, token_id: str) -> None:
        """From now on it opens nothing. NoSuch where there is none; again: nothing."""
        with self._book.writing() as db:
            done = db.execute(
                "UPDATE tokens SET revoked_at = coalesce(revoked_at, ?) WHERE token_id = ?",
                (self._clock.now(), token_id),
            ).rowcount
            if not done:
                raise NoSuch(f"revoke token {token_id}: there is none of that id", hint="dsmil user tokens")

    def shown(self, text: str) -> Token:
        """Whose token this is. Refused: unknown, expired or revoked; Unavailable: the book cannot be read."""
        if len(text) != TOKEN_CHARS:
            raise Refused("no such token")
        found = self._find(digest_of(text))
        now = self._clock.now()
        if found is None:
            raise Refused("no such token")
        if found.revoked_at is not None:
            raise Refused("the token was revoked", hint="ask for another: dsmil user token")
        if found.expires_at is not None and found.expires_at <= now:
            raise Refused("the token has expired", hint="ask for another: dsmil user token")
        self._used[found.token_id] = now
        return found

    def note_uses(self) -> None:
        """Write down when tokens were used, of those used since last time; seldom, by whoever calls `shown`."""
        used, self._used = self._used, {}
        if not used:
            return
        with self._book.writing() as db:
            db.executemany(
                "UPDATE tokens SET last_used_at = ?1 WHERE token_id = ?2 AND coalesce(last_used_at, 0) + ?3 <= ?1",
                [(at, token_id, USED_EVERY_S) for token_id, at in used.items()],
            )

    def _find(self, digest: bytes) -> Token | None:
        # A revoked token is refused by the next request.
        version = self._book.version()
        if version != self._version or len(self._known) >= KNOWN_MAX:
            self._known.clear()
            self._version = version
        known = self._known.get(digest)
        if known is None:
            with self._book.reading() as db:
                row = db.execute(
                    f"{_LIST.replace('SELECT', 'SELECT sha256,')} WHERE sha256 = ?", (digest,)
                ).fetchone()
            if row is None or not compare_digest(row[0], digest):
                return None
            known = self._known[digest] = _token(row[1:])
        return known


def digest_of(text: str) -> bytes:
    """What a token is kept as."""
    return sha256(text.encode("utf-8", "surrogatepass")).digest()


def _token(row: tuple) -> Token:  # type: ignore[type-arg]
    names = Token.__struct_fields__
    return Token(**{**dict(zip(names, row, strict=True)), "role": Role(row[names.index("role")])})
