import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import fc from 'fast-check'
import { isOxbowError } from '../../base/index.ts'
import { parseConfig } from '../../config/index.ts'
import type { ErrorCode } from '../../base/index.ts'
import { createAddressJudge } from './address-kinds.ts'
import { createPolicy, type Destination } from './egress-policy.ts'
import { scaled } from '../../../test/support/scale.ts'

/** What the name server of these tests says; every other name has a public address. */
const names: Readonly<Record<string, readonly string[]>> = {
  localhost: ['127.0.0.1', '::1'],
  'api.local': ['192.168.1.5'],
  'mixed.example': ['93.184.216.34', '10.0.0.1'],
  'mixed6.example': ['93.184.216.34', '::ffff:127.0.0.1'],
  'meta.example': ['169.254.169.254'],
  'odd.example': ['0x7f.0.0.1'],
  'many.example': Array.from({ length: 100 }, (_, i) => `93.184.216.${i}`),
  'last.example': [...Array.from({ length: 99 }, (_, i) => `93.184.216.${i}`), '127.0.0.1'],
}

function policy(toml: { mode?: string; allow?: string[]; deny?: string[]; ports?: number[] } = {}) {
  const asked: string[] = []
  const resolve = (host: string): Promise<readonly string[]> => {
    asked.push(host)
    return Promise.resolve((Object.hasOwn(names, host) ? names[host] : undefined) ?? ['93.184.216.34'])
  }
  const { egress } = parseConfig({ egress: toml }, 'this test')
  const admit = createPolicy(egress, { resolve, judge: createAddressJudge(() => []) })
  return { asked, admit: (url: string): Promise<Destination> => admit(url, new AbortController().signal) }
}

const refuses = (url: string, code: ErrorCode, of = policy()) => assert.rejects(of.admit(url), (error) => isOxbowError(error, code), url)

