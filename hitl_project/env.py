"""The environment: each variable is read once, typed, and refused in one sentence when wrong.

Every variable `X` may also be given as `X_FILE`, the path of a file that holds the value. A wrong
value ends the process with exit code 2 and one sentence, the same way for `manage.py`, Celery and
uvicorn, because all three import the settings first.
"""

import os
import secrets
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, NoReturn
from urllib.parse import unquote, urlsplit
from zoneinfo import ZoneInfo

import environ

TRUE = frozenset({"1", "true", "yes", "on"})
FALSE = frozenset({"0", "false", "no", "off"})

# Variables that begin like a checkpoint's flag and are none. Names with a trailing `_FILE` of these
# are known as well; a checkpoint whose slug would collide is refused when it is saved.
NOT_FLAGS = frozenset(
    {
        *("HITL_DATA_DIR", "HITL_SIGNING_KEY", "HITL_URL", "HITL_TOKEN"),
        *("HITL_OUTBOUND_ALLOWED", "HITL_VOTES_PER_HOUR"),
        *("HITL_OPENINGS_PER_HOUR", "HITL_NOTICES_PER_HOUR"),
    }
)

DATABASE_SCHEMES = frozenset({"postgres", "postgresql", "psql", "pgsql", "sqlite"})


def stop(sentence: str) -> NoReturn:
    """End the process with exit code 2 and this one sentence on standard error."""
    sys.stderr.write(f"{sentence}\n")
    raise SystemExit(2)


