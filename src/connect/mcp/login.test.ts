/** What is remembered of a login to a server; the protocol itself is tried by the conformance suite, in test/mcp. */
import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { createLogin, type ServerSecrets } from './login.ts'

function keeper(): ServerSecrets & { readonly values: Map<string, string>; readonly hidden: Map<string, string> } {
  const values = new Map<string, string>()
  const hidden = new Map<string, string>()
  return {
    values,
    hidden,
    get: (name) => values.get(name),
    set: async (name, value) => void (value === null ? values.delete(name) : values.set(name, value)),
    hide: (name, value) => void hidden.set(name, value),
    conceal: (text) => text,
  }
}

const tokens = { access_token: 'the access token', refresh_token: 'the refresh token', token_type: 'Bearer' }
const back = 'http://127.0.0.1:40000/callback'

describe('a login', () => {
  it('keeps its tokens over a restart, sealed as one secret, and has each of them hidden', async () => {
    const secrets = keeper()
    await createLogin('tickets', secrets, null).saveTokens(tokens)
    assert.deepEqual([...secrets.values.keys()], ['mcp.tickets.login'])
    secrets.hidden.clear()
    const again = createLogin('tickets', secrets, null)
    assert.deepEqual(await again.tokens(), tokens)
    assert.deepEqual([...secrets.hidden.values()], ['the access token', 'the refresh token'])
    await again.forget()
    assert.equal(secrets.values.size, 0)
    assert.equal(createLogin('tickets', secrets, null).isSignedIn(), false)
  })

  it('takes only the answer with its own state, and none before it begins', async () => {
    const login = createLogin('tickets', keeper(), null)
    assert.equal(login.isAnswer(''), false)
    await login.begin(back)
    const first = await login.state!()
    assert.equal(login.isAnswer(first), true)
    assert.equal(login.isAnswer(first.slice(0, -1) + (first.endsWith('A') ? 'B' : 'A')), false)
    await login.begin(back)
    assert.equal(login.isAnswer(first), false)
  })

  it('asks for what a server wanted before, too', async () => {
    const login = createLogin('tickets', keeper(), null)
    await login.redirectToAuthorization(new URL('https://auth.example.com/?scope=write'))
    await login.begin(back)
    await login.redirectToAuthorization(new URL('https://auth.example.com/?scope=read'))
    assert.equal(new URL(login.address()).searchParams.get('scope'), 'write read')
  })

  it('refuses an issuer that is not the one that was asked; a server that names none may use any path of its own', async () => {
    const login = createLogin('tickets', keeper(), null)
    const save = (issuer: string, asked: string, named: boolean): Promise<void> =>
      Promise.resolve(
        login.saveDiscoveryState!({
          authorizationServerUrl: asked,
          authorizationServerMetadata: { issuer } as never,
          ...(named && { resourceMetadata: { resource: 'https://tickets.example', authorization_servers: [asked] } }),
        }),
      )
    await save('https://auth.example', 'https://auth.example/', true)
    await save('https://tickets.example/oauth', 'https://tickets.example/', false)
    for (const [issuer, asked, named] of [
      ['https://auth.example/other', 'https://auth.example/', true],
      ['https://evil.example', 'https://auth.example/', true],
      ['https://auth.example.evil', 'https://auth.example', true],
      ['https://evil.example/', 'https://tickets.example/', false],
      ['nonsense', 'https://tickets.example/', false],
    ] as const)
      await assert.rejects(save(issuer, asked, named), { code: 'denied' }, issuer)
  })

  it('is the client that a person has registered, where there is one', async () => {
    const login = createLogin('tickets', keeper(), { id: 'oxbow', secret: () => 'its secret' })
    await login.begin(back)
    assert.deepEqual(await login.clientInformation(), { client_id: 'oxbow', client_secret: 'its secret' })
    const document = createLogin('tickets', keeper(), { id: 'https://example.com/client.json', secret: () => '' })
    await document.begin(back)
    assert.deepEqual([document.clientMetadataUrl, await document.clientInformation()], ['https://example.com/client.json', undefined])
  })
})
