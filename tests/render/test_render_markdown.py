"""The dialect: what a reply's Markdown looks like on the page."""

from __future__ import annotations

import subprocess
import sys
import threading

import pytest
from render.dom import tree

from claudedesk.render import Block, render, render_blocks, render_plain


def body(text: str) -> str:
    """Return the HTML without keys, which each block has."""
    page = render(text)
    for key in range(20):
        page = page.replace(f' data-key="{key}"', "").replace(f' data-items="{key}"', "")
        for item in range(20):
            page = page.replace(f' data-key="{key}.{item}"', "")
    return page


def test_importing_the_renderer_loads_none_of_its_libraries() -> None:
    code = (
        "import claudedesk.render.markdown, claudedesk.render.blocks, sys;"
        "print([m for m in ('markdown_it', 'mdit_py_plugins', 'pygments', 'nh3', 'math_core') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_first_renderings_in_several_threads_build_one_parser_and_agree() -> None:
    code = """
import threading
from claudedesk.render import markdown
made = []
def work():
    made.append((markdown.render("**a** $x$ [b](http://c.d)\\n\\n```py\\nx = 1\\n```"), id(markdown.parser())))
threads = [threading.Thread(target=work) for _ in range(8)]
[t.start() for t in threads]; [t.join() for t in threads]
print(len(made), len(set(made)))
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["8", "1"]


def test_threads_that_render_different_texts_do_not_mix_them() -> None:
    texts = [
        f"**n{n}** https://h{n}.example/ [r{n}]\n\n[r{n}]: http://x.y/{n}\n\n$x_{n}$" * 5 for n in range(4)
    ]
    wanted = [render(text) for text in texts]
    got: list[list[str]] = [[] for _ in texts]

    def work(number: int) -> None:
        got[number] = [render(texts[number]) for _ in range(10)]

    threads = [threading.Thread(target=work, args=(n,)) for n in range(len(texts))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert all(html == want for htmls, want in zip(got, wanted, strict=True) for html in htmls)


def test_each_top_level_block_is_one_element_with_its_key() -> None:
    text = "# a\n\nb\n\n- c\n- d\n\n|e|\n|-|\n|f|\n\n```\ng\n```\n\n"
    text += "> h\n\n---\n\n$$\ni\n$$\n\n    j\n\nk[^1]\n\n[^1]: l"
    blocks = render_blocks(text)
    assert [block.key for block in blocks] == [str(n) for n in range(11)]
    for block in blocks:
        (node,) = tree(block.html).children
        assert not isinstance(node, str) and node.attrs["data-key"] == block.key
    assert render(text) == "".join(block.html for block in blocks)


def test_items_and_rows_have_keys_below_their_block() -> None:
    items = '<li data-key="0.0">a</li><li data-key="0.1">b</li>'
    assert render("- a\n- b") == f'<ul data-key="0" data-items="0">{items}</ul>'
    html = render("|a|\n|-|\n|b|\n|c|")
    assert '<tbody data-items="0"><tr data-key="0.0"><td>b</td></tr><tr data-key="0.1">' in html


@pytest.mark.parametrize(
    ("text", "html"),
    [
        ("**a** *b* ~~c~~ `d<e`", "<p><strong>a</strong> <em>b</em> <s>c</s> <code>d&lt;e</code></p>"),
        ("a\nb", "<p>a<br>b</p>"),
        ("Use the `<T>` and <T> generic", "<p>Use the <code>&lt;T&gt;</code> and &lt;T&gt; generic</p>"),
        ("<std:vector> <a href=x>y</a>", "<p>&lt;std:vector&gt; &lt;a href=x&gt;y&lt;/a&gt;</p>"),
        ("H<sub>2</sub>O x<SUP>2</sup>", "<p>H<sub>2</sub>O x<sup>2</sup></p>"),
        ("the <mark> tag", "<p>the &lt;mark&gt; tag</p>"),
        ("</kbd> <kbd>**a</kbd>**", "<p>&lt;/kbd&gt; &lt;kbd&gt;<strong>a&lt;/kbd&gt;</strong></p>"),
        ("a<br>b<br/>c", "<p>a<br>b<br>c</p>"),
        ("- [ ] a\n- [x] b", None),
        ("3. a\n4. b", '<ol start="3"><li>a</li><li>b</li></ol>'),
        ("1. a\n3. b\n4. c", '<ol><li>a</li><li value="3">b</li><li>c</li></ol>'),
        ("1. a\n1. b\n1. c", "<ol><li>a</li><li>b</li><li>c</li></ol>"),
        ("- a\n\n- b", "<ul><li><p>a</p></li><li><p>b</p></li></ul>"),
        ("> a\n>> b", "<blockquote><p>a</p><blockquote><p>b</p></blockquote></blockquote>"),
        ("&lt;b&gt; &amp;", "<p>&lt;b&gt; &amp;</p>"),
        ("**注意：**这里", "<p><strong>注意：</strong>这里</p>"),
        ("a\x00b\ud800c\r\nd\re", "<p>a\ufffdb\ufffdc<br>d<br>e</p>"),
        ("", ""),
        ("\n\n", ""),
    ],
)
def test_a_piece_of_markdown_becomes(text: str, html: str | None) -> None:
    if html is not None:
        assert body(text) == html


def test_a_task_is_a_disabled_checkbox_inside_its_label() -> None:
    html = body("- [ ] one **two**\n- [x] three\n- [ ]\n\n      code")
    assert html.startswith(
        '<ul><li class="task"><p><label><input type="checkbox" disabled=""> one <strong>two</strong></label></p></li>'
    )
    assert 'disabled="" checked=""> three</label>' in html
    assert "[ ]" in html


def test_a_table_scrolls_inside_itself_and_aligns_its_cells() -> None:
    html = body("|a|b|c|\n|:-|:-:|-:|\n|1|2|3|")
    assert html.startswith('<div class="table" tabindex="0" role="region" aria-label="Table"><table><thead>')
    assert (
        '<td style="text-align:left">1</td><td style="text-align:center">2</td><td style="text-align:right">3'
        in html
    )


def test_cells_beyond_the_header_are_kept() -> None:
    assert "<td>c | d | e</td>" in body("|a|b|\n|-|-|\n|x|c|d|e|").replace("<td>x</td>", "")
    assert "<td>a|b</td>" in body("|h|\n|-|\n|a\\|b|")


def test_a_link_definition_that_nothing_uses_is_shown() -> None:
    assert body("[Speaker 1]: Hello\n\n[a]: http://x.y\n\n[a]: again\n\n[a]") == (
        "<p>[Speaker 1]: Hello</p><p>[a]: again</p>"
        '<p><a href="http://x.y" target="_blank" rel="noopener noreferrer">a</a></p>'
    )


def test_footnotes_stand_at_the_end_and_link_both_ways() -> None:
    html = render("a[^x] b[^x]\n\n[^x]: note\n\n[^y]: unused\n\nend", "r7")
    assert 'a<sup class="footnote-ref"><a href="#fnr7-1" id="fnrefr7-1">[1]</a></sup>' in html
    assert 'id="fnrefr7-1-2"' in html and '<li id="fnr7-1"><p>note <a' in html
    assert html.endswith("</li></ol></section>")
    assert "[^y]: unused" in html


def test_nesting_deeper_than_can_be_drawn_stays_as_text() -> None:
    quotes = tree(render("> " * 60 + "deep words")).text()
    assert "deep words" in quotes
    items = tree(render("".join("  " * n + f"- level{n}\n" for n in range(30)))).text()
    assert all(f"level{n}" in items for n in range(30))


def test_a_table_with_too_many_cells_stays_as_text() -> None:
    text = "|a|b|\n|-|-|\n" + "|cell|cell|\n" * 12_000
    html = render(text)
    assert "<table" not in html and html.count("|cell|cell|") == 12_000


def test_a_text_too_long_to_parse_is_shown_whole_and_plain() -> None:
    assert render_blocks("<b>" * 400_000) == [
        Block("0", f'<p data-key="0" class="plain">{"&lt;b&gt;" * 400_000}</p>')
    ]
    assert render("x\n" * 30_000).count("x\n") == 29_999 + 1


def test_a_failing_parser_shows_the_text_and_says_so_in_the_log(
    failing_on_purpose: None, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr("claudedesk.render.markdown.parse", lambda text, env: 1 / 0)
    assert render("a <b>") == '<p data-key="0" class="plain">a &lt;b&gt;</p>'
    assert "could not be rendered" in caplog.text and "a <b>" not in caplog.text


def test_a_users_text_is_kept_as_typed_with_its_lines_and_links() -> None:
    assert render_plain("**a** <b>\n  c\n\n\nsee https://x.y.\n") == (
        "<p>**a** &lt;b&gt;<br>  c</p>"
        '<p>see <a href="https://x.y" target="_blank" rel="noopener noreferrer">https://x.y</a>.</p>'
    )
    assert render_plain("") == ""
    assert render_plain("\ud800\x00\r\na") == "<p>\ufffd\ufffd<br>a</p>"
