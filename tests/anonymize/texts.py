"""Texts with and without something personal in them, for the tests and the report of the scrubber.

Every value here is made up: numbers have right check digits and belong to nobody.
"""

from __future__ import annotations

import base64
import json
import random
import string
import uuid
from collections.abc import Callable, Iterator
from ipaddress import IPv4Address, IPv6Address
from urllib.parse import quote

_BASE62 = string.ascii_letters + string.digits


def _number(chance: random.Random, size: int) -> str:
    return "".join(chance.choices(string.digits, k=size))


def _email(chance: random.Random) -> str:
    first, last = chance.choice(("jan", "an-sofie", "søren", "o'neill", "x")), _number(chance, 2)
    host = chance.choice(
        ("example.com", "mail.example.co.uk", "müller.example", "xn--p1ai.xn--p1ai")
    )
    return f"{first}{chance.choice('._+-')}{last}@{host}"


def _phone_international(chance: random.Random) -> str:
    form = chance.choice(
        (
            "+32 4## ## ## ##", "+324########", "0032 4## ## ## ##", "+32 (0)2 ### ## ##",
            "+45 ## ## ## ##", "+45########", "+31 6 ########", "+31-20-#######", "+33 6 ########",
            "+33.6.##.##.##.##", "+49 151 ########", "+49 (0) 30 #######", "+49-30-#######",
            "+44 7### ######", "+1 212-555-01##", "+1 (415) 555-2###", "+32 4##/##.##.##",
        )
    )  # fmt: skip
    return _fill(chance, form)


def _phone_national(chance: random.Random) -> str:
    form = chance.choice(
        (
            "04## ## ## ##", "04##/##.##.##", "04##/## ## ##", "04########", "04## ### ###",
            "02 ### ## ##", "02/###.##.##", "051 ## ## ##", "02#######",  # Belgium
            "2# ## ## ##", "tel:4#######", "5# ## ## ##",  # Denmark
            "06-########", "06 ## ## ## ##", "020-#######", "0113-######", "06########",  # NL
            "06 ## ## ## ##", "01.##.##.##.##", "07-##-##-##-##", "01########",  # France
            "030 ########", "0151 ########", "030/########", "(030) #######", "0151-########",
            "089 / #######",  # Germany
        )
    )  # fmt: skip
    return _fill(chance, form)


def _fill(chance: random.Random, form: str) -> str:
    return "".join(chance.choice(string.digits) if c == "#" else c for c in form)


def _iban(chance: random.Random) -> str:
    country, size = chance.choice((("BE", 12), ("NL", 14), ("FR", 23), ("DE", 18), ("DK", 14)))
    account = "".join(chance.choices(string.digits, k=size))
    if country == "NL":
        account = "ABNA" + account[4:]
    number = int("".join(str(int(c, 36)) for c in account + country) + "00")
    iban = f"{country}{98 - number % 97:02}{account}"
    fours = " ".join(iban[at : at + 4] for at in range(0, len(iban), 4))
    return chance.choice((iban, iban.lower(), fours, fours.replace(" ", "-")))


