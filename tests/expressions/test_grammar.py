"""What can be written, and how it is read (behaviour §6: grammar and table of points; OQ-9)."""

import pytest

from engine.expressions.expression import parse

TASK = {"a": 1, "b": 2, "name": "it's", "tags": ["en", "es"], "deep": {"list": [{"k": "v"}]}, "$x_1": 7}

HOLDS = {
    "strings in single quotes": """'a' == 'a'""",
    "strings in double quotes mean the same": """'a' == "a" """,
    "the other quote needs no escape": """name == "it's" """,
    "a quote is escaped by a backslash": r"""name == 'it\'s'""",
    "a backslash is escaped by a backslash": r"""'\\' CONTAINS "\\" """,
    "a backslash before anything else is itself": r"""'a\d' == "a\\d" """,
    "a string may hold any text": "'Ünïcödé \n ☎' CONTAINS '☎'",
    "integers": "a == 1",
    "decimals": "3.14 > 3",
    "an integral decimal is the integer": "a == 1.0",
    "negative numbers": "a > -5",
    "leading zeros": "0800 == 800",
    "huge integers are exact": "123456789012345678901234567890 < 123456789012345678901234567891",
    "booleans unquoted": "true != false",
    "booleans in any case": "True == TRUE",
    "null": "missing == null",
    "null in any case": "missing == NULL",
    "lists": "'en' IN ['en', 'es']",
    "an empty list": "a NOT IN []",
    "an empty string in a list": "'' IN ['a','']",
    "a list may hold paths": "2 IN [a, b]",
    "a list may hold lists, which match nothing": "1 NOT IN [[1], 2]",
    "a list of names may hold lists of names, which match nothing": "1 NOT IN [[a], b]",
    "paths with dots and indexes": "deep.list[0].k == 'v'",
    "spaces inside a path": "deep . list [ 0 ] . k == 'v'",
    "dollar, underscore and digits in names": "$x_1 == 7",
    "an absent key is null": "deep.nothing.at.all == null",
    "an index out of range is null": "tags[9] == null",
    "an index on an object is null": "deep[0] == null",
    "a key on a list is null": "tags.en == null",
    "a name on a scalar is null": "a.b.c == null",
    "single equals sign": "a = 1",
    "double equals sign": "a == 1",
    "no spaces": "a!=b AND(a=1)",
    "tabs and line breaks": "a\t==\n1\r\nAND b == 2",
    "contains": "name CONTAINS 't'",
    "has": "tags HAS 'en'",
    "has by symbol": "tags >- 'en'",
    "in": "a IN [1]",
    "in by symbol": "a <- [1]",
    "not in": "a NOT IN [2]",
    "not in over white space": "a NOT \n IN [2]",
    "lower case and": "a == 1 and b == 2",
    "lower case or": "a == 9 or b == 2",
    "lower case in": "a in [1]",
    "lower case not in": "'x' not in tags",
    "lower case has and contains": "tags has 'en' and name contains 'it'",
    "NOT before a comparison": "NOT a == 2",
    "NOT before parentheses": "NOT (a == 2 OR b == 1)",
    "NOT binds tighter than AND": "NOT a == 2 AND b == 2",
    "NOT before NOT IN": "NOT a NOT IN [1]",
    "NOT without a space": "not(a==2)",
    "AND binds tighter than OR, right": "a == 1 OR a == 1 AND a == 2",
    "AND binds tighter than OR, left": "a == 2 AND a == 1 OR a == 1",
    "parentheses": "((a == 1)) AND (b == 1 OR b == 2)",
    "a number may follow < with a minus": "a <-5 OR a>-5",
    "a constant may be on the left": "1 == a",
    "a quoted left side is a constant (CX-8)": '"a" == "a"',
    "a keyword may be a later part of a path": "deep.in.or.not.has == null",
    "a name may begin like a keyword": "order == null AND nothing == null AND inner == null",
    "always": "1==1",
}

FAILS = {
    "never": "1==0",
    "never with one equals sign": "1=0",
    "a quoted left side is not a name (CX-8)": '"name" == "it\'s"',
    "AND binds tighter than OR": "(a == 1 OR a == 1) AND a == 2",
    "NOT covers only its comparison": "NOT a == 2 AND b == 1",
    "names are case-sensitive": "A == 1",
    "a path does not fall back to a dotted key": "deep.k == 'v'",
}


@pytest.mark.parametrize("text", HOLDS.values(), ids=HOLDS.keys())
def test_is_read_and_holds(text: str) -> None:
    assert parse(text).evaluate(TASK) is True


@pytest.mark.parametrize("text", FAILS.values(), ids=FAILS.keys())
def test_is_read_and_fails(text: str) -> None:
    assert parse(text).evaluate(TASK) is False


STRESS = """
(worker.routing.skills HAS task.skill OR task.skill == null) AND
( (task.channelType != 'web' AND worker.channel.chat.assigned_tasks == 0) OR
  (task.channelType = "web" AND (worker.waitingOfflineContact != true OR
     (task.isContactlessTask == true AND task.transferTargetType != 'queue'))) )
AND worker.sid != task.ignoreAgent AND (task.targetSid == null or worker.sid == task.targetSid)
and worker.activity_name in ['Generally Available', 'Available'] AND worker.sid not in task.do_not_contact
AND taskrouter.currentTime >= 0800 AND taskrouter.dayOfWeek IN ["Mon", "Tue"]
AND task.caller!=worker.contact_uri AND worker.channel.chat.available_capacity_percentage > 33.3
"""


def test_a_real_configuration_in_full() -> None:
    worker = {
        "sid": "WK1",
        "activity_name": "Available",
        "contact_uri": "client:a",
        "waitingOfflineContact": False,
        "routing": {"skills": ["care"]},
        "channel": {"chat": {"assigned_tasks": 0, "available_capacity_percentage": 100}},
    }
    task = {"skill": "care", "channelType": "sms", "caller": "+1", "do_not_contact": ["WK9"]}
    env = {"worker": worker, "task": task, "taskrouter": {"currentTime": 915, "dayOfWeek": "Mon"}}
    expression = parse(STRESS)
    assert expression.evaluate(env)
    assert not expression.evaluate(env | {"task": task | {"ignoreAgent": "WK1"}})
    assert not expression.evaluate(env | {"worker": worker | {"channel": {"chat": {"assigned_tasks": 1}}}})
    assert not expression.evaluate(env | {"taskrouter": {"currentTime": 759, "dayOfWeek": "Mon"}})


def test_values_read_by_path_are_those_that_can_decide() -> None:
    expression = parse("task.a == worker.b[0] AND (x IN [y.z, 1] OR 1 == 0) AND (1 == 1 OR unread == 2)")
    assert expression.paths == {("task", "a"), ("worker", "b", 0), ("x",), ("y", "z")}


def test_a_parsed_expression_keeps_its_text_and_cannot_be_changed() -> None:
    expression = parse("a  =  1")
    assert expression.text == "a  =  1"
    for name in ("text", "canonical", "extra"):
        with pytest.raises(AttributeError):
            setattr(expression, name, "b = 1")
