/**
 * What is shown of a page: its accessibility tree, with a ref for each element that can be acted on, or its text. The driver reads both in
 * an isolated world, which scripts of the page cannot reach.
 */
import { ownValue } from '../../base/index.ts'
import type { BrowserView } from '../../protocol/index.ts'
import { failed } from '../failure.ts'
import { frameMs, lookMs, maxAddressCharacters, maxPageCharacters, maxTitleCharacters, maxTreeElements } from '../limits.ts'
import { findElement } from './page-action.ts'
import { within } from './page-failure.ts'
import { clip, type Tab } from './tab-table.ts'

interface Look {
  readonly as: 'tree' | 'changes' | 'text' | 'nothing'
  readonly ref: string
  /** 0 for no limit. */
  readonly depth: number
  readonly fromByte: number
  readonly maxBytes: number
}

/** @throws `tool_failed` for a page that does not respond, `path_refused` for one that may not be shown */
export async function viewTab(tab: Tab, look: Look, status: number | null, signal: AbortSignal): Promise<BrowserView> {
  const { url, title } = await stateOf(tab)
  if (!mayBeShown(url)) {
    await tab.page.goto('about:blank', { timeout: lookMs }).catch(() => undefined)
    throw failed(
      'path_refused',
      'The tab navigated to an address that is not a web page, and was emptied.',
      'Open an address that begins with http:// or https://.',
    )
  }
  let shows: BrowserView['shows'] = look.as
  if (look.fromByte === 0 && look.as !== 'nothing') {
    const before = tab.lastTree
    const read = look.as === 'text' ? await textOf(tab, look.ref, signal) : await treeOf(tab, look, signal)
    if (look.as !== 'text' && look.ref === '' && look.depth === 0) tab.lastTree = read
    const changes = look.as === 'changes' && before !== '' ? changesBetween(before, read) : null
    // If most of the page is new, show all of it.
    const showChanges = changes !== null && changes.length < read.length * 0.8
    shows = showChanges ? 'changes' : look.as === 'text' ? 'text' : 'tree'
    tab.seen = showChanges ? changes : read
  }
  const page = look.as === 'nothing' ? { text: '', fromByte: 0, nextByte: null, totalBytes: 0 } : cut(tab.seen, look)
  return { tab: tab.id, url, title, status, shows, ...page, notes: tab.owner.notes.splice(0) }
}

/** From Chromium itself, since a page may be busy or lie. */
export async function stateOf(tab: Tab): Promise<{ url: string; title: string }> {
  const { targetInfo } = await within(lookMs, tab.target.send('Target.getTargetInfo'))
  return { url: clip(targetInfo.url, maxAddressCharacters), title: clip(targetInfo.title, maxTitleCharacters) }
}

async function treeOf(tab: Tab, { ref, depth }: Look, signal: AbortSignal): Promise<string> {
  const elements = await elementsOf(tab)
  if (elements > maxTreeElements) {
    throw failed(
      'limit_reached',
      `The page has ${elements} elements, too many for a snapshot.`,
      'Read it with browser_text, or find a smaller page.',
    )
  }
  const whole = ref === '' ? tab.page : await findElement(tab, ref)
  const look = async (timeout: number): Promise<string> => {
    const tree = whole.ariaSnapshot({ mode: 'ai', timeout, signal, ...(depth > 0 && { depth }) })
    return bounded(await within(timeout + 1_000, tree))
  }
  try {
    // The driver waits this long for frames that never load, then shows the rest.
    return await look(frameMs)
  } catch (error) {
    if (signal.aborted) throw error
    return look(lookMs)
  }
}

async function elementsOf(tab: Tab): Promise<number> {
  // Also counts text nodes and nodes of earlier pages: too many, but without waiting for the page.
  const { nodes } = await within(lookMs, tab.target.send('Memory.getDOMCounters'))
  return nodes <= maxTreeElements ? nodes : within(lookMs, tab.page.locator('*').count())
}

async function textOf(tab: Tab, ref: string, signal: AbortSignal): Promise<string> {
  const element = ref === '' ? tab.page.locator('body') : await findElement(tab, ref)
  return bounded(await within(lookMs + 1_000, element.innerText({ timeout: lookMs, signal })))
}

