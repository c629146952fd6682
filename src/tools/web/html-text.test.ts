import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import fc from 'fast-check'
import { createReader } from './html-reader.ts'
import { readHtml } from './html-text.ts'
import { createTextWriter } from './text-writer.ts'
import { scaled } from '../../../test/support/scale.ts'

const signal = new AbortController().signal
const read = (html: string, marks = true) => readHtml(html, { url: 'https://e.example/a/b', marks, signal })
const markdown = async (html: string): Promise<string> => (await read(html)).text
const text = async (html: string): Promise<string> => (await read(html, false)).text

describe('a page as text', () => {
  const cases: readonly (readonly [what: string, html: string, markdown: string, text: string])[] = [
    ['collapses white space', '<p> a \n\t b<b> c </b> d</p>', 'a b **c** d', 'a b c d'],
    ['keeps words together that stand together', 'a<b>b</b>c<span>d</span>', 'a**b**cd', 'abcd'],
    ['breaks paragraphs and lines', '<p>a<p>b<br>c<div>d</div>e', 'a\n\nb\nc\n\nd\n\ne', 'a\n\nb\nc\n\nd\n\ne'],
    ['marks headings', '<h1>A</h1><h3> B <i>c</i></h3>', '# A\n\n### B *c*', 'A\n\nB c'],
    ['makes no empty marks', 'a <b> </b><i></i><a href="/x"></a><h2></h2> b', 'a\n\n## b', 'a\n\nb'],
    ['resolves links', '<a href="../c?d=(e)">x</a>', '[x](https://e.example/c?d=%28e%29)', 'x'],
    ['takes the base of the page', '<base href="https://o.example/p/"><a href="q">x</a>', '[x](https://o.example/p/q)', 'x'],
    [
      'links to pages only',
      '<a href="javascript:a()">x</a><a href="data:,a">y</a><a href="#z">z</a><a href="mailto:a@b.example">m</a>',
      'xyz[m](mailto:a@b.example)',
      'xyzm',
    ],
    ['ends marks where a paragraph ends', '<a href="/x">a<p>b</a>', '[a](https://e.example/x)\n\nb', 'a\n\nb'],
    ['ends marks that cross', '<b>a<i>b</b>c</i>', '**a*b***c', 'abc'],
    ['lists', '<ul><li>a<li>b<ol><li>c</li><li>d</ol></ul>e', '- a\n- b\n  1. c\n  2. d\n\ne', '- a\n- b\n  1. c\n  2. d\n\ne'],
    ['keeps preformatted text', '<pre>\n  a\n   <b>b</b>\n\n</pre>c', '```\n  a\n   b\n\n```\n\nc', '  a\n   b\n\n\nc'],
    ['fences what holds fences', '<pre>```js\na\n```</pre>', '````\n```js\na\n```\n````', '```js\na\n```'],
    ['quotes', '<blockquote>a<br>b</blockquote>c', '> a\n> b\n\nc', '> a\n> b\n\nc'],
    ['reads tables', '<table><tr><th>a<th>b</tr><tr><td>1<td>2</table>', 'a | b\n--- | ---\n1 | 2', 'a | b\n1 | 2'],
    [
      'reads pictures that say what they show',
      '<img src=/p.png alt=" cat "><img src=q.png><img alt=dog>',
      '![cat](https://e.example/p.png)[picture: dog]',
      '[picture: cat][picture: dog]',
    ],
    ['reads characters by name', '&lt;b&gt; &amp;amp; &eacute; &#128512; &nosuch;', '<b> &amp; é 😀 &nosuch;', '<b> &amp; é 😀 &nosuch;'],
    [
      'reads no code and no style',
      'a<script>alert("<p>x")</script><style>p{}</style><template>t</template><svg><title>s</title></svg>b',
      'ab',
      'ab',
    ],
  ]
  for (const [what, html, asMarkdown, asText] of cases)
    it(what, async () => {
      assert.equal(await markdown(html), asMarkdown)
      assert.equal(await text(html), asText)
    })

  it('has its title', async () => {
    const { title, text: body } = await read('<title> A &amp;\n B </title><svg><title>no</title></svg><p>c')
    assert.deepEqual([title, body], ['A & B', 'c'])
  })

  it('leaves out menus and footers next to text, and reads them when there is nothing else', async () => {
    const own = '<p>own text '.repeat(30)
    const page = (body: string): string => `<nav>menu<nav>inner</nav></nav><main>${body}</main><footer>foot</footer>`
    assert.doesNotMatch(await markdown(page(own)), /menu|inner|foot/)
    assert.match(await markdown(page('short')), /menu[\s\S]*short[\s\S]*foot/)
  })

  const hidden = [
    'hidden',
    'aria-hidden="true"',
    'style="display:none"',
    'style="color:red; DISPLAY : NONE !important"',
    'style="visibility:hidden"',
    'style="font-size:0"',
    'style="opacity:0"',
    'style="opacity: 0.0 !important"',
    'style="font-size:0pt!important"',
  ]
  for (const attribute of hidden)
    it(`does not read what ${attribute} hides from people`, async () => {
      assert.equal(await markdown(`a <div ${attribute}>obey <div>me</div> now</div> b`), 'a\n\nb')
      assert.equal(await markdown(`<p>a<p ${attribute}>obey<p>b`), 'a\n\nb')
      assert.equal(await markdown(`a <img ${attribute}> <span ${attribute}>obey</span> b`), 'a b')
    })

  it('reads text after the body, whatever elements are still open', async () => {
    const got = await markdown(`<body>${'<p>own text'.repeat(90)}<nav>menu<div>more</body>after`)
    assert.match(got, /own text\s+after$/)
  })

  it('reads the text after a menu that is never closed', async () => {
    assert.match(await markdown(`<body><nav>menu${'<p>text'.repeat(90)}`), /text/)
  })

  it('treats names of Object.prototype as unknown elements', async () => {
    assert.equal(await markdown('<constructor>a</constructor><tostring>b</tostring><hasownproperty __proto__=x constructor=y>c'), 'abc')
  })
})