def _with_luhn(digits: str) -> str:
    doubled = [int(c) * (2 - at % 2) for at, c in enumerate(reversed(digits))]
    return digits + str(-sum(d // 10 + d % 10 for d in doubled) % 10)


def _card(chance: random.Random) -> str:
    if chance.random() < 0.2:
        card = _with_luhn("37" + _number(chance, 12))
        return chance.choice((card, f"{card[:4]} {card[4:10]} {card[10:]}"))
    card = _with_luhn(chance.choice("2456") + _number(chance, 14))
    separator = chance.choice(("", " ", "-"))
    return separator.join(card[at : at + 4] for at in range(0, 16, 4))


def _jwt(chance: random.Random) -> str:
    def part(content: bytes) -> str:
        return base64.urlsafe_b64encode(content).decode().rstrip("=")

    head = part(json.dumps({"alg": chance.choice(("HS256", "RS256")), "typ": "JWT"}).encode())
    body = part(json.dumps({"sub": _number(chance, 8), "name": "Jan"}).encode())
    return f"{head}.{body}.{part(chance.randbytes(32))}"


def _token(chance: random.Random) -> str:
    return chance.choice(
        (
            chance.randbytes(chance.choice((10, 16, 20, 32))).hex(),
            "".join(chance.choices(_BASE62, k=chance.choice((22, 24, 32, 43)))),
            base64.urlsafe_b64encode(chance.randbytes(chance.choice((18, 24, 32)))).decode(),
            "".join(chance.choices("0123456789ABCDEFGHJKMNPQRSTVWXYZ", k=26)),
            "".join(chance.choices(string.ascii_lowercase + string.digits, k=26)),
            "ghp_" + "".join(chance.choices(_BASE62, k=36)),
            "sk_live_" + "".join(chance.choices(_BASE62, k=24)),
            "AKIA" + "".join(chance.choices(string.ascii_uppercase + "234567", k=16)),
        )
    )


def _uuid(chance: random.Random) -> str:
    made = str(uuid.UUID(int=chance.getrandbits(128), version=4))
    return chance.choice((made, made.upper()))  # as IDFA and GAID have it


def _belgian(chance: random.Random) -> str:
    year, month, day = chance.randrange(100), chance.randrange(1, 13), chance.randrange(1, 29)
    first = f"{year:02}{month:02}{day:02}{chance.randrange(1, 998):03}"
    check = 97 - int(chance.choice(("", "2")) + first) % 97
    n = f"{first}{check:02}"
    return chance.choice(
        (n, f"{n[:2]}.{n[2:4]}.{n[4:6]}-{n[6:9]}.{n[9:]}", f"{n[:6]}-{n[6:9]}-{n[9:]}")
    )


def _danish(chance: random.Random) -> str:
    """With the check digit."""
    while True:
        day, month = chance.randrange(1, 29), chance.randrange(1, 13)
        n = f"{day:02}{month:02}{_number(chance, 6)}"
        if (
            sum(int(c) * w for c, w in zip(n, (4, 3, 2, 7, 6, 5, 4, 3, 2, 1), strict=True)) % 11
            == 0
        ):
            return chance.choice((n, f"{n[:6]}-{n[6:]}"))


def _coordinates(chance: random.Random) -> str:
    lat, lon = chance.uniform(-89, 89), chance.uniform(-179, 179)
    size = chance.choice((4, 6, 7))
    form = chance.choice(("{},{}", "{}, {}", "@{},{},15z", "geo:{},{}", "{};{}", "{} {}"))
    return str(form.format(f"{lat:.{size}f}", f"{lon:.{size}f}"))


def _ipv4(chance: random.Random) -> str:
    while True:
        address = IPv4Address(chance.randrange(0x01000000, 0xE0000000))
        if address.is_global:
            return str(address)


def _ipv6(chance: random.Random) -> str:
    address = IPv6Address((0x2A02 << 112) | chance.getrandbits(108))
    short = IPv6Address((0x2A02A03F << 96) | chance.getrandbits(64))
    return chance.choice((str(address), address.exploded, str(short), str(short).upper()))


def _mac(chance: random.Random) -> str:
    pairs = [f"{byte:02x}" for byte in b"\x3c" + chance.randbytes(4) + b"\xa4"]
    return chance.choice((":", "-")).join(pairs)


def _imei(chance: random.Random) -> str:
    n = _with_luhn("35" + _number(chance, 12))
    return chance.choice((n, f"{n[:2]}-{n[2:8]}-{n[8:14]}-{n[14]}"))


PERSONAL: dict[str, Callable[[random.Random], str]] = {
    "e-mail address": _email,
    "phone, international": _phone_international,
    "phone, national": _phone_national,
    "IBAN": _iban,
    "card": _card,
    "JWT": _jwt,
    "other token": _token,
    "UUID, IDFA, GAID": _uuid,
    "Belgian national number": _belgian,
    "Danish CPR": _danish,
    "coordinates": _coordinates,
    "IPv4 address": _ipv4,
    "IPv6 address": _ipv6,
    "MAC address": _mac,
    "IMEI": _imei,
}

MARKS = {
    "e-mail address": "{email}",
    "phone, international": "{phone}",
    "phone, national": "{phone}",
    "IBAN": "{iban}",
    "card": "{card}",
    "JWT": "{token}",
    "other token": "{token}",
    "UUID, IDFA, GAID": "{uuid}",
    "Belgian national number": "{national-number}",
    "Danish CPR": "{national-number}",
    "coordinates": "{coordinates}",
    "IPv4 address": "{address}",
    "IPv6 address": "{address}",
    "MAC address": "{address}",
    "IMEI": "{number}",
}


def plain(text: str) -> str:
    return text


def percent(text: str) -> str:
    return quote(text, safe="")


def every(text: str) -> str:
    """Every character escaped, in lower case."""
    return "".join(f"%{byte:02x}" for byte in text.encode())


def twice(text: str) -> str:
    return quote(percent(text), safe="")


ENCODINGS: tuple[Callable[[str], str], ...] = (plain, percent, every, twice)

# What may stand around: `{}` is the value.
AROUND = ("{}", "/users/{}/edit", "signed up: {}", "{} and more", "id={}", "({})", "«{}»")


def personal(kind: str, number: int) -> Iterator[str]:
    """That many values of one kind, always the same ones."""
    chance = random.Random(kind)
    return (PERSONAL[kind](chance) for _ in range(number))


# What must stay as it is, by why somebody could take it for something else.
HARMLESS = """
screenshot_2024_05_17_10_30_00
photo_2023_08_0123
backup_01_02_2024_12
res_1920_1080_60
logo@3x.webp
2024‑05‑17
2024年5月17日
5000–7500 m²
12 − 3 = 9
٢٠٢٤-٠٥-١٧
pageview
Outbound Link: Click
Sign Up
404
/
/blog/2024/05/17/hello-world
/2024/05/17/10/05/
/archive/2019/12/
/blog/2026-11-22-release-notes
/tag/c++
std::vector<int>::iterator
Foo::Bar::baz
A::B
a::b
::
::1
Add::Face
File::Spec->catfile
/cpp/std::chrono::system_clock::now
10.15.7
1.2.3
1.2.3.4
10.0.0.1
3.5.1.12
24.8.0.3
7.6.4.1
v12.10.2.100
18.5
17.4.1
1.0.0-beta.2+build.345
2.0.0-rc.1
119.0.6045.105
140.0.7339.207
version-2.20101014.3063
Windows 10
Windows NT 10.0; Win64; x64
macOS 14.5 (23F79)
Ubuntu 22.04.4 LTS
iPhone15,2
iPad13,16
SM-G991B
SM-A536B/DS
Pixel 8 Pro
moto g(60)s
RMX3085
2201116SG
M2101K6G
CPH2423
Redmi Note 11 Pro+ 5G
KFTRWI
AB-1234
ABC-123-DEF-456
ABC-123-DEF-456-GHI-789
SKU-AB12-CD34-EF56-GH78
SKU 4711
B08N5WRWNW
MK2L3ZD/A
10-1234-56
LEGO 75192
ISBN 978-0-306-40615-7
9780306406157
/books/9780306406157/reviews
EN ISO 9001:2015
RFC 7519
IEC 60601-1-2
DIN 912 M8x30
5900X vs 12900K
RTX 4090
i7-13700K
DDR5-6000
USB 3.2 Gen 2x2
€ 1.299,00
1 299,00 EUR
$1,299.99
1234567.89
12.500, 14.250
19.99
-12.5 %
+12.5 %
+100 000
+100 000 000
1 000 000
100.000.000
2 500 000 visitors
12345678
/order/12345678
/item/1234567
order 10023
#48151
2024-05-17
17.05.2024
17/05/2024
05/17/2024 10:05
01.02.2024 10:05
05-17-2024
17-05-2024 10:05:03
2024-05-17T10:05:03Z
2024-05-17T10:05:03.123Z
2024-05-17T10:05:03.123456+02:00
2024-05-17 10:05:03
2024-05-17-10-05-03
20240517
20240517T100503Z
20240517103000
202405171030
2024051701
IMG_20240517_103000
PXL_20240517103000
2024-W20
2023 2024
2023/2024
2019-2024
1999 2000 2001 2002
10:05
10:05:03
10:05–11:30
00:12:34.567
16:9
1920x1080
2560×1440
390x844
3840 x 2160 px
logo@2x.png
icon@3x.webp
@username
/@alice
/@scope/package@1.2.3
pkg:npm/%40scope/package@1.2.3
5 @ € 3.50
100%
50%40
100%25
%E2%82%AC 100
/caf%C3%A9/cr%C3%A8me-br%C3%BBl%C3%A9e
/%E6%9D%B1%E4%BA%AC%E9%83%BD/%E6%B8%8B%E8%B0%B7%E5%8C%BA
/produkt/gr%C3%B6%C3%9Fe%2042
Bruxelles–Paris en 1 h 22
東京都渋谷区
10-best-ways-to-cook-pasta-in-2024
/top-100-songs-of-2023-and-2024
installing-windows-8-consumer-preview.html
xsendevent-xdotool-and-ld_preload.html
covid-19-h1n1-and-sars-cov-2-compared
iphone-15-pro-max-vs-samsung-galaxy-s24-ultra
windows10installationguide2024
HowToUsePython3WithDocker
HowToUseTheJavaScriptFetchApi
AbstractSingletonProxyFactoryBean
donaudampfschifffahrtsgesellschaft
feedback_form_v2_step_3_of_5
2024-05-17-a-b-test-v2-results
summer_sale_2024_be_nl_retargeting_v3
spring-sale-20-25-30-percent-off
FB_2024Q3_BE_NL_Prospecting_Video15s
newsletter-2024-11-22
utm-test-01-02-03
google_cpc_brand_exact_be
1-2-3-4-5
10-20-30-40
10-20-30-40-50-60
01-02-2024-05-06
3-5-8-13-21-34-55
a1b2
h264-1080p-60fps
main.3f2a1b.js
app.9f86d081.css
jquery-3.7.1.min.js
chunk-2d0c4a.js
bootstrap@5.3.3
/v1/projects/42/items/1001
/api/v2/users/12345/orders/67890
/products/123-blue-shirt-size-42
/nl/p/fiets-28-inch-7-versnellingen/9200000
/vacature/12345/senior-developer-m-v-x
/wedstrijd/2-1-0-3
/zip/1000-brussel
B-1000 Brussel
1012 AB Amsterdam
75008 Paris
10115 Berlin
2100 København Ø
Rue de la Loi 16
Lot 12/34
1/2 3/4
3.14159265
2.71828182
0.000001
6.022e23
1e-9
50.85, 4.35
12.5,13.5,14.5
5°C
45° angle
Chapter 11: pp. 123–145
doi:10.1000/182
10.1000/xyz123
arXiv:2401.12345
CVE-2024-12345
KB5034441
PEP 8
BE 0123
BE68
NL-20
A4 210 x 297 mm
E-40
N1 2024
007
000
00 12
{email}
{phone} and {uuid}
Firefox 140
Chrome/140.0.0.0
Mozilla/5.0
okhttp/4.12.0
analytics-kotlin/1.16.3
com.example.app
example.co.uk
www.example.com
xn--bcher-kva.example
shop-24.example
3cx.example
""".strip().splitlines()