function bounded(text: string): string {
  const whole = text.toWellFormed()
  return whole.length <= maxPageCharacters
    ? whole
    : `${whole.slice(0, maxPageCharacters)}\n[The rest of the page is omitted.]`.toWellFormed()
}

/**
 * Compares lines regardless of their position: each names its element, so it is clear without its neighbours. Linear time.
 * @returns removed lines (-), then new or changed ones (+)
 */
export function changesBetween(before: string, now: string): string {
  const old = new Map<string, number>()
  for (const line of before.split('\n')) old.set(plain(line), (old.get(plain(line)) ?? 0) + 1)
  const fresh: string[] = []
  const named = new Set<string>()
  for (const line of now.split('\n')) {
    const left = old.get(plain(line)) ?? 0
    if (left > 0) old.set(plain(line), left - 1)
    else {
      fresh.push(`+ ${line}`)
      named.add(refOf(line))
    }
  }
  // An element whose text has changed was not removed.
  const removed = [...old].flatMap(([line, left]) =>
    refOf(line) !== '' && named.has(refOf(line)) ? [] : Array<string>(left).fill(`- ${line}`),
  )
  return [...removed, ...fresh].join('\n')
}

/** Focus, pointer and indentation are not changes of an element. */
function plain(line: string): string {
  return line
    .trim()
    .replace(/^- /, '')
    .replaceAll(/ \[(?:active|cursor=\w+)\]/g, '')
}

function refOf(line: string): string {
  return /\[ref=(\w+)\]/.exec(line)?.[1] ?? ''
}

function cut(text: string, { fromByte, maxBytes }: Look): Pick<BrowserView, 'text' | 'fromByte' | 'nextByte' | 'totalBytes'> {
  const bytes = Buffer.from(text)
  if (fromByte > 0 && fromByte >= bytes.length) {
    throw failed(
      'bad_input',
      `The last page text has ${bytes.length} bytes; there is nothing at byte ${fromByte}.`,
      'Pass 0 to read the page again.',
    )
  }
  const from = characterAt(bytes, fromByte)
  let end = Math.min(from + maxBytes, bytes.length)
  if (end < bytes.length) {
    const line = bytes.lastIndexOf(0x0a, end - 1) + 1
    end = line > from + maxBytes * 0.75 ? line : characterAt(bytes, end)
  }
  return { text: bytes.toString('utf8', from, end), fromByte: from, nextByte: end < bytes.length ? end : null, totalBytes: bytes.length }
}

/** UTF-8 continuation bytes are 10xxxxxx. */
function characterAt(bytes: Buffer, offset: number): number {
  let at = offset
  while (at > 0 && ((bytes[at] ?? 0) & 0xc0) === 0x80) at -= 1
  return at
}

// Which addresses a tab may show. Everything else (files of the sandbox, pages of the browser itself) is refused.

const advice: Readonly<Record<string, string>> = {
  'file:': 'Files are read with file_read; the browser opens web pages.',
  'javascript:': 'Scripts cannot be run in a page; use click, type and select.',
  'data:': 'Write it to a file and read that; the browser opens web pages.',
  'view-source:': 'web_fetch with format raw shows the source of a page.',
}
const general = 'Open an address that begins with http:// or https://.'

/** @returns the address in its normal form. @throws `bad_input` with advice */
export function pageAddress(input: string): string {
  const address = URL.parse(input.trim())
  if (address === null) throw failed('bad_input', 'That is not a complete address.', general)
  const { protocol } = address
  if (protocol !== 'http:' && protocol !== 'https:') {
    throw failed(
      'bad_input',
      `The browser does not open ${/^[a-z-]{1,20}:$/.test(protocol) ? protocol : 'such'} addresses.`,
      ownValue(advice, protocol) ?? general,
    )
  }
  if (address.username !== '' || address.password !== '') {
    throw failed('bad_input', 'Addresses with a user name or password are not opened.', 'Leave out the part before the @.')
  }
  if (address.href.length > maxAddressCharacters) throw failed('bad_input', 'The address is too long.', 'Use a shorter one.')
  return address.href
}

/** Whether the current page may be shown: an empty page and the browser's error page reveal nothing about the sandbox. */
export function mayBeShown(url: string): boolean {
  return /^(?:https?:|blob:https?:|about:(?:blank|srcdoc)|chrome-error:)/.test(url) || url === ''
}
