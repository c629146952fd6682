import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import fc from 'fast-check'
import { createSecretSearch } from './secret-search.ts'
import { createDeepHide } from './deep-hide.ts'

const secrets = new Map([
  ['KEY', 'private.0123'],
  ['ODD', 'quo"te\\$&-xyz/é'],
  ['SHORT', 'word'],
])
const search = createSecretSearch()
for (const [name, value] of secrets) search.add(name, value)
const fill = (text: string): string =>
  text.replaceAll(/\[secret:([^\]]+)\]/g, (whole, handle: string) => search.spelled(handle)?.text ?? whole)

void describe('a known secret', () => {
  void it('is replaced by its handle everywhere', () => {
    assert.equal(search.hide('a private.0123b private.0123'), 'a [secret:KEY]b [secret:KEY]')
    assert.equal(search.hide('say quo"te\\$&-xyz/é'), 'say [secret:ODD]')
    const inNames = createDeepHide(search.hide)({ 'of private.0123': 1, plain: ['private.0123'] })
    assert.deepEqual(inNames, { 'of [secret:KEY]': 1, plain: ['[secret:KEY]'] })
    assert.equal(search.hide('a word'), 'a word', 'one that short would blank out ordinary words')
  })

  const spelled: Readonly<Record<string, (value: string) => string>> = {
    'as it is': (value) => value,
    'in JSON': (value) => JSON.stringify({ x: value }),
    'in JSON in JSON': (value) => JSON.stringify({ x: JSON.stringify([value]) }),
    'in JSON with escaped slashes': (value) => JSON.stringify(value).replaceAll('/', '\\/'),
    'in a URL': (value) => `https://a.test/?k=${encodeURIComponent(value)}&b`,
    'in a form': (value) => new URLSearchParams({ k: value }).toString(),
    'in hexadecimal': (value) => `x${Buffer.from(value).toString('hex')}`,
    'in capital hexadecimal': (value) => Buffer.from(value).toString('hex').toUpperCase(),
    'in base64': (value) => Buffer.from(value).toString('base64'),
    'inside of base64': (value) => Buffer.from(`user:${value}`).toString('base64'),
    'further inside of base64': (value) => Buffer.from(`{"a":"${value}","b":1}`).toString('base64'),
    'in base64url': (value) => Buffer.from(`?>${value}`).toString('base64url'),
  }
  for (const [how, spell] of Object.entries(spelled))
    void it(`is found ${how}, and its handle stands for just these characters`, () => {
      for (const name of ['KEY', 'ODD']) {
        const text = `<${spell(secrets.get(name) ?? '')}>`
        const hidden = search.hide(text)
        assert.match(hidden, new RegExp(`\\[secret:${name}`))
        assert.equal(fill(hidden), text)
      }
    })

  void it('is found in any text between any others, and nothing else changes', () => {
    fc.assert(
      fc.property(
        fc.string({ unit: 'grapheme' }),
        fc.constantFrom('KEY', 'ODD'),
        fc.string({ unit: 'grapheme' }),
        (before, name, after) => {
          const hidden = search.hide(before + secrets.get(name) + after)
          assert.equal(hidden, `${before}[secret:${name}]${after}`)
        },
      ),
    )
  })

  void it('never passes in bytes, whatever surrounds it, and the rest is unchanged', () => {
    fc.assert(
      fc.property(fc.uint8Array(), fc.constantFrom(...secrets.keys()), fc.uint8Array(), (before, name, after) => {
        const secret = Buffer.from(secrets.get(name) ?? '')
        const hidden = search.hideBytes(Buffer.concat([before, secret, after]))
        const expected = name === 'SHORT' ? secret : Buffer.from(`[secret:${name}]`)
        assert.deepEqual(hidden, Buffer.concat([before, expected, after]))
      }),
    )
    const bytes = Buffer.from('nothing here')
    assert.equal(search.hideBytes(bytes), bytes)
  })

  void it('is found among a thousand others', () => {
    const many = createSecretSearch()
    const values = Array.from({ length: 1_000 }, (_, i) => `value-${i}-${(i * 7_919) % 10_007}`)
    for (const [i, value] of values.entries()) many.add(`N${i}`, value)
    for (const [i, value] of values.entries()) assert.equal(many.hide(`a ${value}.`), `a [secret:N${i}].`)
  })

  void it('is replaced when only a part of it stands at an end of a text, and no call can use that', () => {
    const [value = ''] = [secrets.get('KEY')]
    assert.equal(search.hideCut(`a ${value.slice(0, 9)}`), 'a [secret:KEY|cut]')
    assert.equal(search.hideCut(`${value.slice(-9)} b`), '[secret:KEY|cut] b')
    assert.equal(search.hideCut(`a ${value} b`), 'a [secret:KEY] b')
    assert.equal(search.hideCut('private'), 'private', 'fewer characters than any secret has')
    assert.equal(search.spelled('KEY|cut'), undefined)
  })

  void it('of several lines is found line by line, too', () => {
    const block = createSecretSearch()
    const lines = Array.from({ length: 4 }, (_, i) => Buffer.from(`line ${i}`.repeat(6)).toString('base64'))
    const value = ['-----BEGIN PRIVATE KEY-----', ...lines, '-----END PRIVATE KEY-----'].join('\n')
    block.add('PEM', value)
    assert.equal(block.hide(`x${value}y`), 'x[secret:PEM]y')
    assert.equal(block.hide(`3 | ${lines[1]}`), '3 | [secret:PEM|line3]')
    assert.equal(block.hide('-----BEGIN PRIVATE KEY-----'), '-----BEGIN PRIVATE KEY-----')
  })

  void it('with two names has the handle of the first, and both stand for it', () => {
    const two = createSecretSearch()
    two.add('A', 'abcdefgh12')
    two.add('B', 'abcdefgh12')
    assert.equal(two.hide('abcdefgh12'), '[secret:A]')
    assert.equal(two.spelled('B')?.text, 'abcdefgh12')
    two.remove('A')
    assert.equal(two.hide('abcdefgh12'), '[secret:B]')
  })

  void it('that is removed is not found any more', () => {
    const one = createSecretSearch()
    one.add('A', 'abcdefgh12')
    one.remove('A')
    assert.equal(one.hide('abcdefgh12'), 'abcdefgh12')
    assert.ok(one.isEmpty())
  })
})
