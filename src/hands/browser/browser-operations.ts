/** The browser's requests. Those on one tab wait for each other; those on different tabs run side by side. */
import type { Response } from 'playwright-core'
import type { BrowserOps, BrowserView, HandlersOf } from '../../protocol/index.ts'
import { failed, throwIfCancelled } from '../failure.ts'
import { browserCancelMs, browserEndMs, navigationMs, quietMs } from '../limits.ts'
import { launchChromium } from './chromium-launch.ts'
import type { BrowserOptions } from './chromium-launch.ts'
import { act, settled, takePicture } from './page-action.ts'
import { pageAddress, stateOf, viewTab } from './page-view.ts'
import { orCancelled, pageFailure, pause, within } from './page-failure.ts'
import { watchTab } from './tab-events.ts'
import { createTabTable } from './tab-table.ts'
import type { Tab, TabTable } from './tab-table.ts'

export interface BrowserFamily {
  readonly ops: HandlersOf<BrowserOps>
  /** Ends every browser, so that what it keeps is on disk. */
  close(): Promise<void>
}

/** Starts nothing yet. @param options absent where hands have no browser */
export function openBrowser(options: BrowserOptions | undefined): BrowserFamily {
  if (options === undefined) return { ops: refusing, close: () => Promise.resolve() }
  const table = createTabTable((profile) => launchChromium(options, profile), watchTab)
  return { ops: browserOperations(table), close: () => table.end() }
}

export function browserOperations(table: TabTable): HandlersOf<BrowserOps> {
  /** Turns every error into a failure. */
  const guarded = async <Value>(signal: AbortSignal, work: () => Promise<Value>): Promise<Value> => {
    try {
      // Much of the work waits for pages: the kernel would end all browsers for one request that ignores its cancellation.
      return await orCancelled(browserCancelMs, signal, work())
    } catch (error) {
      throw pageFailure(error, signal)
    }
  }
  return {
    browserOpen: (input, signal) => guarded(signal, () => openPage(table, input, signal)),
    browserAct: (input, signal) =>
      guarded(signal, () =>
        inTurn(table.find(input), signal, async (tab) => {
          tab.acceptDialogs = input.acceptDialogs
          await act(tab, input.action, signal)
          return changed(table, tab, input.maxBytes, null, signal)
        }),
      ),
    browserLook: (input, signal) =>
      guarded(signal, () => inTurn(table.find(input), signal, (tab) => closeIfStuck(table, tab, viewTab(tab, input, null, signal)))),
    browserPicture: (input, signal) =>
      guarded(signal, () =>
        inTurn(table.find(input), signal, async (tab) => {
          const picture = await takePicture(tab, input, signal)
          return { ...(await viewTab(tab, unseen, null, signal)), ...picture }
        }),
      ),
    browserTabs: (input, signal) => guarded(signal, () => tabs(table, input)),
    browserDownloads: (input, signal) => guarded(signal, () => downloads(table, input, signal)),
  }
}

const unseen = { as: 'nothing', ref: '', depth: 0, fromByte: 0, maxBytes: 0 } as const

async function openPage(table: TabTable, input: BrowserOps['browserOpen']['input'], signal: AbortSignal): Promise<BrowserView> {
  const address = pageAddress(input.url)
  const owner = await table.owner(input)
  throwIfCancelled(signal)
  const isNew = input.newTab || (input.tab === '' && owner.current === null)
  const tab = isNew ? await table.open(owner) : table.find(input)
  try {
    return await inTurn(tab, signal, async () => {
      owner.current = tab
      let status: number | null = null
      const work = async (): Promise<void> => {
        status = (await goTo(tab, address, signal))?.status() ?? null
      }
      await settled(tab, signal, work)
      tab.lastTree = ''
      return changed(table, tab, input.maxBytes, status, signal)
    })
  } catch (error) {
    // The caller never learns of this tab.
    if (isNew) await table.close(tab)
    throw error
  }
}

/** @returns null when the address is not a page but a download, which a note reports. */
async function goTo({ page }: Tab, address: string, signal: AbortSignal): Promise<Response | null> {
  for (let tries = 1; ; tries += 1) {
    try {
      return await page.goto(address, { timeout: navigationMs, waitUntil: 'domcontentloaded', signal })
    } catch (error) {
      const message = error instanceof Error ? error.message : ''
      if (/Download is starting|net::ERR_ABORTED/.test(message)) return null
      // A navigation of the previous page, such as to the error page of a refused address, may interrupt this one.
      if (!/interrupted by another navigation/.test(message) || tries > 5) throw error
      await pause(quietMs, signal)
    }
  }
}