class Environment:
    """A typed view of environment variables; every method ends the process on a wrong value."""

    def __init__(self, source: Mapping[str, str]) -> None:
        self._source = source

    def raw(self, name: str) -> str | None:
        """Return the variable, or the content of the file `NAME_FILE` names; None when unset.

        An empty variable counts as unset: Compose files pass `X=` for what nobody filled in.
        """
        value = self._source.get(name) or None
        path = self._source.get(f"{name}_FILE") or None
        if path is None:
            return value
        if value is not None:
            stop(f"{name} and {name}_FILE are both set; keep one of them.")
        try:
            return Path(path).read_text(encoding="utf-8").strip() or None
        except (OSError, UnicodeDecodeError):
            stop(f"{name}_FILE names {path!r}, which cannot be read; give a readable text file.")

    def text(self, name: str, default: str = "") -> str:
        """Return the variable as it stands."""
        value = self.raw(name)
        return default if value is None else value

    def flag(self, name: str, default: bool) -> bool:
        """Return true or false."""
        value = self.raw(name)
        if value is None:
            return default
        word = value.strip().lower()
        if word not in TRUE | FALSE:
            # Any HITL_ name is read as a switch: what stands there may be a secret.
            stop(f"{name} is neither true nor false; use true or false.")
        return word in TRUE

    def number(self, name: str, default: int, *, least: int, most: int) -> int:
        """Return a whole number between `least` and `most`."""
        value = self.raw(name)
        if value is None:
            return default
        try:
            number = int(value)
        except ValueError:
            number = least - 1
        if not least <= number <= most:
            stop(f"{name} is {value!r}; use a whole number from {least} to {most}.")
        return number

    def words(self, name: str, default: list[str]) -> list[str]:
        """Return a comma-separated list."""
        value = self.raw(name)
        if value is None:
            return default
        found = [word.strip() for word in value.split(",") if word.strip()]
        if not found:
            stop(f"{name} is {value!r}, which lists nothing; separate the entries with commas.")
        return found

    def choice(self, name: str, default: str, allowed: tuple[str, ...]) -> str:
        """Return one of the allowed words."""
        value = self.text(name, default)
        if value not in allowed:
            stop(f"{name} is {value!r}; use one of {', '.join(allowed)}.")
        return value

    def web_address(self, name: str, default: str) -> str:
        """Return an http(s) address without a trailing slash, path, query or credentials."""
        value = self.text(name, default).rstrip("/")
        out = "use scheme, host and port only, such as https://review.example.com"
        try:
            parts = urlsplit(value)
            fits = parts.scheme in {"http", "https"} and bool(parts.hostname) and parts.port != 0
            bare = not (parts.path or parts.query or parts.fragment or "@" in parts.netloc)
        except ValueError:
            fits = bare = False
        if not (fits and bare):
            stop(f"{name} is {value!r}, which is not a web address; {out}.")
        return value

    def host_and_port(self, name: str, default_port: int) -> tuple[str, int] | None:
        """Return (host, port), or None when unset."""
        value = self.raw(name)
        if value is None:
            return None
        host, _, port = value.partition(":")
        if not host or (port and not (port.isdigit() and 0 < int(port) < 65536)):
            stop(f"{name} is {value!r}; use host or host:port.")
        return host, int(port) if port else default_port

    def hosts_and_ports(self, name: str) -> tuple[tuple[str, str], ...]:
        """Return (host, port) of each comma-separated `host:port`; a port may be `*`."""
        found = []
        for word in self.words(name, []):
            host, _, port = word.lower().rpartition(":")
            if not host or not (port == "*" or (port.isdigit() and 0 < int(port) < 65536)):
                stop(f"{name} lists {word!r}; use host:port or host:*, separated by commas.")
            found.append((host, port))
        return tuple(found)

    def time_zone(self, name: str, default: str) -> str:
        """Return the name of a known time zone."""
        value = self.text(name, default)
        try:
            ZoneInfo(value)
        except (ValueError, OSError, KeyError):
            stop(f"{name} is {value!r}, which is no known time zone; use a name such as UTC.")
        return value

    def folder(self, name: str, default: Path) -> Path:
        """Return a folder that exists, is writable and, when new, private to this user."""
        path = Path(self.text(name, str(default))).expanduser().absolute()
        try:
            path.mkdir(mode=0o700, parents=True, exist_ok=True)
        except OSError:
            stop(f"{name} is {str(path)!r}, which cannot be created; give a folder you may write.")
        if not os.access(path, os.W_OK | os.X_OK):
            stop(f"{name} is {str(path)!r}, which is not writable; give a folder you may write.")
        return path

    def redis(self, name: str) -> str | None:
        """Return a redis address, or None when unset."""
        value = self.raw(name)
        if value is None:
            return None
        try:
            parts = urlsplit(value)
            fits = parts.scheme in {"redis", "rediss"} and bool(parts.hostname)
            fits = fits and (parts.port or 6379) > 0
            fits = fits or (parts.scheme == "unix" and bool(parts.path))
        except ValueError:
            fits = False
        if not fits:
            stop(f"{name} is no redis address; use a form such as redis://127.0.0.1:6379/0.")
        return value

    def database(self, name: str, default: Path) -> dict[str, Any]:
        """Return Django's settings for the database behind an address; unset, a SQLite file."""
        value = self.raw(name)
        if value is None:
            return {"ENGINE": "django.db.backends.sqlite3", "NAME": str(default)}
        out = "use postgres://user:password@host:5432/name or sqlite:////folder/file.sqlite3"
        if value.partition(":")[0] not in DATABASE_SCHEMES:
            stop(f"{name} names a database that is not supported; {out}.")
        try:
            found = dict(environ.Env.db_url_config(value))
            # A socket's folder stands in the host's place with its slashes escaped.
            found["HOST"] = unquote(found.get("HOST") or "")
        except (ValueError, KeyError, environ.ImproperlyConfigured):
            stop(f"{name} cannot be read as a database address; {out}.")
        if not found.get("NAME") or found["NAME"] == ":memory:":
            stop(f"{name} names no database; {out}.")
        return found

    def email(self, name: str) -> dict[str, Any] | None:
        """Return Django's EMAIL_* settings behind an address, or None when unset."""
        value = self.raw(name)
        if value is None:
            return None
        try:
            return dict(environ.Env.email_url_config(value))
        except (ValueError, KeyError, environ.ImproperlyConfigured):
            stop(f"{name} is no mail address scheme; use smtp+tls://user:password@host:587.")

    def prefixed(self, prefix: str) -> Iterator[str]:
        """Yield each set variable's name that begins with the prefix, without `_FILE`, once."""
        seen = set()
        for name in sorted(self._source):
            bare = name.removesuffix("_FILE")
            if bare.startswith(prefix) and len(bare) > len(prefix) and bare not in seen:
                seen.add(bare)
                yield bare

    def flags(self) -> dict[str, bool]:
        """Return checkpoint slug → asked, from each `HITL_<CHECKPOINT>` (`_` stands for `-`)."""
        return {
            name.removeprefix("HITL_").lower().replace("_", "-"): self.flag(name, True)
            for name in self.prefixed("HITL_")
            if name not in NOT_FLAGS
        }

    def secret(self, name: str, *, folder: Path, generate: bool) -> str:
        """Return a secret of at least 32 characters; kept in `folder` when it may be generated."""
        value = self.raw(name)
        if value is None and generate:
            value = kept(folder / name.lower().replace("_", "-"), secrets.token_urlsafe(50))
        if value is None:
            stop(f"{name} is not set; give a random text of 50 characters, or {name}_FILE.")
        if len(value) < 32:
            stop(f"{name} is shorter than 32 characters; give a random text of 50 characters.")
        return value

    def signing_key(self, name: str, *, folder: Path, generate: bool) -> str:
        """Return an Ed25519 private key as PEM; kept in `folder` when it may be generated."""
        from cryptography.hazmat.primitives import serialization
        from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

        out = "make one with `openssl genpkey -algorithm ed25519`"
        value = self.raw(name)
        if value is None and generate:
            fresh = Ed25519PrivateKey.generate().private_bytes(
                serialization.Encoding.PEM,
                serialization.PrivateFormat.PKCS8,
                serialization.NoEncryption(),
            )
            value = kept(folder / "signing-key.pem", fresh.decode())
        if value is None:
            stop(f"{name} is not set; {out} and give it here or by {name}_FILE.")
        # Compose and systemd files carry a PEM on one line with literal \n.
        value = value.replace("\\n", "\n").strip() + "\n"
        try:
            key = serialization.load_pem_private_key(value.encode(), password=None)
        except Exception:  # the library raises half a dozen kinds; to a reader they are one
            stop(f"{name} is not a private key in PEM form without a password; {out}.")
        if not isinstance(key, Ed25519PrivateKey):
            stop(f"{name} is a key of another kind than Ed25519; {out}.")
        return value


def kept(path: Path, fresh: str) -> str:
    """Return what the private file (0600) holds, writing `fresh` into it when there is none.

    Two processes may start at once: whoever links the complete file first wins and both read it.
    """
    if not path.exists():
        draft = path.with_name(f".{path.name}.{secrets.token_hex(8)}")
        try:
            with os.fdopen(os.open(draft, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600), "w") as out:
                out.write(fresh)
            try:
                os.link(draft, path)
            except FileExistsError:
                pass
        except OSError:
            stop(f"HITL_DATA_DIR cannot hold {path.name}; give a folder you may write.")
        finally:
            draft.unlink(missing_ok=True)
    return path.read_text(encoding="utf-8").strip()
