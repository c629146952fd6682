/** `oxbow sessions`: lists sessions, finds one by the first characters of its id, and changes it. */
import { isOxbowError, OxbowError, type SessionId } from '../../base/index.ts'
import {
  decisionText,
  erasedText,
  foldTurns,
  isMessage,
  isOver,
  lastAnswer,
  type RecordView,
  type SessionInfo,
  type TurnView,
  unreportedFailure,
} from '../../protocol/index.ts'
import { type GatewayPort, type GuestChoice, outcomeOf, outputOf, withGuest } from '../guest-connection.ts'
import { maxListedSessions } from '../limits.ts'
import { printAnswer, printLine, printList, printNotice, printPreview, printText, type Terminal } from '../terminal.ts'
import { ofUser } from '../verb-parts.ts'
import {
  agentGoal,
  type AgentLine,
  agentState,
  agentTree,
  formatTime,
  isUsed,
  newestConversation,
  mediaLine,
  plainLine,
  plainText,
  sessionNamed,
  shortId,
  table,
} from '../../terminal/index.ts'

export interface SessionsOptions extends GuestChoice {
  readonly json?: boolean | undefined
  readonly limit: number
  readonly archived?: boolean | undefined
  readonly search?: string | undefined
  readonly tree?: boolean | undefined
  readonly empty?: boolean | undefined
}

/** @returns the exit code. */
export async function sessions(options: SessionsOptions, terminal: Terminal): Promise<number> {
  return withGuest(options, terminal, async ({ gateway }) => {
    const all = await listSessions(gateway, options.limit, options)
    const listed = options.empty === true ? all : all.filter(isUsed)
    // What is left out has ids too: with a shorter one a verb could not tell them apart.
    const known = options.json === true ? all : await listSessions(gateway, maxListedSessions, { archived: true })
    const ids = known.map(({ id }) => id)
    if (options.tree === true) return printTree(listed, await agentsOf(gateway), ids, options, terminal)
    return printList(listed, { text: () => (listed.length === 0 ? noneFound(options) : sessionTable(listed, { ids })) }, options, terminal)
  })
}

async function agentsOf(gateway: Pick<GatewayPort, 'call'>): Promise<readonly AgentLine[]> {
  return (await outputOf(gateway, 'agent.list', { ended: true, limit: 1_000 })).agents
}

/** Sessions of agents stand below the session that started them; with `--json` each line names its `home`. */
function printTree(
  listed: readonly SessionInfo[],
  agents: readonly AgentLine[],
  known: readonly string[],
  options: SessionsOptions,
  terminal: Terminal,
): number {
  const bySession = new Map<string, AgentLine>(agents.map((agent) => [agent.session, agent]))
  const tops = listed.filter(({ id }) => !bySession.has(id))
  if (options.json === true) {
    for (const session of listed) {
      const agent = bySession.get(session.id)
      printLine(terminal, JSON.stringify({ ...session, home: agent?.home ?? '', ...(agent !== undefined && { agent }) }))
    }
    return 0
  }
  const ids = [...known, ...agents.map(({ session }) => session)]
  const below = agentTree(agents)
  const rowsOf = (home: string): readonly (readonly string[])[] => {
    let isInside = false
    return below.flatMap(({ agent, rails }) => {
      if (rails === '') isInside = agent.home === home
      if (!isInside) return []
      return [[shortId(agent.session, ids), `  ${rails}${plainLine(agent.name, 40)}`, agentState(agent), agentGoal(agent, 60)]]
    })
  }
  const rows = tops.flatMap((session) => [
    [shortId(session.id, ids), plainLine(session.title, titleChars), session.busy ? 'busy' : '', formatTime(session.active_at)],
    ...rowsOf(session.id),
  ])
  const alone = rowsOf('')
  const all = alone.length === 0 ? rows : [...rows, ['', 'agents of no session', '', ''], ...alone]
  printText(terminal, all.length === 0 ? noneFound(options) : table(all))
  return 0
}

function noneFound({ search }: SessionsOptions): string {
  return search === undefined ? 'No sessions yet. `oxbow` starts one.' : 'No session has these words in its title.'
}

/** Columns of a title; id, time and turns take the rest of the line. */
const titleChars = 48

interface Part {
  /** Session to mark; null for none. */
  readonly current?: SessionId | null
  readonly from?: number
  readonly count?: number
  /** Of all sessions that a verb could mean; absent: those that are listed. */
  readonly ids?: readonly string[]
}

