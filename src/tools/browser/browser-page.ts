/** What the browser calls have in common: whose tabs, and how a page is told. */
import { createHash } from 'node:crypto'
import { z } from 'zod'
import type { BrowserOps, BrowserTab, BrowserView, Call, CallContext } from '../../types/index.ts'
import { truncate } from '../../types/index.ts'
import { browserGraceMs, maxShownCharacters } from '../limits.ts'
import { withoutHidden } from '../web/decode-text.ts'

export const tabArgument: z.ZodDefault<z.ZodString> = z
  .string()
  .regex(/^(?:|t\d{1,6})$/)
  .default('')
  .describe('Tab, e.g. t1; empty: the current one.')

export const refArgument: z.ZodString = z
  .string()
  .max(20)
  .describe('Element as browser_snapshot names it, e.g. e5. Names change when the page does.')

export interface PageOutput {
  tab: string
  url: string
  title: string
  status: number | null
  shows: BrowserView['shows']
  text: string
  from_byte: number
  next_byte: number | null
  total_bytes: number
  notes: string[]
}

export const pageOutput: z.ZodObject<{ [Key in keyof PageOutput]: z.ZodType<PageOutput[Key]> }> = z.strictObject({
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

type Shared = 'right' | 'audience' | 'tier' | 'effect' | 'labels'

/** Looks at what is there. Pages were written by anybody. */
export const looking: Pick<Call, Shared> = {
  right: 'browser.use',
  audience: ['model', 'terminal'],
  tier: 'read_only',
  effect: 'none',
  labels: { adds: ['untrusted'], sink: false },
}

/** Does something in a page: it may order, send or delete, and all that is typed leaves. Nobody can tell whether it would be safe to repeat. */
export const doing: Pick<Call, Shared> = { ...looking, tier: 'side_effecting', effect: 'once', labels: { adds: ['untrusted'], sink: true } }

/** Asks the hands that have the browser. Tabs are the conversation's; cookies and storage are the agent's. @throws OxbowError as Hands.ask does. */
export async function askBrowser<Op extends keyof BrowserOps>(
  context: CallContext,
  op: Op,
  input: Omit<BrowserOps[Op]['input'], 'profile' | 'owner'>,
  timeoutMs: number,
): Promise<BrowserOps[Op]['output']> {
  const hands = await context.sandbox.hands('browser')
  const { actor, session } = context.caller
  // A name of fixed form: it becomes a folder.
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

/** Where it is and what happened stand first, where no cut can take it away. What nobody sees is not told, as with a fetched page. */
export function pageText(output: PageOutput): string {
  const { tab, url, title, status, shows, text, notes } = output
  const lines = [url === '' ? `tab ${tab}: closed` : `tab ${tab}: ${shown(url)}${title === '' ? '' : ` (${shown(title)})`}`]
  if (status !== null && (status < 200 || status > 299)) lines.push(`status ${status}`)
  for (const note of notes) lines.push(`* ${note}`)
  if (shows === 'changes') lines.push(text === '' ? 'Nothing on the page has changed.' : 'Changed (+ new or other, - gone):')
  else if (shows !== 'nothing' && text === '') lines.push('The page shows nothing yet.')
  if (text !== '') lines.push(text)
  const end = output.from_byte + Buffer.byteLength(text)
  if (output.next_byte !== null) {
    lines.push(`[Bytes ${output.from_byte} to ${end} of ${output.total_bytes}. ${readOn[shows]} with from_byte ${output.next_byte}.]`)
  }
  return withoutHidden(lines.join('\n'))
}

/** Which call goes on where one page of an answer ends; what an action showed is kept the same way. */
const readOn: Readonly<Record<BrowserView['shows'], string>> = {
  tree: 'Continue by browser_snapshot',
  changes: 'Continue by browser_snapshot',
  text: 'Continue by browser_text',
  nothing: 'Continue by browser_snapshot',
}

function shown(text: string): string {
  return truncate(text, maxShownCharacters)
}
