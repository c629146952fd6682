/** The shell of the web application: signing in and out, what is served, navigation by mouse, keyboard and palette. */
import assert from 'node:assert/strict'
import { readdirSync, readFileSync } from 'node:fs'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { join } from 'node:path'
import { after, before, describe, it } from 'node:test'
import { gzipSync } from 'node:zlib'
import type { Page } from 'playwright-core'
import { asPhone, builtFolder, checkAccessible, noChromium, openWebRig, screenshot, type WebRig } from './web-fixture.ts'

describe('the web application', { skip: noChromium }, () => {
  let rig: WebRig
  before(async () => {
    rig = await openWebRig()
  })
  after(() => rig[Symbol.asyncDispose]())

  it('signs in by a link, which works once, with a cookie that scripts cannot read', async () => {
    const { context, page, address } = rig
    const [cookie, ...others] = await context.cookies()
    assert.deepEqual(others, [])
    assert.equal(cookie?.name, `oxbow-${new URL(address).port}`)
    assert.deepEqual([cookie.httpOnly, cookie.sameSite, cookie.path], [true, 'Strict', `/web/${await pagePart(page)}/`])
    assert.ok(cookie.expires - Date.now() / 1_000 > 29 * 86_400)
    assert.equal(await page.evaluate(() => document.cookie), '')
    assert.equal(new URL(page.url()).hash, '')

    const link = await rig.link()
    const stranger = await rig.stranger()
    const first = await stranger.newPage()
    await first.goto(link)
    await first.getByRole('navigation', { name: 'Pages' }).waitFor()
    await stranger.clearCookies()
    const second = await stranger.newPage()
    await second.goto(link)
    await second.getByText('This link was used').waitFor()
    await checkAccessible(second)
    await screenshot(second, 'sign-in')
    await stranger.close()
  })

  it('serves its files under a strict policy, and assets for ever', async () => {
    const page = await fetch(`${rig.address}/anything/below`)
    assert.equal(page.headers.get('cache-control'), 'no-store')
    const policy = page.headers.get('content-security-policy')!
    assert.match(policy, /default-src 'none'; script-src 'self'; style-src 'self'/)
    assert.doesNotMatch(policy, /unsafe|\*/)
    const script = /src="(\/assets\/[^"]+\.js)"/.exec(await page.text())?.[1]
    const asset = await fetch(`${rig.address}${script}`, { headers: { 'accept-encoding': 'br' } })
    assert.equal(asset.headers.get('cache-control'), 'public, max-age=31536000, immutable')
    assert.equal(asset.headers.get('content-encoding'), 'br')
    assert.equal((await fetch(`${rig.address}/assets/none.js`)).status, 404)
    assert.equal((await fetch(`${rig.address}/..%2f..%2fpackage.json`)).status, 404)
    assert.equal((await fetch(`${rig.address}/`, { method: 'POST' })).status, 405)
  })

  it('refuses the cookie where the page of the gateway did not ask', async () => {
    const [cookie] = await rig.context.cookies()
    const sent = { cookie: `${cookie!.name}=${cookie!.value}` }
    const part = await pagePart(rig.page)
    const statusOf = async (path: string, method: string, headers: Record<string, string> = {}): Promise<number> =>
      (await fetch(`${rig.address}/web/${part}${path}`, { method, headers: { ...sent, ...headers } })).status
    assert.equal(await statusOf('/api/v1/status', 'GET'), 200)
    assert.equal(await statusOf('/api/v1/status', 'GET', { 'sec-fetch-site': 'cross-site' }), 403)
    assert.equal(await statusOf('/api/v1/status', 'GET', { 'sec-fetch-site': 'same-site' }), 403)
    assert.equal(await statusOf('/api/v1/sessions', 'POST'), 403)
    assert.equal(await statusOf('/api/v1/sessions', 'POST', { origin: 'http://127.0.0.1:1' }), 403)
    assert.equal(await statusOf('/api/v1/sessions', 'POST', { origin: rig.address }), 201)
    assert.equal(await statusOf('/web/link', 'POST', { origin: rig.address }), 403)
    assert.equal(await statusOf('/web/session', 'DELETE', { origin: 'http://127.0.0.1:1' }), 403)
  })

  it('gives a server on another port, which receives every cookie of this host, nothing that opens the guest', async () => {
    const received: (string | undefined)[] = []
    const other = createServer((request, response) => {
      received.push(request.headers.cookie)
      response.setHeader('content-type', 'text/html').end('<h1>Another program</h1>')
    })
    await new Promise<void>((resolve) => other.listen(0, '127.0.0.1', resolve))
    const page = await rig.context.newPage()
    for (const path of ['/', '/web/', '/web/session', '/ws'])
      await page.goto(`http://127.0.0.1:${(other.address() as AddressInfo).port}${path}`)
    assert.equal(await page.evaluate(() => localStorage.length), 0)
    await page.close()
    other.close()
    assert.ok(received.length >= 4)
    assert.deepEqual(new Set(received), new Set([undefined]))

    const [cookie] = await rig.context.cookies()
    const headers = { cookie: `${cookie!.name}=${cookie!.value}`, origin: rig.address }
    for (const path of ['/api/v1/status', '/web/session', `/web/${'a'.repeat(21)}/api/v1/status`])
      assert.equal((await fetch(`${rig.address}${path}`, { headers })).status, 401, path)
  })

  it('has less than 250 kB of compressed JavaScript before the first page, and no module of Node', () => {
    const html = readFileSync(join(builtFolder(), 'index.html'), 'utf8')
    const first = [...html.matchAll(/(?:src|href)="(\/assets\/[^"]+\.js)"/g)].map(([, path]) => readFileSync(join(builtFolder(), path!)))
    assert.ok(first.length > 0)
    const bytes = first.reduce((sum, text) => sum + gzipSync(text).length, 0)
    assert.ok(bytes < 250_000, `${bytes} bytes`)
    const scripts = readdirSync(join(builtFolder(), 'assets')).filter((name) => name.endsWith('.js'))
    for (const name of scripts) {
      const text = readFileSync(join(builtFolder(), 'assets', name), 'utf8')
      const found = /["'`]node:[a-z]|\bBuffer\.|new Function\(|\beval\(/.exec(text)
      assert.equal(found?.[0], undefined, name)
    }
  })

  it('shows each page of the owner in a bare home (what they do: owner-pages.full.test.ts)', async () => {
    const { page } = rig
    const loading = page.locator('.state[aria-label]')
    for (const title of ['Memory', 'Schedules', 'Budgets', 'Agents and models']) {
      await page.getByRole('navigation', { name: 'Pages' }).getByRole('link', { name: title }).click()
      await page.getByRole('heading', { name: title, level: 1 }).waitFor()
      while ((await loading.count()) > 0) await loading.first().waitFor({ state: 'detached' })
      assert.equal(await page.getByRole('alert').count(), 0, title)
      await checkAccessible(page)
    }
  })

  it('finds pages by the palette, without a mouse', async () => {
    const { page } = rig
    await page.keyboard.press('Control+k')
    await page.getByRole('combobox', { name: 'Find a page or an action' }).waitFor()
    await checkAccessible(page)
    await page.keyboard.type('health')
    await page.keyboard.press('Enter')
    await page.getByRole('heading', { name: 'Health', level: 1 }).waitFor()
    assert.equal(new URL(page.url()).pathname, '/health')
    await checkAccessible(page)
  })

  it('opens the navigation on a phone, and closes it with Escape', async () => {
    const { page } = rig
    await asPhone(page, async () => {
      await page.getByRole('button', { name: 'Menu' }).click()
      await page.getByRole('link', { name: 'Health' }).waitFor()
      await checkAccessible(page)
      await page.keyboard.press('Escape')
      await page.getByRole('link', { name: 'Health' }).waitFor({ state: 'hidden' })
    })
  })

  it('signs out: the key is revoked and the page says how to return', async () => {
    const stranger = await rig.stranger()
    const page = await stranger.newPage()
    await page.goto(await rig.link())
    await page.getByRole('navigation', { name: 'Pages' }).waitFor()
    const [cookie] = await stranger.cookies()
    await page.keyboard.press('Control+k')
    await page.keyboard.type('sign out')
    await page.keyboard.press('Enter')
    await page.getByRole('heading', { name: 'Sign in to Oxbow' }).waitFor()
    assert.deepEqual(await stranger.cookies(), [])
    const answer = await fetch(`${rig.address}${cookie!.path}web/session`, { headers: { cookie: `${cookie!.name}=${cookie!.value}` } })
    assert.equal(answer.status, 401)
    await stranger.close()
  })
})

/** The part of the key that the page keeps. */
function pagePart(page: Page): Promise<string | null> {
  return page.evaluate(() => localStorage.getItem('oxbow.page'))
}
