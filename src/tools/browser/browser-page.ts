/** What the browser calls share: the profile and owner of tabs, and how a page is shown. */
import { createHash } from 'node:crypto'
import { z } from 'zod'
import type { BrowserOps, BrowserTab, BrowserView, Call, CallContext } from '../../protocol/index.ts'
import { truncate } from '../../base/index.ts'
import { browserGraceMs, maxShownCharacters } from '../limits.ts'
import { withoutHidden } from '../web/decode-text.ts'

export const tabArgument: z.ZodDefault<z.ZodString> = z
  .string()
  .regex(/^(?:|t\d{1,6})$/)
  .default('')
  .describe('Tab, e.g. t1. Empty: the current tab.')

export const refArgument: z.ZodString = z
  .string()
  .max(20)
  .describe('Element, as browser_snapshot names it, e.g. e5. Refs change when the page does.')

export const pageOutput = z.strictObject({
  tab: z.string(),
  url: z.string(),
  title: z.string(),
  status: z.int().nullable(),
  shows: z.enum(['tree', 'changes', 'text', 'nothing']),
  text: z.string(),
  from_byte: z.int(),
  next_byte: z.int().nullable(),
  total_bytes: z.int(),
  notes: z.array(z.string()),
})
export type PageOutput = z.infer<typeof pageOutput>

type Shared = 'right' | 'audience' | 'rare' | 'tier' | 'effect' | 'labels'

/** Calls that only look. Anybody may have written the page. */
export const looking: Pick<Call, Shared> = {
  right: 'browser.use',
  rare: true,
  audience: ['model', 'terminal'],
  tier: 'read_only',
  effect: 'none',
  labels: { adds: ['untrusted'], sink: false },
}

/** Calls that act in a page: they may order, send or delete, and what they type leaves the machine. Repeating one may not be safe. */
export const doing: Pick<Call, Shared> = { ...looking, tier: 'side_effecting', effect: 'once', labels: { adds: ['untrusted'], sink: true } }

/** Sends a request to the hands that run the browser. Tabs belong to the conversation; cookies and storage to the agent. @throws OxbowError as Hands.ask does */
export async function askBrowser<Op extends keyof BrowserOps>(
  context: CallContext,
  op: Op,
  input: Omit<BrowserOps[Op]['input'], 'profile' | 'owner'>,
  timeoutMs: number,
): Promise<BrowserOps[Op]['output']> {
  const hands = await context.sandbox.hands('browser')
  const { actor, session } = context.caller
  // The agent's id may hold any character; the profile becomes a folder name.
  const profile = createHash('sha256').update(actor).digest('hex').slice(0, 24)
  const who: Pick<BrowserTab, 'profile' | 'owner'> = { profile, owner: session }
  return hands.ask(op, { ...input, ...who } as unknown as BrowserOps[Op]['input'], {
    signal: context.signal,
    timeoutMs: timeoutMs - browserGraceMs,
  })
}

export function toOutput(view: BrowserView): PageOutput {
  const { tab, url, title, status, shows, text, notes } = view
  return {
    tab,
    url,
    title,
    status,
    shows,
    text,
    from_byte: view.fromByte,
    next_byte: view.nextByte,
    total_bytes: view.totalBytes,
    notes: [...notes],
  }
}

/** URL, status and notes come first, where truncation cannot remove them. Invisible characters are removed, as in web.fetch. */
export function pageText(output: PageOutput): string {
  const { tab, url, title, status, shows, text, notes } = output
  const lines = [url === '' ? `tab ${tab}: closed` : `tab ${tab}: ${shown(url)}${title === '' ? '' : ` (${shown(title)})`}`]
  if (status !== null && (status < 200 || status > 299)) lines.push(`status ${status}`)
  for (const note of notes) lines.push(`* ${note}`)
  if (shows === 'changes') lines.push(text === '' ? 'Nothing on the page has changed.' : 'Changed (+ added or different, - removed):')
  else if (shows !== 'nothing' && text === '') lines.push('The page is still empty.')
  if (text !== '') lines.push(text)
  const end = output.from_byte + Buffer.byteLength(text)
  if (output.next_byte !== null) {
    lines.push(`[Bytes ${output.from_byte} to ${end} of ${output.total_bytes}. ${readOn[shows]} with from_byte ${output.next_byte}.]`)
  }
  return withoutHidden(lines.join('\n'))
}

/** Which call returns the next page of an answer; the changes that an action shows are kept the same way. */
const readOn: Readonly<Record<BrowserView['shows'], string>> = {
  tree: 'Continue with browser_snapshot',
  changes: 'Continue with browser_snapshot',
  text: 'Continue with browser_text',
  nothing: 'Continue with browser_snapshot',
}

function shown(text: string): string {
  return truncate(text, maxShownCharacters)
}
