/**
 * The web application as a person meets it: a real guest, which serves the built files, and real Chromium, signed in by a link. A file of
 * tests opens one rig and shares it: guest and browser take a second together.
 */
import assert from 'node:assert/strict'
import { existsSync, readFileSync, statSync } from 'node:fs'
import { createRequire } from 'node:module'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { type Browser, type BrowserContext, chromium, type Locator, type Page } from 'playwright-core'
import type { Scenario, ScenarioStep } from '../../src/engine/index.ts'
import { buildWeb, isFresh } from '../../src/cli/web.ts'
import { type GuestStart, startGuest, type TestGuest } from '../support/guest-process.ts'
import { startModel, type TestModel } from '../support/model.ts'
import { makeWorkspace, type TestWorkspace, tokenOf } from '../support/workspace.ts'

const root = fileURLToPath(new URL('../../', import.meta.url))
export const chromiumPath = '/usr/bin/chromium'

/** @returns the folder that the guest of a test serves */
export function builtFolder(): string {
  const build = process.env['OXBOW_TEST_BUILD']
  return build === undefined ? join(root, 'dist/web') : join(build, 'web')
}

/** Why these tests cannot run here; false: they can. In CI they must. */
export const noChromium: string | false =
  existsSync(chromiumPath) || process.env['CI'] !== undefined ? false : 'Chromium is not installed: apt-get install chromium'

export interface RigOptions extends Partial<Omit<GuestStart, 'workspace'>> {
  /** What the model answers; absent: the offline interpreter. */
  readonly script?: Scenario | readonly ScenarioStep[]
}

export interface WebRig extends AsyncDisposable {
  readonly workspace: TestWorkspace
  readonly guest: TestGuest
  /** `http://127.0.0.1:PORT` */
  readonly address: string
  readonly browser: Browser
  /** A signed-in browser with one page, which shows the start page. */
  readonly page: Page
  readonly context: BrowserContext
  readonly model: TestModel | null
  /** A fresh link for signing in. */
  link(): Promise<string>
  /** Another browser profile, which is not signed in. */
  stranger(): Promise<BrowserContext>
  /** Ends the guest with SIGKILL. */
  kill(): Promise<void>
  /** Starts it again in the same workspace. */
  restart(): Promise<void>
  /** Makes a system call as the owner, past the page. @returns its output */
  call<Output>(name: string, input: object): Promise<Output>
}

export async function openWebRig({ script, ...start }: RigOptions = {}): Promise<WebRig> {
  if (process.env['OXBOW_TEST_BUILD'] === undefined && !isFresh(join(root, 'dist/web'))) await buildWeb(join(root, 'dist/web'))
  const workspace = makeWorkspace()
  const model = script === undefined ? null : await startModel(script)
  const config = { ...(model !== null && { model: model.config }), ...start.config }
  const options: GuestStart = { ...start, workspace, config, keys: { OPENAI_API_KEY: 'test', ...start.keys } }
  const launching = chromium.launch({ executablePath: chromiumPath, chromiumSandbox: false })
  let guest = startGuest(options)
  const addressOf = async (): Promise<string> => {
    const started = await guest.started
    assert.ok(started.type === 'ready', JSON.stringify(started))
    return started.url.replace('ws:', 'http:').replace('/ws', '')
  }
  const address = await addressOf()
  const browser = await launching
  const owner = (path: string, body: object): Promise<Response> =>
    fetch(`${address}${path}`, {
      method: 'POST',
      headers: { authorization: `Bearer ${tokenOf(workspace)}`, 'content-type': 'application/json' },
      body: JSON.stringify(body),
    })
  const link = async (): Promise<string> => {
    const { code } = (await (await owner('/web/link', {})).json()) as { code: string }
    return `${address}/#sign-in=${code}`
  }
  const stranger = (): Promise<BrowserContext> => browser.newContext({ viewport: { width: 1280, height: 800 }, reducedMotion: 'reduce' })
  const context = await stranger()
  const page = await context.newPage()
  await page.goto(await link())
  await page.getByRole('navigation', { name: 'Pages' }).waitFor()
  return {
    workspace,
    get guest() {
      return guest
    },
    address,
    browser,
    page,
    context,
    model,
    link,
    stranger,
    async kill() {
      await guest.kill()
    },
    async restart() {
      guest = startGuest(options)
      assert.equal(await addressOf(), address, 'the guest keeps its port')
    },
    async call<Output>(name: string, input: object) {
      const response = await owner(`/api/v1/calls/${name}`, input)
      const output: unknown = await response.json()
      assert.ok(response.ok, JSON.stringify(output))
      return output as Output
    },
    async [Symbol.asyncDispose]() {
      await browser.close()
      await guest.kill()
      await model?.[Symbol.asyncDispose]()
      workspace[Symbol.dispose]()
    },
  }
}

