/** What is drawn: always as large as the screen, and never with a control character that is not ours. */
import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { visibleWidth } from '@earendil-works/pi-tui'
import * as fc from 'fast-check'
import { createJournal, followed, openApp, opened, recorded } from '../tui-fixture.ts'
import type { ThemeName } from '../state.ts'
import { loadExtras } from './extras.ts'
import { blocksOf, createMarkdown } from './markdown.ts'
import { themeOf } from './theme.ts'

/** Text that models and tools may write. */
const hostile = fc.array(
  fc.oneof(
    fc.string({ unit: 'binary', maxLength: 12 }),
    fc.constantFrom(
      '\u001b[2J',
      '\u001b]0;title\u0007',
      '\u009b31m',
      '\u001b_pi:c\u0007',
      '\u001bP+q\u001b\\',
      '\u202e',
      '\r',
      '\b',
      '\u001b[',
      '\u001b',
      '\t',
    ),
    fc.constantFrom(
      '```ts\n',
      '\n```\n',
      '# ',
      '- ',
      '| a | b |\n|---|---|\n| 1 | 2 |\n',
      '> ',
      '[x](javascript:y)',
      '<b>',
      '**',
      '\n\n',
      '漢字',
      '👩‍👩‍👧',
      '&#27;',
    ),
  ),
  { maxLength: 12 },
)

// oxlint-disable-next-line no-control-regex -- what must not be there
const foreign = /[\u0000-\u001a\u001c-\u001f\u007f-\u009f\u202a-\u202e\u2066-\u2069]|\u001b(?!\[[0-9;]*m)/

describe('a frame', () => {
  it('is as large as the screen and has only our styles, whatever models, tools and people write', () => {
    const sizes = fc.record({ columns: fc.integer({ min: 20, max: 200 }), rows: fc.integer({ min: 6, max: 60 }) })
    const themes = fc.constantFrom<ThemeName>('dark', 'light', 'plain')
    fc.assert(
      fc.property(hostile, sizes, themes, (parts, { columns, rows }, theme) => {
        const text = parts.join('')
        const app = openApp(theme, columns, rows)
        const { add, begin } = createJournal()
        opened(app, begin('t', text), true)
        followed(
          app,
          recorded(
            add('t', 'g', 'model.generate', 'outcome', {
              message: {
                parts: [
                  { type: 'reasoning', text },
                  { type: 'text', text },
                ],
              },
            }),
          ),
          recorded(add('t', 'g.0', 'shell.exec', 'intent', { input: { command: text } })),
          { type: 'progress', turn: 't' as never, call: 'g.0' as never, name: text, elapsed_ms: 1, output: text },
          recorded(add('t', 'g.1', 'file.edit', 'intent', { input: { path: text, find: text, replace: `${text}!` } })),
          recorded(add('t', 'g.1', 'file.edit', 'outcome', { status: 'failed', text })),
          recorded(add('t', 'g.2', 'shell.exec', 'parked', { input: JSON.stringify({ command: text, [text]: 1 }), reason: text })),
        )
        app.send({ type: 'note', tone: 'warning', text }, { type: 'say', text }, { type: 'paste', text })
        for (const keys of [[], ['ctrl+o'], ['ctrl+f', 'a']]) {
          app.press(...keys)
          const { lines, cursor } = app.frame()
          assert.equal(lines.length, rows)
          for (const line of lines) {
            assert.doesNotMatch(line, foreign)
            assert.ok(visibleWidth(line) <= columns, `${visibleWidth(line)} > ${columns}: ${JSON.stringify(line)}`)
          }
          if (cursor !== null) assert.ok(cursor.row >= 0 && cursor.row < rows && cursor.column >= 0 && cursor.column < columns)
        }
      }),
      { numRuns: 60 },
    )
  })

  it('shows the end of a long notice, which says what to do', () => {
    const app = openApp('plain', 60, 20)
    app.send({
      type: 'say',
      text: `The model nope cannot be used: ${'no provider has a key. '.repeat(3)}Set OPENAI_API_KEY.`,
      isError: true,
    })
    assert.match(app.frame().lines.join('\n'), /OPENAI_API_KEY\./)
  })

  it('has no colours with NO_COLOR', () => {
    const app = openApp('plain')
    const { add, turn } = createJournal()
    opened(app, [
      ...turn('t', 'hi', '# Title\n\n```ts\nconst x = 1\n```\n\n`code` and [link](https://x.org)'),
      add('t', 'x', 'x', 'outcome'),
    ])
    // oxlint-disable-next-line no-control-regex -- styles
    for (const line of app.frame().lines) assert.doesNotMatch(line, /\u001b\[(?:3[0-8]|4[0-8]|9\d|10\d)[;m]/)
  })

  it('shows a call folded, and unfolds it by a click', () => {
    const app = openApp()
    const { add, begin } = createJournal()
    const output = Array.from({ length: 12 }, (_, at) => `line ${at}`).join('\n')
    const call = [
      add('t', 'g', 'model.generate', 'outcome', { message: { parts: [] } }),
      add('t', 'g.0', 'shell.exec', 'intent', { input: { command: 'make test', cwd: '/shared' } }),
      add('t', 'g.0', 'shell.exec', 'outcome', { status: 'ok', ms: 1_200, text: output }),
    ]
    opened(app, [...begin('t', 'test it'), ...call], true)
    assert.match(app.text(), /✓ shell_exec {2}make test +1\.2 s\n +… 9 more lines\n {2}│ line 9\n/)
    app.send({ type: 'click', item: 'g.0' })
    assert.match(app.text(), /│ command: make test\n {2}│ cwd: \/shared\n {2}├─\n {2}│ line 0\n/)
    app.press('alt+up', 'enter')
    assert.doesNotMatch(app.text(), /cwd/)
  })
})

describe('Markdown', () => {
  it('is drawn in blocks that do not change when more follows', () => {
    const unit = fc.constantFrom(
      'word ',
      '\n',
      '\n\n',
      '- item\n',
      '1. one\n',
      '```ts\n',
      '```\n',
      '# T\n',
      '> q\n',
      '    code\n',
      '| a |\n',
    )
    fc.assert(
      fc.property(fc.array(unit, { maxLength: 30 }), fc.nat(30), (parts, cut) => {
        const whole = blocksOf(parts.join(''))
        const before = blocksOf(parts.slice(0, cut).join('')).slice(0, -1)
        assert.deepEqual(whole.slice(0, before.length), before)
      }),
    )
  })

  it('has lines of code in colours that end with each line', async () => {
    const markdown = createMarkdown()
    const { highlight, diff } = await loadExtras()
    markdown.setHighlight(highlight)
    const lines = markdown.linesOf('```ts\n/* two\nlines */ const x = "&lt;"\n```\n\n```nonsense\na\n```', 40, themeOf('dark'))
    assert.equal(lines.length, 6)
    assert.match(lines[1]!, /two/)
    assert.ok(lines[2]!.includes('lines */') && lines[2]!.includes('\u001b[95mconst\u001b[39m') && lines[2]!.includes('"&lt;"'))
    assert.deepEqual(
      diff('a\nb', 'a\nc\n').map(({ kind, text }) => `${kind} ${text}`),
      ['same a', 'removed b', 'added c'],
    )
  })
})
