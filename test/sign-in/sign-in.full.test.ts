/** People sign in at a real provider: by the page, by a terminal, and with tokens; and what a provider or a stranger may say to get in. */
import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { createServer } from 'node:net'
import { join } from 'node:path'
import { after, before, describe, it } from 'node:test'
import { WebSocket } from 'ws'
import { program } from '../support/built.ts'
import { startGuest, type TestGuest } from '../support/guest-process.ts'
import { makeWorkspace, type TestWorkspace } from '../support/workspace.ts'
import { audience, type Browser, clientId, clientSecret, openBrowser, startProvider, type TestProvider } from './provider-fixture.ts'

let provider: TestProvider
let workspace: TestWorkspace
let guest: TestGuest
let address = ''
let token = ''

async function freePort(): Promise<number> {
  const probe = createServer()
  await new Promise<void>((resolve) => void probe.listen(0, '127.0.0.1', resolve))
  const { port } = probe.address() as { port: number }
  await new Promise((resolve) => probe.close(resolve))
  return port
}

const configOf = (port: number, refreshMin: number) => ({
  gateway: { port, requests_per_minute: 1_000_000 },
  model: { provider: 'offline' },
  oidc: {
    issuer: provider.issuer,
    client_id: clientId,
    scopes: ['openid', 'profile', 'offline_access'],
    allowed_groups: ['staff', 'admins'],
    roles: { staff: ['user'], admins: ['admin'] },
    people: 'any',
    audience,
    refresh_min: refreshMin,
  },
})

async function start(port: number, refreshMin = 0.02): Promise<void> {
  guest = startGuest({ workspace, config: configOf(port, refreshMin), keys: { OXBOW_OIDC_SECRET: clientSecret } })
  const started = await guest.started
  assert.equal(started.type, 'ready', JSON.stringify(started))
  address = (started as { url: string }).url.replace('ws:', 'http:').replace('/ws', '')
  token = readFileSync(join(workspace.root, 'ipc/token'), 'utf8').trim()
}

before(async () => {
  workspace = makeWorkspace()
  const port = await freePort()
  provider = await startProvider(`http://127.0.0.1:${port}/sign-in/callback`)
  await start(port)
})

after(async () => {
  await guest.stop()
  await provider[Symbol.asyncDispose]()
  workspace[Symbol.dispose]()
})

const owner = async (call: string, input: object = {}): Promise<any> => {
  const response = await fetch(`${address}/api/v1/calls/${call}`, {
    method: 'POST',
    headers: { authorization: `Bearer ${token}`, 'content-type': 'application/json' },
    body: JSON.stringify(input),
  })
  const body = (await response.json()) as any
  assert.equal(response.status, 200, JSON.stringify(body))
  return 'value' in body ? body.value : body
}

const withBearer = (bearer: string, path = '/api/v1/sessions') =>
  fetch(`${address}${path}`, { headers: { authorization: `Bearer ${bearer}` } })

interface Page {
  readonly browser: Browser
  readonly part: string
  get(path: string): Promise<Response>
}

/** Goes through the provider as a browser does, up to the page that has a cookie. */
async function signInAs(subject: string, browser = openBrowser()): Promise<Page> {
  provider.signsIn = subject
  const { url, response } = await browser.follow(`${address}/sign-in`)
  const code = /#sign-in=([\w-]+)$/.exec(url)?.[1]
  assert(code !== undefined, `${url} ${response.status} ${await response.text()}`)
  const exchanged = await exchange(browser, code)
  assert.equal(exchanged.status, 200)
  const { page: part } = (await exchanged.json()) as { page: string }
  return { browser, part, get: (path) => browser.go(`${address}/web/${part}${path}`) }
}

const exchange = (browser: Browser, code: string) =>
  browser.go(`${address}/web/session`, {
    method: 'POST',
    headers: { origin: address, 'content-type': 'application/json' },
    body: JSON.stringify({ code }),
  })

async function until(holds: () => Promise<boolean>): Promise<void> {
  for (let tries = 0; tries < 1_000; tries += 1) {
    if (await holds()) return
    await new Promise((resolve) => setTimeout(resolve, 50))
  }
  assert.fail('it did not come')
}

