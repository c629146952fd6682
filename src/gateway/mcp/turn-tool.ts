/**
 * The tool `turn_send`: a message to the agent, answered with its reply. The agent works with its own rights; what of its calls a person
 * must decide is asked about in the program, if the key may decide it. The text is shown as progress while it is written, unless the
 * conversation has read what may not leave.
 */
import { randomUUID } from 'node:crypto'
import { z } from 'zod'
import type { ForeignCalls, ForeignRun, Kernel, KernelEvent } from '../../kernel/index.ts'
import { type CallId, isUuid, type JsonObject, OxbowError, type SessionId, type TurnId, untilAborted } from '../../base/index.ts'
import { type CallOutcome, type PendingApproval, pendingOf, sentFiles, turnCall, type TurnEnd } from '../../protocol/index.ts'
import { followTurn } from '../http/messages.ts'
import { maxMcpInFlight } from '../limits.ts'
import type { Exchange, Tool } from './offer.ts'

export interface TurnDeps {
  readonly kernel: Kernel
  readonly foreign: ForeignCalls
  /** Messages that are being answered: each is followed once, however often its result is asked for. */
  readonly turns: Map<CallId, ForeignRun>
}

const message = z.strictObject({
  text: z.string().min(1, 'must not be empty').describe('The message.'),
  session: z.string().refine(isUuid, 'must be the id of a session').optional().describe('Session to continue. Default: a new one.'),
  model: z.string().min(1).max(200).optional().describe('Model for this turn. Default: the configured one.'),
  attachments: sentFiles.optional().describe('Files that come with it.'),
  id: z.string().refine(isUuid, 'must be a UUID').optional().describe('Makes it repeatable: a message with the same id is sent once.'),
})

export const turnTool: Tool = {
  name: 'turn_send',
  title: 'Ask the agent',
  description:
    'Sends a message to the agent of this Oxbow, which has tools, memory and rights of its own, and returns its reply with the id of the session, by which the conversation goes on.',
  inputSchema: schemaOf(),
  annotations: { title: 'Ask the agent', readOnlyHint: false, destructiveHint: true, idempotentHint: false, openWorldHint: true },
}

function schemaOf(): JsonObject {
  const { $schema: _, ...schema } = z.toJSONSchema(message, { io: 'input', unrepresentable: 'any' }) as JsonObject
  return schema
}

/** @throws OxbowError */
export async function sendTurn(deps: TurnDeps, input: JsonObject, exchange: Exchange): Promise<ForeignRun> {
  const { kernel, foreign, turns } = deps
  const read = message.safeParse(input)
  if (!read.success) {
    const [issue] = read.error.issues
    throw new OxbowError('bad_input', `The message was not sent: ${issue!.path.join('.')}: ${issue!.message}.`, {
      hint: 'Send {"text": "…"}.',
    })
  }
  if (turns.size >= maxMcpInFlight)
    throw new OxbowError('limit_reached', `${maxMcpInFlight} messages of this program are being answered.`, { hint: 'Wait for a reply.' })
  const { text, model, attachments = [], id } = read.data
  const session = (read.data.session as SessionId | undefined) ?? (await foreign.openSession(''))
  const clientId = (id ?? randomUUID()) as CallId
  const started = await kernel.sendTurn({ session, clientId, text, ...(model !== undefined && { model }), attachments })
  return createTurnRun(deps, { session, ...started }, exchange.progress)
}

/** A message that the key has sent before. */
export async function followMessage(deps: TurnDeps, id: CallId): Promise<ForeignRun> {
  const session = await deps.foreign.sentTo(id)
  return createTurnRun(deps, { session, turn: id as string as TurnId, cursor: 0 }, undefined)
}

interface Started {
  readonly session: SessionId
  readonly turn: TurnId
  readonly cursor: number
}

function createTurnRun({ kernel, foreign, turns }: TurnDeps, started: Started, progress: Exchange['progress']): ForeignRun {
  const { session, turn } = started
  const id = turn as string as CallId
  const known = turns.get(id)
  if (known !== undefined) return known
  const asks = new Map<CallId, PendingApproval>()
  // A program that has gone may come back for the reply.
  const never = new AbortController().signal
  let changed = Promise.withResolvers<void>()
  const wake = (): void => {
    changed.resolve()
    changed = Promise.withResolvers()
  }
  const shower = createShower(foreign, session, progress)
  const watch = (event: KernelEvent): void => {
    shower.see(event)
    if (event.type === 'snapshot') {
      for (const pending of event.pending) asks.set(pending.call, pending)
      wake()
    }
    if (event.type !== 'record') return
    const { call, phase } = event.record
    if (phase === 'parked') asks.set(call, pendingOf(event.record))
    else if (!asks.delete(call)) return
    wake()
  }
  let over: { readonly run: ForeignRun } | { readonly error: unknown } | null = null
  const work = async (): Promise<ForeignRun> => {
    let { end } = await followTurn(kernel, started, never, watch)
    // A message that came while a turn ran is answered by that turn.
    while (end.into !== null) ({ end } = await followTurn(kernel, { session, turn: end.into as TurnId, cursor: 0 }, never, watch))
    // Progress counts only before the result.
    await shower.settled(end.reply)
    return foreign.reply({ id, name: turnCall, input: {}, session }, outcomeOf(session, end))
  }
  work()
    .then(
      (run) => (over = { run }),
      (error: unknown) => (over = { error }),
    )
    .finally(() => {
      turns.delete(id)
      wake()
    })
    .catch(() => {})
  const run: ForeignRun = {
    id,
    name: turnCall,
    session,
    async next(signal, seen) {
      for (;;) {
        if (over !== null && 'error' in over) throw over.error
        if (over !== null) return await over.run.next(signal, seen)
        const asked = [...asks.values()].find((one) => one !== seen)
        if (asked !== undefined) return { asks: asked }
        await untilAborted(changed.promise, signal)
      }
    },
    cancel: () => void kernel.cancelTurn(session).catch(() => {}),
  }
  turns.set(id, run)
  return run
}

interface Shower {
  see(event: KernelEvent): void
  /** Resolves when all is shown, or must not be. @param reply of a turn that was over before anybody saw a piece of it: one piece */
  settled(reply: string): Promise<void>
}

/** Shows the text as it is written, in order, each piece only if it may leave. */
function createShower(foreign: ForeignCalls, session: SessionId, progress: Exchange['progress']): Shower {
  if (progress === undefined) return { see: () => {}, settled: async () => {} }
  let shown = 0
  let isSeen = false
  let before: Promise<unknown> = Promise.resolve()
  const show = (text: string): void => {
    if (text === '') return
    isSeen = true
    before = before.then(async () => {
      if (await foreign.mayLeave(session)) progress((shown += text.length), null, text)
    })
    before.catch(() => {})
  }
  return {
    see(event) {
      if (event.type === 'delta' || event.type === 'snapshot') show(event.text)
    },
    settled(reply) {
      if (!isSeen) show(reply)
      return before.then(() => {}).catch(() => {})
    },
  }
}

/** A turn's outcome in the form of a call's. */
function outcomeOf(session: SessionId, { failure, reply }: TurnEnd): CallOutcome {
  if (failure === null) return { status: 'ok', ok: true, output: { session, reply }, text: reply }
  const { code, message: why, hint } = failure
  return { status: 'failed', failure, text: `Error (${code}): ${why} ${hint}` }
}
