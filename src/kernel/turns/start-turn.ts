/** Starts turns: what a person sends, and what the kernel itself has an agent do at its time. */
import { type CallId, OxbowError, type SessionId, toError, type TurnId, type UserId } from '../../base/index.ts'
import {
  type Caller,
  type CallOutcome,
  type ClientResult,
  type ClientTools,
  type Engine,
  grantOf,
  type KeptFile,
  originOf,
  type SentFile,
  turnCall,
  turnRights,
  type TurnSource,
} from '../../protocol/index.ts'
import type { Memory } from '../../memory/index.ts'
import { personaPrefix, type Store } from '../../store/index.ts'
import { recallTags } from '../policy/right-limits.ts'
import type { Handoffs } from '../policy/profiles.ts'
import type { Gate } from '../stages/gate.ts'
import type { Conversations } from '../conversation/conversations.ts'
import type { Registry } from '../calls/registry.ts'
import type { Sessions } from '../records/sessions.ts'
import { type Provenance, userCaller } from '../policy/policy.ts'
import { queueFull } from './lanes.ts'
import type { Lanes } from './lanes-interface.ts'

interface SendTurn {
  readonly session: SessionId
  /** Sends it instead of the user. */
  readonly as?: Caller
  /** Made by the sender for each message; becomes the id of the `turn.send` call. */
  readonly clientId: CallId
  readonly text: string
  readonly model?: string | undefined
  readonly attachments?: readonly SentFile[] | undefined
  /** Who sends it; default: the user. */
  readonly actor?: string | undefined
  /** Tools of the program that sends it. */
  readonly client?: ClientTools | undefined
  /** Results of the tool calls with which the newest turn ended; the text may then be empty. */
  readonly results?: readonly ClientResult[] | undefined
  /** Where it comes from; absent: it is written to the agent itself, and answered. */
  readonly source?: TurnSource | undefined
}

interface StartedTurn {
  readonly turn: TurnId
  readonly cursor: number
  /** The message was sent before; its first copy is the turn. */
  readonly duplicate: boolean
}

/** Resolves when the message is in the journal. @throws OxbowError `not_found`, `bad_config` for the model, `limit_reached`, `store_full` … */
export type StartTurn = (send: SendTurn) => Promise<StartedTurn>

interface StartTurnDeps {
  readonly user: UserId
  readonly engine: Pick<Engine, 'facts'>
  readonly store: Store
  readonly lanes: Lanes
  readonly sessions: Sessions
  readonly gate: Gate
  readonly registry: Registry
  readonly conversations: Pick<Conversations, 'read'>
  /** Labels of workspace files with the same content; absent: files have no labels. */
  readonly labelsOfFile: (file: KeptFile) => Promise<Provenance>
  /** The part of a conversation that a turn reads. */
  readonly historyBytes: number
  /** Starts to recall while the message is being recorded; absent: the agent may not read memory. */
  readonly foresee?: ((session: SessionId, text: string) => void) | undefined
}

/** @param rights of the usual agent @returns what searches for whoever has the session, as far as they may read; absent without memory */
export function createForesee(
  memory: Pick<Memory, 'foresee'> | undefined,
  { held }: Pick<Handoffs, 'held'>,
  rights: readonly string[],
): StartTurnDeps['foresee'] {
  if (memory === undefined) return undefined
  const usual = recallTags(grantOf(rights))
  return (session, text) => {
    const last = held.get(session)?.at(-1)
    const tags = last === undefined ? usual : recallTags(grantOf(last.profile.rights))
    const key = last?.profile.persona ?? ''
    if (tags !== null) memory.foresee(session, text, tags, key === '' ? '' : personaPrefix + key)
  }
}

