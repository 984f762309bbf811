"""Secrets and personal data, wherever they stand and however they are written."""

import json
import sys
from pathlib import Path

import pytest
import re2
from gym_rollouts import Fault, scan
from gym_rollouts.private import RULES, names, scan_line, search_for
from hypothesis import given, settings
from hypothesis import strategies as st
from mutants import mutants
from sample import read, rollout, write

NVIDIA = "nvapi-" + "x" * 64
SECRETS = {
    "nvidia-key": NVIDIA,
    "hugging-face-token": "hf_" + "a" * 34,
    "openai-style-key": "sk-proj-" + "a" * 24,
    "aws-key-id": "AKIAIOSFODNN7EXAMPLE",
    "github-token": "ghp_" + "a" * 36,
    "gitlab-token": "glpat-" + "a" * 20,
    "google-key": "AIza" + "b" * 35,
    "slack-token": "xoxb-1234567890-abcdef",
    "stripe-key": "sk_live_" + "4" * 24,
    "json-web-token": "eyJhbGciOi.eyJzdWIiOi.abcdef",
    "email": "jane@example.org",
    "phone": "+49 170 1234567",
    "payment-card": "4111 1111 1111 1111",
    "iban": "DE89 3704 0044 0532 0130 00",
    "us-social-security-number": "536-90-4399",
    "private-key": "-----BEGIN RSA PRIVATE KEY-----\nMIIEabc\n-----END RSA PRIVATE KEY-----",
    "password-in-url": "postgres://app:hunter22@db.example/x",
    "named-secret": 'password = "hunter2024"',
    "bearer-token": "Authorization: Bearer abcdefghij0123456789",
    "basic-credentials": "Authorization: Basic am9lOmh1bnRlcjI=",
}
ALL = tuple(names([], []))


def found(line: str | bytes) -> list[str]:
    data = line if isinstance(line, bytes) else line.encode()
    return [each.rule for each in scan_line(search_for(ALL), data)[1]]


def escaped(text: str) -> str:
    """A JSON string of escapes alone."""
    return '"' + "".join(f"\\u{ord(each):04x}" for each in text) + '"'


WRAPPED = {
    "alone": lambda text: json.dumps({"t": text}),
    "in a text": lambda text: json.dumps({"t": f"see {text} there"}),
    "first on a line": lambda text: json.dumps({"t": f"the file:\n{text}\nend"}),
    "after a tab": lambda text: json.dumps({"t": f"a\t{text}"}),
    "after a quote": lambda text: json.dumps({"t": f'"{text}"'}),
    "an escape of code": lambda text: json.dumps({"t": f"print('\\n{text}\\n')"}),
    "all escapes": lambda text: f'{{"t": {escaped(text)}}}',
    "a key": lambda text: json.dumps({text: 1}),
    "a key in escapes": lambda text: f'{{{escaped(text)}: 1}}',
    "a key twice": lambda text: f'{{"t": {json.dumps(text)}, "t": "x"}}',
    "deep": lambda text: "[" * 5000 + json.dumps(text) + "]" * 5000,
    "arguments": lambda text: json.dumps({"arguments": json.dumps({"x": f"a\n{text}"})}),
    "arguments in escapes": lambda text: json.dumps({"arguments": f'{{"x": {escaped(text)}}}'}),
    "arguments of arguments": lambda text: json.dumps({"a": json.dumps({"b": json.dumps([f"\n{text}"])})}),
    "cut off": lambda text: json.dumps({"t": f"x {text} "})[:-3],
    "no JSON": lambda text: f"key: {text}",
    "a text with broken UTF-8": lambda text: b'{"t": "\xff ' + json.dumps(text)[1:].encode() + b"}",
    "beside a NaN": lambda text: f'{{"r": NaN, "t": {json.dumps(text)}}}',
    "among other letters": lambda text: json.dumps({"t": f"钥匙{text}是"}, ensure_ascii=False),
}  # fmt: skip


