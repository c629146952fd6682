/** `oxbow approve`: decides a waiting call and follows its turn to the end, so that the decision takes effect. */
import { setTimeout } from 'node:timers/promises'
import { type JsonObject, OxbowError, type SessionId, toError } from '../../base/index.ts'
import { answerTo, endsTurn, type PendingApproval, pendingOf } from '../../protocol/index.ts'
import { exitOf, printFailure, printLine, type Terminal } from '../terminal.ts'
import { type Connection, type GuestChoice, outputOf, withGuest } from '../guest-connection.ts'
import { watchTurn } from '../../client/index.ts'
import { journalEnd, readRecent } from '../recent-records.ts'
import { maxListedSessions, resumedRunMs, resumedTurnMs } from '../limits.ts'
import { exactInput, plainText, whyAsked } from '../../terminal/index.ts'
import { ofUser } from '../verb-parts.ts'

export interface ApproveOptions extends GuestChoice {
  readonly deny?: boolean | undefined
  readonly json?: boolean | undefined
}

/** Without an id, lists the waiting calls. @returns the exit code. */
export async function approve(id: string | undefined, options: ApproveOptions, terminal: Terminal): Promise<number> {
  return withGuest(options, terminal, async (connection) => {
    const pending = await settled(connection, id)
    if (id === undefined && options.json === true) {
      for (const each of pending) printLine(terminal, JSON.stringify(each))
      return 0
    }
    if (id === undefined) {
      const lines = pending.map(({ call, name, input, reason }) => `${call}  ${plainText(name)}  ${exactInput(input)}${whyAsked(reason)}`)
      printLine(terminal, lines.length === 0 ? 'Nothing waits for approval.' : lines.join('\n'))
      return 0
    }
    return decideAndFollow(connection, findPending(pending, id), options, terminal)
  })
}

/** @returns what waits, once the runs of a guest that has only just begun have come to where they wait, and to this call if one is named */
async function settled(connection: Connection, id: string | undefined): Promise<readonly PendingApproval[]> {
  const until = performance.now() + (!connection.guest.owned ? 0 : id === undefined ? resumedRunMs : resumedTurnMs)
  for (;;) {
    const pending = await listPending(connection)
    if (pending.some(({ call }) => call.startsWith(id ?? '')) || performance.now() >= until) return pending
    await setTimeout(resumedRunMs / 10)
  }
}

/** @returns the waiting call whose id begins with `id`. @throws OxbowError `not_found`, or `bad_input` when there are several */
export function findPending<Waiting extends { readonly call: string }>(pending: readonly Waiting[], id: string): Waiting {
  const chosen = pending.filter(({ call }) => call.startsWith(id))
  if (chosen.length === 1 && chosen[0] !== undefined) return chosen[0]
  const problem =
    chosen.length > 1 ? `${chosen.length} waiting calls begin with ${id}` : `no call ${JSON.stringify(id)} is waiting for approval`
  throw new OxbowError(chosen.length > 1 ? 'bad_input' : 'not_found', problem, {
    hint: '`oxbow approve` without an id lists the waiting calls.',
  })
}

/** @returns all calls that wait for approval. */
export async function listPending(connection: Connection): Promise<readonly PendingApproval[]> {
  const busy = (await connection.gateway.listSessions(maxListedSessions)).filter((session) => session.busy)
  // A guest started by this verb has only just resumed the waiting turns.
  const { owned } = connection.guest
  const patience = owned ? AbortSignal.timeout(resumedTurnMs) : AbortSignal.abort()
  // All sessions share one journal. For a running guest the snapshot is enough: a cursor beyond the end.
  const cursor = owned ? await journalEnd(connection.setup) : Number.MAX_SAFE_INTEGER
  const [ofTurns, all] = await Promise.all([
    Promise.all(busy.map(({ id }) => pendingIn(connection, id, cursor, patience))),
    outputOf(connection.gateway, 'approval.list', {}),
  ])
  const shown = ofTurns.flat()
  // Of programs and graphs: they run in sessions that have no turn which could be followed.
  const ofRuns = all.filter(({ call }) => shown.every((each) => each.call !== call)).map((each) => ({ ...each, turn: '' as const }))
  return [...shown, ...ofRuns]
}