/** The page after an action. The action has succeeded even if the page cannot be shown. */
async function changed(table: TabTable, tab: Tab, maxBytes: number, status: number | null, signal: AbortSignal): Promise<BrowserView> {
  const look = { as: 'changes', ref: '', depth: 0, fromByte: 0, maxBytes } as const
  if (!tab.owner.tabs.has(tab.id)) return closedView(tab)
  try {
    return await viewTab(tab, look, status, signal)
  } catch (error) {
    const { failure } = pageFailure(error, signal) as Error & { failure: { code: string; message: string; hint: string } }
    if (failure.code === 'path_refused' || failure.code === 'cancelled') throw error
    if (!tab.owner.tabs.has(tab.id)) return closedView(tab)
    if (failure.code === 'tool_failed') {
      tab.owner.notes.push(`tab ${tab.id} was closed: its page no longer responded`)
      await table.close(tab)
      return closedView(tab)
    }
    const view = await viewTab(tab, unseen, status, signal)
    return { ...view, notes: [...view.notes, `${failure.message} ${failure.hint}`] }
  }
}

function closedView(tab: Tab): BrowserView {
  const nothing = { shows: 'nothing', text: '', fromByte: 0, nextByte: null, totalBytes: 0 } as const
  return { tab: tab.id, url: '', title: '', status: null, ...nothing, notes: tab.owner.notes.splice(0) }
}

/** A page that never gets idle would block every later request. */
async function closeIfStuck(table: TabTable, tab: Tab, look: Promise<BrowserView>): Promise<BrowserView> {
  try {
    return await look
  } catch (error) {
    if (!(error instanceof Error && (error.name === 'TimeoutError' || error.message === 'time is over'))) throw error
    await table.close(tab)
    throw failed(
      'tool_failed',
      `The page in tab ${tab.id} did not respond; the tab was closed.`,
      'Open it again, or read it with web_fetch.',
    )
  }
}

async function inTurn<Value>(tab: Tab, signal: AbortSignal, work: (tab: Tab) => Promise<Value>): Promise<Value> {
  const before = tab.turn
  const done = Promise.withResolvers<void>()
  tab.turn = done.promise
  try {
    await before
    throwIfCancelled(signal)
    Object.assign(tab, { dialogs: 0, popUps: 0, acceptDialogs: false })
    return await work(tab)
  } finally {
    tab.acceptDialogs = false
    done.resolve()
  }
}

async function tabs(table: TabTable, input: BrowserOps['browserTabs']['input']): Promise<BrowserOps['browserTabs']['output']> {
  if (input.action !== 'list') {
    const tab = table.find(input)
    if (input.action === 'close') await table.close(tab)
    else tab.owner.current = tab
  }
  const owner = table.known(input)
  const open = [...(owner?.tabs.values() ?? [])]
  const states = open.map(async (tab) => ({ tab: tab.id, current: tab === owner?.current, ...(await within(browserEndMs, stateOf(tab))) }))
  return { tabs: await Promise.all(states) }
}

async function downloads(
  table: TabTable,
  { waitMs, ...who }: BrowserOps['browserDownloads']['input'],
  signal: AbortSignal,
): Promise<BrowserOps['browserDownloads']['output']> {
  const known = (): readonly BrowserOps['browserDownloads']['output']['downloads'][number][] => table.known(who)?.downloads ?? []
  const until = performance.now() + waitMs
  while (known().some(({ state }) => state === 'running') && performance.now() < until && !signal.aborted) await pause(100, signal)
  return { downloads: known().map((download) => ({ ...download })) }
}

function refuse(): Promise<never> {
  return Promise.reject(failed('sandbox_missing', 'There is no browser in this sandbox.', 'oxbow status says what it has.'))
}

const refusing: HandlersOf<BrowserOps> = {
  browserOpen: refuse,
  browserAct: refuse,
  browserLook: refuse,
  browserPicture: refuse,
  browserTabs: refuse,
  browserDownloads: refuse,
}
