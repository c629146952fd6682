import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import fc from 'fast-check'
import { createAddressJudge } from './address-kinds.ts'
import { scaled } from '../../../test/support/scale.ts'

const judge = createAddressJudge(() => ['192.0.32.7', '2a00:1450::7'])

const table: Readonly<Record<'public' | 'private' | 'special', string>> = {
  public:
    '1.1.1.1 8.8.8.8 9.255.255.255 11.0.0.0 100.63.255.255 100.128.0.0 126.255.255.255 128.0.0.0 169.253.255.255 169.255.0.0 ' +
    '172.15.255.255 172.32.0.0 192.0.1.0 192.167.255.255 192.169.0.0 198.17.255.255 198.20.0.0 223.255.255.255 168.63.129.17 ' +
    '2001:200:: 2001:4860:4860::8888 2606:4700::1111 2a00:1450:4001::1 2003:: 3ffe::1',
  private:
    '10.0.0.0 10.255.255.255 100.64.0.0 100.127.255.255 127.0.0.1 127.255.255.254 172.16.0.1 172.31.255.255 192.168.0.0 ' +
    '192.168.255.255 ::1 0:0:0:0:0:0:0:1 fc00::1 fd12:3456::1 fdff:ffff:: 192.0.32.7 2a00:1450::7',
  special:
    '0.0.0.0 0.1.2.3 169.254.0.1 169.254.169.254 192.0.0.1 192.0.0.192 192.0.2.5 192.31.196.1 192.52.193.1 192.88.99.1 ' +
    '192.175.48.1 198.18.0.1 198.19.255.255 198.51.100.1 203.0.113.1 224.0.0.1 239.255.255.255 240.0.0.1 255.255.255.255 ' +
    '168.63.129.16 100.100.100.200 fd00:ec2::254 fd20:ce::254 ' +
    ':: ::2 ::7f00:1 ::127.0.0.1 ::ffff:127.0.0.1 ::ffff:8.8.8.8 ::ffff:7f00:1 ::ffff:0:7f00:1 64:ff9b::7f00:1 64:ff9b::8.8.8.8 ' +
    '64:ff9b:1::1 100::1 100:0:0:1::1 2001::1 2001:0:4136:e378:8000:63bf:3fff:fdd2 2001:10::1 2001:20::1 2001:db8::1 ' +
    '2002:7f00:1:: 2002:808:808:: 2620:4f:8000::1 3fff::1 5f00::1 fe80::1 fe80::1%eth0 fe80::1%lo 2606:4700::1%eth0 feb0::1 fec0::1 ff02::1 ff0e::1 ' +
    // No addresses, whatever a name server says.
    'localhost 127.1 0x7f.0.0.1 2130706433 0177.0.0.1 1.2.3 1.2.3.4.5 256.1.1.1 1.1.1.1%eth0 :::1 [::1] 8.8.8.8/8 %',
}

describe('an address', () => {
  for (const [kind, addresses] of Object.entries(table))
    for (const address of addresses.split(' ')) it(`${address} is ${kind}`, () => assert.equal(judge(address), kind))

  it('of IPv4 is judged as arithmetic judges it', () => {
    const known: readonly (readonly [string, number, string])[] = [
      ['0.0.0.0', 8, 'special'],
      ['10.0.0.0', 8, 'private'],
      ['100.100.100.200', 32, 'special'],
      ['100.64.0.0', 10, 'private'],
      ['127.0.0.0', 8, 'private'],
      ['168.63.129.16', 32, 'special'],
      ['169.254.0.0', 16, 'special'],
      ['172.16.0.0', 12, 'private'],
      ['192.0.0.0', 24, 'special'],
      ['192.0.2.0', 24, 'special'],
      ['192.31.196.0', 24, 'special'],
      ['192.52.193.0', 24, 'special'],
      ['192.88.99.0', 24, 'special'],
      ['192.168.0.0', 16, 'private'],
      ['192.175.48.0', 24, 'special'],
      ['198.18.0.0', 15, 'special'],
      ['198.51.100.0', 24, 'special'],
      ['203.0.113.0', 24, 'special'],
      ['224.0.0.0', 3, 'special'],
    ]
    const numberOf = (address: string): number => address.split('.').reduce((sum, part) => sum * 256 + Number(part), 0)
    const nearEdges = known.flatMap(([base, bits]) => [-1, 0, 2 ** (32 - bits) - 1, 2 ** (32 - bits)].map((step) => numberOf(base) + step))
    const plain = createAddressJudge(() => [])
    const check = (value: number): void => {
      const address = [24, 16, 8, 0].map((shift) => Math.floor(value / 2 ** shift) % 256).join('.')
      const range = known.find(([base, bits]) => Math.floor(value / 2 ** (32 - bits)) === Math.floor(numberOf(base) / 2 ** (32 - bits)))
      assert.equal(plain(address), range?.[2] ?? 'public', address)
    }
    for (const value of nearEdges) if (value >= 0 && value < 2 ** 32) check(value)
    fc.assert(fc.property(fc.nat(2 ** 32 - 1), check), { numRuns: scaled(500) })
  })

  it('of IPv6 outside 2000::/3 is never public, and has no spelling that is', () => {
    const groups = fc.array(fc.nat(0xffff), { minLength: 8, maxLength: 8 })
    fc.assert(
      fc.property(groups, fc.boolean(), (parts, upper) => {
        const outside = (parts[0] ?? 0) >> 13 === 1 ? [0, ...parts.slice(1)] : parts
        const text = outside.map((part) => part.toString(16)).join(':')
        const spelled = upper ? text.toUpperCase() : text
        assert.notEqual(judge(spelled), 'public')
        assert.equal(judge(new URL(`http://[${spelled}]/`).hostname.slice(1, -1)), judge(spelled))
      }),
      { numRuns: scaled(500) },
    )
  })
})
