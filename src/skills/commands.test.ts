/** Commands: what of a hostile file and of hostile arguments becomes a message. */
import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import fc from 'fast-check'
import { scaled } from '../../test/support/scale.ts'
import { expandCommand, readCommand } from './commands.ts'

const pieces = fc
  .array(
    fc.constantFrom(
      '---',
      '\n',
      'description:',
      'argument-hint: ',
      '$ARGUMENTS',
      '$1',
      '$99',
      '$',
      '`',
      '{{HOME}}',
      '"',
      "'",
      '\\',
      ' ',
      'a',
    ),
    {
      maxLength: 40,
    },
  )
  .map((each) => each.join(''))
const texts = fc.oneof(pieces, fc.string({ unit: 'binary', maxLength: 200 }))

describe('a command', () => {
  it('takes any arguments without replacing twice, running anything or reading the environment', () => {
    const given = fc.oneof(fc.string(), fc.stringMatching(/^[ab"'\\$ 1ARGUMENTS{}!`@-]{0,40}$/))
    fc.assert(
      fc.property(given, (text) => {
        const expanded = expandCommand('a [$ARGUMENTS] b', text)
        assert.equal(expanded, `a [${text.trim()}] b`)
        assert.equal(
          expandCommand('$HOME ${HOME} {{HOME}} !`id` @file $ARGUMENTSX $0 $100', ''),
          '$HOME ${HOME} {{HOME}} !`id` @file $ARGUMENTSX $0 $100',
        )
      }),
      { numRuns: scaled(10_000, 300) },
    )
    assert.equal(expandCommand('$1|$2|$3|$10', `"a b" 'c d' e\\ f`), 'a b|c d|e f|')
    assert.equal(expandCommand('Do it.', 'now'), 'Do it.\n\nnow')
    assert.throws(() => expandCommand('$ARGUMENTS '.repeat(100), 'x'.repeat(2_000)), /more than 100000 characters/)
  })

  it('is read with and without a frontmatter', () => {
    assert.deepEqual(readCommand('---\ndescription: "Says hello"\nargument-hint: NAME\n---\nHello $1'), {
      description: 'Says hello',
      hint: 'NAME',
      body: 'Hello $1',
    })
    assert.deepEqual(readCommand('# Title\ntext'), { description: 'Title', hint: '', body: '# Title\ntext' })
    fc.assert(
      fc.property(fc.string({ unit: 'binary' }), (text) => typeof readCommand(`---\n${text}`).body === 'string'),
      { numRuns: scaled(10_000, 200) },
    )
  })

  it('is read and expanded whatever is in its file and its arguments', () => {
    fc.assert(
      fc.property(texts, texts, (file, given) => {
        const { description, hint, body } = readCommand(file)
        assert.ok(description.length <= 200 && hint.length <= 200 && file.includes(body))
        assert.ok(expandCommand(body, given).length <= 100_000)
      }),
      { numRuns: scaled(10_000, 300) },
    )
  })

  it('takes no time for arguments that are meant to cost it, and is refused before it is too large to build', () => {
    const began = process.cpuUsage().user
    for (const hostile of ['"'.repeat(50_000), '\\'.repeat(50_000), '"\\'.repeat(25_000), `${"'".repeat(49_999)}"`, 'a"'.repeat(25_000)])
      expandCommand('$1 $2', hostile)
    assert.ok(process.cpuUsage().user - began < 2_000_000)
    assert.throws(() => expandCommand('$ARGUMENTS'.repeat(6_000), 'x'.repeat(100_000)), { code: 'limit_reached' })
  })
})