/** @returns one line per session, with the shortest ids that are unambiguous. */
export function sessionTable(
  listed: readonly SessionInfo[],
  { current, from = 0, count = listed.length, ids = listed.map(({ id }) => id) }: Part = {},
): string {
  const rows = listed
    .slice(from, from + count)
    .map((session) => [
      ...(current === undefined ? [] : [session.id === current ? '*' : ' ']),
      shortId(session.id, ids),
      formatTime(session.active_at),
      turnsOf(session),
      `${session.busy ? '(busy) ' : ''}${session.archived_at === undefined ? '' : '(archived) '}${session.parent === undefined ? '' : '(fork) '}${plainLine(session.title, titleChars)}`,
    ])
  return table(rows)
}

/** Which sessions to list; default: those that are not archived. */
export interface Listing {
  readonly archived?: boolean | undefined
  readonly search?: string | undefined
}

/** @throws OxbowError as the call failed */
export async function listSessions(
  gateway: GatewayPort,
  limit: number,
  { archived = false, search = '' }: Listing,
): Promise<readonly SessionInfo[]> {
  if (!archived && search === '') return gateway.listSessions(limit)
  return await outputOf(gateway, 'session.list', { limit, archived, search })
}

/** @throws OxbowError `not_found`, or `bad_input` when the prefix is ambiguous. */
export async function findSession(gateway: GatewayPort, prefix: string, listing: Listing = {}): Promise<SessionInfo> {
  const undoHint = listing.archived === true ? '' : ' `oxbow sessions archive ID --undo` restores an archived one.'
  return sessionNamed(await listSessions(gateway, maxListedSessions, listing), prefix, undoHint)
}

/** @returns the conversation that was used last. @param hint what to do where there is no conversation @throws OxbowError `not_found` */
export async function newestSession(
  gateway: Pick<GatewayPort, 'listSessions'>,
  hint = 'Omit --continue to start one.',
): Promise<SessionInfo> {
  const newest = newestConversation(await gateway.listSessions(maxListedSessions))
  if (newest !== undefined) return newest
  throw new OxbowError('not_found', 'there is no session to continue', { hint })
}

const quotedTitleChars = 60

/** @param agent the agent or character that answers in it; absent: the usual one. @throws OxbowError `not_found` */
export async function newSession(
  gateway: Pick<GatewayPort, 'createSession' | 'call'>,
  title: string,
  agent: string | undefined,
): Promise<SessionInfo> {
  const session = await gateway.createSession(title || undefined)
  if (agent === undefined) return session
  try {
    await chooseAgent(gateway, session.id, agent)
    return session
  } catch (error) {
    await removeUnused(gateway, session.id, error)
    throw error
  }
}

/** @param agent that answers from the next message on; empty: the usual one. @returns that, as a sentence. @throws OxbowError `not_found` */
export async function chooseAgent(gateway: Pick<GatewayPort, 'call'>, session: SessionId, agent: string): Promise<string> {
  return (await outcomeOf(gateway, 'session.agent', { agent }, session)).text
}

/** A chat begins its session with the first message; whether the agent can have it is asked before. @throws OxbowError why it cannot */
export async function assertAgent(gateway: Pick<GatewayPort, 'call'>, agent: string): Promise<void> {
  await outcomeOf(gateway, 'session.agent', { agent, dry_run: true })
}

/** Deletes a session whose first message was refused. After a lost connection the message may have arrived, so the session is kept. */
export async function removeUnused(gateway: Pick<GatewayPort, 'call'>, session: SessionId, error: unknown): Promise<void> {
  if (!isOxbowError(error, 'guest_unreachable')) await gateway.call('session.delete', { session }).catch(() => {})
}

export interface ChangeOptions extends GuestChoice {
  readonly json?: boolean | undefined
}

/** What was done, for `--json` and as text. */
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
    return printAnswer(report, words, options, terminal)
  })
}

const named = ({ title }: SessionInfo): string => JSON.stringify(plainLine(title, quotedTitleChars))

export async function renameSession(prefix: string, words: readonly string[], options: ChangeOptions, terminal: Terminal): Promise<number> {
  const title = words.join(' ')
  return withSession(prefix, options, terminal, async (gateway, session) => {
    await outputOf(gateway, 'session.rename', { session: session.id, title })
    return { report: { session: session.id, title }, words: `${named(session)} is now ${named({ ...session, title })}.` }
  })
}

export async function archiveSession(
  prefix: string,
  options: ChangeOptions & { readonly undo?: boolean | undefined },
  terminal: Terminal,
): Promise<number> {
  return withSession(prefix, options, terminal, async (gateway, session) => {
    const archived = options.undo !== true
    await outputOf(gateway, 'session.archive', { session: session.id, archived })
    const words = archived
      ? `${named(session)} is archived; \`oxbow sessions --archived\` lists it.`
      : `${named(session)} is no longer archived.`
    return { report: { session: session.id, archived }, words }
  })
}

