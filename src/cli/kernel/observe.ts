/** `oxbow events`: what happens in the guest. */
import { setTimeout as sleep } from 'node:timers/promises'
import { findGuest, openHome, openWorkspace, parseUser, type Workspace } from '../../runner/index.ts'
import { isOxbowError } from '../../base/index.ts'
import type { EventView } from '../../protocol/index.ts'
import { type Connection, withGuest, outputOf } from '../guest-connection.ts'
import { eventWaitS, guestPollMs } from '../limits.ts'
import { printLine, printNotice, type Terminal } from '../terminal.ts'
import { formatTime, plainLine } from '../../terminal/index.ts'
import { suggestion } from '../verb-parts.ts'
import { type CallOptions } from './call.ts'

export interface EventsOptions extends CallOptions {
  readonly follow?: boolean | undefined
  readonly kind?: readonly string[] | undefined
  readonly after?: number | undefined
  readonly limit: number
}

/**
 * Prints the newest events, oldest first, or those after a record; with `--follow` then those to come, until Ctrl+C. A guest that stops or restarts does not end
 * it: the next guest continues from the same cursor, so that no event is missed.
 */
export async function watchEvents(options: EventsOptions, terminal: Terminal): Promise<number> {
  const progress: Progress = { after: options.after, left: options.limit }
  if (options.follow !== true)
    return options.after === undefined ? printNewest(options, terminal) : printEvents(options, terminal, progress)
  for (;;) {
    try {
      return await printEvents(options, terminal, progress)
    } catch (error) {
      if (!isOxbowError(error, 'guest_unreachable') && !isOxbowError(error, 'cancelled')) throw error
      printNotice(terminal, 'notice: the guest has stopped; waiting for the next one (Ctrl+C ends this)')
      await nextGuest(openWorkspace(openHome(terminal.env), parseUser(options.user)))
    }
  }
}

/** What was printed, over all guests. */
interface Progress {
  /** Cursor of what is printed next; undefined: what happens from now on. */
  after: number | undefined
  left: number
}

const filterOf = ({ kind, session }: EventsOptions) => ({ kinds: [...(kind ?? [])], ...(session !== undefined && { session }) })

function show(events: readonly EventView[], options: EventsOptions, terminal: Terminal): void {
  for (const event of events) printLine(terminal, options.json === true ? JSON.stringify(event) : eventLine(event))
}

/** Prints the newest events, oldest first. */
function printNewest(options: EventsOptions, terminal: Terminal): Promise<number> {
  return withGuest(options, terminal, async ({ gateway }) => {
    const events = await newest(gateway, filterOf(options), options.limit)
    show(events, options, terminal)
    const kinds = events.length > 0 ? [] : (options.kind ?? [])
    const known = kinds.length === 0 ? [] : [...new Set((await newest(gateway, { kinds: [] }, maxPage)).map(({ kind }) => kind))]
    for (const kind of kinds)
      if (!known.includes(kind))
        printNotice(terminal, `notice: no event of the kind ${plainLine(kind, 60)} is known${suggestion(kind, known)}`)
    return 0
  })
}

async function newest(gateway: Connection['gateway'], filter: ReturnType<typeof filterOf>, count: number): Promise<readonly EventView[]> {
  const pages: (readonly EventView[])[] = []
  let left = count
  for (let before = Number.MAX_SAFE_INTEGER; ;) {
    const limit = Math.min(left, maxPage)
    const { events, cursor, more } = await outputOf(gateway, 'events.next', { ...filter, limit, before, wait_s: 0 })
    pages.push(events)
    left -= events.length
    if (!more || left <= 0) return pages.toReversed().flat()
    before = cursor
  }
}

function printEvents(options: EventsOptions, terminal: Terminal, progress: Progress): Promise<number> {
  const isFollowing = options.follow === true
  const filter = filterOf(options)
  return withGuest(options, terminal, async ({ gateway }) => {
    for (;;) {
      const limit = isFollowing ? maxPage : Math.min(progress.left, maxPage)
      // The first answer brings the cursor, so that no event falls between two guests.
      const waitS = isFollowing && progress.after !== undefined ? eventWaitS : 0
      const input = { ...filter, limit, ...(progress.after !== undefined && { after: progress.after }), wait_s: waitS }
      const { events, cursor, more } = await outputOf(gateway, 'events.next', input)
      show(events, options, terminal)
      progress.left -= events.length
      progress.after = cursor
      if (!isFollowing && (!more || progress.left <= 0)) return 0
    }
  })
}

async function nextGuest(workspace: Workspace): Promise<void> {
  // The one that has just stopped may still be there for a moment.
  do await sleep(guestPollMs)
  while ((await findGuest(workspace)) === null)
}

const maxPage = 500

function eventLine({ seq, at, kind, session, fields }: EventView): string {
  const facts = Object.entries(fields).map(([name, value]) => `${name}=${typeof value === 'string' ? value : JSON.stringify(value)}`)
  return plainLine(`${seq}  ${formatTime(at)}  ${kind}${session === '' ? '' : `  ${session}`}  ${facts.join(' ')}`.trimEnd(), 400)
}
