"""All settings, in one frozen object made at the edge (cli, app) and handed down."""

from __future__ import annotations

import json
import os
import tomllib
from collections.abc import Iterable, Mapping
from difflib import get_close_matches
from pathlib import Path
from typing import Any

from pydantic import Field, SecretStr, ValidationError, field_validator
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource, SettingsConfigDict

from gatewatch.errors import UsageError
from gatewatch.records import JUDGED
from gatewatch.secretrefs import dereferenced

LOOPBACK = frozenset({"127.0.0.1", "::1", "localhost"})


def default_data_dir() -> Path:
    """Where data live unless GATEWATCH_DATA_DIR says otherwise: gatewatch in the XDG data home."""
    base = os.environ.get("XDG_DATA_HOME") or str(Path.home() / ".local" / "share")
    return Path(base) / "gatewatch"


class Settings(BaseSettings):
    """Each field is a key of gatewatch.toml and, in capitals after GATEWATCH_, an environment variable."""

    model_config = SettingsConfigDict(env_prefix="GATEWATCH_", extra="forbid", frozen=True)

    data_dir: Path = Field(default_factory=default_data_dir, description="the one data directory: state, lake, spool")
    database_url: SecretStr | None = Field(
        default=None, description="SQLAlchemy URL of the state; default: SQLite in the data directory"
    )
    host: str = Field(default="127.0.0.1", description="address to listen on; only loopback while no login exists")
    ingest_listen: str | None = Field(
        default=None,
        description="HOST:PORT of a second listener that takes data, for keys only",
    )
    ingest_key: SecretStr | None = Field(
        default=None, description="access key of Firehose and EventBridge at /ingest/, beside tokens that may ingest"
    )
    ingest_key_next: SecretStr | None = Field(
        default=None, description="a second such key: set it, change the sender, then make it the first"
    )
    login: str = Field(
        default="auto",
        pattern="^(auto|on|off)$",
        description="auto: asked for as soon as there is a user; on: always; off: never, on loopback only",
    )
    session_idle_minutes: int = Field(default=30, ge=1, description="minutes without a request that end a session")
    session_hours: int = Field(default=12, ge=1, le=720, description="hours after which a session ends in any case")
    requests_per_second: int = Field(
        default=50, ge=1, description="requests an address, an account and a token may make, twice as many at once"
    )
    oidc_issuer: str | None = Field(
        default=None, description="issuer of the OpenID Connect provider, as it writes itself; turns the login on"
    )
    oidc_client_id: str | None = Field(default=None, description="our id at the provider")
    oidc_client_secret: SecretStr | None = Field(default=None, description="our secret at the provider, if it gave one")
    oidc_scopes: str = Field(default="openid profile email", description="what the provider is asked for")
    oidc_role_claim: str = Field(
        default="groups", description="claim of the id_token with the groups of a person; a dot leads into an object"
    )
    oidc_roles: tuple[str, ...] = Field(
        default=(), description="group=role pairs; who is in none of the groups is not let in"
    )
    trusted_proxies: tuple[str, ...] = Field(
        default=(), description="addresses or networks of proxies whose X-Forwarded-For is believed"
    )
    allowed_hosts: tuple[str, ...] = Field(
        default=(), description="further names by which people reach gatewatch, beside that of public_url"
    )
    tls_certificate: Path | None = Field(default=None, description="PEM file with the certificate chain, for https")
    tls_key: Path | None = Field(default=None, description="PEM file with the certificate's key")
    plain_http: bool = Field(
        default=False, description="let people log in over unencrypted http from other machines, too"
    )
    local_accounts: bool = Field(
        default=True, description="let people log in with a password kept here; false: only at the identity provider"
    )
    breached_passwords: Path | None = Field(
        default=None, description="file of stolen passwords (sorted SHA-1 in hex, one a line), none of which is taken"
    )
    hsts_subdomains: bool = Field(
        default=False, description="tell browsers to use https for all hosts below ours, too, when people come by https"
    )
    port: int = Field(default=8080, ge=0, le=65535, description="port of the web process")
    public_url: str | None = Field(default=None, description="address that people use, for links in alerts")
    workers: int = Field(default=0, ge=0, le=256, description="ingest processes; 0: one a core")
    tick_seconds: int = Field(default=60, ge=1, description="seconds between two evaluations of the store")
    follow_seconds: int = Field(default=30, ge=1, description="seconds between two looks at followed folders")
    lease_seconds: int = Field(default=60, ge=5, description="seconds until a lease that nobody renews is free")
    late_hours: int = Field(default=6, ge=0, description="hours within which late lines amend findings")
    false_alarms_per_week: float = Field(
        default=0.1, gt=0, description="budget: false alarms an API and week, all detectors together"
    )
    detector_budgets: dict[str, float] = Field(
        default_factory=dict, description="false alarms an API and week of single detectors; the others share the rest"
    )
    dead_after_days: float = Field(default=32.0, gt=0, description="days without a call before a resource is dead")
    dead_letter_bytes: int = Field(default=64 << 20, ge=0, description="bytes of rejected lines kept per store")
    keep_requests_days: float | None = Field(
        default=None, ge=1, description="days that single requests are kept; default: for ever"
    )
    keep_rollups_days: float | None = Field(
        default=None, ge=60, description="days that rollups are kept, at least 60 for the detectors; default: for ever"
    )
    disk_warn_percent: float = Field(default=85.0, gt=0, le=100, description="how full a disk is warned about")
    disk_stop_percent: float = Field(default=95.0, gt=0, le=100, description="how full a disk takes no new data in")
    smtp_url: SecretStr | None = Field(
        default=None, description="smtp://user:password@host:port or smtps://...; with email_to: e-mail alerts"
    )
    email_from: str = Field(default="gatewatch@localhost", description="sender of e-mail alerts")
    email_to: tuple[str, ...] = Field(default=(), description="receivers of e-mail alerts")
    slack_webhook_url: SecretStr | None = Field(default=None, description="Slack incoming webhook for alerts")
    alert_min_severity: str = Field(
        default="medium", pattern="^(info|low|medium|high|critical)$", description="least severity that is alerted"
    )
    alerts_file: Path | None = Field(
        default=None, description="TOML or YAML file with channels, routes, windows and owners; default: all to all"
    )
    hash_key: SecretStr | None = Field(
        default=None, description="key of the hash that replaces secrets in logs; default: made in the data directory"
    )
    privacy: str = Field(
        default="off",
        pattern="^(off|truncate|hash)$",
        description="what pages, API and alerts show of clients: truncate cuts addresses, hash hashes them; "
        "both hash principals",
    )
    outbound_allow: tuple[str, ...] = Field(
        default=(),
        description="exact hosts on private networks where webhooks, mail server and identity provider may be",
    )
    log_format: str = Field(
        default="text", pattern="^(text|json)$", description="how serve and worker write their own log"
    )
    labels: Path | None = Field(
        default=None, description="labels.json of a simulated world, shown in the dashboard's charts"
    )
    aws_soft_dollars_per_day: float = Field(
        default=1.0, ge=0, description="list price of a day's AWS calls from which sources pause one by one"
    )
    aws_hard_dollars_per_day: float = Field(
        default=5.0, ge=0, description="list price of a day's AWS calls that is never passed"
    )
    aws_hard_calls_per_day: int = Field(default=200_000, ge=0, description="AWS calls a day that are never passed")
    aws_degrade_order: tuple[str, ...] = Field(
        default=("traces", "metrics", "inventory", "changes", "logs"),
        description="who pauses first between the soft and the hard cap",
    )
    aws_rates: dict[str, float] = Field(
        default_factory=dict, description="calls a second to single AWS services, for each account and region"
    )
    aws_endpoint_url: str | None = Field(default=None, description="endpoint of an AWS double, for tests")

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Environment over the file's values (which come in through init)."""
        return env_settings, init_settings

    @field_validator("detector_budgets")
    @classmethod
    def _known_detectors(cls, budgets: dict[str, float]) -> dict[str, float]:
        for name, budget in budgets.items():
            if name not in set(JUDGED):
                raise ValueError(f"no detector with a budget is called {name!r}; there are {', '.join(sorted(JUDGED))}")
            if not budget > 0:
                raise ValueError(f"the budget of {name} must be greater than 0")
        return budgets

    @property
    def encrypted(self) -> bool:
        """Whether people reach us by https: our own, or that of a proxy which public_url names."""
        return self.tls_certificate is not None or (self.public_url or "").lower().startswith("https://")

    @property
    def loopback(self) -> bool:
        """Whether only this machine can reach the address that we listen on."""
        return self.host.strip().strip("[]").lower() in LOOPBACK

    @property
    def state_url(self) -> str:
        if self.database_url is not None:
            return self.database_url.get_secret_value()
        return f"sqlite:///{self.data_dir / 'state.db'}"


