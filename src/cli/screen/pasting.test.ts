import assert from 'node:assert/strict'
import { test } from 'node:test'
import * as fc from 'fast-check'
import { maxKeptPastes, maxPasteChars } from '../limits.ts'
import { createPlaceholders, createPasteSplitter, type Entered } from './pasting.ts'

const begin = '\u001b[200~'
const end = '\u001b[201~'

/** Neighbouring keys joined: how they are cut means nothing. */
function joined(all: readonly Entered[]): readonly Entered[] {
  const found: Entered[] = []
  for (const each of all) {
    const last = found.at(-1)
    if (each.kind === 'keys' && last?.kind === 'keys') found[found.length - 1] = { kind: 'keys', text: last.text + each.text }
    else found.push(each)
  }
  return found
}

function split(pieces: readonly string[]): readonly Entered[] {
  const splitter = createPasteSplitter()
  return joined([...pieces.flatMap((piece) => splitter.take(piece)), ...splitter.release()])
}

void test('keys and pastes are separated, wherever chunks end', () => {
  // Characters that marks are made of, so that beginnings of marks are frequent. No mark of its own, which a terminal filters out.
  const text = fc
    .string({ unit: fc.constantFrom('\u001b', '[', '2', '0', '~', 'a', '\r', 'é'), maxLength: 8 })
    .filter((each) => !each.includes(begin))
  const entered = fc.array(fc.record({ keys: text, paste: text }), { maxLength: 4 })
  const cuts = fc.array(fc.nat(80), { maxLength: 8 })
  fc.assert(
    fc.property(entered, cuts, (all, places) => {
      const whole = all.map(({ keys, paste }) => `${keys}${begin}${paste}${end}`).join('')
      const expected = all.flatMap(({ keys, paste }): Entered[] => [
        ...(keys === '' ? [] : [{ kind: 'keys', text: keys } as const]),
        { kind: 'paste', text: paste },
      ])
      const sorted = [0, ...places.map((place) => Math.min(place, whole.length)).sort((a, b) => a - b), whole.length]
      assert.deepEqual(split(sorted.slice(1).map((to, at) => whole.slice(sorted[at], to))), expected)
    }),
  )
})

void test('keys that may begin a marker are held back, and released when nothing follows', () => {
  const splitter = createPasteSplitter()
  assert.deepEqual(splitter.take('a\u001b'), [{ kind: 'keys', text: 'a' }])
  assert.ok(splitter.isHolding())
  assert.deepEqual(splitter.release(), [{ kind: 'keys', text: '\u001b' }])
  assert.deepEqual(splitter.release(), [])
})

void test('Ctrl+C ends a paste whose end was lost', () => {
  assert.deepEqual(split([`${begin}never ends`, '\u001b', '\u0003', 'x']), [{ kind: 'keys', text: '\u0003x' }])
})

void test('a paste over the limit is dropped, however it is chunked', () => {
  const piece = 'x'.repeat(1 + maxPasteChars / 4)
  assert.deepEqual(split([begin, piece, piece, piece, piece, end, 'k']), [
    { kind: 'too_long', chars: piece.length * 4 },
    { kind: 'keys', text: 'k' },
  ])
})

void test('a placeholder expands to its own text, while that is kept', () => {
  const placeholders = createPlaceholders()
  const first = placeholders.add('a\nb')
  const second = placeholders.add('c\r\nd\re')
  assert.equal(placeholders.expand(`${second} ${first} [pasted #9: 2 lines]`), 'c\nd\ne a\nb [pasted #9: 2 lines]')
  assert.equal(placeholders.endingAt(`x ${first}`), first)
  assert.equal(placeholders.endingAt(`${first} x`), '')
  for (let i = 0; i < maxKeptPastes; i++) placeholders.add('x\ny')
  assert.equal(placeholders.expand(second), second)
})

void test('pasted text that looks like a placeholder is not expanded again', () => {
  const placeholders = createPlaceholders()
  const first = placeholders.add('a\nb')
  assert.equal(placeholders.expand(placeholders.add(`${first}\nx`)), `${first}\nx`)
})