/** Prints a conversation, oldest first: the person's messages with their numbers, each with its reply. */
export async function showSession(prefix: string, options: ChangeOptions, terminal: Terminal): Promise<number> {
  return withGuest(options, terminal, async ({ gateway }) => {
    const session = await findSession(gateway, prefix, { archived: true })
    const records: RecordView[] = []
    for (let before: number | undefined; ;) {
      const input = { session: session.id, ...(before !== undefined && { before }) }
      const page = await outputOf(gateway, 'session.records', input)
      records.unshift(...page.records)
      if (page.next === null) break
      before = page.next
    }
    const sent = records.filter(isMessage)
    const views = foldTurns(records)
    for (const [at, record] of sent.entries()) {
      const view = views.get(record.call)!
      const said = { message: at + 1, at: record.at, text: view.message?.text ?? erasedText, ...endOf(view, session.busy) }
      const failure = unreportedFailure(view)
      const decision = view.end?.decision === undefined ? {} : { decision: view.end.decision }
      if (options.json === true) printLine(terminal, JSON.stringify({ ...said, ...decision, ...(failure !== null && { failure }) }))
      else {
        const silent = view.end?.decision === undefined || said.reply !== '' ? [] : [`(${decisionText(view.end.decision)})`]
        const reply = [said.reply, ...silent, ...(failure === null ? [] : [`error: ${failure.message}`]), ...view.media.map(mediaLine)]
        printText(
          terminal,
          `${said.message}  ${formatTime(record.at)}  you\n${indented(said.text)}\n${indented(reply.join('\n').trim() || `(${said.status})`)}\n`,
        )
      }
    }
    if (sent.length === 0 && options.json !== true) printLine(terminal, 'The session has no messages yet.')
    return 0
  })
}

/** The end of the last turn that a fork shares stays in the session that it was forked from; its answer is in both. */
function endOf(view: TurnView, isBusy: boolean): Pick<TurnView, 'status' | 'reply'> {
  const isShared = !isOver(view) && !isBusy
  return isShared ? { status: 'ok', reply: lastAnswer(view) } : { status: view.status, reply: view.reply }
}

const turnsOf = ({ turns }: SessionInfo): string => `${turns} ${turns === 1 ? 'turn' : 'turns'}`

const indented = (text: string): string => plainText(text).replaceAll(/^(?=.)/gm, '   ')

export interface ForkOptions extends ChangeOptions {
  readonly at?: number | undefined
  readonly title?: string | undefined
}

export async function forkSession(prefix: string, options: ForkOptions, terminal: Terminal): Promise<number> {
  return withSession(prefix, options, terminal, async (gateway, session) => {
    const { at, title } = options
    const input = { session: session.id, ...(at !== undefined && { message: at }), ...(title !== undefined && { title }) }
    const made = await outputOf(gateway, 'session.fork', input)
    const words = `${made.session} continues from ${named(session)}. Open it with: oxbow chat --session ${made.session}${ofUser(options.user)}`
    return { report: { session: made.session, parent: session.id }, words }
  })
}

/** @throws OxbowError `bad_input` that names a fork which is in the way, so that no preview promises what `--yes` refuses */
async function deletable(gateway: GatewayPort, prefix: string): Promise<SessionInfo> {
  const session = await findSession(gateway, prefix, { archived: true })
  const fork = (await listSessions(gateway, maxListedSessions, { archived: true })).find(({ parent }) => parent === session.id)
  if (fork === undefined) return session
  throw new OxbowError('bad_input', `${named(fork)} is a fork of this session and shares its history`, {
    hint: `Delete the fork first: oxbow sessions delete ${fork.id}`,
  })
}

/** Without `--yes`, only shows what would be deleted. */
export async function deleteSession(
  prefix: string,
  options: ChangeOptions & { readonly yes?: boolean | undefined; readonly dryRun?: boolean | undefined },
  terminal: Terminal,
): Promise<number> {
  if (options.dryRun === true) {
    return withGuest(options, terminal, async ({ gateway }) => {
      const session = await deletable(gateway, prefix)
      const would = `delete ${named(session)} with ${turnsOf(session)} for good, also from memory`
      return printPreview({ would, target: session }, options, terminal)
    })
  }
  if (options.yes === true) {
    return withSession(prefix, options, terminal, async (gateway, session) => {
      await outputOf(gateway, 'session.delete', { session: session.id })
      const words = `${named(session)} is deleted. The journal keeps only hashes of it.`
      return { report: { session: session.id, deleted: true }, words }
    })
  }
  return withGuest(options, terminal, async ({ gateway }) => {
    const session = await deletable(gateway, prefix)
    if (options.json === true) printLine(terminal, JSON.stringify({ session: session.id, deleted: false }))
    printNotice(terminal, `${named(session)} with ${turnsOf(session)} would be deleted for good, also from memory. Add --yes to delete it.`)
    return needsYes
  })
}

/** As `approval_required`. */
const needsYes = 6
