/**
 * The web application of a guest that has a runner, as `oxbow start` gives it: it can change its configuration and restart. The home is
 * bare: no model, no key, no budget.
 */
import assert from 'node:assert/strict'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type Browser, type BrowserContext, chromium, type Page } from 'playwright-core'
import { buildWeb, isFresh } from '../../src/cli/web.ts'
import { ensureGuest, findGuest, loadConfig, openHome, openWorkspace, parseUser, type Workspace } from '../../src/runner/index.ts'
import { guestEntry } from '../support/built.ts'
import { shareCompileCache } from '../support/compile-cache.ts'
import { openHome as openServedHome } from '../support/program.ts'
import { builtFolder } from './web-fixture.ts'

export interface OwnerRig extends AsyncDisposable {
  readonly workspace: Workspace
  readonly browser: Browser
  readonly context: BrowserContext
  /** Signed in; shows the start page. */
  readonly page: Page
  /** Makes a system call as the owner, past the page. */
  call<Output>(name: string, input: object): Promise<Output>
}

/** Its guest belongs to this process, as to a terminal. */
export async function openOwnerRig(more: Readonly<Record<string, string>> = {}): Promise<OwnerRig> {
  const root = mkdtempSync(join(tmpdir(), 'oxbow-owner-'))
  shareCompileCache(root)
  const home = openHome({ OXBOW_HOME: root })
  const workspace = openWorkspace(home, parseUser('ada'))
  const setup = { home, workspace, config: loadConfig(home, workspace), insecure: false, version: '0.0.0-test', warn: () => {} }
  const open = () => ensureGuest({ ...setup, env: { PATH: process.env['PATH'], ...more }, program: { entry: guestEntry } })
  return openRig(workspace, open, async (guest) => {
    await guest.stop()
    rmSync(root, { recursive: true, force: true })
  })
}

/** Its guest is one of `oxbow serve`, of the default user. */
export async function openServedRig(): Promise<OwnerRig> {
  const served = await openServedHome()
  const workspace = openWorkspace(openHome({ OXBOW_HOME: served.folder }), parseUser('default'))
  return openRig(
    workspace,
    async () => {
      const guest = await findGuest(workspace)
      assert.ok(guest !== null)
      return guest
    },
    async () => {
      await served[Symbol.asyncDispose]()
    },
  )
}

async function openRig<Guest extends { readonly url: string; readonly token: string }>(
  workspace: Workspace,
  open: () => Promise<Guest>,
  end: (guest: Guest) => Promise<void>,
): Promise<OwnerRig> {
  if (process.env['OXBOW_TEST_BUILD'] === undefined && !isFresh(builtFolder())) await buildWeb(builtFolder())
  const launching = chromium.launch({ executablePath: '/usr/bin/chromium', chromiumSandbox: false })
  const guest = await open()
  const address = guest.url.replace('ws:', 'http:').replace('/ws', '')
  const ask = (path: string, body: object): Promise<Response> =>
    fetch(`${address}${path}`, {
      method: 'POST',
      headers: { authorization: `Bearer ${guest.token}`, 'content-type': 'application/json' },
      body: JSON.stringify(body),
    })
  const { code } = (await (await ask('/web/link', {})).json()) as { code: string }
  const browser = await launching
  const context = await browser.newContext({ viewport: { width: 1280, height: 800 }, reducedMotion: 'reduce' })
  const page = await context.newPage()
  await page.goto(`${address}/#sign-in=${code}`)
  await page.getByRole('navigation', { name: 'Pages' }).waitFor()
  return {
    workspace,
    browser,
    context,
    page,
    async call<Output>(name: string, input: object) {
      const response = await ask(`/api/v1/calls/${name}`, input)
      const output: unknown = await response.json()
      assert.ok(response.ok, JSON.stringify(output))
      return output as Output
    },
    async [Symbol.asyncDispose]() {
      await browser.close()
      await end(guest)
    },
  }
}