@pytest.mark.parametrize("wrap", WRAPPED.values(), ids=WRAPPED)
@pytest.mark.parametrize("rule", SECRETS)
def test_a_secret_is_found_wherever_it_stands_and_is_gone_from_the_copy(rule: str, wrap) -> None:
    line = wrap(SECRETS[rule])
    data = line if isinstance(line, bytes) else line.encode()
    clean, findings = scan_line(search_for(ALL), data)
    assert rule in [each.rule for each in findings]
    secret = SECRETS[rule].rpartition("Bearer ")[2].rpartition("Basic ")[2].rpartition('= "')[2].strip('"')
    secret = "hunter22" if rule == "password-in-url" else secret
    assert not any(secret in f"{each.path} {each.masked}" for each in findings)
    assert secret.encode() not in clean
    assert rule not in found(clean)


@pytest.mark.parametrize(
    "number", ["4111111111111111", "4111111111111111.0", "4.111111111111111e15", "-4111111111111111"]
)
def test_a_card_as_a_number(number: str) -> None:
    assert found(f'{{"n": {number}}}') == ["payment-card"]
    assert found(f'{{"n": [1, {{"m": {number}}}]}}') == ["payment-card"]


@pytest.mark.parametrize(
    ("rule", "text"),
    [
        ("payment-card", "1234 4111 1111 1111 1111"),
        ("payment-card", "4111-1111-1111-1111"),
        ("payment-card", "378282246310005"),
        ("payment-card", "3782 822463 10005"),
        ("payment-card", "4111\u00a01111\u00a01111\u00a01111"),
        ("iban", "IBAN DE89370400440532013000 ABCD"),
        ("iban", "GB82 WEST 1234 5698 7654 32"),
        ("phone", "(212) 555-0147"),
        ("phone", "1-800-555-0147"),
        ("email", "josé.p@müller.de"),
        ("email", "mailto:jane%40example.org"),
        ("email", "jane&#64;example.org"),
        ("private-key", "-----BEGIN OPENSSH PRIVATE KEY-----\nb3Blbn"),
        ("aws-key-id", "aws_key=AKIAIOSFODNN7EXAMPLE"),
    ],
)
def test_other_spellings(rule: str, text: str) -> None:
    assert rule in found(json.dumps({"t": text}))
    assert rule in found(json.dumps({"t": text}, ensure_ascii=False))


@pytest.mark.parametrize(
    "name",
    ["clientSecret", "dbPassword", "SecretAccessKey", "apiKey", "APIKey", "X-API-Key", "passcode", "user_passcode"],
)
@pytest.mark.parametrize(
    "value", ["Tr0ub4dor$3x", "Tr0ub4dor*3x", "4 horses battery staple", "abc1<def>2xyz", 84719283]
)
def test_a_field_that_is_called_a_secret_is_one(name: str, value: str | int) -> None:
    for row in ({name: value}, {"arguments": json.dumps({name: value})}, {"t": f"it says {json.dumps({name: value})}"}):
        if isinstance(value, int) and "t" in row:
            continue  # in a text it may be any number
        clean, findings = scan_line(search_for(ALL), json.dumps(row).encode())
        assert [each.rule for each in findings] == ["named-secret"]
        assert str(value) not in json.dumps(json.loads(clean))
        assert found(clean) == []


@pytest.mark.parametrize(
    "value",
    ["${PASSWORD_1}", "$PASSWORD_1", "{{password1}}", "<password1>", "%(password1)s", "******1", "[secret 1]", 1, 0.5],
)
def test_what_stands_for_a_secret_is_none(value: str | float) -> None:
    assert found(json.dumps({"password": value})) == found(json.dumps({"t": f"password={value}"})) == []


@pytest.mark.parametrize(
    ("text", "clean"),
    [
        ('password="abc1(def)2xyz" x', 'password="[REDACTED:named-secret]" x'),
        ('{"password":"abcd12;rest34, x"}', '{"password":"[REDACTED:named-secret]"}'),
        ("password='it is \\' 4 me', x", "password='[REDACTED:named-secret]', x"),
        (
            '"{\\"password\\": \\"a b;c 123\\", \\"b\\": 1',
            '"{\\"password\\": \\"[REDACTED:named-secret]\\", \\"b\\": 1',
        ),
        ("password=pa$$w0rd12, x", "password=[REDACTED:named-secret], x"),
        ('password="cut 0ff', 'password="cut 0ff'),
        ("postgres://u:pass@12@34word@host/db", "postgres://u:[REDACTED:password-in-url]@host/db"),
        ("a\u2011b 4111\u20111111\u20111111\u20111111", "a\u2011b [REDACTED:payment-card]"),
        ("password\n= hunter22", "password\n= [REDACTED:named-secret]"),
        ("Basic\nam9lOmh1bnRlcjI=", "Basic\n[REDACTED:basic-credentials]"),
        ("Basic understanding of all", "Basic understanding of all"),
    ],
)
@pytest.mark.parametrize("ascii_only", [True, False])
def test_no_rest_of_a_secret_stays(text: str, clean: str, ascii_only: bool) -> None:
    line = json.dumps({"t": text}, ensure_ascii=ascii_only).encode()
    assert json.loads(scan_line(search_for(ALL), line)[0]) == {"t": clean}


