"""Elements are escaped by construction."""

from __future__ import annotations

from partitioner.report.html.markup import Markup, joined, tag


def test_text_is_escaped_and_markup_is_not() -> None:
    assert tag("p", "a<b>&\"'", tag("b", "x")) == "<p>a&lt;b&gt;&amp;&quot;&#x27;<b>x</b></p>"
    assert tag("p", Markup("<i></i>"), None, ["<", tag("br")]) == "<p><i></i>&lt;<br></p>"


def test_attributes_are_escaped_and_named() -> None:
    drawn = tag("i", class_="a", data_tip='" onmouseover="alert(1)', title=None)
    assert drawn == '<i class="a" data-tip="&quot; onmouseover=&quot;alert(1)"></i>'


def test_what_no_page_may_hold_is_replaced() -> None:
    drawn = tag("p", "a\x00b\ud800c\x1b\n")
    assert drawn == "<p>a\ufffdb?c\ufffd\n</p>"
    assert drawn.encode("utf-8")


def test_joined_takes_anything() -> None:
    assert joined([1, "<", tag("br")]) == "1&lt;<br>"
