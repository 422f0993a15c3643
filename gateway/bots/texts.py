"""What the bot says, in each language. Pure; `gateway.bots.answers` puts the messages together.

Words in braces are filled in; the same ones stand in every language, which a test holds.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from gateway.bots.commands import Language


@dataclass(frozen=True, slots=True)
class Texts:
    """The sentences of one language."""

    help_title: str
    help: tuple[str, ...]
    key_title: str
    key: tuple[str, ...]
    link_title: str
    link: tuple[str, ...]
    earlier_key: str
    """Added where an earlier message may have shown a key that was revoked since."""
    sent_title: str
    sent_privately: str
    not_reached: str
    keys_title: str
    key_line: str
    never_used: str
    no_keys: str
    revoke: str
    revoke_confirm: str
    revoked_title: str
    revoked: str
    which_key: str
    unknown_key: str
    usage_title: str
    usage_spans: tuple[str, str, str]
    """Today, 7 days, 30 days."""
    usage_line: str
    usage_none: str
    refused_title: str
    wrong_days: str
    too_many: str
    blocked: str
    failed_title: str
    failed: str
    reminder_title: str
    reminder: str


_ZH = Texts(
    help_title="我能做什么",
    help=(
        "**获取key**：领取访问密钥，{days} 天有效\n"
        "**获取key n天**：领取 n 天有效的密钥（1 到 {days_max} 天）\n"
        "**我的key**：查看你的密钥\n"
        "**撤销key id**：撤销一个密钥\n"
        "**用量**：今天、近 7 天和近 30 天的用量",
        "You can also write in English: **help**.",
    ),
    key_title="你的访问密钥",
    key=(
        "```\n{token}\n```",
        "只显示这一次，请现在保存，不要发给别人。编号 **{id}**，有效期至 **{expires}**。",
        "使用方法：把它填到 `OPENAI_API_KEY`，把 `base_url` 设为 `{base_url}`，其余不变。",
    ),
    link_title="你的访问密钥已备好",
    link=(
        "请在 10 分钟内打开这个一次性链接领取，密钥只显示一次：",
        "{url}",
    ),
    earlier_key="如果之前的消息里出现过另一个密钥，它已作废，请用这一个。",
    sent_title="已私下发给你",
    sent_privately="这是你个人的内容，不发到群里。请看你与我的私聊。",
    not_reached="我没法给你发私聊消息。请先单独和我开一个对话，在那里再发一次。",
    keys_title="你的密钥",
    key_line="**{id}** …{hint} {name}，有效期至 {expires}，{used}",
    never_used="还没有用过",
    no_keys="你现在没有有效的密钥。发送 **获取key** 领取一个。",
    revoke="撤销 {id}",
    revoke_confirm="撤销密钥 {id}？正在使用它的程序会立刻失败。",
    revoked_title="已撤销",
    revoked="密钥 {id}（…{hint}）已撤销，一秒之内到处失效。",
    which_key="请写上编号，例如 **撤销key 12**。编号见 **我的key**。",
    unknown_key="你没有编号为 {id} 的密钥。编号见 **我的key**。",
    usage_title="你的用量",
    usage_spans=("今天", "近 7 天", "近 30 天"),
    usage_line="{model}：{calls} 次调用，{total} tokens（输入 {prompt}，输出 {completion}）",
    usage_none="没有调用",
    refused_title="没有办成",
    wrong_days="天数要在 1 到 {days_max} 之间。",
    too_many="你已有 {most} 个有效密钥，这是上限。先用 **撤销key id** 撤销一个，"
    "编号见 **我的key**。",
    blocked="你的账号已被停用，请联系网关管理员。",
    failed_title="暂时没有办成",
    failed="试了几次都没有成功，没有留下有效的新密钥。请过几分钟再试；还是不行，请联系网关管理员。",
    reminder_title="密钥快到期了",
    reminder="密钥 **{id}**（…{hint} {name}）将于 **{expires}** 到期。发送 **获取key** 领取新的。",
)

_EN = Texts(
    help_title="What I can do",
    help=(
        "**get key**: an access token for {days} days\n"
        "**get key n days**: one for n days (1 to {days_max})\n"
        "**my keys**: the ones you have\n"
        "**revoke key id**: take one back\n"
        "**usage**: what you used today, in 7 and in 30 days",
        "也可以用中文：**帮助**。",
    ),
    key_title="Your access token",
    key=(
        "```\n{token}\n```",
        "It is shown this once: keep it now, and give it to nobody. Number **{id}**, good until"
        " **{expires}**.",
        "How to use it: put it into `OPENAI_API_KEY`, set `base_url` to `{base_url}`, and change"
        " nothing else.",
    ),
    link_title="Your access token is ready",
    link=(
        "Open this one-time link within 10 minutes; the token is shown once:",
        "{url}",
    ),
    earlier_key="If an earlier message showed another token, that one is void: use this one.",
    sent_title="Sent to you privately",
    sent_privately="It is for you alone: look into your private chat with me.",
    not_reached="I cannot write to you privately. Open a chat with me alone, and ask again there.",
    keys_title="Your access tokens",
    key_line="**{id}** …{hint} {name}, good until {expires}, {used}",
    never_used="never used",
    no_keys="You have no valid access token. Write **get key** to have one.",
    revoke="Revoke {id}",
    revoke_confirm="Revoke token {id}? Programs that use it fail at once.",
    revoked_title="Revoked",
    revoked="Token {id} (…{hint}) is revoked; within a second it works nowhere.",
    which_key="Say which one, for example **revoke key 12**. **my keys** lists them.",
    unknown_key="You have no token number {id}. **my keys** lists them.",
    usage_title="Your usage",
    usage_spans=("Today", "7 days", "30 days"),
    usage_line="{model}: {calls} calls, {total} tokens ({prompt} in, {completion} out)",
    usage_none="no calls",
    refused_title="That did not work",
    wrong_days="The number of days is from 1 to {days_max}.",
    too_many="You have {most} valid tokens, which is the most. Take one back first with **revoke"
    " key id**; **my keys** lists them.",
    blocked="Your account is blocked. Ask an administrator of the gateway.",
    failed_title="That did not work for now",
    failed="I tried several times in vain; no new token is left valid. Try again in some minutes,"
    " and if it still fails, ask an administrator of the gateway.",
    reminder_title="A token is about to expire",
    reminder="Token **{id}** (…{hint} {name}) expires on **{expires}**. Write **get key** for a new"
    " one.",
)

TEXTS: Mapping[Language, Texts] = {"zh": _ZH, "en": _EN}