export function createStartTurn(deps: StartTurnDeps): StartTurn {
  const { user, engine, store, lanes, sessions, gate, registry, foresee } = deps
  return async ({ session, clientId, text, model, attachments = [], actor, as, client, results = [], source }) => {
    // The place is reserved before the message is recorded, so that a burst of messages cannot exceed the limit.
    if (!lanes.admit(session)) throw queueFull(session)
    try {
      await sessions.load(session)
      // Nothing is kept of a message that names a model which cannot answer it. An agent's message fails its turn, which its parent waits for.
      if (model !== undefined && actor === undefined) await engine.facts(model)
      const blobs = { keep: store.putBlob, read: store.blob }
      const files = attachments.length === 0 ? null : await (await import('../state/attachments.ts')).takeIn(attachments, blobs)
      if (files !== null) await joinLabels(deps, session, files)
      const turn = clientId as string as TurnId
      if (client !== undefined) await (await import('./client-calls.ts')).assertForeign(client, registry)
      const sender = { ...userCaller(user, session, turn), ...(actor !== undefined && { actor, rights: turnRights }) }
      const caller = as === undefined ? sender : { ...as, turn }
      const answered = results.length === 0 ? '' : await recordResults(deps, caller, results)
      const input = {
        text: text === '' ? answered : text,
        ...(model !== undefined && { model }),
        ...(files !== null && { attachments: files }),
        ...(client !== undefined && { client }),
        ...(text === '' && answered !== '' && { continues: true }),
        ...(source !== undefined && { source }),
      }
      lanes.claim(session)
      const { intended, outcome } = gate.start(caller, turnCall, input, { id: clientId, signal: null })
      // A message that waits behind another recalls when its turn begins.
      if (actor === undefined && text !== '' && !lanes.isRunning(session)) foresee?.(session, text)
      // Followers receive the outcome; this call waits only for the acknowledgement.
      outcome.catch(() => {})
      const accepted = await intended
      if (accepted === null) throw refusedAs(await outcome)
      if (accepted.duplicate) await assertSameMessage(store, session, clientId)
      return { turn, cursor: accepted.firstSeq, duplicate: accepted.duplicate }
    } finally {
      lanes.admitted(session)
    }
  }
}

/** What a person attaches has the labels of its source, whoever may have written it, before a model reads it. */
async function joinLabels({ sessions, labelsOfFile }: StartTurnDeps, session: SessionId, files: readonly KeptFile[]): Promise<void> {
  for (const file of files) {
    const { labels, from } = await labelsOfFile(file)
    const origins = from.map((one) => one.from)
    sessions.join({ session }, labels, origins)
    sessions.join({ session }, ['untrusted'], [originOf('path', `attached/${file.name}`)])
  }
}

/**
 * Under the ids of their tool calls, so that a message that is sent again records them once.
 * @returns what happened, for people @throws OxbowError
 */
async function recordResults(
  { lanes, gate, registry, conversations, historyBytes }: StartTurnDeps,
  caller: Caller,
  results: readonly ClientResult[],
): Promise<string> {
  const session = caller.session as SessionId
  if (lanes.isRunning(session))
    throw new OxbowError('limit_reached', 'A turn runs in this session.', { hint: 'Send the results when it has ended.' })
  const { answeredTools } = await import('./client-calls.ts')
  await registry.parse(turnCall, {})
  const tools = answeredTools(await conversations.read(session, historyBytes), results, registry)
  const asRuntime: Caller = { ...caller, audience: 'runtime' }
  for (const { call, text } of results) {
    const input = { tool: tools.get(call), text, ok: true, refused: false }
    const outcome = await gate.call(asRuntime, 'client.answer', input, { id: call, signal: null, resumed: true })
    if (outcome.status !== 'ok') throw refusedAs(outcome)
  }
  return `Results of ${[...new Set(results.map(({ call }) => tools.get(call)))].join(', ')}.`
}

/** A duplicate is acknowledged and dropped, so it must really be the same message. @throws OxbowError, with the session of a message that was sent to another */
async function assertSameMessage(store: Store, session: SessionId, id: CallId): Promise<void> {
  const [sent] = await store.records({ call: id, order: 'oldest_first', limit: 1, hydrate: false })
  if (sent?.name === turnCall && sent.session === session) return
  throw new OxbowError('bad_input', `The client_id ${id} was used before, but not for a message in session ${session}.`, {
    hint: 'Make a new id for each message; send it again only with the same message.',
    ...(sent?.name === turnCall && { data: { session: sent.session } }),
  })
}

/** @returns what a call that did not succeed is thrown as */
export function refusedAs(outcome: CallOutcome): OxbowError {
  if (outcome.status === 'ok') throw new Error('not a refusal')
  return toError(outcome.failure)
}
