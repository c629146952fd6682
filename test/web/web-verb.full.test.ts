/** `oxbow web`: the link that it prints signs a browser in, whether a guest runs or not, and the page stays at the same port. */
import assert from 'node:assert/strict'
import { after, before, describe, it } from 'node:test'
import { type Home, openHome } from '../support/program.ts'

interface Link {
  readonly url: string
  readonly address: string
  readonly expires_in_s: number
  readonly opened: boolean
}

describe('oxbow web', () => {
  let home: Home
  before(async () => {
    home = await openHome('[memory]\nembedder = "none"\n')
    // The guest may still be starting.
    await home.oxbow(['status'])
  })
  after(() => home[Symbol.asyncDispose]())

  const signIn = async ({ url, address }: Link): Promise<Response> =>
    fetch(`${address}/web/session`, {
      method: 'POST',
      headers: { 'content-type': 'application/json', origin: address },
      body: JSON.stringify({ code: new URL(url).hash.replace('#sign-in=', '') }),
    })
  const link = async (): Promise<Link> => (await home.json<Link>('web', '--no-open'))[0]!

  it('prints a link for one browser, and where the page is', async () => {
    const made = await link()
    assert.deepEqual([made.expires_in_s, made.opened], [600, false])
    assert.equal((await signIn(made)).status, 200)
    assert.equal((await signIn(made)).status, 401)
    const shown = await home.oxbow(['web', '--no-open'])
    assert.equal(shown.exit, 0)
    assert.match(shown.out, /^http:\/\/127\.0\.0\.1:\d+\/#sign-in=[\w-]{43}\n/)
    assert.match(shown.out, /works for 10 minutes; after that the page is at http/)
  })

  it('starts a guest where none runs, at the port of the one before', async () => {
    const first = await link()
    assert.match((await home.oxbow(['stop'])).out, /has stopped/)
    const second = await link()
    assert.equal(second.address, first.address)
    assert.equal((await signIn(second)).status, 200)
    assert.match((await home.oxbow(['stop'])).out, /has stopped/)
  })
})
