/** Performs an action in a page and waits until the page has settled. */
import { mkdir, writeFile } from 'node:fs/promises'
import type { Locator, Request } from 'playwright-core'
import type { BrowserAction } from '../../protocol/index.ts'
import { failed } from '../failure.ts'
import { elementMs, lookMs, maxPictureHeight, navigationMs, quietMs, settleMs } from '../limits.ts'
import { pictureFolder } from './chromium-launch.ts'
import type { Tab } from './tab-table.ts'
import { pause, within } from './page-failure.ts'

export async function act(tab: Tab, action: BrowserAction, signal: AbortSignal): Promise<void> {
  const element = 'ref' in action && action.ref !== '' ? await findElement(tab, action.ref) : null
  await settled(tab, signal, () => perform(tab, action, element, signal))
}

async function perform({ page }: Tab, action: BrowserAction, element: Locator | null, signal: AbortSignal): Promise<unknown> {
  const limits = { timeout: elementMs, signal }
  switch (action.kind) {
    case 'click': {
      const how = { ...limits, button: action.button }
      return action.double ? element!.dblclick(how) : element!.click(how)
    }
    case 'type': {
      if (action.append) {
        await element!.press('End', limits)
        await element!.pressSequentially(action.text, limits)
      } else await element!.fill(action.text, limits)
      return action.submit ? element!.press('Enter', limits) : undefined
    }
    case 'press':
      return element === null ? within(elementMs, page.keyboard.press(action.key)) : element.press(action.key, limits)
    case 'select':
      return element!.selectOption(action.values, limits)
    case 'hover':
      return element!.hover(limits)
    case 'scroll':
      if (element !== null) return element.scrollIntoViewIfNeeded(limits)
      return within(elementMs, page.mouse.wheel(0, (page.viewportSize()?.height ?? 800) * (action.direction === 'down' ? 0.9 : -0.9)))
    case 'back':
      return page.goBack({ timeout: navigationMs, signal })
    case 'forward':
      return page.goForward({ timeout: navigationMs, signal })
    case 'reload':
      break
  }
  return page.reload({ timeout: navigationMs, signal })
}

/** Waits until a navigation has loaded or the requests of scripts have finished, at most `settleMs`. */
export async function settled(tab: Tab, signal: AbortSignal, work: () => Promise<unknown>): Promise<void> {
  const { page } = tab
  const open = new Set<Request>()
  let navigates = false
  const begin = (request: Request): void => {
    if (request.isNavigationRequest() && request.frame() === page.mainFrame()) navigates = true
    if (['xhr', 'fetch', 'document'].includes(request.resourceType())) open.add(request)
  }
  const end = (request: Request): void => void open.delete(request)
  page.on('request', begin)
  page.on('requestfinished', end)
  page.on('requestfailed', end)
  try {
    await work()
    await pause(quietMs, signal)
    if (navigates) await page.waitForLoadState('load', { timeout: settleMs, signal }).catch(() => undefined)
    for (let waited = 0; open.size > 0 && waited < settleMs && !signal.aborted; waited += quietMs) await pause(quietMs, signal)
  } finally {
    page.off('request', begin)
    page.off('requestfinished', end)
    page.off('requestfailed', end)
  }
}

// Elements by the refs of a snapshot.

/** @throws `bad_input`, or `not_found` when it no longer exists: refs are valid until their element is removed or the page changes. */
export async function findElement(tab: Tab, ref: string): Promise<Locator> {
  if (!/^(?:f\d{1,6})?e\d{1,9}$/.test(ref))
    throw failed('bad_input', 'That is not a ref of an element.', 'Refs look like e5 or f1e2; browser_snapshot shows them.')
  const element = tab.page.locator(`aria-ref=${ref}`)
  // A ref into a removed frame throws.
  const found = await within(lookMs, element.count()).catch(() => 0)
  if (found === 0)
    throw failed('not_found', `There is no element ${ref} in tab ${tab.id}.`, 'The page has changed: take a new browser_snapshot.')
  return element
}

// Screenshots: each a new file, so that none is overwritten.

interface Picture {
  readonly path: string
  readonly bytes: number
  readonly width: number
  readonly height: number
}

export async function takePicture(
  tab: Tab,
  { ref, fullPage }: { readonly ref: string; readonly fullPage: boolean },
  signal: AbortSignal,
): Promise<Picture> {
  const { page } = tab
  const options = { type: 'png', scale: 'css', animations: 'disabled', caret: 'hide', timeout: lookMs, signal } as const
  const take = async (): Promise<Buffer> => {
    if (ref !== '') return (await findElement(tab, ref)).screenshot(options)
    if (!fullPage) return page.screenshot(options)
    const { cssContentSize: size } = await tab.target.send('Page.getLayoutMetrics')
    const clip = { x: 0, y: 0, width: Math.min(size.width, maxPictureHeight), height: Math.min(size.height, maxPictureHeight) }
    return page.screenshot({ ...options, fullPage: true, clip })
  }
  const png = await within(lookMs + 1_000, take())
  await mkdir(pictureFolder, { recursive: true })
  // The time makes names sortable, the clock in nanoseconds makes them unique.
  const name = `${new Date().toISOString().replaceAll(/[:.]/g, '-')}-${process.hrtime.bigint().toString(36)}.png`
  const path = `${pictureFolder}/${name}`
  await writeFile(path, png, { flag: 'wx' })
  // PNG has width and height at fixed offsets (RFC 2083, 4.1.1).
  return { path, bytes: png.length, width: png.readUInt32BE(16), height: png.readUInt32BE(20) }
}