/** The waiting calls of a session. If no call waits, waits until a call is parked, the turn is over or `patience` aborts. */
async function pendingIn(
  { gateway }: Connection,
  session: SessionId,
  cursor: number,
  patience: AbortSignal,
): Promise<readonly PendingApproval[]> {
  const waiting = Promise.withResolvers<readonly PendingApproval[]>()
  const following = await gateway.follow(session, cursor, (event) => {
    if (event.type === 'caught_up') {
      if (event.pending.length > 0 || patience.aborted) waiting.resolve(event.pending)
    } else if (event.type === 'record') {
      if (event.record.phase === 'parked') waiting.resolve([pendingOf(event.record)])
      else if (endsTurn(event.record)) waiting.resolve([])
    } else if (event.type === 'ended') waiting.reject(toError(event.failure))
  })
  const giveUp = (): void => waiting.resolve([])
  patience.addEventListener('abort', giveUp)
  try {
    return await waiting.promise
  } finally {
    patience.removeEventListener('abort', giveUp)
    following.stop()
  }
}

/** What a decision beyond yes and no came to. */
export interface Decided {
  /** What the call asks now instead; empty: it runs. */
  readonly next: string
  /** For JSON. */
  readonly output: JsonObject
  /** For a person, before what the turn answers; empty: nothing. */
  readonly said: string
}

/**
 * Decides, and follows the turn of the call, if it has one, until it ends or asks again.
 * @param decide default: a plain yes or no
 */
export async function decideAndFollow(
  { gateway, setup }: Connection,
  pending: Pick<PendingApproval, 'call' | 'session' | 'turn' | 'question'>,
  { deny, json }: ApproveOptions,
  terminal: Terminal,
  decide?: () => Promise<Decided>,
): Promise<number> {
  const allow = deny !== true
  const plain = async (): Promise<Decided> => ({
    next: (await outputOf(gateway, 'call.decide', { ...answerTo(pending), allow })).next,
    output: {},
    said: '',
  })
  if (pending.turn === '') {
    const { next, output, said } = await (decide ?? plain)()
    const text = next !== '' ? plainText(next) : said !== '' ? said : allow ? 'Approved.' : 'Denied.'
    printLine(terminal, json === true ? JSON.stringify({ call: pending.call, allowed: allow, ...output, next }) : text)
    return 0
  }
  const past = await readRecent(setup, pending.session)
  const next = Promise.withResolvers<PendingApproval>()
  const watch = await watchTurn({
    gateway,
    session: pending.session,
    turn: pending.turn,
    cursor: past.at(-1)?.seq ?? 0,
    past,
    known: pending.call,
    onPending: next.resolve,
  })
  try {
    const { next: open, output, said } = await (decide ?? plain)()
    const facts = { call: pending.call, allowed: allow, ...output }
    if (open !== '') {
      printLine(terminal, json === true ? JSON.stringify({ ...facts, next: open }) : plainText(open))
      return 0
    }
    if (said !== '' && json !== true) printLine(terminal, said)
    const ended = await Promise.race([watch.over, next.promise])
    if ('call' in ended) {
      return printFailure(terminal, {
        code: 'approval_required',
        message: `next, ${ended.name} is waiting for approval, with exactly this input: ${exactInput(ended.input)}${whyAsked(ended.reason)}`,
        hint: `oxbow approve ${ended.call}${ofUser(setup.workspace.user)} runs it; add --deny to refuse it.`,
      })
    }
    if (json === true) printLine(terminal, JSON.stringify({ ...facts, status: ended.status, reply: ended.reply }))
    else if (ended.reply !== '') printLine(terminal, plainText(ended.reply))
    if (ended.status === 'ok' && ended.failure === null) return 0
    return ended.failure === null
      ? exitOf(ended.status === 'cancelled' ? 'cancelled' : 'limit_reached')
      : printFailure(terminal, ended.failure)
  } finally {
    watch.stop()
  }
}