describe('the egress policy', () => {
  it('gives the checked addresses of a public host', async () => {
    const { url, ...rest } = await policy().admit('https://Example.COM./a?b#c')
    assert.equal(url.href, 'https://example.com/a?b')
    assert.deepEqual(rest, { host: 'example.com', port: 443, addresses: ['93.184.216.34'] })
    assert.deepEqual((await policy().admit('http://[2606:4700::1111]/')).addresses, ['2606:4700::1111'])
    assert.equal((await policy().admit('http://bücher.example/')).host, 'xn--bcher-kva.example')
    assert.equal((await policy().admit('http://many.example/')).addresses.length, 8)
  })

  const badUrls =
    'ftp://a.example/|file:///etc/passwd|gopher://a.example/|data:text/plain,x|javascript:1|blob:https://a.example/1|ws://a.example/|about:blank|' +
    'a.example|//a.example/|/etc/passwd|http:|http://|https://:443/|http://user@a.example/|http://user:pw@a.example/|http://:pw@a.example/|' +
    'http://a.example@127.0.0.1/|http://127.0.0.1#@a.example:pw@b.example|http://a..example/|http://.a.example/|http://a.example../|http://[::1/|' +
    'http://[::1%25lo]/|http://[fe80::1%eth0]/|http://256.256.256.256/|http://1.2.3.4.5/|http://0x100000000/|http://a b/|http://a%00b/|' +
    'http://a%2fb/|http://a:99999/|http://a:-1/|http://a:80:80/|http://a<b>/|http://1.1.1.1 &@2.2.2.2# @3.3.3.3/|unix:/run/x.sock|http+unix://%2frun/'
  for (const url of badUrls.split('|'))
    it(`takes no ${JSON.stringify(url)}`, () => refuses(url, url.includes('127.0.0.1#') ? 'denied' : 'bad_input'))

  it('takes no URL longer than servers take', () => refuses(`http://a.example/${'x'.repeat(8_192)}`, 'bad_input'))

  const closed =
    '127.0.0.1|127.1|127.0.1|2130706433|017700000001|0x7f000001|0x7f.1|0177.0.0.1|0x7F.0x0.0x0.0x1|127.0.0.1.|%31%32%37.0.0.1|１２７.0.0.1|' +
    '127。0。0。1|①②⑦.⓪.⓪.①|0|0.0.0.0|0x0|000000000000|10.1.2.3|012.1.2.3|167837955|172.16.0.1|0xac100001|192.168.0.1|3232235521|' +
    '169.254.169.254|2852039166|0xa9fea9fe|0251.0376.0251.0376|0xa9.0xfe.0xa9.0xfe|169.16689662|100.64.0.1|192.0.0.192|198.18.0.1|224.0.0.1|' +
    '255.255.255.255|4294967295|240.0.0.1|192.0.2.1|203.0.113.9|168.63.129.16|100.100.100.200|' +
    '[::]|[::1]|[0:0:0:0:0:0:0:1]|[0000::0001]|[::127.0.0.1]|[::ffff:127.0.0.1]|[::ffff:7f00:1]|[::FFFF:10.0.0.1]|[0:0:0:0:0:ffff:169.254.169.254]|' +
    '[::ffff:0:127.0.0.1]|[64:ff9b::127.0.0.1]|[64:ff9b::a9fe:a9fe]|[64:ff9b:1::1]|[2002:7f00:1::]|[2001:0:7f00:1::]|[fe80::1]|[fec0::1]|[fc00::1]|' +
    '[fd00:ec2::254]|[ff02::1]|[2001:db8::1]|[3fff::1]|[100::1]|[5f00::1]|' +
    'localhost|LOCALHOST|localhost.|ｌocalhost|loc%61lhost|loc\u00adalhost|api.local|mixed.example|mixed6.example|meta.example|odd.example|last.example'
  for (const host of closed.split('|'))
    it(`does not reach ${host}`, async () => {
      for (const url of [
        `http://${host}/`,
        `https://${host}/x`,
        `http:\\\\${host}\\`,
        `HTTP:/${host}`,
        `http://${host}:80/`,
        ` http://${host}\n`,
        `ht\ntp://${host}`,
      ])
        await refuses(url, 'denied')
    })

  for (const port of [22, 25, 2375, 3306, 5432, 6379, 8080, 9200, 11_211, 65_535])
    it(`does not reach port ${port}, and asks for no name`, async () => {
      const of = policy()
      await refuses(`http://a.example:${port}/`, 'denied', of)
      assert.deepEqual(of.asked, [])
    })

  it('does not reach port 0', () => refuses('http://a.example:0/', 'denied'))

  it('says why, without the address', async () => {
    await assert.rejects(policy().admit('http://api.local/'), (error) => {
      assert.ok(isOxbowError(error, 'denied'))
      assert.match(`${error.message} ${error.hint}`, /api\.local:80 .*private network.*egress\.allow/)
      assert.doesNotMatch(JSON.stringify([error.message, error.hint, error.data]), /192\.168/)
      return true
    })
  })
})

describe('egress.allow', () => {
  it('opens a private service on the port it names and on no other', async () => {
    const open = policy({ allow: ['api.local:8080', 'localhost'] })
    assert.deepEqual((await open.admit('http://api.local:8080/')).addresses, ['192.168.1.5'])
    assert.deepEqual((await open.admit('http://localhost/')).addresses, ['127.0.0.1', '::1'])
    await refuses('http://api.local/', 'denied', open)
    await refuses('http://api.local:81/', 'denied', open)
    await refuses('http://localhost:8080/', 'denied', open)
    await refuses('http://127.0.0.1/', 'denied', open)
    await refuses('http://x.api.local:8080/', 'denied', open)
    await refuses('http://a.example:8080/', 'denied', open)
  })

  it('opens a range of addresses, however they are named or spelled', async () => {
    const open = policy({ allow: ['192.168.0.0/16', '[::1]:8080'] })
    for (const url of ['http://api.local/', 'http://192.168.1.5/', 'http://0xc0a80105/'])
      assert.deepEqual((await open.admit(url)).addresses, ['192.168.1.5'])
    assert.deepEqual((await open.admit('http://[0:0::1]:8080/')).addresses, ['::1'])
    await refuses('http://[::1]/', 'denied', open)
    await refuses('http://10.0.0.1/', 'denied', open)
    await refuses('http://mixed.example/', 'denied', open)
  })

  it('opens reserved and metadata addresses only by address', async () => {
    await refuses('http://meta.example/', 'denied', policy({ allow: ['meta.example', '*.example'] }))
    await refuses('http://odd.example/', 'denied', policy({ allow: ['odd.example'] }))
    assert.deepEqual((await policy({ allow: ['169.254.169.254'] }).admit('http://meta.example/')).addresses, ['169.254.169.254'])
  })

  it('opens a further port of a public host', async () => {
    assert.equal((await policy({ allow: ['a.example:8443'] }).admit('https://a.example:8443/')).port, 8443)
    assert.equal((await policy({ ports: [8080] }).admit('http://a.example:8080/')).port, 8080)
    await refuses('http://a.example/', 'denied', policy({ ports: [8080] }))
  })
})