describe('a page', () => {
  it('signs somebody in with the roles of their groups, whom the journal names', async () => {
    provider.accounts.set('sub-ann', { name: 'ann', groups: ['staff', 'others'] })
    const page = await signInAs('sub-ann')
    assert.equal((await page.get('/api/v1/sessions')).status, 200)
    // The role `user` may not change keys.
    assert.equal((await page.get('/api/v1/keys')).status, 403)
    const [person] = (await owner('people.list')).filter(({ subject }: { subject: string }) => subject === 'sub-ann')
    assert.deepEqual([person.name, person.groups, person.issuer], ['ann', ['staff', 'others'], provider.issuer])
    const keys = await owner('key.list')
    const own = keys.filter(({ name }: { name: string }) => name.startsWith(`oidc-${person.id}-page-`))
    assert.deepEqual(
      own.map(({ rights }: { rights: string[] }) => rights),
      [['user']],
    )
    assert(own[0].expires_at - own[0].created_at === 12 * 3_600_000)
  })

  it('gets cookies that no script reads and no other page sends', async () => {
    const browser = openBrowser()
    const leaving = await browser.go(`${address}/sign-in`)
    const [cookie = ''] = leaving.headers.getSetCookie()
    assert.match(cookie, /^oxbow-sign-in-\d+=[\w-]{43}; HttpOnly; SameSite=Lax; Path=\/sign-in; Max-Age=600$/)
    const to = new URL(leaving.headers.get('location') ?? '')
    assert.equal(to.searchParams.get('code_challenge_method'), 'S256')
    for (const name of ['state', 'nonce', 'code_challenge']) assert((to.searchParams.get(name) ?? '').length >= 43, name)
    assert.equal(leaving.headers.get('cache-control'), 'no-store')
  })

  it('signs out, and its key is gone', async () => {
    provider.accounts.set('sub-out', { name: 'out', groups: ['staff'] })
    const page = await signInAs('sub-out')
    const out = await page.browser.go(`${address}/web/${page.part}/web/session`, { method: 'DELETE', headers: { origin: address } })
    assert.equal(out.status, 200)
    assert.equal((await page.get('/api/v1/sessions')).status, 401)
  })

  it('is refused when an answer is used again, comes to another browser, or was changed', async () => {
    provider.accounts.set('sub-ann', { name: 'ann', groups: ['staff'] })
    provider.signsIn = 'sub-ann'
    const browser = openBrowser()
    let answer = ''
    for (let at = `${address}/sign-in`; !at.includes('/sign-in/callback');) {
      const response = await browser.go(at)
      at = answer = new URL(response.headers.get('location') ?? '', at).href
    }
    // A browser that began nothing, and one that began another sign-in.
    assert.equal((await openBrowser().go(answer)).status, 401)
    const victim = openBrowser()
    await victim.go(`${address}/sign-in`)
    const other = await victim.go(answer)
    assert.equal(other.status, 401)
    assert.match(await other.text(), /does not fit this sign-in/)
    const first = await browser.go(answer)
    assert.equal(first.status, 302)
    assert.equal((await browser.go(answer)).status, 401)
    const code = /#sign-in=([\w-]+)$/.exec(first.headers.get('location') ?? '')?.[1] ?? ''
    assert.equal((await exchange(browser, code)).status, 200)
    assert.equal((await exchange(browser, code)).status, 401)
  })

  it('tells somebody who may not sign in why, and makes nobody known', async () => {
    provider.accounts.set('sub-eve', { name: 'eve', groups: ['strangers', '*'] })
    provider.signsIn = 'sub-eve'
    const { response } = await openBrowser().follow(`${address}/sign-in`)
    assert.equal(response.status, 403)
    assert.match(await response.text(), /None of your groups may sign in/)
    assert((await owner('people.list')).every(({ subject }: { subject: string }) => subject !== 'sub-eve'))
  })

  it('keeps two people of one name apart, whatever the name is', async () => {
    const names = ['ann', '../../admin', 'x'.repeat(5_000), '<script>alert(1)</script>\u0000\u202e']
    for (const [at, name] of names.entries()) {
      provider.accounts.set(`sub-name-${at}`, { name, groups: ['staff'] })
      const page = await signInAs(`sub-name-${at}`)
      assert.equal((await page.get('/api/v1/sessions')).status, 200)
    }
    const people = (await owner('people.list')) as { id: string; name: string; subject: string }[]
    const own = people.filter(({ subject }) => subject.startsWith('sub-name-'))
    assert.equal(new Set(own.map(({ id }) => id)).size, names.length)
    assert(own.every(({ id, name }) => /^[0-9a-f]{16}$/.test(id) && name.length <= 500))
  })
})