def test_two_keys_do_not_become_one() -> None:
    row = {"m": {"a@x.com": 1, "b@x.com": 2}, "n": [{"b@x.com": 3}]}
    clean, _ = scan_line(search_for(ALL), json.dumps(row).encode())
    assert json.loads(clean) == {
        "m": {"[REDACTED:email]": 1, "[REDACTED:email] 2": 2},
        "n": [{"[REDACTED:email] 2": 3}],
    }


def test_an_empty_file_is_not_called_clean(here: Path) -> None:
    report = scan([write(here / "r.jsonl", [])])
    assert report.status == 1
    assert "nothing was looked at: there is no line" in report.lines


def test_fields_that_are_called_secrets() -> None:
    assert found('{"db_password": "tr0ub4dor"}') == ["named-secret"]
    assert found('{"config": {"api_key": "q\\"w3rty-uiop"}}') == ["named-secret"]
    assert found('{"apiKeys": ["q1w2e3r4t5", ["u7i8o9p0a1"]]}') == ["named-secret"] * 2
    assert found('{"password": {"value": "tr0ub4dor"}}') == ["named-secret"]
    assert found('{"passwords": [{"user": "tr0ub4dor"}], "access_tokens": 100000}') == []
    assert found('{"password": "the password of the user"}') == []
    assert found('{"password": "{{password1}}", "token_count": "123456"}') == []


@pytest.mark.parametrize(
    "text",
    [
        "logo@2x.png", "4111 1111 1111 1112", "1234567890123456", "-0.4111111111111111", "0000 0000 0000 0000", "resp_4018393849524bcf82e30", "330500400001780", "4434444434444",
        "DE00 3704 0044 0532 0130 00", "x + 2 - 3 (4)", "@property", "sk-1", "2024-01-15 12:30:45", "1.7e18",
        "Bearer of bad news and more words", "password: please ask", "https://example.org/a?b=c", "a Basic abcdefgh", "task-list-of-all-words-here",
    ],
)  # fmt: skip
def test_what_is_none(text: str) -> None:
    assert found(json.dumps({"t": text})) == []


def test_log_probabilities_are_no_cards() -> None:
    line = json.dumps({"p": [-0.4111111111111111, -4.0111111111111111e-5], "ids": [4111, 1111, 1111, 1111]})
    assert not search_for(ALL).may_hold(line.encode())


def test_every_rule_has_a_sample_or_is_in_the_list_of_rest() -> None:
    rest = {"aws-secret-key", "slack-webhook", "other-provider-key", "azure-key"}
    assert set(RULES) == set(SECRETS) | rest


def calls_for(line: bytes) -> int:
    """How many functions run for a line, those of C too."""
    count = 0

    def note(frame, event, argument) -> None:
        nonlocal count
        count += event in ("call", "c_call")

    sys.setprofile(note)
    try:
        scan_line(search_for(ALL), line)
    finally:
        sys.setprofile(None)
    return count


UNKIND = [
    "eyJ", "eyJa.", "eyJa.eyJb", "sk-", "a@", "a@b.", "4111 ", "41111111111111111 ", "DE89 ", "+1 ", "555-123-", "password=",
    "://a:", "-----BEGIN PRIVATE KEY-----", '{"a":', "\\u0040", "%40", "&#64;", '"', "\\", "jane@example.org ", "hf_", "1",
]  # fmt: skip


