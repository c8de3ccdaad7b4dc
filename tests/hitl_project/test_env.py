"""Every variable is typed, may come from a file, and is refused in one sentence."""

import os
import stat
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from hitl_project.env import Environment, kept

ROOT = Path(__file__).resolve().parents[2]


def refused(capsys: pytest.CaptureFixture[str], read: object) -> str:
    with pytest.raises(SystemExit) as ended:
        read()  # type: ignore[operator]
    assert ended.value.code == 2
    said = capsys.readouterr().err
    assert said.count("\n") == 1
    return said


@pytest.mark.parametrize("word", ["true", "True", "1", "yes", "on"])
def test_a_flag_is_raised_by_the_usual_words(word):
    assert Environment({"X": word}).flag("X", False) is True


@pytest.mark.parametrize("word", ["false", "FALSE", "0", "no", "off"])
def test_a_flag_is_lowered_by_the_usual_words(word):
    assert Environment({"X": word}).flag("X", True) is False


def test_an_empty_variable_counts_as_unset():
    assert Environment({"X": ""}).flag("X", True) is True


def test_a_variable_may_come_from_a_file(tmp_path):
    (tmp_path / "secret").write_text("  from a file\n")
    assert Environment({"X_FILE": str(tmp_path / "secret")}).text("X") == "from a file"


def test_a_variable_and_its_file_together_are_refused(tmp_path, capsys):
    (tmp_path / "x").write_text("a")
    both = Environment({"X": "b", "X_FILE": str(tmp_path / "x")})
    assert "X and X_FILE are both set" in refused(capsys, lambda: both.text("X"))


def test_a_file_that_is_not_there_is_refused(tmp_path, capsys):
    missing = Environment({"X_FILE": str(tmp_path / "none")})
    assert refused(capsys, lambda: missing.text("X")).startswith("X_FILE names")


WRONG = [
    ("DEBUG", "maybe", lambda e: e.flag("DEBUG", False)),
    ("PORT", "eighty", lambda e: e.number("PORT", 1, least=0, most=65535)),
    ("PORT", "70000", lambda e: e.number("PORT", 1, least=0, most=65535)),
    ("ALLOWED_HOSTS", " , ", lambda e: e.words("ALLOWED_HOSTS", [])),
    ("LOG_LEVEL", "LOUD", lambda e: e.choice("LOG_LEVEL", "INFO", ("INFO",))),
    ("BASE_URL", "review.example.com", lambda e: e.web_address("BASE_URL", "")),
    ("BASE_URL", "https://u:p@example.com", lambda e: e.web_address("BASE_URL", "")),
    ("BASE_URL", "https://example.com/path", lambda e: e.web_address("BASE_URL", "")),
    ("BASE_URL", "https://[::1", lambda e: e.web_address("BASE_URL", "")),
    ("BASE_URL", "http://example.com:99999", lambda e: e.web_address("BASE_URL", "")),
    ("TIME_ZONE", "Mars/Olympus", lambda e: e.time_zone("TIME_ZONE", "UTC")),
    ("TIME_ZONE", "../etc/passwd", lambda e: e.time_zone("TIME_ZONE", "UTC")),
    ("REDIS_URL", "localhost:6379", lambda e: e.redis("REDIS_URL")),
    ("REDIS_URL", "redis://h:port", lambda e: e.redis("REDIS_URL")),
    ("DATABASE_URL", "mysql://u@h/db", lambda e: e.database("DATABASE_URL", Path("x"))),
    ("DATABASE_URL", "nonsense", lambda e: e.database("DATABASE_URL", Path("x"))),
    ("DATABASE_URL", "postgres://u@h:port/db", lambda e: e.database("DATABASE_URL", Path("x"))),
    ("DATABASE_URL", "postgres://u@h", lambda e: e.database("DATABASE_URL", Path("x"))),
    ("DATABASE_URL", "sqlite://:memory:", lambda e: e.database("DATABASE_URL", Path("x"))),
    ("EMAIL_URL", "pigeon://h", lambda e: e.email("EMAIL_URL")),
    ("STATSD_HOST", "h:none", lambda e: e.host_and_port("STATSD_HOST", 8125)),
    ("HITL_DATA_PURCHASE", "sometimes", lambda e: e.flags()),
]


@pytest.mark.parametrize("name, value, read", WRONG, ids=[f"{n}={v}" for n, v, _ in WRONG])
def test_a_wrong_value_is_refused_in_one_sentence_that_names_the_variable(
    name, value, read, capsys
):
    assert refused(capsys, lambda: read(Environment({name: value}))).startswith(name)


