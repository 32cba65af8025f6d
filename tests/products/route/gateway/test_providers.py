"""Providers: what the environment asks for, where it points, and how it is kept."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from dd0c.base import home, settings
from dd0c.base.errors import InvalidInput
from dd0c.base.secrets import Secret
from dd0c.base.settings import Settings
from dd0c.kernel.db import tenancy
from dd0c.kernel.db.pool import Pool
from dd0c.kernel.vault import local
from dd0c.kernel.vault.envelope import Sealed, Vault
from dd0c.products.route import providers
from dd0c.products.route.models import Dialect
from dd0c.products.route.store import providers as store
from tests.conftest import TwoOrgs
from tests.support.database import Database
from tests.support.told import told

SIM = "http://127.0.0.1:4999"


def given(**values: str) -> Settings:
    """Settings of an environment with these values."""
    return settings.load({}, {"DD0C_HOME": "/nonexistent", **values})


@pytest.fixture
def vault(tmp_path: Path) -> Vault:
    """A vault with a key of its own."""
    return Vault(local.ensure(home.create(tmp_path / "home")))


@pytest.mark.parametrize(
    ("dialect", "text", "parts"),
    [
        ("openai", "https://api.openai.com/v1", ("https", "api.openai.com", 443, "/v1")),
        ("openai", "https://api.openai.com", ("https", "api.openai.com", 443, "/v1")),
        ("openai", "http://localhost:1234/", ("http", "localhost", 1234, "/v1")),
        ("openai", "https://h/openai/v1/", ("https", "h", 443, "/openai/v1")),
        ("openai", "https://h/v1beta/openai", ("https", "h", 443, "/v1beta/openai")),
        ("anthropic", "https://api.anthropic.com", ("https", "api.anthropic.com", 443, "")),
        ("anthropic", "https://api.anthropic.com/v1/", ("https", "api.anthropic.com", 443, "")),
        ("anthropic", "https://h:8443/proxy/v1", ("https", "h", 8443, "/proxy")),
        ("openai", "HTTPS://API.Example.COM/v1", ("https", "api.example.com", 443, "/v1")),
        ("openai", "http://[::1]:9/v1", ("http", "::1", 9, "/v1")),
    ],
)
def test_a_base_url_is_read_as_the_sdk_reads_it(
    dialect: str, text: str, parts: tuple[str, str, int, str]
) -> None:
    """`/v1` belongs to OpenAI's base URL and not to Anthropic's, however it was written (R-1)."""
    address = providers.parse_base_url(text, Dialect(dialect))
    assert (address.scheme, address.host, address.port, address.path_prefix) == parts
    assert providers.parse_base_url(str(address), Dialect(dialect)) == address


@pytest.mark.parametrize(
    "text",
    [
        "",
        "api.openai.com/v1",
        "ftp://h/v1",
        "https://",
        "https://:443/v1",
        "https://user:pw@h/v1",
        "https://h/v1?key=1",
        "https://h/v1#x",
        "https://h:99999/v1",
        "https://h:x/v1",
        "https://h\r\nx: y/v1",
        "https://h/v1\r\nHost: evil",
        "https://h/v 1",
        "https://hö/v1",
        "https://[::1/v1",
    ],
)
def test_a_base_url_that_cannot_be_meant_is_refused(text: str) -> None:
    """Nothing that could split a header or leak a password becomes an address (R-33)."""
    with pytest.raises(InvalidInput):
        providers.parse_base_url(text, Dialect.OPENAI)


def test_keys_in_the_environment_become_providers() -> None:
    """Each key registers the provider of its dialect, with the SDK's default address (R-1)."""
    found, warnings = providers.from_environment(
        given(OPENAI_API_KEY="sk-1", ANTHROPIC_API_KEY="sk-ant-2", ANTHROPIC_BASE_URL="http://h/v1")
    )
    assert [(p.name, p.dialect, p.base_url) for p in found] == [
        ("openai", "openai", "https://api.openai.com/v1"),
        ("anthropic", "anthropic", "http://h"),
    ]
    assert warnings == []


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "[::1]", "0.0.0.0", "127.1.2.3"])
def test_a_base_url_that_is_this_gateway_is_ignored(host: str) -> None:
    """Who points the SDK at dd0c does not send dd0c to itself; one line says so (K-2)."""
    url = f"http://{host}:8080/v1"
    found, warnings = providers.from_environment(given(OPENAI_API_KEY="sk-1", OPENAI_BASE_URL=url))
    assert [p.base_url for p in found] == ["https://api.openai.com/v1"]
    assert len(warnings) == 1
    assert "OPENAI_BASE_URL" in warnings[0]


