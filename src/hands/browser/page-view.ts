/**
 * What is shown of a page: the tree of its elements as the accessibility layer sees it, with a name for each that can be acted on, or
 * its text. The driver reads both in a world of its own, where scripts of the page cannot reach.
 */
import type { BrowserView } from '../../types/index.ts'
import { failed } from '../failure.ts'
import { frameMs, lookMs, maxAddressCharacters, maxPageCharacters, maxTitleCharacters, maxTreeElements } from '../limits.ts'
import { findElement } from './page-action.ts'
import { within } from './page-failure.ts'
import { clip, type Tab } from './tab-table.ts'

interface Look {
  readonly as: 'tree' | 'changes' | 'text' | 'nothing'
  readonly ref: string
  /** 0: all of it. */
  readonly depth: number
  readonly fromByte: number
  readonly maxBytes: number
}

/** @throws `tool_failed` for a page that does not answer, `path_refused` for one that may not be shown */
export async function viewTab(tab: Tab, look: Look, status: number | null, signal: AbortSignal): Promise<BrowserView> {
  const { url, title } = await stateOf(tab)
  if (!mayBeShown(url)) {
    await tab.page.goto('about:blank', { timeout: lookMs }).catch(() => undefined)
    throw failed(
      'path_refused',
      'The tab came to an address that is no web page, and was emptied.',
      'Open an address that begins with http:// or https://.',
    )
  }
  let shows: BrowserView['shows'] = look.as
  if (look.fromByte === 0 && look.as !== 'nothing') {
    const before = tab.lastTree
    const read = look.as === 'text' ? await textOf(tab, look.ref, signal) : await treeOf(tab, look, signal)
    if (look.as !== 'text' && look.ref === '' && look.depth === 0) tab.lastTree = read
    const changes = look.as === 'changes' && before !== '' ? changesBetween(before, read) : null
    // Where most is new, all of it says more.
    const tell = changes !== null && changes.length < read.length * 0.8
    shows = tell ? 'changes' : look.as === 'text' ? 'text' : 'tree'
    tab.seen = tell ? changes : read
  }
  const page = look.as === 'nothing' ? { text: '', fromByte: 0, nextByte: null, totalBytes: 0 } : cut(tab.seen, look)
  return { tab: tab.id, url, title, status, shows, ...page, notes: tab.owner.notes.splice(0) }
}

/** From Chromium itself: a page that is busy, or lies, has no say in it. */
export async function stateOf(tab: Tab): Promise<{ url: string; title: string }> {
  const { targetInfo } = await within(lookMs, tab.target.send('Target.getTargetInfo'))
  return { url: clip(targetInfo.url, maxAddressCharacters), title: clip(targetInfo.title, maxTitleCharacters) }
}

async function treeOf(tab: Tab, { ref, depth }: Look, signal: AbortSignal): Promise<string> {
  const elements = await elementsOf(tab)
  if (elements > maxTreeElements) {
    throw failed(
      'limit_reached',
      `The page has ${elements} elements, too many for a tree.`,
      'Read it with browser_text, or find a page that shows less.',
    )
  }
  const whole = ref === '' ? tab.page : await findElement(tab, ref)
  const look = async (timeout: number): Promise<string> => {
    const tree = whole.ariaSnapshot({ mode: 'ai', timeout, signal, ...(depth > 0 && { depth }) })
    return bounded(await within(timeout + 1_000, tree))
  }
  try {
    // The driver waits so long for frames that never come, and then shows the rest.
    return await look(frameMs)
  } catch (error) {
    if (signal.aborted) throw error
    return look(lookMs)
  }
}

async function elementsOf(tab: Tab): Promise<number> {
  // Counts the texts too, and what pages before have left: more than there are, but at once.
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
    : `${whole.slice(0, maxPageCharacters)}\n[The rest of the page is cut off here.]`.toWellFormed()
}

/**
 * Lines by what they say, wherever they stand: each names its element, so a line needs no neighbours. Takes time in proportion.
 * @returns what is new or changed (+), after what is gone (-)
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
  // An element that says something else now is not gone.
  const gone = [...old].flatMap(([line, left]) =>
    refOf(line) !== '' && named.has(refOf(line)) ? [] : Array<string>(left).fill(`- ${line}`),
  )
  return [...gone, ...fresh].join('\n')
}

/** Where the focus and the pointer are, and how deep it stands, is no change of an element. */
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
      `What the last look gave has ${bytes.length} bytes; there is nothing at byte ${fromByte}.`,
      'Pass 0 to look anew.',
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

// Which addresses a tab may show. Everything else (files of the sandbox, pages of the browser itself) is none of a model's
// business.

const advice: Readonly<Record<string, string>> = {
  'file:': 'Files are read with file_read; the browser opens web pages.',
  'javascript:': 'Scripts cannot be run in a page; click, type and select do what a person could.',
  'data:': 'Write it to a file and read that; the browser opens web pages.',
  'view-source:': 'web_fetch with format raw shows how a page was sent.',
}
const general = 'Open an address that begins with http:// or https://.'

/** @returns the address in its normal form. @throws `bad_input` with advice */
export function pageAddress(said: string): string {
  const address = URL.parse(said.trim())
  if (address === null) throw failed('bad_input', 'That is no whole address.', general)
  const { protocol } = address
  if (protocol !== 'http:' && protocol !== 'https:') {
    throw failed(
      'bad_input',
      `The browser does not open ${/^[a-z-]{1,20}:$/.test(protocol) ? protocol : 'such'} addresses.`,
      advice[protocol] ?? general,
    )
  }
  if (address.username !== '' || address.password !== '') {
    throw failed('bad_input', 'An address with a name or password in it is not opened.', 'Leave out what stands before the @.')
  }
  if (address.href.length > maxAddressCharacters) throw failed('bad_input', 'The address is too long.', 'Use a shorter one.')
  return address.href
}

/** Whether a page that is already there may be shown: an empty one and the browser's error page say nothing about the sandbox. */
export function mayBeShown(url: string): boolean {
  return /^(?:https?:|blob:https?:|about:(?:blank|srcdoc)|chrome-error:)/.test(url) || url === ''
}
