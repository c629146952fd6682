/**
 * Tabs by the conversation that opened them, and one Chromium for each agent. A conversation sees only its own tabs. Unused tabs are closed
 * when another conversation needs one: nothing else closes the tabs of a conversation that has ended.
 */
import type { CDPSession, BrowserContext, Page } from 'playwright-core'
import type { BrowserDownload, BrowserTab } from '../../protocol/index.ts'
import { truncate } from '../../base/index.ts'
import { failed } from '../failure.ts'
import { browserEndMs, maxBrowsers, maxNoteCharacters, maxNotes, maxTabs, staleTabMs } from '../limits.ts'
import type { Launched } from './chromium-launch.ts'
import { within } from './page-failure.ts'

/** An open page. */
export interface Tab {
  readonly id: string
  readonly owner: Owner
  readonly page: Page
  /** Chromium's protocol for this page, which responds even while the page is busy. */
  readonly target: CDPSession
  lastUsed: number
  /** The last snapshot or text, to continue reading and to compare with. */
  seen: string
  lastTree: string
  acceptDialogs: boolean
  /** Counted for the current action. */
  dialogs: number
  popUps: number
  /** Resolves when the last request on this tab has finished. */
  turn: Promise<unknown>
}

/** A browser with its open tabs, and what the next reply says about them. */
export interface Owner {
  readonly browser: Browser
  readonly name: string
  readonly tabs: Map<string, Tab>
  current: Tab | null
  made: number
  /** Delivered with the next reply. */
  notes: string[]
  downloads: BrowserDownload[]
}

interface Browser {
  readonly profile: string
  readonly context: BrowserContext
  /** Where Chromium keeps unfinished downloads. */
  readonly downloads: string
  readonly owners: Map<string, Owner>
  /** Number of tabs that are being opened. */
  opening: number
  lastUsed: number
}

export interface TabTable {
  /** Starts the agent's browser if it is not running. @throws `limit_reached` when too many do, `sandbox_missing` */
  owner(who: BrowserTab): Promise<Owner>
  /** @returns the owner if it exists: nothing is started. */
  known(who: Pick<BrowserTab, 'profile' | 'owner'>): Owner | null
  /** An empty tab. @throws `limit_reached` */
  open(owner: Owner): Promise<Tab>
  /** @throws `not_found` */
  find(who: BrowserTab): Tab
  close(tab: Tab): Promise<void>
  /** Closes every browser. */
  end(): Promise<void>
}

/** @param watch observes a new tab, and may adopt windows that the page opens */
export function createTabTable(
  launch: (profile: string) => Promise<Launched>,
  watch: (tab: Tab, adopt: (page: Page) => Promise<Tab | null>) => void,
): TabTable {
  const browsers = keepBrowsers(launch)
  const { running } = browsers
  const taken = new WeakSet<Page>()
  const all = (): readonly Tab[] => [...running.values()].flatMap(tabsOf)
  const isFull = (): boolean => [...running.values()].reduce((sum, { opening }) => sum + opening, all().length) >= maxTabs
  /** Counts the tab while it is being opened, for the limit and so that its browser stays. */
  const counted = (browser: Browser, make: () => Promise<Tab>): Promise<Tab> => {
    browser.opening += 1
    return make().finally(() => void (browser.opening -= 1))
  }
  const close = async (tab: Tab): Promise<void> => {
    forget(tab)
    const { browser } = tab.owner
    // The last tab closes its browser, which frees its memory and writes its cookies to disk.
    const isLast = tabsOf(browser).length === 0 && browser.opening === 0
    await (isLast ? browsers.end(browser) : within(browserEndMs, tab.page.close()).catch(() => undefined))
  }
  const adopt = async (owner: Owner, page: Page): Promise<Tab> => {
    const target = await owner.browser.context.newCDPSession(page)
    const tab = newTab(owner, page, target)
    page.on('close', () => forget(tab))
    page.on('crash', () => {
      note(owner, `tab ${tab.id} crashed and was closed: its page may have needed more memory than the browser has`)
      void close(tab)
    })
    watch(tab, async (opened) => (isFull() ? null : counted(owner.browser, () => adopt(owner, opened))))
    return tab
  }
  return {
    async owner({ profile, owner: name }) {
      const browser = await browsers.start(profile)
      browser.lastUsed = performance.now()
      const owner = browser.owners.get(name) ?? newOwner(browser, name)
      browser.owners.set(name, owner)
      return owner
    },
    known: ({ profile, owner }) => running.get(profile)?.owners.get(owner) ?? null,
    async open(owner) {
      while (isFull()) await makeRoomForTab(all(), owner, close)
      const { context } = owner.browser
      // Chromium begins with an empty page.
      const first = tabsOf(owner.browser).length === 0 ? context.pages().find((page) => !taken.has(page)) : undefined
      // Synchronously: another conversation may open its first tab at the same time.
      if (first !== undefined) taken.add(first)
      const tab = await counted(owner.browser, async () => adopt(owner, first ?? (await context.newPage())))
      owner.current = tab
      return tab
    },
    find(who) {
      const owner = running.get(who.profile)?.owners.get(who.owner)
      const tab = who.tab === '' ? owner?.current : owner?.tabs.get(who.tab)
      if (tab === undefined || tab === null) throw noTab(who.tab, owner)
      tab.lastUsed = performance.now()
      tab.owner.browser.lastUsed = performance.now()
      return tab
    },
    close,
    async end() {
      await Promise.all([...running.values()].map((browser) => browsers.end(browser)))
    },
  }
}

