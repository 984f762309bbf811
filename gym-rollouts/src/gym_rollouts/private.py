"""What secrets and personal data look like: a table of rules, and a search for them in linear time.

Each rule is a regular expression for RE2, which cannot be slow on any text: it has no backtracking. Detect-secrets,
the well-kept list of such rules, is not used for that reason (its rule for JSON web tokens takes 18 s for 80,000
characters of `eyJeyJ...`), and since it knows source code, not conversations. Check digits of cards, bank accounts
and security numbers are those of python-stdnum.
"""

from __future__ import annotations

import base64
import html
import json
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, NamedTuple
from urllib.parse import unquote

import re2
from stdnum import iban, luhn
from stdnum.us import ssn

from gym_rollouts.tokens import Token, say_path, tokens, unescape

#: What may stand before a secret: the start, no letter or digit, or an escape that was left in a text.
BEFORE = rb"(?:^|[^A-Za-z0-9]|\\+[abfnrtv]|\\+u[0-9a-fA-F]{4})"
NO_DIGIT_BEFORE = rb"(?:^|[^A-Za-z0-9.]|[^0-9]\.|\\+[abfnrtv])"
GAP = rb"(?:[ -]|\xc2\xa0|\xe2\x80[\x80-\x95\xaf])"
LETTER = rb"(?:[A-Za-z0-9._%+'-]|[\xc3-\xdf][\x80-\xbf])"
NAMED = (
    rb"(?:pass(?:word|wd|phrase|code)|secret|pwd|api[_-]?key|secret[_-]?key|access[_-]?key|private[_-]?key"
    rb"|(?:auth|access|refresh|secret|api|bearer)[_-]?token)"
)
#: Names of fields whose text is a secret, whatever it looks like; `clientSecret` is read as `client_Secret`.
SECRET_FIELD = re.compile(rf"(?i)(?:.*[_-])?{NAMED.decode()}(?P<several>s?)\Z")
#: The key of an object that stands for its whole: `{"password": {"value": "..."}}`.
WHOLE = "value"
HUMP = re.compile(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])")
#: What follows a name: a text in quotes, whole, whether the quotes are escaped or not; else a word.
SAID = (
    rb"(?:\"((?:[^\"\\\r\n]|\\.){6,})\"|'((?:[^'\\\r\n]|\\.){6,})'|\\+\"([^\"\\\r\n]{6,})\\+\"|\\+'([^'\\\r\n]{6,})\\+'"
    rb"|\\*[\"']?([^\s\"'\\,;<>(){}\[\]`]{6,}))"
)
#: White space as it stands in a decoded text, or in a line of JSON.
SPACE = rb"(?:\s|\\+[nrt])"
#: What stands for a secret that is given elsewhere: a variable, a placeholder, asterisks.
ELSEWHERE = re.compile(r"\$?\{.*\}|<.*>|\[.*\]|\$\w+|\$\(.*\)|%\(.*\)s|%\w+%|.*(?:\*\*\*|\{\{|\$\{).*", re.DOTALL)
#: How long a password is: of several words, less than a sentence.
SHORTEST, PHRASE, LONGEST = 6, 64, 512


def _long_enough(found: bytes) -> int:
    """A text is a password rather than code or a word where it has letters and digits."""
    mixed = re.search(rb"[0-9]", found) and re.search(rb"[A-Za-z]", found)
    return len(found) if mixed else 0


def _named(found: bytes) -> int:
    """What stands behind a name is its secret, and no variable, placeholder or sentence."""
    return _long_enough(found) if _own(found.decode("utf-8", "replace")) else 0


def _own(text: str) -> bool:
    """Say whether a text may be a secret itself."""
    fits = len(text) <= (PHRASE if re.search(r"\s", text) else LONGEST)
    return fits and not ELSEWHERE.fullmatch(text)


def _basic(found: bytes) -> int:
    """What follows `Basic` is a name and a password where it decodes to a text with a colon."""
    try:
        text = base64.b64decode(found, validate=True)
    except ValueError:
        return 0
    return len(found) if re.fullmatch(rb"[\x20-\x7e]*:[\x20-\x7e]+", text) else 0


#: What issuers give out: their first digits, and how many digits follow. A sum of digits alone fits one number in ten.
CARDS = re.compile(
    r"4(?:\d{15}|\d{18})|5[0-8]\d{14}|2[2-7]\d{14}|3[47]\d{13}|3[0689]\d{12}|35\d{14,17}|6[0-9]\d{14,17}", re.ASCII
)


