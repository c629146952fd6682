/** The list, against our policy, our fetch and our proxy. */
import assert from 'node:assert/strict'
import { createServer } from 'node:http'
import { describe, it } from 'node:test'
import { createAddressJudge } from '../../../src/sandbox/egress/address-kinds.ts'
import { type Admit, createNameLookup, createPolicy } from '../../../src/sandbox/egress/egress-policy.ts'
import { startProxy } from '../../../src/sandbox/egress/proxy-fixture.ts'
import { never, startServer } from '../../../src/sandbox/egress/web-fixture.ts'
import { isOxbowError } from '../../../src/base/index.ts'
import { parseConfig } from '../../../src/services/index.ts'
import { addressCases } from './address-cases.ts'
import { chainCases } from './chain-cases.ts'
import { nameCases } from './name-cases.ts'
import { lookUp, ownAddress, settings } from './ssrf-world.ts'
import { spellingCases } from './spelling-cases.ts'
import type { ChainCase, Setting, UrlCase } from './ssrf-case.ts'

const cases: readonly UrlCase[] = [...addressCases, ...spellingCases, ...nameCases]

const policyOf = (setting: Setting): Admit =>
  createPolicy(parseConfig({ egress: settings[setting] }, 'this list').egress, {
    resolve: createNameLookup(lookUp),
    judge: createAddressJudge(() => [ownAddress]),
  })

async function verdictOf(work: Promise<unknown>): Promise<string> {
  return work.then(
    () => 'allowed',
    (error: unknown) => (isOxbowError(error) ? error.code : `a bug: ${String(error)}`),
  )
}

it('the list is long, and says everything once', () => {
  assert.ok(cases.length + chainCases.length >= 300, String(cases.length))
  const keys = cases.map(({ url, setting }) => `${setting} ${url}`)
  assert.deepEqual(
    keys.filter((key, i) => keys.indexOf(key) !== i),
    [],
  )
})

describe('the policy, on the list', () => {
  const policies = { default: policyOf('default'), strict: policyOf('strict'), local: policyOf('local') }
  for (const { url, verdict, why, setting } of cases) {
    it(`${verdict}: ${JSON.stringify(url.slice(0, 80))} (${why})`, async () => {
      assert.equal(await verdictOf(policies[setting](url, never)), verdict)
    })
  }
})

describe('the proxy, on the list', () => {
  for (const setting of ['default', 'strict', 'local'] as const) {
    it(`refuses all that the policy refuses, ${setting}`, async () => {
      const { say, close } = await startProxy({ egress: settings[setting], lookup: lookUp, ownAddresses: () => [ownAddress] })
      try {
        const refused = cases.filter((one) => one.setting === setting && one.verdict !== 'allowed')
        // What has white space in it cannot be asked for; it would be another request.
        for (const { url } of refused.filter((one) => /^[\x21-\x7e]+$/.test(one.url))) {
          const answer = await say(`GET ${url} HTTP/1.0\r\n\r\n`)
          assert.match(answer, /^HTTP\/1\.1 (?:400|403|502) /, url)
          assert.doesNotMatch(answer, /gave no valid response/, url)
        }
      } finally {
        await close()
      }
    })
  }
})

/** Whatever it is asked for, the site answers with the next hop, and at the end with a page. */
async function runChain({ hops, verdict }: ChainCase): Promise<void> {
  let asked = 0
  const server = createServer((request, response) => {
    const hop = hops[asked]
    asked += 1
    if (hop === undefined) {
      response.end('the end')
      return
    }
    const location = hop[1].replaceAll('SITE', 'http://site.test:PORT').replaceAll('PORT', String(request.socket.localPort))
    response.writeHead(hop[0], { location }).end()
  })
  const lookup = (host: string): Promise<readonly string[]> => (host === 'site.test' ? Promise.resolve(['127.0.0.1']) : lookUp(host))
  const site = await startServer(server, { lookup, ownAddresses: () => [ownAddress] })
  try {
    assert.equal(await verdictOf(site.egress.fetch(`${site.url}/start`, '', never)), verdict)
    // Nobody else was asked on the way: this is the one server that there is, and each hop reached it once.
    const reached = verdict === 'allowed' ? hops.length + 1 : verdict === 'limit_reached' ? 6 : hops.length
    assert.equal(asked, reached)
  } finally {
    await site.close()
  }
}

describe('a fetch, on the chains of the list', () => {
  for (const chain of chainCases) {
    const last = chain.hops.at(-1)?.[1]
    it(`${chain.verdict}: ${chain.hops.length} to ${JSON.stringify(last)} (${chain.why})`, () => runChain(chain))
  }
})