const axeSource = readFileSync(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8')
const wcagTags = ['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa', 'wcag22aa']

interface AxeResults {
  readonly violations: readonly {
    readonly id: string
    readonly help: string
    readonly nodes: readonly { readonly html: string; readonly failureSummary?: string }[]
  }[]
}

/** Fails with what keeps people from using what the page shows now. */
export async function checkAccessible(page: Page): Promise<void> {
  // Colours that have just changed are computed with the next frames.
  await page.evaluate(() => new Promise((resolve) => requestAnimationFrame(() => requestAnimationFrame(resolve))))
  await page.evaluate(axeSource)
  const run = `axe.run(document, { runOnly: ${JSON.stringify(wcagTags)} })`
  const { violations } = (await page.evaluate(run)) as AxeResults
  const shown = violations.map(
    ({ id, help, nodes }) =>
      `${id}: ${help}\n${nodes.map((node) => `    ${node.html.slice(0, 200)}\n    ${node.failureSummary ?? ''}`).join('\n')}`,
  )
  assert.equal(shown.join('\n'), '')
}

/**
 * Writes `docs/screenshots/NAME.png` where it is missing, or with OXBOW_SCREENSHOTS=1. Times are hidden, so that the picture changes
 * only when the page does.
 */
export async function screenshot(page: Page, name: string): Promise<void> {
  const path = join(root, 'docs/screenshots', `${name}.png`)
  if (existsSync(path) && process.env['OXBOW_SCREENSHOTS'] !== '1') return
  // Styles of the page's own: its policy admits no others.
  await page.evaluate(async () => {
    for (const element of document.querySelectorAll<HTMLElement>('[data-volatile]')) element.style.visibility = 'hidden'
    await document.fonts.ready
  })
  await page.screenshot({ path, animations: 'disabled', caret: 'hide' })
  await page.evaluate(() => {
    for (const element of document.querySelectorAll<HTMLElement>('[data-volatile]')) element.style.visibility = ''
  })
  assert.ok(statSync(path).size <= maxScreenshotBytes, `${path} has ${statSync(path).size} bytes`)
}

const maxScreenshotBytes = 150_000

/** A narrow window, as a phone has it. */
export async function asPhone(page: Page, show: () => Promise<void>): Promise<void> {
  await page.setViewportSize({ width: 390, height: 844 })
  try {
    await show()
  } finally {
    await page.setViewportSize({ width: 1280, height: 800 })
  }
}

/** What a person does at a page. */
export interface Person {
  /** The dialog that is open. */
  dialog(): Locator
  press(name: string): Promise<void>
  /** Presses a button of the dialog, which closes. */
  agree(verb: string): Promise<void>
}

export function personAt(page: () => Page): Person {
  const dialog = (): Locator => page().getByRole('dialog')
  return {
    dialog,
    press: (name) => page().getByRole('button', { name, exact: true }).click(),
    async agree(verb) {
      await checkAccessible(page())
      await dialog().getByRole('button', { name: verb, exact: true }).click()
      await dialog().waitFor({ state: 'hidden' })
    },
  }
}

/** Goes to an address as a link within the page does. */
export async function openPage(page: Page, path: string, title: string): Promise<void> {
  await page.evaluate((to) => {
    history.pushState(null, '', to)
    dispatchEvent(new PopStateEvent('popstate'))
  }, path)
  await page.getByRole('heading', { name: title, level: 1 }).waitFor()
}

/** Nothing is beyond the edge of a phone. */
export async function checkFits(page: Page, name: string): Promise<void> {
  assert.equal(await page.evaluate(() => document.documentElement.scrollWidth), 390, `${name} is wider than a phone`)
  const cut = await page.evaluate(() =>
    [...document.querySelectorAll('.table-frame')].flatMap((frame) =>
      frame.scrollWidth > frame.clientWidth ? [frame.getAttribute('aria-label')] : [],
    ),
  )
  assert.deepEqual(cut, [], `columns of ${name} are beyond the edge of a phone`)
}

/** What is shown now: by axe in both themes, and at the width of a phone. */
export async function checkLook(page: Page, name: string): Promise<void> {
  await checkAccessible(page)
  await page.emulateMedia({ colorScheme: 'dark' })
  await checkAccessible(page)
  await page.emulateMedia({ colorScheme: 'light' })
  await asPhone(page, async () => {
    await checkFits(page, name)
    const inside = await page.evaluate(() => {
      const main = document.querySelector('main')!
      return main.scrollWidth - main.clientWidth
    })
    assert.ok(inside <= 0, `${name} scrolls sideways on a phone`)
    await checkAccessible(page)
  })
}