@lru_cache(maxsize=1 << 12)
def _card(found: bytes) -> int:
    digits = re.sub(rb"[^0-9]", b"", found).decode()
    issued = CARDS.fullmatch(digits) and len(set(digits)) > 1
    return len(found) if issued and luhn.is_valid(digits) else 0


@lru_cache(maxsize=1 << 12)
def _iban(found: bytes) -> int:
    """The longest beginning that is an account's number: what follows it may look like a part of it."""
    head = int(f"{found[0] - 55}{found[1] - 55}{found[2:4].decode()}")
    rest, size, ends = 0, 4, list[int]()
    for place, byte in enumerate(found[4:], 5):
        if byte == 32:
            continue
        size += 1
        rest = (rest * 10 + byte - 48 if byte < 58 else rest * 100 + byte - 55) % 97
        if 15 <= size <= 34 and (rest * 1_000_000 + head) % 97 == 1:
            ends.append(place)
    return next((end for end in reversed(ends) if iban.is_valid(found[:end].decode())), 0)


def _phone(found: bytes) -> int:
    return len(found) if 8 <= len(re.sub(rb"[^0-9]", b"", found)) <= 15 else 0


def _mail(found: bytes) -> int:
    """An icon's name, such as `logo@2x.png`, is no address."""
    return 0 if re.search(rb"(?i)\.(?:png|jpe?g|gif|svg|webp|css|js)\Z", found) else len(found)


def _ssn(found: bytes) -> int:
    return len(found) if ssn.is_valid(found.decode()) else 0


def form_of(form: bytes, captures: bool = True) -> Any:
    """A regular expression of RE2 that reads bytes, whatever they encode."""
    options = re2.Options()
    options.encoding = re2.Options.Encoding.LATIN1
    options.never_capture = not captures
    options.max_mem = 1 << 26
    return re2.compile(form, options)


@dataclass(frozen=True)
class Rule:
    """A kind of secret. `form` is what it looks like; `check` says how many bytes of a match are meant, 0 for none.

    `shown` is how many of its first characters may be printed. `number` says that a JSON number may be one. `hint` is
    what a raw line has that may hold one, where that is less than its form.
    """

    name: str
    form: bytes
    before: bytes = BEFORE
    after: bytes = b""
    check: Callable[[bytes], int] | None = None
    shown: int = 4
    number: bool = False
    hint: bytes | None = None


