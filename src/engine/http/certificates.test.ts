import assert from 'node:assert/strict'
import { once } from 'node:events'
import type { AddressInfo } from 'node:net'
import { describe, it } from 'node:test'
import { getCACertificates, setDefaultCACertificates } from 'node:tls'
import { type Failure, systemClock } from '../../base/index.ts'
import { plainFacts } from '../../protocol/index.ts'
import { modelLimits } from '../limits.ts'
import { collect, requestOf } from '../model-contract.ts'
import { chatWire } from '../openai-chat/chat-wire.ts'
import { authority, expired, leafKey, ofOtherHost, selfSigned, signed } from './certificate-fixture.ts'
import { createHttpModel } from './http-model.ts'

const facts = plainFacts({ name: 'm', provider: 'test', contextTokens: 1000, maxOutputTokens: 100, price: null })
const answer = 'data: {"choices":[{"delta":{"content":"ok"},"finish_reason":"stop"}]}\n\ndata: [DONE]\n\n'

interface Tried {
  /** Code of the failure, or the finish reason. */
  readonly end: string
  readonly failure: Failure | null
  readonly retry: unknown
  /** Requests that came through. */
  readonly requests: number
}

async function ask(scheme: 'http' | 'https', port: number, requests: () => number): Promise<Tried> {
  const baseUrl = new URL(`${scheme}://127.0.0.1:${port}/v1`)
  const options = { wire: chatWire, baseUrl, key: 'k', headers: {}, official: false, facts: () => facts }
  const model = createHttpModel({ ...options, clock: systemClock, limits: modelLimits })
  const last = (await collect(model, requestOf('x'))).at(-1)
  model.close()
  if (last?.type === 'error') return { end: last.failure.code, failure: last.failure, retry: last.retry, requests: requests() }
  return { end: last?.type === 'finish' ? last.reason : 'nothing', failure: null, retry: undefined, requests: requests() }
}

async function tryCertificate(certificate: string, scheme: 'http' | 'https' = 'https'): Promise<Tried> {
  let requests = 0
  const { createServer } = process.getBuiltinModule('node:https')
  const server = createServer({ key: leafKey, cert: certificate }, (_, response) => {
    requests += 1
    response.writeHead(200, { 'content-type': 'text/event-stream' }).end(answer)
  })
  // A client that does not trust it hangs up in the middle of the handshake.
  server.on('tlsClientError', () => undefined).listen(0, '127.0.0.1')
  await once(server, 'listening')
  const tried = await ask(scheme, (server.address() as AddressInfo).port, () => requests)
  server.closeAllConnections()
  server.close()
  await once(server, 'close')
  return tried
}

/** While it runs, this process trusts the authority of the tests. */
async function trusting<T>(run: () => Promise<T>): Promise<T> {
  const before = getCACertificates('default')
  setDefaultCACertificates([...before, authority])
  try {
    return await run()
  } finally {
    setDefaultCACertificates(before)
  }
}

void describe('an encrypted endpoint', () => {
  void it('whose certificate this machine trusts is asked', async () => {
    const { end, requests } = await trusting(() => tryCertificate(signed))
    assert.deepEqual([end, requests], ['stop', 1])
  })

  const untrusted = [
    { what: 'signed itself', certificate: selfSigned, says: /DEPTH_ZERO_SELF_SIGNED_CERT/ },
    { what: 'is signed by nobody known', certificate: signed, says: /UNABLE_TO_VERIFY_LEAF_SIGNATURE/ },
    { what: 'is of another host', certificate: ofOtherHost, says: /ERR_TLS_CERT_ALTNAME_INVALID/, trusted: true },
    { what: 'is over', certificate: expired, says: /CERT_HAS_EXPIRED/, trusted: true },
  ]
  for (const { what, certificate, says, trusted } of untrusted) {
    void it(`whose certificate ${what} is told nothing, not asked again, and named with what to check`, async () => {
      const attempt = (): Promise<Tried> => tryCertificate(certificate)
      const { end, failure, retry, requests } = await (trusted === true ? trusting(attempt) : attempt())
      assert.deepEqual([end, retry, requests], ['model_unreachable', undefined, 0])
      assert.match(failure?.message ?? '', /The certificate of https:\/\/127\.0\.0\.1:\d+ is not trusted/)
      assert.match(failure?.message ?? '', says)
      assert.match(failure?.hint ?? '', /NODE_EXTRA_CA_CERTS/)
    })
  }

  void it('that is not encrypted at all suggests an address with http://', async () => {
    const server = process.getBuiltinModule('node:http').createServer().listen(0, '127.0.0.1')
    await once(server, 'listening')
    const { end, failure, retry } = await ask('https', (server.address() as AddressInfo).port, () => 0)
    server.closeAllConnections()
    server.close()
    await once(server, 'close')
    assert.deepEqual([end, retry], ['model_unreachable', undefined], failure?.message)
    assert.match(failure?.hint ?? '', /http:\/\//)
  })

  void it('that is asked without encryption does not get the request', async () => {
    const { end, requests } = await tryCertificate(signed, 'http')
    assert.ok(end.startsWith('model_'), end)
    assert.equal(requests, 0)
  })
})
