/** What the parts of a document have in common on all platforms, with generated documents and hostile ones. */
import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import fc from 'fast-check'
import { readDiscord } from '../../../test/channels/fakes/discord-text.ts'
import { readMrkdwn } from '../../../test/channels/fakes/slack-text.ts'
import { readTelegramHtml } from '../../../test/channels/fakes/telegram-html.ts'
import { renderMarkdown, type RenderedPart, type TextDialect } from './index.ts'

const dialects = ['telegram', 'slack', 'discord', 'mail', 'plain'] as const

/** Most of one message, as the platforms document it. */
const usual: Readonly<Record<TextDialect, number>> = { telegram: 4_096, slack: 3_000, discord: 2_000, mail: Infinity, plain: Infinity }

const render = (markdown: string, dialect: TextDialect, limit = usual[dialect]): readonly RenderedPart[] =>
  renderMarkdown(markdown, dialect, limit)

/** @returns the text that people see of a part; throws where the platform would refuse it, or would show marks */
const readers: Readonly<Record<TextDialect, (part: RenderedPart) => string>> = {
  telegram: ({ text }) => readTelegramHtml(text),
  slack: ({ text }) => readMrkdwn(text),
  discord: ({ text }) => readDiscord(text),
  mail: ({ text }) => text,
  plain: ({ text }) => text,
}
const sizes: Readonly<Record<TextDialect, (part: RenderedPart) => number>> = {
  telegram: (part) => readTelegramHtml(part.text).length,
  slack: ({ text }) => text.length,
  discord: ({ text }) => text.length,
  mail: () => 0,
  plain: ({ plain }) => plain.length,
}