describe('groups', () => {
  it('that somebody has lost take the key with them; a provider that is away takes nothing', async () => {
    provider.accounts.set('sub-bob', { name: 'bob', groups: ['staff', 'admins'] })
    const page = await signInAs('sub-bob')
    assert.equal((await page.get('/api/v1/keys')).status, 200)
    await provider.stop()
    try {
      // Several times as long as groups are believed.
      await new Promise((resolve) => setTimeout(resolve, 3_000))
      assert.equal((await page.get('/api/v1/keys')).status, 200)
      const began = await openBrowser().go(`${address}/sign-in`)
      assert([302, 502].includes(began.status))
    } finally {
      await provider.resume()
    }
    provider.accounts.get('sub-bob')!.groups = ['staff']
    await until(async () => (await page.get('/api/v1/keys')).status === 401)
    const again = await signInAs('sub-bob')
    assert.equal((await again.get('/api/v1/sessions')).status, 200)
    assert.equal((await again.get('/api/v1/keys')).status, 403)
  })

  it('that end with a person who is removed end all that they have open', async () => {
    provider.accounts.set('sub-gone', { name: 'gone', groups: ['staff'] })
    const page = await signInAs('sub-gone')
    const bearer = await provider.sign({ sub: 'sub-gone', preferred_username: 'gone', groups: ['staff'] })
    assert.equal((await withBearer(bearer)).status, 200)
    const { keys } = await owner('people.remove', { person: 'sub-gone' })
    assert.equal(keys, 2)
    assert.equal((await page.get('/api/v1/sessions')).status, 401)
  })
})

describe('a terminal', () => {
  it('signs in by `oxbow login`, which prints a key and nothing else', async () => {
    provider.accounts.set('sub-cli', { name: 'cli', groups: ['staff'] })
    const child = spawn(process.execPath, [program, 'login', address], { env: { PATH: process.env['PATH'], OXBOW_HOME: workspace.root } })
    const said = { out: '', err: '' }
    child.stdout.on('data', (chunk: Buffer) => (said.out += chunk.toString()))
    child.stderr.on('data', (chunk: Buffer) => (said.err += chunk.toString()))
    const ended = new Promise<number | null>((resolve) => child.once('close', resolve))
    await until(async () => /confirm the code/.test(said.err))
    await typeCode(/Open (\S+) in a browser/.exec(said.err)?.[1] ?? '', 'sub-cli')
    assert.equal(await ended, 0, said.err)
    assert.match(said.out, /^oxbow_[0-9a-f]{16}[\w-]{43}\n$/)
    assert.equal((await withBearer(said.out.trim())).status, 200)
  })

  it('gets a key once its person has typed the code at the provider', async () => {
    provider.accounts.set('sub-tty', { name: 'tty', groups: ['staff'] })
    const begun = (await (await fetch(`${address}/sign-in/device`, { method: 'POST' })).json()) as Record<string, string>
    const poll = () => fetch(`${address}/sign-in/device/token`, { method: 'POST', body: JSON.stringify({ device: begun['device'] }) })
    assert.equal((await poll()).status, 202)
    await typeCode(begun['verification_uri_complete'] ?? '', 'sub-tty')
    let made: { key: string } | null = null
    await until(async () => {
      const response = await poll()
      if (response.status !== 200) return false
      made = (await response.json()) as { key: string }
      return true
    })
    assert.equal((await withBearer(made!.key)).status, 200)
    assert.equal((await withBearer(made!.key, '/api/v1/keys')).status, 403)
    // The key is handed over once.
    assert.equal((await poll()).status, 401)
  })
})