#: One entry for each kind. The name is what `--only` and `--without` take.
RULES = {
    rule.name: rule
    for rule in (
        Rule(
            "private-key",
            rb"(-----BEGIN [A-Z0-9 ]*PRIVATE KEY(?: BLOCK)?-----(?:[^-]|-[^-])*(?:-----END [A-Z0-9 ]*-----)?)",
            before=b"",
            shown=0,
        ),
        Rule("nvidia-key", rb"(nvapi-[A-Za-z0-9_-]{20,})", shown=6),
        Rule("hugging-face-token", rb"((?:hf|api_org)_[A-Za-z0-9]{30,})", shown=3),
        Rule("openai-style-key", rb"(sk-[A-Za-z0-9_-]{20,})", shown=3),
        Rule("aws-key-id", rb"((?:AKIA|ASIA|ABIA|ACCA)[A-Z0-9]{16})"),
        Rule(
            "aws-secret-key",
            rb"(?i:aws[_-]?secret[_-]?(?:access[_-]?)?key)\\*[\"']?\s*[:=]\s*\\*[\"']?([A-Za-z0-9/+=]{40})",
            shown=0,
        ),
        Rule("github-token", rb"(gh[pousr]_[A-Za-z0-9]{36,}|github_pat_[A-Za-z0-9_]{22,})"),
        Rule("gitlab-token", rb"(glpat-[A-Za-z0-9_-]{20,})", shown=6),
        Rule("google-key", rb"(AIza[A-Za-z0-9_-]{35}|ya29\.[A-Za-z0-9_-]{20,}|GOCSPX-[A-Za-z0-9_-]{28})"),
        Rule("slack-token", rb"(xox[abeoprs]-[A-Za-z0-9-]{10,}|xapp-[A-Za-z0-9-]{20,})"),
        Rule("slack-webhook", rb"(hooks\.slack\.com/services/[A-Za-z0-9/]{20,})", shown=0),
        Rule("stripe-key", rb"((?:sk|rk)_(?:live|test)_[A-Za-z0-9]{16,}|whsec_[A-Za-z0-9]{24,})"),
        Rule(
            "other-provider-key",
            rb"(gsk_[A-Za-z0-9]{40,}|xai-[A-Za-z0-9]{40,}|r8_[A-Za-z0-9]{30,}|pplx-[A-Za-z0-9]{40,}|dapi[0-9a-f]{32}"
            rb"|npm_[A-Za-z0-9]{36}|pypi-[A-Za-z0-9_-]{50,}|SG\.[A-Za-z0-9_-]{16,}\.[A-Za-z0-9_-]{16,}"
            rb"|do[opr]_v1_[a-f0-9]{64}|AGE-SECRET-KEY-1[A-Z0-9]{50,}|[0-9]{8,10}:AA[A-Za-z0-9_-]{33})",
        ),
        Rule("azure-key", rb"((?:AccountKey|SharedAccessKey)=[A-Za-z0-9+/]{40,}=*)", shown=0),
        Rule("json-web-token", rb"(eyJ[A-Za-z0-9_-]+\.eyJ[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+)", shown=3),
        Rule(
            "bearer-token",
            rb"(?i:bearer)\s+([A-Za-z0-9._~+/-]{20,}=*)",
            check=_long_enough,
            shown=0,
            hint=rb"(?i:bearer)" + SPACE + rb"+[A-Za-z0-9._~+/-]",
        ),
        Rule(
            "basic-credentials",
            rb"(?i:basic)\s+([A-Za-z0-9+/]{8,}=*)",
            check=_basic,
            shown=0,
            hint=rb"(?i:basic)" + SPACE + rb"+[A-Za-z0-9+/]{8}",
        ),
        # To the last @: a password may have one of its own.
        Rule("password-in-url", rb"[A-Za-z][A-Za-z0-9+.-]*://[^\s/:@\"'<>]*:([^\s/\"'<>]{3,})@", before=b"", shown=0),
        Rule(
            "named-secret",
            rb"(?i:" + NAMED + rb")\\*[\"']?\s*(?::|=|:=)\s*" + SAID,
            before=b"",
            check=_named,
            shown=0,
            hint=rb"(?i:" + NAMED + rb"s?)\\*[\"']?" + SPACE + rb"*[:=]",
        ),
        Rule(
            "email",
            rb"(" + LETTER + rb"+@(?:(?:[A-Za-z0-9-]|[\xc3-\xdf][\x80-\xbf])+\.)+[A-Za-z]{2,})",
            before=b"",
            check=_mail,
            shown=1,
            hint=rb"[A-Za-z0-9._%+'\x80-\xff-]@[A-Za-z0-9\\\xc3-\xdf]",
        ),
        Rule(
            "phone",
            rb"(\+[1-9][0-9]{0,2}(?:" + GAP + rb"?\.?\(?[0-9]{1,5}\)?){2,6}|\([2-9][0-9]{2}\) ?[0-9]{3}-[0-9]{4}"
            rb"|[2-9][0-9]{2}-[0-9]{3}-[0-9]{4})",
            before=NO_DIGIT_BEFORE,
            after=rb"(?:[^0-9]|$)",
            check=_phone,
            shown=2,
        ),
        Rule(
            "payment-card",
            rb"([0-9]{13,19}|[0-9]{4}(?:" + GAP + rb"[0-9]{4}){3}(?:" + GAP + rb"[0-9]{1,3})?"
            rb"|[0-9]{4}" + GAP + rb"[0-9]{6}" + GAP + rb"[0-9]{4,5})",
            before=NO_DIGIT_BEFORE,
            after=rb"(?:[^0-9A-Za-z]|$)",
            check=_card,
            shown=0,
            number=True,
        ),
        Rule(
            "iban",
            rb"([A-Z]{2}[0-9]{2}(?: ?[A-Z0-9]{4}){2,7}(?: ?[A-Z0-9]{1,4})?)",
            check=_iban,
            shown=2,
        ),
        Rule(
            "us-social-security-number",
            rb"([0-9]{3}-[0-9]{2}-[0-9]{4})",
            before=NO_DIGIT_BEFORE,
            after=rb"(?:[^0-9]|$)",
            check=_ssn,
            shown=0,
        ),
    )
}
#: Escapes of JSON, HTML and URLs for characters that secrets are made of: a text that has one is read again without.
#: No secret has a letter beyond those: a line of Chinese in escapes is not read twice.
HIDDEN = form_of(rb"\\u(?:0[0-7]|20)|%[2-7][0-9A-Fa-f]|&(?:#|amp;|commat;|period;)")
HALF = re.compile("[\ud800-\udfff]")
DEEPEST = 3
JSON_REST = re.compile(r"[\s{}\[\],:\-0-9.eE+truefalsn]*+")