describe('egress.deny', () => {
  it('wins over everything, by name and by address, on all ports or one', async () => {
    const shut = policy({
      allow: ['api.local:8080', 'bad.example'],
      deny: ['bad.example', '*.evil.example', '192.168.1.0/24', 'a.example:443'],
    })
    for (const url of [
      'http://bad.example/',
      'http://bad.example./',
      'http://BAD.example',
      'http://x.evil.example/',
      'http://api.local:8080/',
      'https://a.example/',
    ])
      await refuses(url, 'denied', shut)
    assert.equal((await shut.admit('http://a.example/')).port, 80)
    assert.equal((await shut.admit('http://evil.example/')).port, 80)
  })

  it('covers the spellings of an address', async () => {
    const shut = policy({ deny: ['93.184.216.34'] })
    for (const host of ['93.184.216.34', '0x5db8d822', 'anything.example']) await refuses(`http://${host}/`, 'denied', shut)
  })
})

describe('the strict egress', () => {
  const strict = () => policy({ mode: 'strict', allow: ['ok.example', '*.good.example:8080', '93.184.0.0/16:80'] })

  it('reaches what is listed', async () => {
    for (const url of ['https://ok.example/', 'http://a.good.example:8080/', 'http://93.184.216.34/']) assert.ok(await strict().admit(url))
  })

  it('refuses all else, and does not even look its name up', async () => {
    const of = strict()
    for (const url of [
      'https://other.example/',
      'http://secret-data.evil.example/',
      'http://ok.example:8080/',
      'http://8.8.8.8/',
      'http://93.184.216.34:443/',
    ])
      await refuses(url, 'denied', of)
    assert.deepEqual(of.asked, [])
  })

  it('trusts no list with private addresses behind public ranges', () => refuses('http://mixed.example/', 'denied', strict()))
})

/** Every way in which URL reads an IPv4 address. */
const parts = (bytes: readonly number[]): fc.Arbitrary<string> => {
  const numbers = fc
    .constantFrom(1, 2, 3, 4)
    .map((count) => [...bytes.slice(0, count - 1), bytes.slice(count - 1).reduce((sum, byte) => sum * 256 + byte, 0)])
  const spell = fc.constantFrom(
    (n: number) => `${n}`,
    (n: number) => `0${n.toString(8)}`,
    (n: number) => `0x${n.toString(16)}`,
    (n: number) => `0X00${n.toString(16).toUpperCase()}`,
  )
  return fc
    .tuple(numbers, fc.array(spell, { minLength: 4, maxLength: 4 }))
    .map(([list, spells]) => list.map((n, i) => spells[i]!(n)).join('.'))
}