def config_file(explicit: Path | None = None, *, environ: Mapping[str, str] | None = None) -> Path | None:
    """The configuration file in force: --config > GATEWATCH_CONFIG > nearest gatewatch.toml upward > XDG's."""
    environ = os.environ if environ is None else environ
    named = explicit or (Path(environ["GATEWATCH_CONFIG"]) if environ.get("GATEWATCH_CONFIG") else None)
    if named is not None:
        if not named.is_file():
            raise UsageError(f"configuration file {named} does not exist")
        return named
    here = Path.cwd()
    for folder in (here, *here.parents):
        if (folder / "gatewatch.toml").is_file():
            return folder / "gatewatch.toml"
        pyproject = folder / "pyproject.toml"
        if pyproject.is_file() and "gatewatch" in _toml(pyproject).get("tool", {}):
            return pyproject
    user = Path(environ.get("XDG_CONFIG_HOME") or Path.home() / ".config") / "gatewatch" / "gatewatch.toml"
    return user if user.is_file() else None


def load_settings(explicit: Path | None = None, **overrides: Any) -> Settings:
    """Read the configuration file and the environment; `overrides` (flags) win. UsageError says what is wrong."""
    path = config_file(explicit)
    values = _values_of(path)
    known = set(Settings.model_fields)
    for key in values:
        if key not in known:
            close = get_close_matches(key, known, n=1)
            hint = f"; did you mean {close[0]!r}?" if close else ""
            raise UsageError(f"{path}: unknown setting {key!r}{hint}")
    for key in os.environ:
        name = key.removeprefix("GATEWATCH_").lower()
        if key.startswith("GATEWATCH_") and name not in known and name not in {"config"}:
            close = get_close_matches(name, known, n=1)
            hint = f"; did you mean GATEWATCH_{close[0].upper()}?" if close else ""
            raise UsageError(f"environment: unknown setting {key}{hint}")
    try:
        settings = _with_secrets(Settings(**values))
        return settings.model_copy(update={key: value for key, value in overrides.items() if value is not None})
    except ValidationError as error:
        first = error.errors(include_input=False)[0]
        where = ".".join(str(part) for part in first["loc"])
        raise UsageError(f"setting {where!r}: {first['msg']}") from None


