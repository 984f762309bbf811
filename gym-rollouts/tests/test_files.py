"""Inputs, whatever they are packed in; outputs, whole or not at all."""

import bz2
import gzip
import json
import lzma
import os
import random
from pathlib import Path
from threading import Thread

import pytest
from gym_rollouts import Fault, filter, prepare
from gym_rollouts.files import Outputs, Source, encoding_of, older_outputs, shard_names
from gym_rollouts.lines import RANGE, Range, ranges, read
from gym_rollouts.standard import zstd
from sample import read as rows_of
from sample import rollout, write

ROWS = [rollout(0, 0, 1.0, "é — 4"), rollout(0, 1, 0.0, "5"), rollout(1, 0, 1.0, "7", "3 + 4?")]
LINES = [json.dumps(row, ensure_ascii=False) for row in ROWS]
TEXT = "".join(f"{line}\n" for line in LINES)

PACKED = {
    "plain": TEXT.encode(),
    "no end": TEXT.rstrip("\n").encode(),
    "BOM": TEXT.encode("utf-8-sig"),
    "CRLF": TEXT.replace("\n", "\r\n").encode(),
    "BOM and CRLF": TEXT.replace("\n", "\r\n").encode("utf-8-sig"),
    "UTF-16": TEXT.encode("utf-16"),
    "UTF-16 without a mark": TEXT.encode("utf-16-le"),
    "UTF-16, the other end first": TEXT.encode("utf-16-be"),
    "UTF-32": TEXT.encode("utf-32"),
    "gzip": gzip.compress(TEXT.encode()),
    "two gzip members": gzip.compress(TEXT[:100].encode()) + gzip.compress(TEXT[100:].encode()),
    "gzip with a BOM": gzip.compress(TEXT.encode("utf-8-sig")),
    "gzip of UTF-16": gzip.compress(TEXT.encode("utf-16")),
    "zstd": zstd.compress(TEXT.encode()),
    "two zstd frames": zstd.compress(TEXT[:100].encode()) + zstd.compress(TEXT[100:].encode()),
    "bzip2": bz2.compress(TEXT.encode()),
    "xz": lzma.compress(TEXT.encode()),
}


@pytest.mark.parametrize("data", PACKED.values(), ids=PACKED)
def test_every_packing_gives_the_same_lines(here: Path, data: bytes) -> None:
    Path("any.name").write_bytes(data)
    report = filter([Path("any.name")], purpose="rl", kept=Path("kept.jsonl"))
    assert report.status == 0
    assert Path("kept.jsonl").read_text(encoding="utf-8") == TEXT
    assert rows_of("rejects.jsonl") == []


@pytest.mark.parametrize("data", [PACKED["plain"], PACKED["gzip"], PACKED["UTF-16"]], ids=["plain", "gzip", "UTF-16"])
def test_standard_input(here: Path, command, data: bytes) -> None:
    made = command("filter", "-", "--for", "rl", "--kept", "kept.jsonl", data=data)
    assert made.returncode == 0, made.stderr
    assert Path("kept.jsonl").read_text(encoding="utf-8") == TEXT


def test_a_pipe_that_has_a_name(here: Path) -> None:
    os.mkfifo("pipe")
    writer = Thread(target=lambda: Path("pipe").write_bytes(PACKED["gzip"]))
    writer.start()
    filter([Path("pipe")], purpose="rl", kept=Path("kept.jsonl"))
    writer.join()
    assert Path("kept.jsonl").read_text(encoding="utf-8") == TEXT