/** As parts of an IPv6 address that lead to the same machine. */
const embedded = ([a = 0, b = 0, c = 0, d = 0]: readonly number[]): fc.Arbitrary<string> => {
  const high = ((a << 8) | b).toString(16)
  const low = ((c << 8) | d).toString(16)
  const inverted = [high, low].map((part) => (Number.parseInt(part, 16) ^ 0xffff).toString(16)).join(':')
  return fc.constantFrom(
    `[::${a}.${b}.${c}.${d}]`,
    `[::ffff:${a}.${b}.${c}.${d}]`,
    `[0:0:0:0:0:FFFF:${high}:${low}]`,
    `[::ffff:0:${high}:${low}]`,
    `[64:ff9b::${high}:${low}]`,
    `[64:ff9b:1::${high}:${low}]`,
    `[2002:${high}:${low}::1]`,
    `[2001:0:1:2:3:4:${inverted}]`,
    `[fe80::5efe:${high}:${low}]`,
  )
}

const disguised = (host: string): fc.Arbitrary<string> => {
  const change = fc.constantFrom(
    (char: string) => char,
    (char: string) => `%${char.charCodeAt(0).toString(16)}`,
    (char: string) => (char === '.' ? '。' : String.fromCharCode(char.charCodeAt(0) + 0xfee0)),
  )
  return fc.array(change, { minLength: host.length, maxLength: host.length }).map((changes) =>
    host
      .split('')
      .map((char, i) => changes[i]!(char))
      .join(''),
  )
}

describe('every spelling of a closed address', () => {
  const closedBytes = fc
    .tuple(
      fc.constantFrom([127], [10], [0], [169, 254], [192, 168], [172, 16], [100, 64], [198, 18], [224], [255]),
      fc.array(fc.nat(255), { minLength: 4, maxLength: 4 }),
    )
    .map(([prefix, rest]) => [...prefix, ...rest].slice(0, 4))

  it('is refused: parts, bases, signs, dots at the end', async () => {
    const spelled = closedBytes
      .chain(parts)
      .chain((host) => fc.oneof(fc.constant(host), disguised(host)))
      .chain((host) => fc.constantFrom(host, `${host}.`))
    await fc.assert(
      fc.asyncProperty(spelled, (host) => refuses(`http://${host}/`, 'denied')),
      { numRuns: scaled(1_000) },
    )
  })

  it('is refused inside IPv6, and so is every address that is so embedded', async () => {
    const anyBytes = fc.array(fc.nat(255), { minLength: 4, maxLength: 4 })
    await fc.assert(
      fc.asyncProperty(fc.oneof(closedBytes, anyBytes).chain(embedded), (host) => refuses(`http://${host}/`, 'denied')),
      { numRuns: scaled(1_000) },
    )
  })

  it('is refused wherever in an answer of the name server it stands', async () => {
    const position = fc.tuple(closedBytes, fc.nat(20), fc.nat(20))
    await fc.assert(
      fc.asyncProperty(position, async ([bytes, before, after]) => {
        const others = (count: number): string[] => Array.from({ length: count }, () => '93.184.216.34')
        const answer = [...others(before), bytes.join('.'), ...others(after)]
        const { egress } = parseConfig({}, 'this test')
        const admit = createPolicy(egress, { resolve: () => Promise.resolve(answer), judge: createAddressJudge(() => []) })
        await assert.rejects(admit('http://a.example/', new AbortController().signal), (error) => isOxbowError(error, 'denied'))
      }),
    )
  })

  it('is not in what any text is admitted to', async () => {
    const judge = createAddressJudge(() => [])
    const { admit } = policy()
    const host = fc.oneof(
      fc.ipV4(),
      fc.ipV4Extended(),
      fc.ipV6().map((text) => `[${text}]`),
      fc.domain(),
      fc.string({ maxLength: 20 }),
    )
    await fc.assert(
      fc.asyncProperty(host, fc.constantFrom('', ':80', '@', '/', '\\', '%00', '.', '#'), async (text, end) => {
        const admitted = await admit(`http://${text}${end}`).catch((error: unknown) => {
          assert.ok(isOxbowError(error), String(error))
          return null
        })
        for (const address of admitted?.addresses ?? []) assert.equal(judge(address), 'public')
      }),
      { numRuns: scaled(1_000) },
    )
  })
})
