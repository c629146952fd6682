/** `oxbow sessions rename`, `archive`, `fork` and `delete`. */
import { type CallOutcome, type Json, type SessionInfo, toError } from '../../types/index.ts'
import { type GuestChoice, withGuest } from '../guest/guest-connection.ts'
import type { GatewayPort } from '../guest/gateway-port.ts'
import { findSession } from '../guest/session-choice.ts'
import { printLine, printNotice, type Terminal } from '../terminal.ts'
import { ofUser } from '../verb-parts.ts'
import { plainLine } from '../view/terminal-text.ts'

const titleChars = 60

/** @throws OxbowError as the call failed */
export async function changeSession(gateway: GatewayPort, name: string, input: Json): Promise<{ readonly session: string }> {
  const outcome: CallOutcome = await gateway.call(name, input)
  if (outcome.status === 'ok') return outcome.output as { readonly session: string }
  throw toError(outcome.failure)
}

export interface ChangeOptions extends GuestChoice {
  readonly json?: boolean | undefined
}

/** What was done: for `--json`, and in words. */
interface Changed {
  readonly report: object
  readonly words: string
}

function withSession(
  prefix: string,
  options: ChangeOptions,
  terminal: Terminal,
  change: (gateway: GatewayPort, session: SessionInfo) => Promise<Changed>,
): Promise<number> {
  return withGuest(options, terminal, async ({ gateway }) => {
    const { report, words } = await change(gateway, await findSession(gateway, prefix, { archived: true }))
    printLine(terminal, options.json === true ? JSON.stringify(report) : words)
    return 0
  })
}

const named = ({ title }: SessionInfo): string => JSON.stringify(plainLine(title, titleChars))

export async function renameSession(prefix: string, words: readonly string[], options: ChangeOptions, terminal: Terminal): Promise<number> {
  const title = words.join(' ')
  return withSession(prefix, options, terminal, async (gateway, session) => {
    await changeSession(gateway, 'session.rename', { session: session.id, title })
    return { report: { session: session.id, title }, words: `${named(session)} is ${named({ ...session, title })} now.` }
  })
}

export async function archiveSession(
  prefix: string,
  options: ChangeOptions & { readonly undo?: boolean | undefined },
  terminal: Terminal,
): Promise<number> {
  return withSession(prefix, options, terminal, async (gateway, session) => {
    const archived = options.undo !== true
    await changeSession(gateway, 'session.archive', { session: session.id, archived })
    const words = archived ? `${named(session)} was put away; \`oxbow sessions --archived\` lists it.` : `${named(session)} is back.`
    return { report: { session: session.id, archived }, words }
  })
}

export interface ForkOptions extends ChangeOptions {
  readonly at?: number | undefined
  readonly title?: string | undefined
}

export async function forkSession(prefix: string, options: ForkOptions, terminal: Terminal): Promise<number> {
  return withSession(prefix, options, terminal, async (gateway, session) => {
    const { at, title } = options
    const given = { session: session.id, ...(at !== undefined && { at }), ...(title !== undefined && { title }) }
    const made = await changeSession(gateway, 'session.fork', given)
    const words = `${made.session} goes on from ${named(session)}. oxbow chat --session ${made.session}${ofUser(options.user)}`
    return { report: { session: made.session, parent: session.id }, words }
  })
}

/** Without `--yes` it only tells what would go. */
export async function deleteSession(
  prefix: string,
  options: ChangeOptions & { readonly yes?: boolean | undefined },
  terminal: Terminal,
): Promise<number> {
  if (options.yes === true) {
    return withSession(prefix, options, terminal, async (gateway, session) => {
      await changeSession(gateway, 'session.delete', { session: session.id })
      const words = `${named(session)} is erased. The journal keeps hashes of it, and that it was there.`
      return { report: { session: session.id, deleted: true }, words }
    })
  }
  return withGuest(options, terminal, async ({ gateway }) => {
    const session = await findSession(gateway, prefix, { archived: true })
    if (options.json === true) printLine(terminal, JSON.stringify({ session: session.id, deleted: false }))
    printNotice(terminal, `${named(session)} with ${session.turns} turns would be erased for good, also from memory. Add --yes to do it.`)
    return needsYes
  })
}

/** As `approval_required`. */
const needsYes = 6