@pytest.mark.parametrize("name", ["gzip", "zstd", "xz", "bzip2"])
def test_a_compressed_file_that_was_cut_off_names_its_missing_end(here: Path, name: str) -> None:
    many = "".join(json.dumps(rollout(n, 0, 1.0, os.urandom(200).hex())) + "\n" for n in range(3000)).encode()
    pack = {"gzip": gzip.compress, "zstd": zstd.compress, "xz": lzma.compress, "bzip2": bz2.compress}[name]
    data = pack(many)
    Path("cut").write_bytes(data[: len(data) * 2 // 3])
    report = filter([Path("cut")], purpose="rl", kept=Path("kept.jsonl"))
    rejects = rows_of("rejects.jsonl")
    assert report.figures["kept"] + len(rejects) == report.figures["lines"] + 1
    assert "ends too early" in rejects[-1]["reason"]
    assert report.figures["kept"] < 3000


def test_an_undecodable_character_costs_its_line_only(here: Path) -> None:
    parts = [line.encode("utf-16-le") + "\n".encode("utf-16-le") for line in LINES]
    parts[1] = parts[1][:40] + b"\x00\xd8" + parts[1][40:]
    Path("r.jsonl").write_bytes(b"\xff\xfe" + b"".join(parts))
    filter([Path("r.jsonl")], purpose="rl", kept=Path("kept.jsonl"))
    assert [(row["line"], row["step"]) for row in rows_of("rejects.jsonl")] == [(2, "unreadable")]
    assert len(rows_of("kept.jsonl")) == 2


@pytest.mark.parametrize("name", ["none.jsonl", ".", "a.parquet", "a.zip"])
def test_an_input_that_is_none_is_one_line(here: Path, command, name: str) -> None:
    Path("a.parquet").write_bytes(b"PAR1....")
    Path("a.zip").write_bytes(b"PK\x03\x04....")
    made = command("filter", name, "--for", "rl", "--kept", "kept.jsonl")
    assert made.returncode == 2
    assert made.stderr.count("\n") == 1
    assert name in made.stderr
    assert not Path("kept.jsonl").exists()


def test_no_output_is_an_input_or_another_output(here: Path) -> None:
    source = write(here / "r.jsonl", ROWS)
    before = source.read_bytes()
    (here / "link.jsonl").symlink_to(source)
    os.link(source, here / "hard.jsonl")
    for kept in ("r.jsonl", "./r.jsonl", "link.jsonl", "hard.jsonl", str(source)):
        with pytest.raises(Fault, match="is an input too"):
            filter([Path("r.jsonl")], purpose="rl", kept=Path(kept))
        with pytest.raises(Fault, match="is an input too"):
            filter([Path("r.jsonl")], purpose="rl", kept=Path("k.jsonl"), rejects=Path(kept))
    with pytest.raises(Fault, match="is written by --kept too"):
        filter([Path("r.jsonl")], purpose="rl", kept=Path("k.jsonl"), rejects=Path("./k.jsonl"))
    with pytest.raises(Fault, match="is an input too"):
        prepare([Path("r.jsonl")], rl=Path("t.jsonl"), tasks=write(here / "t.jsonl", [{}]))
    assert source.read_bytes() == before
    assert sorted(path.name for path in here.iterdir()) == ["hard.jsonl", "link.jsonl", "r.jsonl", "t.jsonl"]


def test_a_stale_shard_that_is_an_input_is_not_removed(here: Path) -> None:
    write(here / "sft-00000-of-00002.jsonl", ROWS)
    with pytest.raises(Fault, match="is an input too"):
        prepare([Path("sft-00000-of-00002.jsonl")], sft=Path("sft.jsonl"))
    assert len(rows_of("sft-00000-of-00002.jsonl")) == 3


def test_outputs_appear_whole_or_not_at_all(here: Path) -> None:
    Path("out.jsonl").write_text("old")

    def fail() -> None:
        with Outputs([]) as outputs:
            (place,) = outputs.claim(Path("out.jsonl"), "--out")
            place.write_text("half")
            raise RuntimeError

    with pytest.raises(RuntimeError):
        fail()
    assert Path("out.jsonl").read_text() == "old"
    assert [path.name for path in here.iterdir()] == ["out.jsonl"]


def test_no_shard_of_an_earlier_run_remains(here: Path) -> None:
    source = write(here / "r.jsonl", [rollout(n, 0, 1.0, str(n), f"{n}?") for n in range(9)])
    for shards, names in ((4, 4), (2, 2), (1, 1), (3, 3)):
        prepare([source], sft=Path("sft.jsonl"), shards=shards)
        found = sorted(path.name for path in here.glob("sft*"))
        assert len(found) == names
        assert sum(len(rows_of(name)) for name in found) == 9
    assert sorted(path.name for path in here.iterdir()) == [
        "r.jsonl", "rejects.jsonl", *(f"sft-0000{n}-of-00003.jsonl" for n in range(3))
    ]  # fmt: skip


@pytest.mark.parametrize("suffix", [".jsonl", ".jsonl.gz", ".jsonl.zst", ".parquet"])
def test_what_an_earlier_run_left_is_named_and_goes(here: Path, suffix: str) -> None:
    source = write(here / "r.jsonl", [rollout(n, 0, 1.0, str(n), f"{n}?") for n in range(3)])
    prepare([source], sft=Path(f"sft{suffix}"), shards=3)
    report = prepare([source], sft=Path(f"sft{suffix}"), shards=2)
    old = [f"sft-0000{n}-of-00003{suffix}" for n in range(3)]
    assert report.figures["removed"] == old
    assert report.lines[-1] == f"removed, since an earlier run wrote it: {', '.join(old)}"
    assert len(list(here.glob("sft*"))) == 2


@pytest.mark.parametrize("data", [b'{"text": "mine"}\n', b"PAR1", b"\x1f\x8b"])
@pytest.mark.parametrize("suffix", [".jsonl", ".jsonl.gz", ".parquet"])
def test_a_file_of_somebody_else_that_looks_like_a_shard_stays(here: Path, data: bytes, suffix: str) -> None:
    source = write(here / "r.jsonl", ROWS)
    theirs = here / f"train-00000-of-00005{suffix}"
    theirs.write_bytes(data)
    with pytest.raises(Fault, match=r"train-00000-of-00005.*did not write that file"):
        prepare([source], sft=Path(f"train{suffix}"))
    assert theirs.read_bytes() == data
    filter([source], purpose="rl", kept=Path("train.jsonl"), rejects=Path("r2.jsonl"))  # it never writes shards
    assert theirs.read_bytes() == data


@pytest.mark.parametrize("pack", [gzip.compress, lambda data: bz2.compress(data, 1), lzma.compress, zstd.compress])
def test_all_that_stands_before_a_damage_counts(here: Path, pack) -> None:
    texts = [random.Random(n).randbytes(200).hex() for n in range(500)]
    lines = [json.dumps(rollout(n, 0, 1.0, text, f"{n}?")) + "\n" for n, text in enumerate(texts)]
    whole = pack("".join(lines).encode())
    filter_of = {"purpose": "rl", "kept": Path("k.jsonl")}
    (here / "r").write_bytes(whole[: len(whole) * 9 // 10])
    assert filter([Path("r")], **filter_of).status == 0
    kept = len(rows_of("k.jsonl"))
    assert kept > 250  # how many lines are in the part that is whole depends on the packing: blocks of up to 128 kB
    (reject,) = [each for each in rows_of("rejects.jsonl") if "damaged" in each["reason"]]
    assert reject["line"] in (kept + 1, kept + 2)
    if pack is not zstd.compress:  # which says that more than a frame cannot be read before it gives any of it
        (here / "r").write_bytes(whole + b"garbage")
        filter([Path("r")], **filter_of)
        assert len(rows_of("k.jsonl")) == 500


def test_a_folder_is_made(here: Path) -> None:
    write(here / "r.jsonl", ROWS)
    filter([Path("r.jsonl")], purpose="rl", kept=Path("a/b/kept.jsonl"))
    assert len(rows_of("a/b/kept.jsonl")) == 3


@pytest.mark.parametrize("folder", ["run [v2]", "50% done?", "it's", 'a "b"', "*", "né", "-x", "a\nb", "$HOME", "{x}"])
def test_names_are_only_names(here: Path, folder: str) -> None:
    at = here / folder
    at.mkdir()
    write(at / "r [1].jsonl", ROWS)
    filter([at / "r [1].jsonl"], purpose="rl", kept=at / "it's.jsonl", rejects=at / "r?.jsonl", spool=at)
    prepare([at / "it's.jsonl"], sft=at / "%s.parquet", rejects=at / "r?.jsonl", shards=2, spool=at)
    assert len(list(at.iterdir())) == 5


def test_names_that_are_no_unicode(here: Path) -> None:
    name = os.fsdecode(b"r\xff.jsonl")
    write(here / name, [*ROWS, "x"])
    filter([Path(name)], purpose="rl", kept=Path("k.jsonl"))
    assert rows_of("rejects.jsonl")[0]["line"] == 4


def test_encodings() -> None:
    assert encoding_of(b'{"a"') == ("utf-8", 0)
    assert encoding_of(b"") == ("utf-8", 0)
    assert encoding_of(b"\xff\xfe\x00\x00") == ("utf-32-le", 4)
    assert encoding_of(b"\xff\xfe{\x00") == ("utf-16-le", 2)


def test_shard_names(here: Path) -> None:
    assert [path.name for path in shard_names(Path("a.b/x.jsonl.gz"), 2)] == [
        "x-00000-of-00002.jsonl.gz", "x-00001-of-00002.jsonl.gz"
    ]  # fmt: skip
    Path("x-00000-of-00007.jsonl").touch()
    Path("xy-00000-of-00007.jsonl").touch()
    assert older_outputs(Path("x.jsonl"), [Path("x.jsonl")]) == [Path("x-00000-of-00007.jsonl")]


@pytest.mark.parametrize("size", [1, 2, 3, 7, 64, 1000])
@pytest.mark.parametrize(
    "data", [b"", b"\n", b"a", b"a\nbb\n\nccc", b"\r\n\r\n", b"aaaa\nb\n" * 9, b"x" * 500 + b"\ny"]
)
def test_ranges_have_every_line_once(here: Path, data: bytes, size: int) -> None:
    Path("f").write_bytes(data)
    source = Source("f", Path("f"), 0, len(data))
    found = [line for span in ranges([source], size) for line in read(span, 0)]
    expected = [line.removesuffix(b"\r") for line in data.split(b"\n")]
    if expected[-1] == b"":
        expected.pop()
    assert [line for _, line in found] == expected
    assert all(data[place : place + len(line)] == line for place, line in found)


def test_a_line_longer_than_many_chunks(here: Path) -> None:
    data = b"a\n" + b"x" * (RANGE * 2) + b"\nb\n"
    Path("f").write_bytes(data)
    found = [line for span in ranges([Source("f", Path("f"), 0, len(data))]) for line in read(span, 0)]
    assert [len(line) for _, line in found] == [1, RANGE * 2, 1]
    assert list(read(Range(0, "f", len(data), len(data) + 5), 0)) == []


def test_facts_of_which_the_disk_lost_a_part_are_made_again(here: Path) -> None:
    rows = [rollout(0, 0, 1.0), rollout(1, 0, 1.0, output=[]), "{"]
    source = write(here / "r.jsonl", rows)
    first = filter([source], purpose="sft", kept=Path("k.jsonl"), facts=Path("facts"))
    for path in Path("facts").iterdir():
        path.write_bytes(path.read_bytes()[:-3])
    again = filter([source], purpose="sft", kept=Path("k.jsonl"), facts=Path("facts"))
    assert again.figures == first.figures
    with pytest.raises(Fault, match=r"--facts r\.jsonl/x: no folder can be made there"):
        filter([source], purpose="sft", kept=Path("k.jsonl"), facts=Path("r.jsonl/x"))