def _with_secrets(settings: Settings, names: Iterable[str] | None = None) -> Settings:
    """The settings with secrets in the place of references to them."""
    found = {}
    for name in Settings.model_fields if names is None else names:
        value = getattr(settings, name)
        if isinstance(value, SecretStr):
            found[name] = SecretStr(dereferenced(name, value.get_secret_value()))
    return settings.model_copy(update=found)


class _Set(Settings):
    """Settings in which what is given goes before the environment."""

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        return init_settings, env_settings


def with_set(settings: Settings, assignments: Iterable[str]) -> Settings:
    """The settings with `KEY=VALUE` texts on top; lists and tables are JSON. UsageError says what is wrong."""
    given: dict[str, Any] = {}
    for text in assignments:
        key, equals, value = text.partition("=")
        key = key.strip()
        if not equals:
            raise UsageError(f"--set {text!r}: write KEY=VALUE")
        if key not in Settings.model_fields:
            close = get_close_matches(key, Settings.model_fields, n=1)
            raise UsageError(f"--set: unknown setting {key!r}" + (f"; did you mean {close[0]!r}?" if close else ""))
        try:
            given[key] = json.loads(value) if value.lstrip()[:1] in ("[", "{") else value.strip()
        except ValueError:
            raise UsageError(f"--set {key}: the value is not JSON") from None
    return with_values(settings, given, name="--set")


def with_values(settings: Settings, given: Mapping[str, Any], *, name: str = "set") -> Settings:
    """The settings with these values on top. UsageError, which begins with `name`, says what is wrong."""
    kept = {name: getattr(settings, name) for name in Settings.model_fields}
    try:
        checked = _Set(**{**kept, **given})
    except ValidationError as error:
        first = error.errors(include_input=False)[0]
        where = ".".join(str(part) for part in first["loc"])
        raise UsageError(f"{name} {where}: {first['msg']}") from None
    return _with_secrets(settings.model_copy(update={key: getattr(checked, key) for key in given}), given)


def origins(explicit: Path | None = None) -> dict[str, str]:
    """Where each setting's value comes from: `default`, the configuration file, or the environment variable."""
    path = config_file(explicit)
    in_file = _values_of(path)
    found = {}
    for name in Settings.model_fields:
        variable = f"GATEWATCH_{name.upper()}"
        set_there = any(key.upper() == variable for key in os.environ)
        found[name] = variable if set_there else str(path) if name in in_file else "default"
    return found


def _values_of(path: Path | None) -> dict[str, Any]:
    if path is None:
        return {}
    document = _toml(path)
    return dict(document.get("tool", {}).get("gatewatch", {}) if path.name == "pyproject.toml" else document)


def _toml(path: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError, OSError) as error:
        raise UsageError(f"{path}: not a readable TOML file: {error}") from None
