import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import * as fc from 'fast-check'
import { type Editor, editKey, emptyEditor, insert, layOut, messageIn, paste, rowOf, sentFrom } from './editor.ts'

const width = 20
const typed = (text: string): Editor => insert(emptyEditor, text)
const press = (editor: Editor, ...keys: readonly string[]): Editor => keys.reduce((at, key) => editKey(at, key, width) ?? at, editor)
/** The text with a bar at the cursor. */
const shown = ({ text, at }: Editor): string => `${text.slice(0, at)}|${text.slice(at)}`

describe('the editor', () => {
  it('moves and deletes by characters, words and lines, as a shell does', () => {
    const editor = typed('git commit --amend')
    const cases: readonly (readonly [string, readonly string[]])[] = [
      ['git commit --amen|d', ['left']],
      ['git commit |--amend', ['alt+left', 'alt+left']],
      ['|git commit --amend', ['ctrl+a']],
      ['git| commit --amend', ['ctrl+a', 'alt+f']],
      ['git commit --|', ['ctrl+w']],
      ['|', ['ctrl+u']],
      ['git|', ['home', 'alt+right', 'ctrl+k']],
      ['git commit --amend|', ['ctrl+w', 'ctrl+y']],
      ['git commit --amend|', ['ctrl+w', 'ctrl+u', 'ctrl+_', 'ctrl+_']],
    ]
    for (const [result, keys] of cases) assert.equal(shown(press(editor, ...keys)), result, keys.join(' '))
  })

  it('takes an emoji of several code points, and one with a mark, as one character', () => {
    const editor = typed('a👩‍👩‍👧e\u0301')
    assert.equal(shown(press(editor, 'left')), 'a👩‍👩‍👧|e\u0301')
    assert.equal(shown(press(editor, 'backspace', 'backspace')), 'a|')
  })

  it('keeps the column when it moves between rows, also between wrapped ones', () => {
    const editor = typed('one two three four five six\nx')
    assert.equal(shown(press(editor, 'up')), 'one two three four f|ive six\nx')
    assert.equal(shown(press(editor, 'up', 'up')), 'o|ne two three four five six\nx')
  })

  it('goes through earlier messages beyond the first row, and back to what was typed', () => {
    const editor = insert(sentFrom(sentFrom(typed('a'), 'one'), 'two'), 'draft')
    assert.equal(press(editor, 'up').text, 'two')
    assert.equal(press(editor, 'up', 'up', 'up').text, 'one')
    assert.equal(press(editor, 'up', 'up', 'down', 'down').text, 'draft')
    assert.equal(press(editor, 'down').text, 'draft')
  })

  it('holds a large pasted text as one character, and sends it whole', () => {
    const long = 'line\n'.repeat(400)
    const editor = paste(typed('see '), long)!
    assert.match(editor.text, /^see \[Pasted text #1, 401 lines\]$/)
    assert.equal(messageIn(insert(editor, ' please')), `see ${long} please`)
    assert.equal(press(editor, 'backspace').text, 'see ')
    assert.equal(shown(press(editor, 'left')), 'see |[Pasted text #1, 401 lines]')
    assert.equal(paste(emptyEditor, 'x'.repeat(2_000_000)), null)
    assert.equal(messageIn(paste(emptyEditor, 'two\r\nlines')!), 'two\nlines')
  })

  it('does not take typed text for a placeholder', () => {
    assert.equal(messageIn(typed('[Pasted text #1, 401 lines]')), '[Pasted text #1, 401 lines]')
  })

  it('covers every character with exactly one row, whatever the text and the width', () => {
    fc.assert(
      fc.property(
        fc.string({ unit: fc.constantFrom('a', ' ', '\n', '漢', '👍🏽', 'e\u0301'), maxLength: 80 }),
        fc.integer({ min: 1, max: 30 }),
        (text, columns) => {
          const rows = layOut(text, columns)
          let at = 0
          for (const { start, end } of rows) {
            assert.ok(start === at || (start === at + 1 && text[at] === '\n'), `${start} after ${at}`)
            assert.ok(end >= start)
            at = end
          }
          assert.equal(at, text.length)
          assert.ok(rowOf(rows, text.length) === rows.length - 1)
        },
      ),
    )
  })

  it('never leaves its text, whatever keys are pressed', () => {
    const keys = [
      'left',
      'right',
      'up',
      'down',
      'home',
      'end',
      'backspace',
      'delete',
      'ctrl+w',
      'ctrl+k',
      'ctrl+u',
      'ctrl+y',

      'ctrl+_',
      'alt+d',
      'alt+f',
      'alt+b',
    ]
    const step = fc.oneof(
      fc.constantFrom(...keys),
      fc.string({ unit: fc.constantFrom('a', ' ', '\n', '漢', '👍🏽'), minLength: 1, maxLength: 9 }),
    )
    fc.assert(
      fc.property(fc.array(step, { maxLength: 40 }), (steps) => {
        const editor = steps.reduce(
          (one, each) => (keys.includes(each) ? press(one, each) : insert(one, each)),
          sentFrom(emptyEditor, 'before'),
        )
        assert.ok(editor.at >= 0 && editor.at <= editor.text.length)
        assert.ok(editor.text.isWellFormed())
      }),
    )
  })
})
