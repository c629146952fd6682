/** Cards whose keys cannot be had. What a right signature is worth: test/a2a. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { fetchCard } from './card.ts'

test('where the keys of a signed card cannot be read, the error names their address and not the card', async () => {
  const card = {
    name: 'a',
    description: 'b',
    version: '1',
    supportedInterfaces: [{ url: 'https://agent.example/a2a', protocolBinding: 'JSONRPC', protocolVersion: '1.0' }],
    capabilities: {},
    defaultInputModes: ['text/plain'],
    defaultOutputModes: ['text/plain'],
    skills: [],
    signatures: [{ protected: Buffer.from('{"alg":"ES256","kid":"k"}').toString('base64url'), signature: 'AA' }],
  }
  const send = async (address: URL): Promise<Response> =>
    address.href.endsWith('jwks.json') ? new Response('no', { status: 404 }) : Response.json(card)
  const settings = { url: 'https://agent.example', allow: [] } as unknown as Parameters<typeof fetchCard>[0]
  await assert.rejects(
    fetchCard(settings, send as typeof fetch, (text) => text, new AbortController().signal),
    /There is no key of the card at https:\/\/agent\.example\/\.well-known\/jwks\.json: it answers with 404\./,
  )
})
