/** Does in a page what a person could, and waits until the page has taken it in. */
import type { Locator, Request } from 'playwright-core'
import type { BrowserAction } from '../../types/index.ts'
import { elementMs, navigationMs, quietMs, settleMs } from '../limits.ts'
import { findElement } from './page-element.ts'
import type { Tab } from './tab-table.ts'
import { pause, within } from './time-limit.ts'

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

/** Until a navigation that began has loaded, or what scripts asked for has come, or the time is over. */
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
