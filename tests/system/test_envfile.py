import pytest
from hypothesis import given
from hypothesis import strategies as st

from mainstay.base.errors import SpecError
from mainstay.system.envfile import parse_env, read_env_file

GOOD = [
    ("A=1", {"A": "1"}),
    ("export A=1\r\n\r\nB = 2 ", {"A": "1", "B": "2"}),
    ("# comment\n  # another\nA=", {"A": ""}),
    ("A=a b # comment", {"A": "a b"}),
    ("A=# comment", {"A": ""}),
    ("A=a#b", {"A": "a#b"}),
    ("A='a # b \\n' # comment", {"A": "a # b \\n"}),
    ('A="a\\nb \\"c\\" \\\\ \\$ \\t\\r \\x"', {"A": 'a\nb "c" \\ $ \t\r \\x'}),
    ("A=1\nA=2", {"A": "2"}),
    ("A=x=y", {"A": "x=y"}),
    ("A=a\x0cb\u2028c", {"A": "a\x0cb\u2028c"}),
]

BAD = [
    ("A", [(1, "found 'A', allowed is NAME=VALUE")]),
    ("\n1A=1\nB", [(2, "found '1A=1', allowed is NAME=VALUE"), (3, "found 'B', allowed is NAME=VALUE")]),
    ("A='x", [(1, "the value of A has an unfinished quote or text after it")]),
    ('A="x" y', [(1, "the value of A has an unfinished quote or text after it")]),
    ("A=\0", [(1, "the value of A has a null character")]),
    ("x" * 50, [(1, f"found '{'x' * 40}', allowed is NAME=VALUE")]),
]


@pytest.mark.parametrize(("content", "values"), GOOD)
def test_lines_are_read_as_other_tools_read_them(content, values):
    assert parse_env(content) == (values, [])


@pytest.mark.parametrize(("content", "problems"), BAD)
def test_what_is_wrong_is_told_with_its_line(content, problems):
    assert parse_env(content) == ({}, problems)


@given(
    st.dictionaries(
        st.from_regex(r"\A[A-Z_]{1,5}\Z"), st.text(alphabet=st.characters(exclude_characters="'\0\n\r"))
    )
)
def test_single_quotes_keep_every_value(values):
    content = "\n".join(f"{name}='{value}'" for name, value in values.items())

    assert parse_env(content) == (values, [])


@given(st.text())
def test_whatever_text_is_read_or_told(content):
    values, problems = parse_env(content)

    assert all("\0" not in value for value in values.values())
    assert all(line > 0 and message for line, message in problems)


def test_a_file_is_read_with_or_without_a_byte_order_mark(tmp_path):
    (tmp_path / "a.env").write_bytes("\ufeffA=ä\n".encode())

    assert read_env_file(tmp_path / "a.env") == {"A": "ä"}


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"A=1\nnonsense\nB='", ("{file}:2: found 'nonsense', allowed is NAME=VALUE; "
         "{file}:3: the value of B has an unfinished quote or text after it")),
        (b"A=\xff", "{file} is not UTF-8 text: byte 2 is 0xff"),
        (None, "{file} cannot be read: no such file or directory"),
    ],
)  # fmt: skip
def test_a_file_that_cannot_be_used_is_told(tmp_path, content, message):
    file = tmp_path / "a.env"
    if content is not None:
        file.write_bytes(content)

    with pytest.raises(SpecError) as refused:
        read_env_file(file)

    assert str(refused.value) == message.format(file=file)


def test_a_name_that_no_file_can_have_is_told(tmp_path):
    with pytest.raises(SpecError, match="cannot be read: embedded null byte"):
        read_env_file(tmp_path / "a\0b")
