"""Site: one tenant of the service and its settings.

The options of `hakam sites`, the form of the console and the table in docs/settings.md are made
from this model by way of `SETTINGS`, so a new setting is one field here.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, replace
from dataclasses import field as dataclass_field
from typing import Annotated, Any, Literal

from pydantic import ConfigDict, Field, ValidationError, model_validator
from pydantic.dataclasses import dataclass
from pydantic_core import ErrorDetails

from models.registry import VERSION
from models.schema import LABELS
from service.errors import FieldError, InvalidRequest, SiteUnreadable
from service.rules.findings import Rule
from service.rules.links import HOST_FORM, MAX_HOST_LENGTH, MAX_HOSTS
from service.rules.notices import QUIET_HOURS_FORM
from service.rules.phrases import N_
from service.rules.policy import RANDOM_SAMPLE_SHARE, PenNames
from service.rules.priority import MAX_TIME_TARGET_SECONDS
from service.rules.word_lists import MAX_WORD_LENGTH, MAX_WORDS
from service.sites.connections import SECRET_FORM, new_webhook_secret
from service.sites.levers import Lever, State
from service.sites.notice_addresses import ADDRESS_FORM as NOTICE_ADDRESS_FORM
from service.sites.notice_addresses import EXPECTED as NOTICE_ADDRESSES_EXPECTED
from service.sites.settings import described, settings_of

ID_PATTERN = "[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?"  # as in a label of a domain name

_BESIDE = {"levers", "is_closed", "revision", "authors_held_until"}
_NO_NUL = r"^[^\x00]*$"
_Label = Annotated[str, Field(pattern=f"^({'|'.join(LABELS)})$")]
_Share = Annotated[float, Field(ge=0, le=1)]
_Thresholds = Mapping[_Label, _Share]
_Weights = Mapping[_Label, Annotated[float, Field(ge=0, le=100)]]
_Address = Annotated[str, Field(max_length=2_000, pattern=r"^(?i:https?://[^\x00]+)?$")]
_Secret = Annotated[str, Field(max_length=500, pattern=_NO_NUL)]
_Word = Annotated[str, Field(max_length=MAX_WORD_LENGTH, pattern=_NO_NUL)]
_Host = Annotated[str, Field(max_length=MAX_HOST_LENGTH, pattern=HOST_FORM)]
_Hosts = Annotated[tuple[_Host, ...], Field(max_length=MAX_HOSTS, strict=False)]
_Words = Annotated[tuple[_Word, ...], Field(max_length=MAX_WORDS, strict=False)]


@dataclass(
    frozen=True, slots=True, config=ConfigDict(strict=True, allow_inf_nan=False, extra="forbid")
)
class Site:
    """One site and its settings, in the order that people see; InvalidRequest names bad ones."""

    id: Annotated[str, Field(pattern=f"^{ID_PATTERN}$", max_length=63)]
    name: Annotated[str, Field(max_length=200, pattern=_NO_NUL)] = described(
        N_("Name of the site, for people"), ""
    )
    review: _Thresholds = described(
        N_(
            "From this score on a comment waits for a person. Where nothing is said, the model's "
            "own threshold holds; 1 is never."
        ),
        {},
    )
    reject: _Thresholds = described(
        N_(
            "From this score on a comment is rejected and nobody looks. Where nothing is said, "
            "none is."
        ),
        {},
    )
    unsupported_language: Literal["approve", "review"] = described(
        N_("What becomes of a comment of which no letter is Arabic or Latin"), "review"
    )
    block_words: _Words = described(N_("Words that always put a comment before a person"), ())
    allow_words: _Words = described(N_("Words that count for nothing"), ())
    personal_data: Rule = described(
        N_("What becomes of a comment with a phone number, an address, an account or an id"),
        "review",
    )
    links: Rule = described(N_("What becomes of a comment with a link"), "ignore")
    allow_hosts: _Hosts = described(
        N_("Hosts to which links may lead, with all under them"), (), kind="hosts"
    )
    latin_script: Rule = described(N_("What becomes of a comment in Latin letters"), "ignore")
    pen_names: PenNames = described(
        N_("What becomes of a comment for its pen name, which is judged like its text"), "review"
    )
    review_first_comments: Annotated[int, Field(ge=0, le=20)] = described(
        N_("So many comments of a new author wait for a person"), 0
    )
    review_after_rejections: Annotated[int, Field(ge=0, le=20)] = described(
        N_(
            "After so many rejections in thirty days all comments of an author wait for a person; "
            "0 is never"
        ),
        0,
    )
    repeat_review: Annotated[int, Field(ge=0, le=10_000)] = described(
        N_("From so many copies of a text within a day on, each waits for a person; 0 is never"), 0
    )
    repeat_reject: Annotated[int, Field(ge=0, le=10_000)] = described(
        N_("From so many copies of a text within a day on, each is rejected; 0 is never"), 0
    )
    author_per_hour: Annotated[int, Field(ge=0, le=10_000)] = described(
        N_("What an author sends beyond so many comments an hour waits for a person; 0 is never"),
        0,
    )
    raid_factor: Annotated[int, Field(ge=0, le=1_000)] = described(
        N_(
            "An article that gets so many times the usual number of comments is shown as flooded; "
            "0 is never"
        ),
        5,
    )
    trust_after: Annotated[int, Field(ge=0, le=1_000)] = described(
        N_(
            "After so many approvals without a rejection an author is trusted: flagged comments "
            "pass unless the machine is sure; 0 is never"
        ),
        0,
    )
    trusted_sample_share: _Share = described(
        N_("Share of the flagged comments of trusted authors that a person sees all the same"),
        0.1,
        unit="share",
    )
    warn_after: Annotated[int, Field(ge=0, le=20)] = described(
        N_(
            "After so many rejections in thirty days the site is told to warn the author; "
            "0 is never"
        ),
        0,
    )
    hold_after: Annotated[int, Field(ge=0, le=20)] = described(
        N_(
            "After so many rejections in thirty days all comments of an author wait for a person "
            "for a while, and the site is told; 0 is never"
        ),
        0,
    )
    hold_hours: Annotated[int, Field(ge=1, le=8_760)] = described(
        N_("Hours for which the comments of such an author wait for a person"), 24
    )
    label_weights: _Weights = described(
        N_("How much a label counts for the urgency of a comment; 1 where nothing is said"), {}
    )
    time_target_seconds: Annotated[int, Field(ge=1, le=MAX_TIME_TARGET_SECONDS)] = described(
        N_("Time within which a flagged comment should be decided"), 3600, unit="seconds"
    )
    retention_days: Annotated[int, Field(ge=1, le=36_500)] = described(
        N_("Days for which the texts of decided comments are kept"), 90
    )
    random_sample_share: _Share = described(
        N_("Share of unflagged comments that a person sees all the same"),
        RANDOM_SAMPLE_SHARE,
        unit="share",
    )
    uncertain_per_day: Annotated[int, Field(ge=0, le=1_000)] = described(
        N_("So many comments a day wait for a person because the model hesitates most about them"),
        0,
    )
    drift_alarm: Annotated[float, Field(ge=0, le=10)] = described(
        N_(
            "From this stability index on the scores, languages, dialects or words of a week count "
            "as moved; 0 is never"
        ),
        0.25,
    )
    second_opinion_share: _Share = described(
        N_("Share of comments that two people judge without knowing of each other"),
        0.0,
        unit="share",
    )
    known_answer_share: _Share = described(
        N_("Share of comments with a known answer, mixed in to compare moderators"),
        0.0,
        unit="share",
    )
    shadow: Annotated[str, Field(max_length=32, pattern=f"^({VERSION})?$")] = described(
        N_("Version of the model that is on trial; where none is named, that of the installation"),
        "",
        kind="version",
    )
    shadow_share: _Share = described(
        N_("Share of comments that the model on trial judges as well, without effect"),
        0.1,
        unit="share",
    )
    webhook_url: _Address = described(N_("Address that is told every decision"), "", kind="address")
    webhook_secret: _Secret = described(
        N_("Secret with which messages to the webhook are signed; a webhook without one gets one"),
        "",
        form=SECRET_FORM,
        secret=True,
    )
    webhook_old_secret: _Secret = described(
        N_("Secret with which they are signed as well, while the site changes over to a new one"),
        "",
        form=SECRET_FORM,
        secret=True,
    )
    webhook_private: bool = described(
        N_("The webhook, Coral and notices may lead into a private network, or to this machine"),
        False,
    )
    notice_addresses: Annotated[
        tuple[Annotated[str, Field(max_length=2_000, pattern=NOTICE_ADDRESS_FORM)], ...],
        Field(max_length=8, strict=False),
    ] = described(
        N_("Addresses at which moderators are told of a backlog, a flood or a failure"),
        (),
        form=NOTICE_ADDRESSES_EXPECTED,
        secret=True,
    )
    notice_language: Literal["ar", "en", "fr"] = described(N_("Language of these notices"), "ar")
    quiet_hours: Annotated[str, Field(max_length=11, pattern=QUIET_HOURS_FORM)] = described(
        N_("Hours in which no notice is sent, such as 22:00-07:00"),
        "",
        kind="hours",
    )
    time_zone: Annotated[str, Field(min_length=1, max_length=64, pattern=_NO_NUL)] = described(
        N_("Time zone of these hours, such as Asia/Riyadh"), "UTC", kind="zone"
    )
    requests_per_minute: Annotated[int, Field(ge=0, le=1_000_000)] = described(
        N_("Requests accepted in a minute; 0 is any number"), 0
    )
    reader_link_secret: Annotated[str, Field(max_length=500, pattern=r"^([\x21-\x7e]{32,})?$")] = (
        described(
            N_(
                "Secret with which the site signs the links by which readers report comments, and "
                "Hakam those by which authors object; without one there are none"
            ),
            "",
            form="at least 32 characters without blanks",
            secret=True,
        )
    )
    reader_link_old_secret: Annotated[
        str, Field(max_length=500, pattern=r"^([\x21-\x7e]{32,})?$")
    ] = described(
        N_("Secret whose links still hold, while the site changes over to a new one"),
        "",
        form="at least 32 characters without blanks",
        secret=True,
    )
    queue_analyzed: bool = described(
        N_("Flagged comments of the Perspective interface wait for a person too"), False
    )
    coral_secrets: Annotated[
        tuple[_Secret, ...], Field(max_length=16, strict=False)  # each is tried at every question
    ] = described(N_("Signing secrets of Coral that are active"), (), secret=True)
    coral_url: _Address = described(
        N_("Address of Coral's GraphQL, which ends in /api/graphql"), "", kind="address"
    )
    coral_token: Annotated[str, Field(max_length=4_096, pattern=_NO_NUL)] = described(
        N_("Access token of an administrator of Coral"), "", secret=True, repr=False
    )

    # No settings, and no part of what `to_json` writes: they lie beside it.
    levers: Mapping[str, Lever] = Field(default_factory=dict, repr=False)
    is_closed: bool = dataclass_field(default=False, repr=False, compare=False)  # to all its keys
    # The entry of the trail that made these settings; None where nobody knows which did.
    revision: str | None = dataclass_field(default=None, repr=False, compare=False)
    authors_held_until: float = Field(default=0.0, repr=False)  # the last of those held by hand

    @model_validator(mode="wrap")
    @classmethod
    def _named(cls, given: Any, validate: Any) -> Any:
        try:
            return validate(given)
        except ValidationError as wrong:
            details = wrong.errors(include_url=False, include_input=False)
            errors = dict.fromkeys(map(_field_error, details))
            raise InvalidRequest(list(errors)) from None

    @property
    def listens(self) -> bool:
        """Whether there is anybody who is to be told of decisions: a webhook, or Coral."""
        return self.has_webhook or self.has_coral

    @property
    def has_webhook(self) -> bool:
        """Whether decisions are told to a webhook, with a secret to sign them."""
        return bool(self.webhook_url and self.webhook_secret)

    @property
    def has_coral(self) -> bool:
        """Whether decisions are told to a Coral, and taken over from it."""
        return bool(self.coral_url and self.coral_token)

    def changed(self, settings: Mapping[str, Any]) -> Site:
        """Return the site with other settings; a webhook without a secret gets one."""
        site = replace(self, **settings)
        if site.webhook_url and not site.webhook_secret:
            site = replace(site, webhook_secret=new_webhook_secret())
        return site

    def with_new_webhook_secret(self) -> Site:
        """Return the site with a new secret; messages are signed with the present one as well."""
        return replace(
            self, webhook_secret=new_webhook_secret(), webhook_old_secret=self.webhook_secret
        )

    def article(self, article_id: str, now: float) -> State | None:
        """Return what people made of an article, if that holds now (Unix time)."""
        lever = self.levers.get(article_id)
        return lever.state if lever and lever.until > now else None

    def to_json(self) -> str:
        """Write the site and its settings as JSON."""
        stored = {name: value for name, value in asdict(self).items() if name not in _BESIDE}
        return json.dumps(stored, ensure_ascii=False)

    def check_shadow(self, versions: Sequence[str], before: str = "") -> None:
        """Raise InvalidRequest, with the versions, where that on trial is new and not kept."""
        if self.shadow not in ("", before, *versions):
            kept = f"one of {', '.join(versions)}" if versions else "none, as no version is kept"
            raise InvalidRequest.of("shadow", f"expected {kept}")

    @classmethod
    def from_json(cls, text: str) -> Site:
        """Read what `to_json` wrote; fields of a newer version are left out.

        Looser rules held once, and a site must not be lost for one setting. A number out of its
        bounds is the nearest within them; what else cannot be is as if it had not been given.
        """
        try:
            stored = json.loads(text)
            record = {
                name: SETTINGS[name].nearest(value)
                for name, value in stored.items()
                if name in SETTINGS
            }
            record["id"] = stored["id"]
            try:
                return cls(**record)
            except InvalidRequest as wrong:
                for error in wrong.errors:
                    _leave_out(record, error.field)
                if "retention_days" in stored:  # nothing may be deleted that was to be kept
                    record.setdefault("retention_days", SETTINGS["retention_days"].high)
                return cls(**record)
        except (InvalidRequest, ValueError, TypeError, KeyError, AttributeError):
            raise SiteUnreadable("what is stored of this site cannot be read") from None


def _field_error(detail: ErrorDetails) -> FieldError:
    name, *rest = detail["loc"]
    if name in ("id", 0):  # pydantic names what is given by its place by that
        return FieldError("id", "expected 1 to 63 of a-z, 0-9 and hyphen")
    setting = SETTINGS[str(name)]
    if setting.kind != "by_label" or not rest:
        return FieldError(setting.name, f"expected {setting.form}")
    form = f"one of {', '.join(LABELS)}" if "[key]" in rest else setting.form
    return FieldError(f"{name}.{rest[0]}", f"expected {form}")


def _leave_out(record: dict[str, Any], field_name: str) -> None:
    """Take what cannot be out of a stored record: a field, or one label of it."""
    name, _dot, label = field_name.partition(".")
    if label:
        record[name] = {key: value for key, value in record[name].items() if key != label}
    else:
        del record[name]


#: Every setting of a site by its name, in the order of the model.
SETTINGS = settings_of(Site)