interface Browsers {
  readonly running: ReadonlyMap<string, Browser>
  /** @returns the agent's browser, which is started if it is not running. @throws `limit_reached`, `sandbox_missing` */
  start(profile: string): Promise<Browser>
  /** Resolves when its data is on disk; the next start of this agent's browser waits for that. Never rejects. */
  end(browser: Browser): Promise<void>
}

function keepBrowsers(launch: (profile: string) => Promise<Launched>): Browsers {
  const running = new Map<string, Browser>()
  const started = new Map<string, Promise<Browser>>()
  const ending = new Map<string, Promise<void>>()
  const drop = (browser: Browser): void => {
    for (const owner of browser.owners.values()) owner.tabs.clear()
    if (running.get(browser.profile) !== browser) return
    running.delete(browser.profile)
    started.delete(browser.profile)
  }
  const end = async (browser: Browser): Promise<void> => {
    drop(browser)
    const ended = within(browserEndMs, browser.context.close()).catch(() => undefined)
    ending.set(browser.profile, ended)
    await ended
    if (ending.get(browser.profile) === ended) ending.delete(browser.profile)
  }
  const begin = async (profile: string): Promise<Browser> => {
    // Two browsers in one folder would corrupt it.
    await ending.get(profile)
    const { context, downloads } = await launch(profile)
    const browser: Browser = { profile, context, downloads, owners: new Map(), opening: 0, lastUsed: performance.now() }
    running.set(profile, browser)
    context.on('close', () => drop(browser))
    return browser
  }
  return {
    running,
    end,
    async start(profile) {
      // Another may have started meanwhile.
      while (!started.has(profile) && started.size >= maxBrowsers) await makeRoomForBrowser(running, end)
      const known = started.get(profile)
      if (known !== undefined) return known
      const starting = begin(profile)
      started.set(profile, starting)
      starting.catch(() => started.delete(profile))
      return starting
    },
  }
}

function tabsOf(browser: Browser): readonly Tab[] {
  return [...browser.owners.values()].flatMap((owner) => [...owner.tabs.values()])
}

/** Kept until the next reply; the oldest are dropped. */
export function note(owner: Owner, text: string): void {
  owner.notes.push(clip(text))
  if (owner.notes.length > maxNotes) owner.notes.shift()
}

/** A text of a page as one line without control characters. */
export function clip(text: string, most: number = maxNoteCharacters): string {
  return truncate(text, most)
    .replaceAll(/[\p{Cc}\u2028\u2029]+/gu, ' ')
    .toWellFormed()
}

function newOwner(browser: Browser, name: string): Owner {
  return { browser, name, tabs: new Map(), current: null, made: 0, notes: [], downloads: [] }
}

function newTab(owner: Owner, page: Page, target: CDPSession): Tab {
  const tab: Tab = {
    id: `t${(owner.made += 1)}`,
    owner,
    page,
    target,
    lastUsed: performance.now(),
    seen: '',
    lastTree: '',
    acceptDialogs: false,
    dialogs: 0,
    popUps: 0,
    turn: Promise.resolve(),
  }
  owner.tabs.set(tab.id, tab)
  return tab
}

function forget(tab: Tab): void {
  const { owner } = tab
  owner.tabs.delete(tab.id)
  if (owner.current === tab) owner.current = [...owner.tabs.values()].at(-1) ?? null
}

async function makeRoomForBrowser(running: ReadonlyMap<string, Browser>, end: (browser: Browser) => Promise<void>): Promise<void> {
  const idle = oldest([...running.values()])
  if (idle === null) {
    throw failed(
      'limit_reached',
      `${maxBrowsers} agents already use a browser.`,
      'Wait until one of them has finished, or have it close its tabs.',
    )
  }
  await end(idle)
}

async function makeRoomForTab(all: readonly Tab[], owner: Owner, close: (tab: Tab) => Promise<void>): Promise<void> {
  const idle = oldest(all.filter((tab) => tab.owner !== owner))
  if (idle === null)
    throw failed('limit_reached', `${maxTabs} tabs are open.`, 'Close some with browser_tabs, or open the page in the current one.')
  note(idle.owner, `tab ${idle.id} was closed to make room: it had not been used for a while`)
  await close(idle)
}

/** @returns the one that was unused for longest, if it is stale. */
function oldest<Used extends { readonly lastUsed: number }>(all: readonly Used[]): Used | null {
  const [first] = all.toSorted((a, b) => a.lastUsed - b.lastUsed)
  return first !== undefined && performance.now() - first.lastUsed >= staleTabMs ? first : null
}

function noTab(asked: string, owner: Owner | undefined): Error {
  const tabs = [...(owner?.tabs.keys() ?? [])]
  if (tabs.length === 0)
    return failed(
      'not_found',
      'No tab is open; an earlier one may have crashed or been idle for too long.',
      'Open a page with browser_open.',
    )
  return failed('not_found', `There is no tab ${asked}.`, `Open tabs: ${tabs.join(', ')}.`)
}