def test_a_dd0c_key_is_not_a_providers_key() -> None:
    """A key of ours in OPENAI_API_KEY registers nothing, and no warning repeats it (K-2)."""
    found, warnings = providers.from_environment(given(OPENAI_API_KEY="dd0c_sk_abcdefgh"))
    assert found == []
    assert len(warnings) == 1
    assert "abcdefgh" not in warnings[0]


async def test_without_keys_the_simulator_serves_until_one_comes(
    owner_pool: Pool, vault: Vault
) -> None:
    """Simulated providers follow the simulator's address and end with the first real key (R-1)."""

    async def prepare(sim_url: str, **values: str) -> list[tuple[str, str, str, bool]]:
        async with tenancy.system(owner_pool) as tx:
            await providers.ensure_from_environment(given(**values), tx, vault, sim_url)
            listed = await store.list_visible(tx)
        return [(p.name, p.dialect, p.base_url, p.enabled) for p in listed]

    await prepare("http://127.0.0.1:1")
    assert await prepare(SIM) == [
        ("sim", "openai", f"{SIM}/v1", True),
        ("sim", "anthropic", SIM, True),
    ]
    real = ("openai", "openai", "https://api.openai.com/v1", True)
    off = [("sim", "openai", f"{SIM}/v1", False), ("sim", "anthropic", SIM, False)]
    assert await prepare(SIM, OPENAI_API_KEY="sk-1") == [*off, real]
    assert await prepare("http://127.0.0.1:2") == [*off, real]  # the key stays registered


async def test_a_secret_is_kept_sealed_and_a_new_one_replaces_it(
    owner_pool: Pool, vault: Vault, database: Database
) -> None:
    """The database holds ciphertext only, bound to the row; the newest key counts (K-30). The audit
    log is told of each, and of none that was there already (K-50)."""
    for key in ("sk-first", "sk-second", "sk-second"):
        async with tenancy.system(owner_pool) as tx:
            await providers.ensure_from_environment(given(OPENAI_API_KEY=key), tx, vault, None)
    async with tenancy.system(owner_pool) as tx:
        (row,) = await store.list_sealed(tx)
        assert row.secret is not None
        assert row.data_key is not None
        assert b"sk-" not in row.secret
        sealed = Sealed(row.data_key, row.secret)
        assert await vault.open(tx, None, row.id, sealed) == Secret("sk-second")
    assert [each.name for each in told(database)] == ["ProviderSet"] * 2


async def test_an_organisation_sees_its_own_providers_and_the_installations(
    owner_pool: Pool, app_pool: Pool, two_orgs: TwoOrgs, vault: Vault
) -> None:
    """The other tenant's providers are invisible, and secrets are for nobody to select (K-10)."""
    async with tenancy.system(owner_pool) as tx:
        await providers.ensure_from_environment(given(), tx, vault, SIM)
        (template, *_) = await store.list_sealed(tx)
        for org, name in ((two_orgs.acme, "acme-own"), (two_orgs.globex, "globex-own")):
            await store.save(tx, replace(template, id=org, org=org, name=name))
    async with tenancy.tenant(app_pool, two_orgs.acme) as tx:
        names = [p.name for p in await store.list_visible(tx)]
        assert names == ["acme-own", "sim", "sim"]
    with pytest.raises(Exception, match="permission denied"):
        async with tenancy.tenant(app_pool, two_orgs.acme) as tx:
            await tx.execute("SELECT secret FROM route.providers")


@pytest.mark.parametrize("key", ["sk-x\r\nX-Evil: 1", "sk-x y", "sk-ü", " sk-x"])
def test_a_key_that_no_header_can_carry_is_refused_unshown(key: str) -> None:
    """A key with a line end would write a header of its own; its variable is named."""
    with pytest.raises(InvalidInput, match="OPENAI_API_KEY has a character") as caught:
        providers.from_environment(Settings(openai_api_key=Secret(key)))
    assert "sk-" not in caught.value.message


def test_a_base_url_is_named_where_it_is_wrong_or_of_no_use() -> None:
    """An address that cannot be meant names its variable; one without a key is ignored aloud."""
    wrong = Settings(anthropic_api_key=Secret("sk-ant"), anthropic_base_url="ftp://x")
    with pytest.raises(InvalidInput, match=r"^ANTHROPIC_BASE_URL: "):
        providers.from_environment(wrong)
    found, warnings = providers.from_environment(Settings(openai_base_url="http://127.0.0.1:9"))
    assert found == []
    assert warnings == ["OPENAI_BASE_URL without OPENAI_API_KEY is ignored"]
