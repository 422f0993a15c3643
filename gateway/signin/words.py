"""What the pages say, in English and Chinese. Pure; the pages themselves are in `templates/`."""

from collections.abc import Mapping
from typing import Literal

Language = Literal["en", "zh"]

WORDS: Mapping[str, tuple[str, str]] = {
    "product": ("openai-gateway", "openai-gateway"),
    # the start page and the page to sign in
    "start_title": ("One address for every model", "一个地址，使用所有模型"),
    "start_text": (
        "Sign in, and you get an access token of your own. Put it where your OpenAI API key was,"
        " point the base URL here, and change nothing else.",
        "登录后即可获得自己的访问密钥。把它填到原来放 OpenAI API key 的位置，把 base URL 指向这里，"
        "其余都不用改。",
    ),
    "sign_in": ("Sign in", "登录"),
    "sign_in_with": ("Sign in with {name}", "使用{name}登录"),
    "sign_in_text": (
        "Your company's directory decides who is let in.",
        "由公司的通讯录决定谁可以使用。",
    ),
    "signed_out": ("You are signed out.", "已退出登录。"),
    "get_key": ("Get a key with {name}", "使用{name}获取密钥"),
    "look_at_keys": ("See my keys", "查看我的密钥"),
    "api_docs": ("API reference", "API 文档"),
    # the page of one's keys
    "keys_title": ("Your keys", "我的密钥"),
    "signed_in_as": ("Signed in as {name}", "当前用户：{name}"),
    "sign_out": ("Sign out", "退出登录"),
    "fresh_title": ("Your new key", "新密钥"),
    "fresh_text": (
        "Copy it now: it is shown only this once, and nobody can show it to you again.",
        "请立即复制：密钥只显示这一次，之后任何人都无法再次查看。",
    ),
    "valid_until": ("Valid until", "有效期至"),
    "copy": ("Copy", "复制"),
    "copied": ("Copied", "已复制"),
    "use_title": ("How to use it", "使用方法"),
    "use_shell": ("In a terminal", "终端"),
    "use_python": ("Python", "Python"),
    "use_curl": ("curl", "curl"),
    "use_note": (
        "OpenAI's libraries read both variables by themselves. <code>/v1/models</code> lists the"
        " models on offer.",
        "OpenAI 的各种库会自动读取这两个变量。可用的模型见 <code>/v1/models</code>。",
    ),
    "created": ("Created", "创建时间"),
    "expires": ("Expires", "到期时间"),
    "last_used": ("Last used", "最近使用"),
    "never": ("never", "从未"),
    "expired": ("expired", "已过期"),
    "revoked": ("revoked", "已撤销"),
    "revoke": ("Revoke", "撤销"),
    "revoke_sure": (
        "Programs that use this key stop working within a second.",
        "使用此密钥的程序将在一秒内无法继续调用。",
    ),
    "revoke_yes": ("Revoke it", "确认撤销"),
    "was_revoked": (
        "The key …{hint} is revoked: it is refused from now on.",
        "密钥 …{hint} 已撤销，从现在起将被拒绝。",
    ),
    "no_keys": ("You have no keys yet.", "你还没有密钥。"),
    "older": ("Expired and revoked keys", "已过期和已撤销的密钥"),
    "new_key": ("New key", "新建密钥"),
    "new_days": ("Valid for (days)", "有效天数"),
    "new_name": ("Name (optional)", "名称（可选）"),
    "new_name_hint": ("laptop, CI, …", "笔记本、CI……"),
    "new_create": ("Create key", "创建密钥"),
    "key_limit": ("{valid} of {most} keys in use", "已使用 {valid}/{most} 个密钥"),
    "full": (
        "You have {most} valid keys, as many as one person may have. Revoke one to make a new one.",
        "你已有 {most} 个有效密钥，达到上限。请先撤销一个再新建。",
    ),
    # the page of a one-time link
    "link_title": ("Your key is ready", "你的密钥已准备好"),
    "link_text": (
        "This link shows your key once. Open it where you want to copy the key to.",
        "此链接只能显示一次密钥。请在需要使用密钥的设备上打开。",
    ),
    "link_until": ("The link is valid until", "链接有效期至"),
    "link_show": ("Show my key", "显示密钥"),
    # when something went wrong
    "back": ("Back", "返回"),
    "again": ("Sign in again", "重新登录"),
    "details": ("What an administrator may ask for", "管理员可能需要的信息"),
    "error_title": ("Something went wrong", "出错了"),
    "error_text": (
        "The gateway could not do this. Try again; if it happens again, tell an administrator.",
        "网关无法完成此操作。请重试；如果问题依旧，请联系管理员。",
    ),
}
"""English, Chinese. `{…}` is filled in by the page."""

