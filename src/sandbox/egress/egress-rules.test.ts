import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { isOxbowError } from '../../base/index.ts'
import { parseRules } from './egress-policy.ts'

const rule = (entry: string) => parseRules('allow', [entry])[0]!

describe('a rule of the egress', () => {
  it('names a host, or all that is below one', () => {
    assert.equal(rule('api.local').fitsName('api.local'), true)
    assert.equal(rule('api.local').fitsName('evil-api.local'), false)
    assert.equal(rule('api.local').fitsName('x.api.local'), false)
    assert.equal(rule('*.example.com').fitsName('a.b.example.com'), true)
    assert.equal(rule('*.example.com').fitsName('example.com'), false)
    assert.equal(rule('*.example.com').fitsName('badexample.com'), false)
  })

  it('reads names as URLs spell them', () => {
    assert.equal(rule('API.Local.').fitsName('api.local'), true)
    assert.equal(rule('bücher.example').fitsName('xn--bcher-kva.example'), true)
    assert.equal(rule(' my_host:8080 ').fitsName('my_host'), true)
  })

  it('has a port where it names one', () => {
    const ports = ['a.b', 'a.b:8080', '10.0.0.1:81', '10.0.0.0/8:82', '[::1]:83', '[fd00::/8]:84', '::1', 'fd00::/8', '[::1]']
    assert.deepEqual(
      ports.map((entry) => rule(entry).port),
      [null, 8080, 81, 82, 83, 84, null, null, null],
    )
  })

  it('holds addresses by range, each family for itself', () => {
    assert.equal(rule('10.1.0.0/16').fitsAddress('10.1.255.255'), true)
    assert.equal(rule('10.1.0.0/16').fitsAddress('10.2.0.0'), false)
    assert.equal(rule('192.168.1.5').fitsAddress('192.168.1.5'), true)
    assert.equal(rule('192.168.1.5').fitsAddress('192.168.1.6'), false)
    assert.equal(rule('[fd00::/8]:80').fitsAddress('fd12::1'), true)
    assert.equal(rule('::1').fitsAddress('0:0:0:0:0:0:0:1'), true)
    assert.equal(rule('0.0.0.0/0').fitsAddress('::1'), false)
    assert.equal(rule('::1').fitsName('::1'), false)
  })

  const wrong =
    '|*|*.|a..b|.a|http://a.b|a.b/path|a.b:0|a.b:65536|a.b:|:80|a b|10.0.0.0/33|10.0.0.0/|10.0.0.0/8/8|10.0.0.0/-1|fd00::/129|127.1|0x7f.0.0.1|2130706433|' +
    '[10.0.0.1]:80|[a.b]:80|[::1|::1]:80|fe80::1%eth0|user@a.b|a.b#c|a%2eb|*a.b|a.*.b'
  for (const entry of wrong.split('|'))
    it(`that reads "${entry}" is refused with its name`, () => {
      assert.throws(
        () => parseRules('deny', ['ok.example', entry]),
        (error) => isOxbowError(error, 'bad_config') && error.message.includes('egress.deny') && error.message.includes(`"${entry}"`),
      )
    })
})
