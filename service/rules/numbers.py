"""Numbers: which rows of digits are a phone, a card, an account or a person's id; by their checks.

Sources: ITU-T E.164 and the numbering plans in Google's libphonenumber (`phonenumbers`); ISO/IEC
7812 (Luhn, ranges of card issuers); ISO 13616 and SWIFT's IBAN registry (mod 97, lengths). Of
national ids: Egypt, 14 digits with century, birth date and governorate of birth (Civil Status Law
143 of 1994; the codes as in en.wikipedia.org/wiki/Egyptian_National_Identity_Card); Saudi Arabia,
10 digits from 1 or 2 on with a Luhn check (github.com/alhazmy13/Saudi-ID-Validator); the
Emirates, 784, a year and a Luhn check (Microsoft Purview, "U.A.E. identity card number"; Emirates
Identity Authority, WAM 17 January 2016); Kuwait, 12 digits with century, birth date and a check
modulo 11 (the weights as in math.stackexchange.com/questions/672303); Palestine, 9 digits with a
Luhn check, as Israel's registry has it (python-stdnum, `il.idnr`).
"""

from __future__ import annotations

import re
from datetime import date

import phonenumbers
from phonenumbers import PhoneMetadata, PhoneNumberDesc, PhoneNumberType

#: The countries of the region: the Arab League's, Iran and Turkey.
REGIONS = (
    "SA", "AE", "EG", "KW", "QA", "BH", "OM", "YE", "IQ", "JO", "SY", "LB", "PS", "DZ", "MA", "TN",
    "LY", "SD", "MR", "SO", "DJ", "KM", "IR", "TR",
)  # fmt: skip
#: Of people; not the numbers of services, free or charged for.
_PERSONAL = {
    PhoneNumberType.FIXED_LINE,
    PhoneNumberType.MOBILE,
    PhoneNumberType.FIXED_LINE_OR_MOBILE,
    PhoneNumberType.PERSONAL_NUMBER,
    PhoneNumberType.VOIP,
}
MOST_DIGITS = 19  # of a card; no number of a person is longer
FEWEST_DIGITS = 7  # of a phone number abroad; shorter ones are of services


def _pattern(numbers: PhoneNumberDesc | None) -> str:
    return (numbers and numbers.national_number_pattern) or "(?!)"  # which nothing matches


# The numbering plans of the region, each form of all countries in one pattern.
_PLANS = [plan for region in REGIONS if (plan := PhoneMetadata.metadata_for_region(region))]
_MOBILES = {plan.country_code: _pattern(plan.mobile) for plan in _PLANS}
_WITH_CODE = "|".join(f"{code}(?:{mobiles})" for code, mobiles in _MOBILES.items())
_AT_HOME = "|".join(
    f"0(?:{_pattern(plan.mobile)}|{_pattern(plan.fixed_line)})"
    for plan in _PLANS
    if plan.national_prefix == "0"
)
_MOBILE_FORM = re.compile("|".join(_MOBILES.values()))
_FORM_WITH_CODE = re.compile(_WITH_CODE)
_FORM_AT_HOME = re.compile(_AT_HOME)

# In the order of SWIFT's registry; Algeria, Iran and Morocco use the form without being in it.
_IBAN_LENGTHS = {
    text[:2]: int(text[2:])
    for text in [
        "ad24",
        "ae23",
        "al28",
        "at20",
        "az28",
        "ba20",
        "be16",
        "bg22",
        "bh22",
        "bi27",
        "br29",
        "by28",
        "ch21",
        "cr22",
        "cy28",
        "cz24",
        "de22",
        "dj27",
        "dk18",
        "do28",
        "dz26",
        "ee20",
        "eg29",
        "es24",
        "fi18",
        "fk18",
        "fo18",
        "fr27",
        "gb22",
        "ge22",
        "gi23",
        "gl18",
        "gr27",
        "gt28",
        "hn28",
        "hr21",
        "hu28",
        "ie22",
        "il23",
        "iq23",
        "ir26",
        "is26",
        "it27",
        "jo30",
        "kw30",
        "kz20",
        "lb28",
        "lc32",
        "li21",
        "lt20",
        "lu20",
        "lv21",
        "ly25",
        "ma28",
        "mc27",
        "md24",
        "me22",
        "mk19",
        "mn20",
        "mr27",
        "mt31",
        "mu30",
        "ni28",
        "nl18",
        "no15",
        "om23",
        "pk24",
        "pl28",
        "ps29",
        "pt25",
        "qa29",
        "ro24",
        "rs22",
        "ru33",
        "sa24",
        "sc31",
        "sd18",
        "se24",
        "si19",
        "sk24",
        "sm27",
        "so23",
        "st25",
        "sv28",
        "tl23",
        "tn24",
        "tr26",
        "ua29",
        "va22",
        "vg24",
        "xk20",
        "ye30",
    ]
}