FAILURES: Mapping[str, tuple[tuple[str, str], tuple[str, str]]] = {
    "sign_in_denied": (
        ("You did not agree", "你没有同意授权"),
        (
            "The sign-in was declined at the provider, so the gateway does not know who you are."
            " Nothing was changed. Sign in again and agree, if you want a key.",
            "你在登录平台上拒绝了授权，因此网关不知道你是谁，也没有做任何更改。"
            "如果需要密钥，请重新登录并同意授权。",
        ),
    ),
    "sign_in_unknown": (
        ("This sign-in cannot be finished here", "无法在此完成登录"),
        (
            "It was begun in another browser, or more than ten minutes ago, or cookies are blocked."
            " Begin again in this browser.",
            "登录可能是在另一个浏览器中开始的，或者已超过十分钟，或者浏览器禁用了 Cookie。"
            "请在当前浏览器中重新登录。",
        ),
    ),
    "sign_in_used": (
        ("This sign-in is over", "此次登录已使用过"),
        (
            "It was used already, perhaps by loading the page anew. Your keys are where they were:"
            " sign in again to see them.",
            "此次登录已被使用过，可能是因为刷新了页面。你的密钥不受影响，重新登录即可查看。",
        ),
    ),
    "sign_in_refused": (
        ("The provider did not accept this sign-in", "登录平台未接受此次登录"),
        (
            "Its code was used already, has expired, or belongs to another browser. Nothing was"
            " changed. Begin again.",
            "授权码已被使用、已过期，或属于另一个浏览器。没有做任何更改，请重新登录。",
        ),
    ),
    "not_admitted": (
        ("This account is not let in", "此账号无权使用"),
        (
            "You are signed in at the provider, but not with an account of a company that this"
            " gateway is for. Use your work account, or ask an administrator.",
            "你已在登录平台登录，但该账号不属于本网关允许的企业。请使用工作账号登录，或联系管理员。",
        ),
    ),
    "user_blocked": (
        ("You are blocked", "你已被停用"),
        (
            "An administrator of this gateway has blocked you, so your keys do not work. Ask one.",
            "管理员已停用你的账号，你的密钥无法使用。请联系管理员。",
        ),
    ),
    "user_erased": (
        ("This account was erased", "此账号已被删除"),
        (
            "An administrator of this gateway has erased you and what was yours. Ask one.",
            "管理员已删除你的账号及其数据。请联系管理员。",
        ),
    ),
    "login_provider_failed": (
        ("The login provider does not answer as it should", "登录平台返回异常"),
        (
            "That is neither your fault nor your key's: keys that you have go on working. Try again"
            " in a few minutes; if it stays so, tell an administrator.",
            "这不是你的问题，已有的密钥可以继续使用。请几分钟后重试；如果问题依旧，请联系管理员。",
        ),
    ),
    "login_provider_slow": (
        ("The login provider takes too long", "登录平台响应超时"),
        (
            "Keys that you have go on working. Try again in a few minutes.",
            "已有的密钥可以继续使用。请几分钟后重试。",
        ),
    ),
    "login_provider_not_found": (
        ("There is no such way to sign in", "没有这种登录方式"),
        ("Choose one of those that this gateway has.", "请选择本网关支持的登录方式。"),
    ),
    "form_expired": (
        ("This page was too old", "页面已失效"),
        (
            "You have signed in or out since it was loaded, so nothing was changed. Load it again.",
            "页面加载之后你重新登录或退出过，因此没有做任何更改。请重新加载页面。",
        ),
    ),
    "link_not_found": (
        ("This link shows nothing", "链接无效"),
        (
            "It is older than ten minutes, or was not copied whole. Ask the bot for a key again.",
            "链接已超过十分钟，或未完整复制。请重新向机器人获取密钥。",
        ),
    ),
    "link_used": (
        ("This link was opened already", "链接已被打开过"),
        (
            "It showed its key once and does not do so again. If that was not you, revoke that key"
            " now: write “my keys” to the bot. Otherwise ask the bot for a new one.",
            "密钥已经显示过一次，不会再次显示。如果不是你本人打开的，请立即撤销该密钥："
            "向机器人发送“我的key”。否则请重新获取。",
        ),
    ),
    "too_many_tokens": (
        ("You have as many keys as you may", "密钥数量已达上限"),
        (
            "Revoke one that you no longer need, then open this again.",
            "请先撤销不再需要的密钥，然后重新打开此页面。",
        ),
    ),
    "invalid_request": (
        ("That is not possible", "无法执行此操作"),
        ("Something that was entered cannot be used.", "输入的内容无法使用。"),
    ),
    "database_unavailable": (
        ("The gateway's database cannot be reached", "网关无法访问数据库"),
        ("Try again in a moment.", "请稍后重试。"),
    ),
}
"""By an error's code: what happened, and what to do; English and Chinese of each."""


class Words:
    """The words of one language."""

    def __init__(self, language: Language) -> None:
        self.language: Language = language
        self._place = 1 if language == "zh" else 0

    def __getitem__(self, name: str) -> str:
        return WORDS[name][self._place]

    def failure(self, code: str) -> tuple[str, str]:
        """What happened, and what to do."""
        title, text = FAILURES.get(code, (WORDS["error_title"], WORDS["error_text"]))
        return title[self._place], text[self._place]


def language_of(accept_language: str) -> Language:
    """The first that a browser would rather have (RFC 9110, section 12.5.4); English otherwise."""
    wanted: list[tuple[float, Language]] = []
    for part in accept_language[:1000].split(","):
        name, _, weight = part.partition(";")
        primary = name.strip().lower().partition("-")[0]
        if primary in ("zh", "en", "*"):
            wanted.append((_quality(weight), "zh" if primary == "zh" else "en"))
    quality, best = max(wanted, key=lambda one: one[0], default=(0.0, "en"))
    return best if quality > 0 else "en"


def _quality(text: str) -> float:
    _, _, number = text.partition("q=")
    try:
        return float(number) if number.strip() else 1.0
    except ValueError:
        return 0.0
