"""A text that is no expression: the column, what was found, what was expected, and a hint where one helps."""

import pytest

from engine.expressions.expression import ExpressionError, parse

# name: (text, column, part of the message, part of the hint or None)
CASES: dict[str, tuple[str, int, str, str | None]] = {
    "nothing": ("", 1, "found end of expression, expecting a comparison", None),
    "only spaces": ("   ", 4, "found end of expression, expecting a comparison", None),
    "a word alone": ("foo", 4, "found end of expression, expecting operator", "compares two values"),
    "true alone": ("true", 5, "expecting operator", "1==1"),
    "a number alone": ("1", 2, "expecting operator", "compares two values"),
    "a path alone before AND": (
        "a.b AND c == 1",
        5,
        "found 'AND', expecting operator",
        "compares two values",
    ),
    "a path alone in parentheses": ("(vip)", 5, "found ')', expecting operator", "compares two values"),
    "two words": ("lev evel HAS 'x'", 5, "found 'evel', expecting operator", None),
    "no right side": ("a ==", 5, "found end of expression, expecting a value", None),
    "no left side": ("== 1", 1, "found '==', expecting a comparison", None),
    "nothing after AND": ("a == 1 AND", 11, "found end of expression, expecting a comparison", None),
    "AND first": ("AND a == 1", 1, "found 'AND', expecting a comparison", "keyword"),
    "keyword as value": ("a == and", 6, "found 'and', expecting a value", "and is a keyword"),
    "hyphen in a name": ("customer-value == 1", 9, "found '-', expecting operator", "customer_value"),
    "hyphen before a digit": ("task-1 == 2", 5, "found '-'", "task_1"),
    "hyphen in a name on the right": ("a == b-c AND d == 1", 7, "found '-'", "b_c"),
    "two hyphens in a name": ("a == 1 AND x.my-big-key == 2", 16, "found '-'", "my_big_key"),
    "open single quote": ("a == 'x", 6, "not closed", "add the closing quote"),
    "open double quote": ('a == "x AND b == 1', 6, "not closed", "add the closing quote"),
    "escaped closing quote": (r"a == 'x\'", 6, "not closed", "add the closing quote"),
    "typographic quotes": ("a == “x”", 6, "found '“', expecting a value", "straight quotes"),
    "two ampersands": ("a == 1 && b == 2", 8, "found '&&', expecting AND, OR", "write AND"),
    "two bars": ("a == 1 || b == 2", 8, "found '||', expecting AND, OR", "write OR"),
    "three equals signs": ("a === 1", 3, "found '===', expecting a value", "write =="),
    "unequal with three characters": ("a !== 1", 3, "found '!=='", "write !="),
    "exclamation mark": ("!a == 1", 1, "found '!', expecting a comparison", "write NOT"),
    "SQL unequal": ("a <> 1", 3, "found '<>'", "write !="),
    "arrow": ("a => 1", 3, "found '=>'", "write >="),
    "regular expression": ("a =~ 'x'", 3, "found '=~'", "CONTAINS"),
    "plus": ("a + 1 == 2", 3, "found '+', expecting operator", "no arithmetic"),
    "minus": ("a == 5 - 3", 8, "found '-', expecting AND, OR", "no arithmetic"),
    "minus on a name": ("a - b == 3", 3, "found '-', expecting operator", "no arithmetic"),
    "times": ("a * 2 == 4", 3, "found '*'", "no arithmetic"),
    "IN with parentheses": ("x IN ('a', 'b')", 6, "found '(', expecting a value", "square brackets"),
    "unquoted text": ("name == John Smith", 14, "found 'Smith', expecting AND, OR", "put text in quotes"),
    "letters outside ASCII in a name": (
        "größe == 1",
        3,
        "found 'öße', expecting operator",
        "put text in quotes",
    ),
    "NOT after the left side": (
        "a NOT HAS 1",
        3,
        "found 'NOT', expecting operator",
        "before the whole comparison",
    ),
    "NOT twice": ("NOT NOT a == 1", 5, "found 'NOT', expecting a comparison after NOT", "parentheses"),
    "two comparisons side by side": ("a == 1 b == 2", 8, "found 'b', expecting AND, OR", "AND or OR"),
    "open parenthesis": ("(a == 1", 8, "found end of expression, expecting AND, OR or ')'", None),
    "superfluous parenthesis": ("a == 1)", 7, "found ')', expecting AND, OR or the end", None),
    "empty parentheses": ("()", 2, "found ')', expecting a comparison", None),
    "open list": ("a IN [1, 2", 11, "expecting ',' or ']'", None),
    "list with a trailing comma": ("a IN [1,]", 9, "found ']', expecting a value", None),
    "list without commas": ("a IN ['x' 'y']", 11, "expecting ',' or ']'", None),
    "two dots": ("a..b == 1", 2, "found '.'", "after a dot"),
    "dot at the end": ("a. == 1", 2, "found '.'", "after a dot"),
    "negative index": ("a[-1] == 1", 2, "found '['", "counted from 0"),
    "quoted index": ("a['b'] == 1", 2, "found '['", "counted from 0"),
    "two operators": ("a == == 1", 6, "found '==', expecting a value", None),
    "chained comparison": ("1 < a < 3", 7, "found '<', expecting AND, OR", None),
    "over several lines": ("a == 1 AND\nb == 2 x", 19, "found 'x', expecting AND, OR", "AND or OR"),
    "a text over several lines": ("a == 1 'x\ny'", 8, "found ''x y'', expecting AND, OR", None),
    "closed parentheses before": ("(a == 1) true", 10, "expecting AND, OR or the end", None),
    "NUL": ("a == 'x\0'", 8, "found character U+0000", None),
    "lone surrogate": ("a == '\ud800'", 7, "found character U+D800", None),
    "no-break space": ("a\u00a0== 1", 2, "found character U+00A0", None),
    "half a number": ("a == 5.", 7, "found '.', expecting AND, OR", "after a dot"),
    "exponent": ("a == 1e5", 7, "found 'e5', expecting AND, OR", "put text in quotes"),
    "number without end": ("a == " + "9" * 2_000, 6, "at most 1000", None),
    "number beyond a double": ("a == " + "9" * 400 + ".5", 6, "too large", None),
    "index without end": ("a[" + "9" * 2_000 + "] == 1", 1, "at most 1000", None),
}