class Match(NamedTuple):
    """A secret in a text: its rule, and where it stands in the text's bytes."""

    rule: str
    start: int
    end: int


class Finding(NamedTuple):
    """A secret in a line: the path of its field, its rule, and as much of it as may be printed."""

    path: str
    rule: str
    masked: str


class Search:
    """A search for some of the rules. It holds no text."""

    def __init__(self, rules: tuple[str, ...]) -> None:
        """Take the names of the rules."""
        self.rules = [RULES[name] for name in rules]
        self.forms = [form_of(rule.before + rule.form + rule.after) for rule in self.rules]
        # Of a raw line: what stands before a secret may be an escape there, but a digit before digits is one.
        raw = [(rb"(?:^|[^0-9.]|[^0-9]\.)" if rule.number else b"") + (rule.hint or rule.form) for rule in self.rules]
        if any(rule.number for rule in self.rules):
            raw.append(rb"[0-9]\.[0-9]{8,}[eE]\+?1[0-9]")
        self.any = form_of(b"|".join(raw), captures=False)

    def may_hold(self, line: bytes) -> bool:
        """Say whether a line must be looked at token by token. Most need not."""
        if b"\\/" in line:
            line = line.replace(b"\\/", b"/")
        return bool(self.any.search(line) or HIDDEN.search(line))

    def in_bytes(self, text: bytes) -> list[Match]:
        """All secrets in a text, in order; where two overlap, the first one, or the one of the earlier rule."""
        if not self.any.search(text):
            return []
        matches: list[tuple[int, int, int]] = []
        for number, (rule, form) in enumerate(zip(self.rules, self.forms, strict=True)):
            at = 0
            while found := form.search(text, at):
                start, end = found.span(found.lastindex)
                size = rule.check(found[found.lastindex]) if rule.check else end - start
                if size:
                    matches.append((start, number, start + size))
                # What is held against a check is short, so that its next beginning is near.
                at = start + size if size else start + 1 if end - start <= 64 else end
        kept: list[Match] = []
        for start, number, end in sorted(matches):
            if not kept or start >= kept[-1].end:
                kept.append(Match(self.rules[number].name, start, end))
            elif end > kept[-1].end:  # what is left of the later one must not be printed or kept
                kept[-1] = kept[-1]._replace(end=end)
        return kept

    def in_number(self, text: str) -> str | None:
        """The rule that a number falls under; digits behind its point count for nothing."""
        try:
            digits = text.lstrip("-") if text.lstrip("-").isdigit() else f"{float(text):.0f}".lstrip("-")
            if "." in text and float(text) != int(digits):
                return None
        except (ValueError, OverflowError):
            return None
        if not 13 <= len(digits) <= 19:
            return None
        found = [rule.name for rule in self.rules if rule.number and rule.check and rule.check(digits.encode())]
        return found[0] if found else None

    def redact_bytes(self, data: bytes) -> tuple[bytes, list[tuple[str, str]]]:
        """A text as `redact`, without a look under what encodes it."""
        parts, found, at = list[bytes](), list[tuple[str, str]](), 0
        for match in self.in_bytes(data):
            parts += [data[at : match.start], f"[REDACTED:{match.rule}]".encode()]
            found.append((match.rule, mask(data[match.start : match.end], match.rule)))
            at = match.end
        return (b"".join([*parts, data[at:]]) if found else data), found

    def redact(self, text: str, depth: int = 0) -> tuple[str, list[tuple[str, str]]]:
        """A text without its secrets, and of each its rule and as much of it as may be printed."""
        data, found = self.redact_bytes(text.encode("utf-8", "surrogatepass"))
        if found:
            text = data.decode("utf-8", "surrogatepass")
        if depth < DEEPEST and ("\\" in text or "%" in text or "&" in text or text[:1] in '{["'):
            text, more = self._redact_hidden(text, depth)
            found += more
        return text, found

    def _redact_hidden(self, text: str, depth: int) -> tuple[str, list[tuple[str, str]]]:
        """Look under what encodes a text once more: JSON within a string, escapes of code, of URLs and of HTML."""
        if (text.lstrip()[:1] in ("{", "[", '"') and '"' in text) or text.lstrip()[:1] in ("{", "["):
            inner, found = self.redact_line(text, depth + 1)
            if found:
                return inner, [(each.rule, each.masked) for each in found]
        for plain in (unescape(text), unquote(text, errors="surrogateescape"), html.unescape(text)):
            if plain != text and HIDDEN.search(text.encode("utf-8", "surrogatepass")):
                inner, hidden = self.redact(plain, depth + 1)
                if hidden:  # the encoding goes with the secret
                    return inner, hidden
        return text, []

    def redact_line(self, line: str, depth: int = 0) -> tuple[str, list[Finding]]:
        """A line of JSON without its secrets, and what they are. All that holds none stays as it is written."""
        parts, at, findings = list[str](), 0, list[Finding]()
        keys: dict[str, list[str]] = {}
        for token in tokens(line):
            new, found = self._redact_token(token, depth)
            if not found:
                continue
            if token.kind == "key":  # two that become one would be one field
                alike = keys.setdefault(new, [])
                if token.text not in alike:
                    alike.append(token.text)
                if number := alike.index(token.text):
                    new = f'{new[:-1]} {number + 1}"'
            path = self.say(token)
            findings += [Finding(path, rule, masked) for rule, masked in found]
            parts += [line[at : token.start], new]
            at = token.end
        return "".join([*parts, line[at:]]) if parts else line, findings

    def _redact_token(self, token: Token, depth: int) -> tuple[str, list[tuple[str, str]]]:
        if token.kind == "number":
            rule = self.in_number(token.text)
            if len(re.findall(r"\d", token.text)) >= SHORTEST and self._is_named(token):
                rule = "named-secret"
            return ("0", [(rule, "a number")]) if rule else ("", [])
        if token.kind == "text" and self._is_secret(token):
            return '"[REDACTED:named-secret]"', [("named-secret", mask(token.text.encode("utf-8", "replace"), ""))]
        text, found = self.redact(token.text, depth)
        return (quoted(text) if found else ""), found

    def _is_secret(self, token: Token) -> bool:
        """Say whether a text's field is called a password, and it is one rather than a word or a template."""
        text = token.text
        return len(text) >= SHORTEST and bool(re.search(r"\d", text)) and _own(text) and self._is_named(token)

    def _is_named(self, token: Token) -> bool:
        """Say whether a field is called a secret, and such are looked for. `access_tokens: 100000` is a count."""
        if not any(rule.name == "named-secret" for rule in self.rules):
            return False
        name = token.name
        if name == WHOLE:
            name = next((step for step in reversed(token.path[:-1]) if isinstance(step, str)), None)
        if name is None or len(name) > 64:
            return False
        found = SECRET_FIELD.match(HUMP.sub("_", name))
        return found is not None and not (found["several"] and token.kind == "number")

    def say(self, token: Token) -> str:
        """Where a token stands. A key on the way may be a secret too, and is not printed then."""
        path = [step if isinstance(step, int) else self.redact(step)[0] for step in token.path]
        said = say_path(tuple(step if isinstance(step, int) else step[:64] for step in path))
        return f"{said} (a key)" if token.kind == "key" else said