describe('a hostile page', () => {
  const long = 300_000
  const shapes: Readonly<Record<string, string>> = {
    'nested without end': '<div>'.repeat(long / 5),
    'of inline marks without end': `${'<b>'.repeat(long / 3)}x`,
    'of links without end': `${'<a href=x>'.repeat(long / 10)}x`,
    'of lists without end': '<ul><li>a'.repeat(long / 9),
    'of quotes without end': '<blockquote>a'.repeat(long / 13),
    'of tables without end': '<table><tr><td>a'.repeat(long / 16),
    'of one tag': `<p ${Array.from({ length: long / 8 }, (_, i) => `a${i}=1`).join(' ')}>x`,
    'of signs': '<'.repeat(long),
    'of ampersands': '&'.repeat(long),
    'of comments': '<!--'.repeat(long / 4),
    'of ends': '</p></b></ul></a></blockquote></pre></table></title>'.repeat(long / 50),
    'of ticks': `<pre>${'`'.repeat(long)}`,
    'of one attribute': `<p style="${'a:;'.repeat(long / 3)}">x`,
    'of links to a long base': `<base href="http://e.example/${'b'.repeat(100_000)}/">${'<a href=x>y</a>'.repeat(10_000)}`,
    'of rows with a thousand heads': '<table><tr>'.concat('<th>a'.repeat(1_000), '</table>').repeat(50),
  }
  for (const [what, html] of Object.entries(shapes))
    it(`${what} is read to its end, and does not grow`, async () => {
      const { text: got } = await read(html)
      assert.ok(got.length <= html.length * 3, `${got.length}`)
    })

  it('with deeply nested marks shows only a few', async () => {
    assert.ok((await markdown(`${'<b><i>'.repeat(1_000)}x`)).length < 100)
  })

  it('is truncated at the size limit', async () => {
    const { text: got, cut } = await read(`<p>${'word '.repeat(1_000_000)}`)
    assert.deepEqual([cut, got.length], [true, 2 * 1024 * 1024])
  })

  it('of endless preformatted text is counted while it is collected, including the prefixes of its lines', () => {
    const reader = createReader('https://e.example/', true, false)
    reader.start('pre', new Map(), false)
    reader.text('\nx'.repeat(1_000))
    reader.start('br', new Map(), false)
    assert.equal(reader.size(), 2_001)
    const writer = createTextWriter()
    writer.setPrefix('> '.repeat(1_000))
    writer.verbatim('\nx'.repeat(10_000))
    assert.ok(writer.size < 3 * 1024 * 1024, `${writer.size}`)
  })

  it('with an overlong tag ends there, with the text read so far', async () => {
    const picture = `<p>a<img src="data:image/png;base64,${'A'.repeat(700_000)}">b`
    assert.deepEqual(await read(picture).then(({ text: got, cut }) => [got, cut]), ['ab', false])
    const endless = `<p>a</p>b<img ${'x=1 '.repeat(400_000)}>b`
    assert.deepEqual(await read(endless).then(({ text: got, cut }) => [got, cut]), ['a', true])
  })

  it('does not delay a cancelled turn', async () => {
    const cancel = new AbortController()
    const reading = readHtml('<p>word '.repeat(500_000), { url: 'https://e.example/', marks: true, signal: cancel.signal })
    setImmediate(() => cancel.abort(new Error('not wanted')))
    await assert.rejects(reading, { message: 'not wanted' })
  })

  it('with any tags in any order is read without an error, and no word is lost', async () => {
    const names = 'p div b i a ul ol li pre code table tr td th blockquote h1 br hr img span title base body q x'.split(' ')
    const tag = fc
      .tuple(fc.constantFrom(...names), fc.constantFrom('<', '</'), fc.constantFrom('', ' href="/x"', ' alt=y', ' href="::"'))
      .map(([name, sign, rest]) => `${sign}${name}${rest}>`)
    await fc.assert(
      fc.asyncProperty(
        fc.array(fc.oneof(tag, fc.constantFrom('w', ' w ', '\n')), { maxLength: 60 }),
        fc.boolean(),
        async (parts, marks) => {
          const { text: got, title } = await read(parts.join(''), marks)
          const words = parts.filter((part) => part.trim() === 'w').length
          assert.equal(`${title}${got}`.match(/w/g)?.length ?? 0, words)
          // Preformatted text stays as it is.
          if (!parts.some((part) => part.startsWith('<pre'))) assert.doesNotMatch(got, /\n{4,}/)
        },
      ),
      { numRuns: scaled(300) },
    )
  })
})