describe('a token of the provider', () => {
  const claims = { sub: 'sub-program', preferred_username: 'program', groups: ['staff'] }

  it('opens the API for a program, with its roles, over HTTP and WebSocket', async () => {
    const real = await provider.programToken()
    assert.equal((await withBearer(real)).status, 200)
    assert.equal((await withBearer(real, '/api/v1/keys')).status, 403)
    const [first, second] = [await provider.sign(claims), await provider.sign({ ...claims, jti: 'another' })]
    for (const bearer of [first, second, first]) assert.equal((await withBearer(bearer)).status, 200)
    const id = (await owner('people.list')).find(({ subject }: { subject: string }) => subject === 'sub-program').id
    const keys = ((await owner('key.list')) as { name: string }[]).filter(({ name }) => name.startsWith(`oidc-${id}-`))
    assert.equal(keys.length, 1, 'all tokens of a person share one key')
    const socket = new WebSocket(`${address.replace('http', 'ws')}/ws`, { headers: { authorization: `Bearer ${first}` } })
    await new Promise((resolve, reject) => socket.once('open', resolve).once('error', reject))
    socket.close()
  })

  it('opens nothing when anything of it is wrong', async () => {
    const good = await provider.sign(claims)
    const [head = '', body = '', signature = ''] = good.split('.')
    const none = Buffer.from(JSON.stringify({ alg: 'none', typ: 'at+jwt' })).toString('base64url')
    const hmac = Buffer.from(JSON.stringify({ alg: 'HS256', typ: 'at+jwt' })).toString('base64url')
    const root = Buffer.from(JSON.stringify({ ...JSON.parse(Buffer.from(body, 'base64url').toString()), groups: ['admins'] })).toString(
      'base64url',
    )
    const now = Math.floor(Date.now() / 1_000)
    const wrong = {
      'of another issuer': await provider.sign({ ...claims, iss: 'https://evil.example' }),
      'for somebody else': await provider.sign({ ...claims, aud: 'https://other.example' }),
      'for the client itself': await provider.sign({ ...claims, aud: clientId }),
      expired: await provider.sign({ ...claims, exp: now - 120 }),
      'not valid yet': await provider.sign({ ...claims, nbf: now + 120 }),
      'without an end': await provider.sign({ ...claims, exp: undefined as never }),
      'without a subject': await provider.sign({ ...claims, sub: undefined as never }),
      'an ID token': await provider.sign({ ...claims, nonce: 'n' }),
      'of another key': await provider.forge(claims),
      'without a signature': `${none}.${body}.`,
      'signed with a shared secret': `${hmac}.${body}.${signature}`,
      'with other claims': `${head}.${root}.${signature}`,
      'no token at all': 'eyJ.eyJ.x',
    }
    for (const [what, bearer] of Object.entries(wrong)) assert.equal((await withBearer(bearer)).status, 401, what)
    assert.equal((await withBearer(await provider.sign({ ...claims, groups: ['strangers'] }))).status, 403)
    // Clocks differ.
    assert.equal((await withBearer(await provider.sign({ ...claims, nbf: now + 10 }))).status, 200)
    assert.equal((await withBearer(await provider.sign({ ...claims, exp: now - 10 }))).status, 401)
  })

  it('ends what it has opened when it expires', async () => {
    const bearer = await provider.sign({ ...claims, exp: Math.floor(Date.now() / 1_000) + 2 })
    const socket = new WebSocket(`${address.replace('http', 'ws')}/ws`, { headers: { authorization: `Bearer ${bearer}` } })
    const closed = new Promise<number>((resolve) => socket.once('close', resolve))
    await new Promise((resolve, reject) => socket.once('open', resolve).once('error', reject))
    assert.equal(await closed, 1008)
    assert.equal((await withBearer(bearer)).status, 401)
  })
})

describe('a guest that starts again', () => {
  it('goes on with those who are signed in until their groups would be due, and ends them then', async () => {
    provider.accounts.set('sub-again', { name: 'again', groups: ['staff'] })
    const page = await signInAs('sub-again')
    await guest.stop()
    // Long enough for a slow machine to ask once before.
    await start(Number(new URL(address).port), 0.25)
    assert.equal((await page.get('/api/v1/sessions')).status, 200)
    await until(async () => (await page.get('/api/v1/sessions')).status === 401)
  })
})

/** Goes where the terminal says, signs in there, and confirms the code. */
async function typeCode(url: string, subject: string): Promise<void> {
  provider.signsIn = subject
  const browser = openBrowser()
  let { response, url: at } = await browser.follow(url)
  for (let steps = 0; steps < 4; steps += 1) {
    const html = await response.text()
    const action = /<form[^>]*action="([^"]+)"/.exec(html)?.[1]
    if (action === undefined) return
    const fields = [...html.matchAll(/<input[^>]*name="(\w+)"[^>]*value="([^"]*)"/g)].map(
      ([, name = '', value = '']) => [name, value] as const,
    )
    const form = new URLSearchParams([...fields.map(([name, value]): [string, string] => [name, value]), ['confirm', 'yes']])
    const posted = await browser.go(new URL(action, at).href, { method: 'POST', body: form })
    const to = posted.headers.get('location')
    if (to === null) response = posted
    else ({ response, url: at } = await browser.follow(new URL(to, at).href))
  }
}
