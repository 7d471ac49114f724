"""Webhooks leave the house, and only to the public internet."""

import socket
from pathlib import Path

import pytest
from receiver import receiving

from dentwatch.errors import SettingsError
from dentwatch.serving.problems import RefusedError
from dentwatch.serving.webhook_targets import check_target, is_allowed
from dentwatch.settings import Settings, load

SECRET = "whsec_" + "MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTIz"


def settings(**serving: object) -> Settings:
    return Settings(serving={"webhook_secret": SECRET, **serving})


def resolve_to(monkeypatch: pytest.MonkeyPatch, *addresses: str) -> None:
    """Every name resolves to ``addresses``."""

    def answer(host: str, port: int, *_: object, **__: object) -> list[tuple[object, ...]]:
        return [
            (socket.AF_INET6, socket.SOCK_STREAM, 6, "", (address, port, 0, 0))
            if ":" in address
            else (socket.AF_INET, socket.SOCK_STREAM, 6, "", (address, port))
            for address in addresses
        ]

    monkeypatch.setattr(socket, "getaddrinfo", answer)


@pytest.mark.parametrize(
    "address", ["93.184.216.34", "8.8.8.8", "100.128.0.1", "2606:2800:220:1::1", "2a00:1450:4001:81b::200e"]
)
def test_addresses_of_the_internet_are_allowed(address: str) -> None:
    assert is_allowed(address, private=False)


FORBIDDEN = [
    *("127.0.0.1", "127.255.255.254", "0.0.0.0", "10.0.0.1", "172.16.0.1", "172.31.255.255", "192.168.1.1"),
    *("169.254.169.254", "100.64.0.1", "192.0.0.1", "192.0.2.1", "198.18.0.1", "198.51.100.1", "203.0.113.1"),
    *("192.88.99.1", "224.0.0.1", "239.255.255.255", "240.0.0.1", "255.255.255.255"),
    *("::", "::1", "fe80::1", "fe80::1%1", "fec0::1", "fc00::1", "fd00:ec2::254", "ff02::1", "100::1"),
    *("::ffff:127.0.0.1", "::ffff:8.8.8.8", "::127.0.0.1", "::ffff:0:127.0.0.1"),
    *("64:ff9b::7f00:1", "64:ff9b::808:808", "64:ff9b:1::1", "2002:7f00:1::", "2002:808:808::1"),
    *("2001::1", "2001:0:7f00:1::", "2001:db8::1", "3fff::1", "5f00::1", "not an address", ""),
]


@pytest.mark.parametrize("address", FORBIDDEN)
def test_every_other_address_is_not(address: str) -> None:
    assert not is_allowed(address, private=False)


@pytest.mark.parametrize("address", ["127.0.0.1", "10.1.2.3", "172.20.0.1", "192.168.0.7", "::1", "fd12::1", "8.8.8.8"])
def test_the_setting_opens_the_intranet(address: str) -> None:
    assert is_allowed(address, private=True)


@pytest.mark.parametrize(
    "address",
    ["169.254.169.254", "fd00:ec2::254", "0.0.0.0", "fe80::1", "224.0.0.1", "::ffff:127.0.0.1", "64:ff9b::a00:1"],
)
def test_the_setting_does_not_open_what_no_receiver_has(address: str) -> None:
    assert not is_allowed(address, private=True)


EVIL = [
    # Loopback and its disguises: decimal, octal, hexadecimal, short, other digits, IPv6, trailing dot.
    *("https://127.0.0.1/", "https://2130706433/", "https://017700000001/", "https://0x7f000001/", "https://0x7f.1/"),
    *("https://0177.0.0.1/", "https://127.1/", "https://127.0.0.1./", "https://localhost/", "https://localhost./"),
    *("https://①②⑦.⓪.⓪.①/", "https://LOCALHOST:8443/", "https://0/", "https://0.0.0.0/", "https://[::]/"),
    *("https://[::1]/", "https://[::ffff:127.0.0.1]/", "https://[::ffff:7f00:1]/", "https://[0:0:0:0:0:ffff:7f00:1]/"),
    *("https://[64:ff9b::127.0.0.1]/", "https://[2002:7f00:1::]/", "https://[fe80::1%25lo]/", "https://[::127.0.0.1]/"),
    # The clouds' metadata and the private ranges.
    *("https://169.254.169.254/latest/meta-data/", "https://2852039166/", "https://[::ffff:a9fe:a9fe]/"),
    *("https://10.0.0.1/", "https://192.168.0.1:8443/", "https://172.16.0.1/", "https://100.64.0.1/"),
    # What is no https URL of a host.
    *(
        "http://93.184.216.34/",
        "ftp://93.184.216.34/",
        "file:///etc/passwd",
        "gopher://93.184.216.34/",
        "//93.184.216.34/",
    ),
    *("javascript:alert(1)", "https://", "https:///path", "93.184.216.34", "", " ", "https://93.184.216.34:0/"),
    *("https://93.184.216.34:99999/", "https://[::1", "https://" + "a" * 300 + ".example/", "https://h/" + "a" * 2000),
    # Somebody else's name in front of the host.
    *("https://user:password@93.184.216.34/", "https://user@93.184.216.34/", "https://93.184.216.34@127.0.0.1/"),
    *("https://93.184.216.34\\@127.0.0.1/", "https://127.0.0.1#@93.184.216.34/"),
    *("https://127.0.0.1\t/", "https://exa mple.com/", "https://a\x00b/"),
]


@pytest.mark.parametrize("url", EVIL)
def test_urls_that_lead_astray_are_refused(url: str) -> None:
    with pytest.raises(RefusedError) as refused:
        check_target(url, settings())
    assert (refused.value.status_code, refused.value.kind) == (422, "webhook-refused")


def test_a_public_url_is_accepted() -> None:
    check_target("https://93.184.216.34:8443/hook?for=VIN-1", settings())


def test_a_name_is_refused_if_any_of_its_addresses_is_private(monkeypatch: pytest.MonkeyPatch) -> None:
    resolve_to(monkeypatch, "93.184.216.34", "2606:2800:220:1::1")
    check_target("https://example.com/hook", settings())
    resolve_to(monkeypatch, "93.184.216.34", "10.0.0.7")
    with pytest.raises(RefusedError) as refused:
        check_target("https://example.com/hook", settings())
    assert "10.0.0.7" not in str(refused.value.detail)  # the inside of the network is nobody's business


def test_without_a_secret_webhooks_are_refused_and_the_operator_is_told_why() -> None:
    with pytest.raises(RefusedError, match="DENTWATCH_SERVING__WEBHOOK_SECRET"):
        check_target("https://93.184.216.34/", settings(webhook_secret=""))


def test_the_setting_allows_http_to_a_receiver_next_door() -> None:
    with receiving() as receiver:
        check_target(receiver.url, settings(webhook_private_targets=True))
    with pytest.raises(RefusedError):
        check_target("http://169.254.169.254/latest/meta-data/", settings(webhook_private_targets=True))


@pytest.mark.parametrize(
    "secret", ["whsec_not-base64!", "whsec_c2hvcnQ=", f"{SECRET} whsec_c2hvcnQ=", "whsec_" + "A" * 96]
)
def test_a_secret_that_cannot_sign_is_refused_without_being_shown(
    secret: str, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DENTWATCH_SERVING__WEBHOOK_SECRET", secret)
    with pytest.raises(SettingsError, match="DENTWATCH_SERVING__WEBHOOK_SECRET") as refused:
        load()
    assert secret not in str(refused.value)