@pytest.mark.parametrize("unit", UNKIND)
def test_work_grows_with_the_text_and_no_faster(unit: str) -> None:
    """RE2 is linear in what it reads; here it is counted how often it, and all else, is called."""
    once, twice = (json.dumps({"t": unit * count}).encode() for count in (500, 1000))
    calls_for(once)
    assert calls_for(twice) <= 2.2 * calls_for(once) + 100
    assert (
        calls_for(json.dumps(unit * 1000).encode()[:-1]) <= 2.2 * calls_for(json.dumps(unit * 500).encode()[:-1]) + 100
    )


def test_all_forms_are_of_an_engine_without_backtracking() -> None:
    search = search_for(ALL)
    assert all(type(form) is type(re2.compile("a")) for form in [*search.forms, search.any])


def test_the_command(here: Path, command) -> None:
    write(here / "r.jsonl", [rollout(), rollout(text=f"I used {NVIDIA}"), "", f"x {NVIDIA}"])
    made = command("scan", "r.jsonl", "--redact", "c.jsonl", "--findings", "f.jsonl")
    assert made.returncode == 1
    assert "r.jsonl:2: response.output[0].content[0].text: nvidia-key: nvapi-*** (70 characters)" in made.stdout
    assert "r.jsonl:4: (the line): nvidia-key" in made.stdout
    assert "xxxx" not in made.stdout + Path("c.jsonl").read_text() + Path("f.jsonl").read_text()
    lines, before = Path("c.jsonl").read_bytes().split(b"\n"), Path("r.jsonl").read_bytes().split(b"\n")
    assert (lines[0], lines[2], len(lines)) == (before[0], b"", len(before))
    assert json.loads(lines[1])["response"]["output"][0]["content"][0]["text"] == "I used [REDACTED:nvidia-key]"
    assert [row["line"] for row in read("f.jsonl")] == [2, 4]
    assert command("scan", "c.jsonl").returncode == 0


def test_options_are_checked_and_inputs_kept(here: Path) -> None:
    path = write(here / "r.jsonl", [{"t": NVIDIA}])
    with pytest.raises(Fault, match="is an input too"):
        scan([path], redact=path)
    with pytest.raises(Fault, match="no such rule"):
        scan([path], only=["nvidia"])
    with pytest.raises(Fault, match="no rule to look for"):
        scan([path], only=["email"], without=["email"])
    assert scan([path], without=["nvidia-key"]).status == 0
    assert read(path) == [{"t": NVIDIA}]


def test_a_missing_end_is_not_called_clean(here: Path) -> None:
    import gzip
    import os

    data = gzip.compress(json.dumps({"t": os.urandom(5000).hex()}).encode())
    Path("r.gz").write_bytes(data[:-900])
    report = scan([Path("r.gz")])
    assert report.status == 1
    assert "not looked at to its end" in "\n".join(report.lines)


def test_no_mutant_stops_it(here: Path) -> None:
    rows = [rollout(text=f"mail jane@example.org and {NVIDIA}", n=4111111111111111)]
    path = write(here / "m.jsonl", mutants(rows, 2000, seed=1))
    report = scan([path], redact=Path("c.jsonl"), show=0)
    assert report.figures["lines"] == len(path.read_bytes().split(b"\n")) - 1
    assert scan([Path("c.jsonl")], only=["email", "nvidia-key"]).status == 0


TEXTS = st.text(st.characters(codec="utf-8"), max_size=8)


@settings(max_examples=150, deadline=None)
@given(
    st.recursive(st.none() | st.booleans() | st.integers() | TEXTS, lambda v: st.lists(v, max_size=3) | st.dictionaries(TEXTS, v, max_size=3), max_leaves=8),
    st.sampled_from(["nvidia-key", "hugging-face-token", "payment-card", "email"]),
    st.booleans(),
)  # fmt: skip
def test_only_the_secret_changes(value, rule: str, ascii_only: bool) -> None:
    row = {"rest": value, "t": f"a\n{SECRETS[rule]}\nb"}
    clean, findings = scan_line(search_for((rule,)), json.dumps(row, ensure_ascii=ascii_only).encode())
    assert [each.rule for each in findings] == [rule]
    assert json.loads(clean) == row | {"t": f"a\n[REDACTED:{rule}]\nb"}