@pytest.mark.parametrize(("text", "column", "message", "hint"), CASES.values(), ids=CASES.keys())
def test_names_the_place_and_the_way_out(text: str, column: int, message: str, hint: str | None) -> None:
    with pytest.raises(ExpressionError) as caught:
        parse(text)
    error = caught.value
    assert error.column == column
    assert message in error.message
    assert "\n" not in str(error)
    assert (error.hint is None) is (hint is None)
    assert hint is None or hint in str(error.hint)


IN_FULL = {
    "a-b": "column 2: found '-', expecting operator, such as == or HAS "
    "(a name cannot contain '-'; rename the attribute, for example to a_b)",
    "1 == my_big-key": "column 12: found '-', expecting AND, OR or the end of the expression "
    "(a name cannot contain '-'; rename the attribute, for example to my_big_key)",
    "vip or": "column 5: found 'or', expecting operator, such as == or HAS "
    "(an expression compares two values, as in vip == true)",
    "false": "column 6: found end of expression, expecting operator, such as == or HAS "
    "(write 1==1 for always and 1==0 for never)",
    "a == “x”": "column 6: found '“', expecting a value (use straight quotes, ' or \")",
    "a == 'x": "column 6: found a text that is not closed, expecting another ' (add the closing quote)",
    "x IN ('a')": "column 6: found '(', expecting a value "
    "(write a list in square brackets, as in ['a', 'b'])",
    "NOT NOT a == 1": "column 5: found 'NOT', expecting a comparison after NOT "
    "(write NOT once, or use parentheses)",
    "a NOT HAS 1": "column 3: found 'NOT', expecting operator, such as == or HAS "
    "(write NOT before the whole comparison; only NOT IN is an operator)",
    "a..b == 1": "column 2: found '.', expecting operator, such as == or HAS "
    "(after a dot stands a name of letters, digits, _ and $)",
    "a[-1] == 1": "column 2: found '[', expecting operator, such as == or HAS "
    "(an index is a whole number, counted from 0)",
    "größe == 1": "column 3: found 'öße', expecting operator, such as == or HAS "
    "(put text in quotes; names take the letters A to Z, digits, _ and $)",
    "a == b c": "column 8: found 'c', expecting AND, OR or the end of the expression "
    "(put text in quotes, or join comparisons with AND or OR)",
    "a == " + "9" * 400 + ".5": "column 6: found a number that is too large, "
    "expecting one that fits a double",
}


@pytest.mark.parametrize(("text", "told"), IN_FULL.items())
def test_an_error_in_full(text: str, told: str) -> None:
    with pytest.raises(ExpressionError) as caught:
        parse(text)
    assert str(caught.value) == told


SYMBOLS = {
    "write AND": ["&&", "&"],
    "write OR": ["||", "|"],
    "write ==": ["==="],
    "write !=": ["!==", "<>", "=!"],
    "write >=": ["=>"],
    "write <=": ["=<"],
    "write NOT before a comparison, or != for unequal": ["!"],
    "there are no regular expressions; CONTAINS finds a part of a text": ["=~", "~"],
    "there is no arithmetic in expressions": [*"+-*/%^", "**", "++", "--", "+=", "-="],
}


@pytest.mark.parametrize(("symbol", "hint"), [(each, hint) for hint in SYMBOLS for each in SYMBOLS[hint]])
def test_a_symbol_of_other_languages_is_told_what_to_write_for_it(symbol: str, hint: str) -> None:
    for text in (f"{symbol}a == 1", f"a {symbol} b", f"a == 1 {symbol} b == 2"):
        with pytest.raises(ExpressionError) as caught:
            parse(text)
        error = caught.value
        assert (error.hint, error.column) == (hint, text.index(symbol) + 1)
        assert error.message.startswith(f"found '{symbol}', expecting ")


@pytest.mark.parametrize("word", ["and", "or", "in", "HAS", "Contains"])
def test_a_keyword_in_place_of_a_value_is_said_to_be_one(word: str) -> None:
    with pytest.raises(ExpressionError) as caught:
        parse(f"a == {word}")
    assert caught.value.hint == f"{word} is a keyword; put it in quotes when it is meant as text"


@pytest.mark.parametrize("word", ["true", "False", "null", "in", "has", "contains"])
def test_a_keyword_behind_a_comparison_is_no_text_without_quotes(word: str) -> None:
    with pytest.raises(ExpressionError, match=f"found '{word}', expecting AND, OR") as caught:
        parse(f"a == 1 {word} b")
    assert caught.value.hint is None


def test_text_of_the_error_with_and_without_hint() -> None:
    assert str(ExpressionError(3, "found x", None)) == "column 3: found x"
    assert str(ExpressionError(3, "found x", "write y")) == "column 3: found x (write y)"
    assert isinstance(ExpressionError(1, ""), ValueError)


@pytest.mark.parametrize(("word", "shown"), [("b" * 40, "b" * 40), ("b" * 10_000, "b" * 40 + "…")])
def test_a_long_piece_of_text_is_cut_in_the_message(word: str, shown: str) -> None:
    with pytest.raises(ExpressionError, match=f"^column 8: found '{shown}', expecting"):
        parse(f"a == 1 {word}")