# Visa, Mastercard, American Express, Discover and UnionPay, Meeza, mada.
_ISSUED = re.compile(
    r"4(?:[0-9]{12}|[0-9]{15}|[0-9]{18})|5[0-9]{15}|2(?:2[2-9]|[3-6][0-9]|7[01])[0-9]{13}"
    r"|3[47][0-9]{13}|6[0-9]{15}|9682[0-9]{12}"
)
_EGYPTIAN_GOVERNORATES = {
    *range(1, 5), *range(11, 20), *range(21, 30), *range(31, 36), 88,
}  # fmt: skip
_KUWAITI_WEIGHTS = (2, 1, 6, 3, 7, 9, 10, 5, 8, 4, 2)
_CENTURIES = {"2": 1900, "3": 2000}  # in the first digit, as Egypt and Kuwait write it


# Phone numbers


def is_phone_abroad(digits: str) -> bool:
    """Whether digits behind a plus, or behind two zeros, are somebody's phone number anywhere.

    >>> is_phone_abroad("966512345678"), is_phone_abroad("966112")
    (True, False)
    """
    try:
        number = phonenumbers.parse(f"+{digits}")
    except phonenumbers.NumberParseException:
        return False
    return phonenumbers.number_type(number) in _PERSONAL  # UNKNOWN where it is not valid


def is_phone_with_code(digits: str) -> bool:
    """Whether digits are a mobile number of the region behind its country code, without a plus.

    >>> is_phone_with_code("201001234567"), is_phone_with_code("201912345678")
    (True, False)
    """
    return bool(_FORM_WITH_CODE.fullmatch(digits))


def is_phone_at_home(digits: str) -> bool:
    """Whether digits from a zero on are a phone number in a country of the region.

    >>> is_phone_at_home("01001234567"), is_phone_at_home("0512345678"), is_phone_at_home("007")
    (True, True, False)
    """
    return bool(_FORM_AT_HOME.fullmatch(digits))


def is_mobile(digits: str) -> bool:
    """Whether digits are a mobile number of the region without anything before it.

    >>> is_mobile("55512345"), is_mobile("12345678")
    (True, False)
    """
    return bool(_MOBILE_FORM.fullmatch(digits))


# Cards and accounts


def is_card(digits: str) -> bool:
    """Whether digits are the number of a payment card.

    >>> is_card("4111111111111111"), is_card("4111111111111112")
    (True, False)
    """
    return bool(_ISSUED.fullmatch(digits)) and _has_luhn_digit(digits)


def iban_length(country: str) -> int:
    """Length of the IBANs of a country, of which the code is in small letters; 0 if it has none."""
    return _IBAN_LENGTHS.get(country, 0)


def is_iban(letters: str) -> bool:
    """Whether small letters and digits are an IBAN.

    >>> is_iban("sa0380000000608010167519"), is_iban("sa0380000000608010167518")
    (True, False)
    """
    if len(letters) != iban_length(letters[:2]):
        return False
    moved = letters[4:] + letters[:4]
    return int("".join(str(int(letter, 36)) for letter in moved)) % 97 == 1


# National ids


def is_national_id(digits: str) -> bool:
    """Whether digits are an id of a country of which birth date and check say so by themselves.

    >>> is_national_id("29001011234567"), is_national_id("29013011234567")
    (True, False)
    """
    match len(digits):
        case 14:
            return _is_egyptian(digits)
        case 15:
            return digits.startswith(("78419", "78420")) and _has_luhn_digit(digits)
        case 12:
            return _is_kuwaiti(digits)
    return False


def may_be_national_id(digits: str) -> bool:
    """Whether digits are an id, if a word beside them says that they are one.

    >>> may_be_national_id("1234567897"), may_be_national_id("1234567890")
    (True, False)
    """
    saudi = len(digits) == 10 and digits[0] in "12"
    palestinian = len(digits) == 9
    return (saudi or palestinian) and _has_luhn_digit(digits)


def _is_egyptian(digits: str) -> bool:
    return _has_birth_date(digits) and int(digits[7:9]) in _EGYPTIAN_GOVERNORATES


def _is_kuwaiti(digits: str) -> bool:
    total = sum(
        weight * int(digit) for weight, digit in zip(_KUWAITI_WEIGHTS, digits, strict=False)
    )
    return _has_birth_date(digits) and 11 - total % 11 == int(digits[11])


def _has_birth_date(digits: str) -> bool:
    century = _CENTURIES.get(digits[0])
    if century is None:
        return False
    try:
        date(century + int(digits[1:3]), int(digits[3:5]), int(digits[5:7]))
    except ValueError:
        return False
    return True


def _has_luhn_digit(digits: str) -> bool:
    total = 0
    for place, digit in enumerate(reversed(digits)):
        value = int(digit) * (2 if place % 2 else 1)
        total += value - 9 if value > 9 else value
    return total % 10 == 0 and digits.strip("0") != ""
