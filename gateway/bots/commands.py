"""What a person asks of the bot, understood from what she wrote.

Pure. Spaces, full-width characters, @-mentions, case and a closing punctuation mark make no
difference; how each language says a command is in `PHRASES`. Whether the number of days is allowed
is decided where the command is carried out.
"""

import re
import unicodedata
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Literal

Language = Literal["zh", "en"]

MOST_CHARS = 300
"""What is longer is no command."""


@dataclass(frozen=True, slots=True)
class Help:
    """Also what everything is that is no command."""


@dataclass(frozen=True, slots=True)
class GetKey:
    days: int | None
    """None: as many as the gateway gives by itself."""


@dataclass(frozen=True, slots=True)
class MyKeys:
    pass


@dataclass(frozen=True, slots=True)
class RevokeKey:
    id: int | None
    """None: she did not say which."""


@dataclass(frozen=True, slots=True)
class Usage:
    pass


Command = Help | GetKey | MyKeys | RevokeKey | Usage


@dataclass(frozen=True, slots=True)
class Asked:
    """A command, and the language in which to answer."""

    command: Command
    language: Language


@dataclass(frozen=True, slots=True)
class Phrases:
    """How one language says each command: regular expressions, for text without its spaces."""

    help: str
    get_key: str
    days: str
    """Follows the number; the number may stand alone."""
    my_keys: str
    revoke_key: str
    usage: str


PHRASES: Mapping[Language, Phrases] = {
    "zh": Phrases(
        help="帮助|使用说明|菜单",
        get_key="(?:获取|领取|申请|创建|新建)(?:一?个)?(?:key|密钥|令牌)",
        days="天|日",
        my_keys="(?:我的|查看|列出)(?:我的)?(?:key|密钥|令牌)s?",
        revoke_key="(?:撤销|吊销|作废|删除)(?:key|密钥|令牌)",
        usage="(?:我的)?用量|使用量|用量统计",
    ),
    "en": Phrases(
        help="help|start|menu",
        get_key="(?:get|new|create|issue)(?:me)?(?:an?)?(?:new)?(?:api|access)?(?:key|token)(?:for)?",
        days="days?|d",
        my_keys="(?:list)?(?:my)?(?:key|token)s",
        revoke_key="(?:revoke|delete)(?:my)?(?:key|token)",
        usage="(?:my)?usage",
    ),
}
"""A further language is a further entry, and its sentences in `gateway.bots.texts`."""


def understand(text: str, otherwise: Language) -> Asked:
    """`otherwise`: the language to answer in where the text shows none."""
    said = _plain(text)
    for language, command in _readings(said):
        return Asked(command, language)
    return Asked(Help(), _language(said, otherwise))


def _readings(said: str) -> Iterator[tuple[Language, Command]]:
    for language, phrases in PHRASES.items():
        if re.fullmatch(phrases.help, said):
            yield language, Help()
        if found := re.fullmatch(rf"(?:{phrases.get_key})(?:(\d+)(?:{phrases.days})?)?", said):
            yield language, GetKey(_number(found[1]))
        if re.fullmatch(phrases.my_keys, said):
            yield language, MyKeys()
        if found := re.fullmatch(rf"(?:{phrases.revoke_key})(?:id|no\.?)?[#:：]?(\d+)?", said):
            yield language, RevokeKey(_number(found[1]))
        if re.fullmatch(phrases.usage, said):
            yield language, Usage()


def _plain(text: str) -> str:
    """Without mentions and spaces, in narrow characters and lower case.

    Spaces between two digits stay: "1 2" is not 12.
    """
    if len(text) > MOST_CHARS:
        return ""
    said = unicodedata.normalize("NFKC", text).casefold()
    said = re.sub(r"@\S+", " ", said)
    said = re.sub(r"[\s\u200b\ufeff]+(?!\d)|(?<!\d)[\s\u200b\ufeff]+", "", said.strip())
    return said.strip("/。.!?、,;~\"'“”「」<>《》[]【】")


def _number(digits: str | None) -> int | None:
    """Beyond what any day or id can be, all numbers are alike."""
    return None if digits is None else int(digits) if len(digits) < 16 else 10**15


def _language(said: str, otherwise: Language) -> Language:
    if any("\u4e00" <= character <= "\u9fff" for character in said):
        return "zh"
    return "en" if any(character.isalpha() for character in said) else otherwise