const word = fc.constantFrom(
  'alpha',
  'be&ta',
  'a<b>c',
  '한국어',
  'שלום',
  '👩‍👩‍👧‍👦',
  'e\u0301',
  'snake\\_case',
  '1\\.',
  '@everyone',
  '\\*lit\\*',
  '\\`',
  'x|y',
  '"q"',
)
const phrase = fc.array(word, { minLength: 1, maxLength: 12 }).map((words) => words.join(' '))
const inline = fc.oneof(
  { weight: 4, arbitrary: phrase },
  phrase.map((text) => `**${text}**`),
  phrase.map((text) => `*${text}*`),
  phrase.map((text) => `~~${text}~~`),
  phrase.map((text) => `**a _${text}_ b**`),
  fc.constantFrom(
    '`code`',
    '`a < b`',
    '`` a`b ``',
    '**`c`**',
    '[link](https://x.org/a_(b)?c=d&e=f)',
    '[**b** `c`](http://x.org)',
    '[bad](javascript:alert(1))',
  ),
)
const paragraph = fc.array(inline, { minLength: 1, maxLength: 6 }).map((pieces) => pieces.join(' '))
const block = fc.oneof(
  { weight: 3, arbitrary: paragraph },
  paragraph.map((text) => `## ${text}`),
  paragraph.map((text) => `> ${text}\n>\n> > more`),
  fc.array(paragraph, { minLength: 1, maxLength: 5 }).map((items) => items.map((item) => `- ${item}\n  1. inner`).join('\n')),
  fc.array(phrase, { minLength: 1, maxLength: 9 }).map((lines) => `\`\`\`ts\n${lines.join('\n')}\n\`\`\``),
  phrase.map((text) => `| a | b |\n|---|---|\n| ${text.replaceAll('|', '/')} | c |`),
)
const document = fc.array(block, { minLength: 1, maxLength: 8 }).map((blocks) => blocks.join('\n\n'))
/** Without what a split takes away, and what parts signs. */
const words = (text: string, isMarked: boolean): string => seen(isMarked ? text.replaceAll(/[*_~`]/g, '') : text)
const seen = (text: string): string => text.replaceAll(/[\n\u200b\u2060]/g, '')

describe('rendered Markdown', () => {
  for (const dialect of dialects) {
    it(`is valid, within its limit, and says the whole document, for ${dialect}`, () => {
      fc.assert(
        fc.property(document, fc.integer({ min: 400, max: 2_000 }), (markdown, limit) => {
          const whole = render(markdown, 'plain', Infinity)[0]!.plain
          const parts = render(markdown, dialect, limit)
          for (const part of parts) {
            assert.ok(sizes[dialect](part) <= limit, `${sizes[dialect](part)} > ${limit}`)
            const isMarked = dialect === 'slack'
            assert.equal(words(readers[dialect](part), isMarked), words(part.plain, isMarked))
            if (parts.length > 1) assert.notEqual(part.plain.trim(), '')
          }
          assert.equal(seen(parts.map(({ plain }) => plain).join('')), seen(whole))
        }),
        { numRuns: 150, endOnFailure: true },
      )
    })
  }

  it('says every word of a document, in its order', () => {
    fc.assert(
      fc.property(fc.array(fc.integer({ min: 0, max: 5 }), { minLength: 1, maxLength: 40 }), (kinds) => {
        const expected = kinds.map((_, index) => `w${index}x`)
        const shapes = [
          (w: string) => w,
          (w: string) => `# ${w}`,
          (w: string) => `- *${w}*`,
          (w: string) => `> **${w}**`,
          (w: string) => `\`\`\`\n${w}\n\`\`\``,
          (w: string) => `[${w}](https://x.org)`,
        ]
        const markdown = expected.map((each, index) => shapes[kinds[index]!]!(each)).join('\n\n')
        const text = render(markdown, 'telegram', 60)
          .map(({ plain }) => plain)
          .join('\n')
        assert.deepEqual(text.match(/w\d+x/g), expected)
      }),
    )
  })

  it('is never refused by Telegram, whatever the text', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'binary', maxLength: 300 }), fc.integer({ min: 20, max: 60 }), (text, limit) => {
        for (const part of render(text, 'telegram', limit)) assert.ok(readTelegramHtml(part.text).length <= limit)
      }),
      { numRuns: 500 },
    )
  })

  it('splits between blocks where it can, and between signs as people see them otherwise', () => {
    const blocks = render(`${'a'.repeat(900)}\n\n${'b'.repeat(900)}\n\n${'c'.repeat(900)}`, 'discord')
    assert.deepEqual(
      blocks.map(({ plain }) => plain.replaceAll(/(.)\1*/g, '$1')),
      ['a\n\nb', 'c'],
    )
    const family = '👩‍👩‍👧‍👦'
    for (const { plain } of render(family.repeat(1_000), 'discord')) assert.equal(plain.length % family.length, 0)
    const korean = render('한'.repeat(5_000), 'telegram')
    assert.deepEqual(
      korean.map(({ plain }) => plain.length),
      [4_096, 904],
    )
  })

  it('opens a block of code again in each part that goes on with it', () => {
    const code = Array.from({ length: 300 }, (_, index) => `line ${index} < end`).join('\n')
    for (const { text } of render(`\`\`\`ts\n${code}\n\`\`\``, 'discord')) assert.match(text, /^```ts\nline[^]* end\n```$/)
    for (const { text } of render(`\`\`\`ts\n${code}\n\`\`\``, 'telegram'))
      assert.match(text, /^<pre><code class="language-ts">line[^]*<\/code><\/pre>$/)
  })

  it('keeps a link in one part', () => {
    for (const dialect of ['telegram', 'slack', 'discord'] as const)
      for (let before = 60; before < 100; before += 1) {
        const parts = render(`${'a '.repeat(before)}[some words of a link](https://x.org/path)`, dialect, 200)
        assert.equal(parts.filter(({ text }) => text.includes('https://x.org/path')).length, 1)
        assert.ok(parts.some(({ text, plain }) => text.includes('https://x.org/path') && plain.includes('some words of a link')))
      }
  })

  it('links to web pages only, and says where a link leads that says otherwise', () => {
    const markdown = '[a](javascript:alert(1)) [b](tg://user?id=1) [c](file:///etc) [https://bank.com](https://evil.com) <data:text/html,x>'
    for (const dialect of ['telegram', 'slack', 'discord'] as const) {
      const [{ text }] = render(markdown, dialect) as [RenderedPart]
      assert.doesNotMatch(text, /href|\]\(|<[a-z]+:/)
      assert.match(text, /bank\.com \(https:\/\/evil\.com\/\)/)
    }
    assert.doesNotMatch(render(markdown, 'mail')[0]!.html!, /href="(?!https:)/)
  })

  it('wakes up nobody', () => {
    const markdown = '@everyone `@here` <!channel> <@U123> <@&5> <#9> @channel\n\n```\n@everyone\n```'
    assert.doesNotMatch(render(markdown, 'discord')[0]!.text, /@(?:everyone|here)|(?<!\\)<[@#]/)
    assert.doesNotMatch(render(markdown, 'slack')[0]!.text, /<[!@#]/)
    const crowd = Array.from({ length: 50 }, (_, index) => `@person${index}`).join(' ')
    assert.doesNotMatch(render(crowd, 'telegram')[0]!.text, /@person/)
    assert.match(render('ask @person1', 'telegram')[0]!.text, /@person1/)
  })

  it('shows text in the order in which it is read', () => {
    assert.equal(render('a\u202egpj.exe\u202c\u0000\ud800', 'telegram')[0]!.plain, 'agpj.exe\u202c\ufffd')
    assert.equal(render('שלום\u200f (world) \u2067x\u2069', 'telegram')[0]!.plain, 'שלום\u200f (world) \u2067x\u2069')
  })

  it('has one part for nothing', () => {
    for (const dialect of dialects) assert.equal(render('', dialect)[0]!.text, '')
  })

  const hostile: Readonly<Record<string, string>> = {
    quotes: `${'>'.repeat(10_000)}a`,
    lists: `${'- '.repeat(10_000)}a`,
    'indented lists': Array.from({ length: 300 }, (_, index) => `${' '.repeat(2 * index)}- a`).join('\n'),
    brackets: '['.repeat(10_000) + ']'.repeat(10_000),
    emphasis: '*a_ '.repeat(8_000),
    'one emphasis': `${'_'.repeat(10_000)}a${'_'.repeat(10_000)}`,
    links: '[a]('.repeat(8_000),
    fences: '```\na\n'.repeat(5_000),
    'a sign of many marks': `e${'\u0301'.repeat(50_000)}`,
    'a huge line': 'x'.repeat(1_000_000),
    'signs to escape': '&<>`*_'.repeat(10_000),
  }
  for (const [what, markdown] of Object.entries(hostile))
    it(`keeps its limits with hostile text: ${what}`, { timeout: 60_000 }, () => {
      for (const dialect of ['telegram', 'slack', 'discord'] as const) {
        const parts = render(markdown, dialect)
        for (const part of parts) {
          readers[dialect](part)
          assert.ok(part.text.isWellFormed())
          assert.ok(sizes[dialect](part) <= usual[dialect])
        }
      }
    })
})