@lru_cache(maxsize=8)
def search_for(rules: tuple[str, ...]) -> Search:
    """The search for some rules, made once in a process."""
    return Search(rules)


def quoted(text: str) -> str:
    """A text as a string of JSON; half a surrogate pair stays an escape."""
    made = json.dumps(text, ensure_ascii=False)
    return HALF.sub(lambda found: f"\\u{ord(found[0]):04x}", made)


def mask(secret: bytes, rule: str) -> str:
    """As much of a secret as may be printed, and how long it is."""
    text = secret.decode("utf-8", "replace")
    shown = min(RULES[rule].shown if rule in RULES else 0, len(text) // 3)
    return f"{text[:shown]}*** ({len(text)} characters)"


def scan_line(search: Search, line: bytes) -> tuple[bytes, list[Finding]]:
    """The secrets of a line, and the line without them. A line that is no JSON is looked at as a text, too."""
    if not search.may_hold(line):
        return line, []
    text = line.decode("utf-8", "surrogateescape")
    new, findings = search.redact_line(text)
    if not JSON_REST.fullmatch(bare(new)):
        data, found = search.redact_bytes(new.encode("utf-8", "surrogateescape"))
        return data, findings + [Finding("(the line)", rule, masked) for rule, masked in found]
    return (new.encode("utf-8", "surrogateescape") if findings else line), findings


def bare(line: str) -> str:
    """What is left of a line without its strings: in JSON, nothing but brackets, numbers and three words."""
    return re.sub(r'"[^"\\]*+(?:\\.[^"\\]*+)*+"', "", line, flags=re.DOTALL)


def names(only: list[str], without: list[str]) -> Iterator[str]:
    """The rules that are left of all."""
    for name in RULES:
        if (not only or name in only) and name not in without:
            yield name