def test_an_address_never_repeats_a_password(capsys):
    wrong = Environment({"DATABASE_URL": "mysql://u:hunter2@h/db"})
    assert "hunter2" not in refused(capsys, lambda: wrong.database("DATABASE_URL", Path("x")))


def test_a_database_address_keeps_escaped_characters():
    found = Environment({"X": "postgres://u:p%40s@db:5432/app?sslmode=require"})
    read = found.database("X", Path("unused"))
    assert (read["USER"], read["PASSWORD"], read["HOST"]) == ("u", "p@s", "db")
    assert read["OPTIONS"] == {"sslmode": "require"}


def test_without_an_address_the_database_is_a_file_whatever_its_folder_is_called():
    read = Environment({}).database("X", Path("/a b#c?/%2F.sqlite3"))
    assert read["NAME"] == "/a b#c?/%2F.sqlite3"


def test_flags_are_read_from_every_variable_that_is_no_other():
    found = Environment(
        {
            "HITL_DATA_PURCHASE": "false",
            "HITL_EMAIL_CAMPAIGN": "true",
            "HITL_DATA_DIR": "/tmp",
            "HITL_SIGNING_KEY_FILE": "/run/key",
            "HITL_TOKEN": "hitl_x",
        }
    ).flags()
    assert found == {"data-purchase": False, "email-campaign": True}


def test_a_secret_is_made_once_and_only_for_its_owner(tmp_path):
    env = Environment({})
    first = env.secret("SECRET_KEY", folder=tmp_path, generate=True)
    assert env.secret("SECRET_KEY", folder=tmp_path, generate=True) == first
    assert stat.S_IMODE((tmp_path / "secret-key").stat().st_mode) == 0o600
    assert len(first) >= 50


def test_starting_many_times_at_once_still_makes_one_secret(tmp_path):
    with ThreadPoolExecutor(8) as pool:
        made = set(pool.map(lambda n: kept(tmp_path / "key", f"secret {n}"), range(64)))
    assert len(made) == 1
    assert [file.name for file in tmp_path.iterdir()] == ["key"]


def test_without_leave_to_make_one_a_missing_secret_is_refused(tmp_path, capsys):
    said = refused(
        capsys, lambda: Environment({}).secret("SECRET_KEY", folder=tmp_path, generate=False)
    )
    assert said.startswith("SECRET_KEY is not set")


def test_a_signing_key_may_stand_on_one_line(tmp_path):
    made = Environment({}).signing_key("K", folder=tmp_path, generate=True)
    one_line = made.strip().replace("\n", "\\n")
    assert Environment({"K": one_line}).signing_key("K", folder=tmp_path, generate=False) == made


@pytest.mark.parametrize("value", ["no key at all", "-----BEGIN PRIVATE KEY-----\nabc"])
def test_what_is_no_signing_key_is_refused_without_repeating_it(value, tmp_path, capsys):
    env = Environment({"K": value})
    said = refused(capsys, lambda: env.signing_key("K", folder=tmp_path, generate=False))
    assert said.startswith("K is not a private key")
    assert value not in said


def run(arguments: list[str], **environment: str) -> subprocess.CompletedProcess[str]:
    clean = {k: v for k, v in os.environ.items() if k in {"PATH", "HOME", "LANG", "TMPDIR"}}
    return subprocess.run(
        [sys.executable, *arguments],
        cwd=ROOT,
        env=clean | environment,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


DOORS = {
    "manage.py": ["manage.py", "check"],
    "celery": ["-m", "celery", "-A", "hitl_project", "worker"],
    "uvicorn": ["-m", "uvicorn", "hitl_project.asgi:application", "--port", "0"],
}


@pytest.mark.real
@pytest.mark.parametrize("door", DOORS)
def test_each_way_to_start_stops_with_the_sentence_and_no_traceback(door, tmp_path):
    ended = run(DOORS[door], HITL_DATA_DIR=str(tmp_path), DEBUG="perhaps")
    assert ended.returncode == 2
    assert ended.stderr == "DEBUG is neither true nor false; use true or false.\n"


@pytest.mark.real
def test_stubs_are_refused_outside_development(tmp_path):
    ended = run(["manage.py", "check"], HITL_DATA_DIR=str(tmp_path), USE_STUBS="true")
    assert ended.returncode == 2
    assert ended.stderr.startswith("USE_STUBS decides without people")


@pytest.mark.real
def test_with_redis_the_secrets_must_be_given(tmp_path):
    ended = run(
        ["manage.py", "check"], HITL_DATA_DIR=str(tmp_path), REDIS_URL="redis://127.0.0.1:1/0"
    )
    assert ended.returncode == 2
    assert ended.stderr.startswith("SECRET_KEY is not set")
