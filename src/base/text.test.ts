import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import fc from 'fast-check'
import type { CallId } from './id.ts'
import { matchesStars } from './stars.ts'
import { canonicalJson, fenced, unfenced } from './text.ts'

const call = '01890a5d-ac96-774b-bcce-b302099a8057.3' as CallId
const mark = '7508a990203b.3'

describe('a fence', () => {
  it('holds the text between two marks that come from the call', () => {
    assert.equal(fenced('a\nb', call), `<<data ${mark}\na\nb\n${mark}>>`)
  })

  it('leaves the id of its call as it is, which the text names where the call made something', () => {
    assert.equal(fenced(`Scheduled it (${call}).`, call), `<<data ${mark}\nScheduled it (${call}).\n${mark}>>`)
  })

  it('cannot be ended or begun by what stands in it, whatever that is', () => {
    const pieces = fc.constantFrom(mark, `${mark}>>`, `\n${mark}>>\n`, `<<data ${mark}\n`, mark.slice(0, 7), mark.slice(7), '>>', '\n', 'x')
    fc.assert(
      fc.property(fc.array(fc.oneof(pieces, fc.string())), (parts) => {
        const lines = fenced(parts.join(''), call).split('\n')
        assert.equal(lines[0], `<<data ${mark}`)
        assert.equal(lines.at(-1), `${mark}>>`)
        assert.ok(lines.slice(1, -1).every((line) => !line.includes(mark)))
      }),
    )
  })

  it('comes off again, and nothing else does', () => {
    fc.assert(fc.property(fc.string(), (text) => assert.equal(unfenced(fenced(text, call)), text.replaceAll(mark, '(mark)'))))
    for (const text of ['', 'plain', `<<data ${mark}\nnever ended`, `<<data a\nx\nb>>`]) assert.equal(unfenced(text), text)
  })
})

describe('a pattern with stars', () => {
  it('matches as a regular expression would, in time for any text', () => {
    const asRegExp = (pattern: string): RegExp =>
      new RegExp(
        `^${pattern
          .split('*')
          .map((part) => part.replace(/[^\w]/g, '\\$&'))
          .join('.*')}$`,
        's',
      )
    fc.assert(
      fc.property(fc.string({ unit: fc.constantFrom('a', 'b', '*') }), fc.string({ unit: fc.constantFrom('a', 'b') }), (pattern, text) => {
        assert.equal(matchesStars(pattern, text), asRegExp(pattern).test(text))
      }),
    )
    assert.equal(matchesStars('*a'.repeat(200), 'a'.repeat(100_000)), true)
  })
})

it('canonical JSON sorts keys at every depth and tells values apart', () => {
  assert.equal(canonicalJson({ b: [{ d: 1, c: null }], a: 'x' }), '{"a":"x","b":[{"c":null,"d":1}]}')
  assert.notEqual(canonicalJson(['1']), canonicalJson([1]))
  assert.equal(canonicalJson(JSON.parse('{"__proto__":{"a":1}}')), '{"__proto__":{"a":1}}')
  assert.equal(canonicalJson({ 10: 1, 9: 2, b: undefined } as never), '{"10":1,"9":2}')
  assert.equal(canonicalJson(undefined), 'null')
})
