/** The core's own calls: those that send a message, stop its turn and take what was sent meanwhile. */
import { z } from 'zod'
import { type CallId, type IdMaker, isUuid, type JsonObject, type SessionId, toError, type TurnId } from '../../base/index.ts'
import {
  type Call,
  cancelCall,
  defineCall,
  inboxCall,
  type KeptFile,
  laneResult,
  mail,
  maxAttachedHead,
  maxAttachments,
  turnCall,
  turnRight,
  turnSource,
} from '../../protocol/index.ts'
import { maxPieces } from '../state/attachments.ts'
import type { Gate } from '../stages/gate.ts'
import { maxInputBytes } from '../calls/registry.ts'
import { processRight } from '../policy/policy.ts'
import { optionsOf } from '../stages/running-calls.ts'
import type { RunningTurns } from './agent.ts'
import { clientTools } from './client-calls.ts'
import type { Lanes, TurnPast } from './lanes-interface.ts'

export interface TurnCallDeps {
  readonly lanes: Pick<Lanes, 'run' | 'cancel' | 'sessions'>
  /** Messages that a crash interrupted. */
  readonly recovered: ReadonlyMap<CallId, TurnPast>
  readonly runningTurns: Pick<RunningTurns, 'find'>
  readonly gate: Pick<Gate, 'call'>
  readonly newId: IdMaker
}

/** @returns the calls that the core describes itself */
export function kernelCalls(deps: TurnCallDeps): readonly Call[] {
  return [sendTurn(deps), cancelTurn(deps), cancelAllTurns(deps), takeInbox(deps)]
}

export const sessionId: z.ZodType<SessionId, string> = z
  .string()
  .refine(isUuid, 'must be a session id')
  .transform((text) => text as SessionId)

const keptFile: z.ZodType<KeptFile> = z.strictObject({
  name: z.string().max(1_000).describe('Name of the file.'),
  media_type: z.string().max(255).describe('Media type, e.g. image/png.'),
  bytes: z.int().nonnegative().describe('Size of the file in bytes.'),
  pieces: z
    .array(z.string().regex(/^[0-9a-f]{64}$/))
    .max(maxPieces)
    .describe('Hashes of its pieces, as attachment.put returned them.'),
  head: z.string().max(maxAttachedHead).describe('Beginning of a text.').optional(),
})

const noPast: TurnPast = { started: false, into: null, cancelled: false }

function sendTurn({ lanes, recovered }: TurnCallDeps): Call {
  return defineCall({
    name: turnCall,
    forPrograms: true,
    routes: [
      { method: 'POST', path: '/sessions/{session}/messages' },
      { method: 'POST', path: '/messages' },
    ],
    summary: 'Sends a message to the agent of a session. The outcome is the reply.',
    input: z.strictObject({
      text: z.string().min(1).max(maxInputBytes).describe('The message.'),
      model: z.string().min(1).max(200).optional().describe('Model for this turn. Default: the configured one.'),
      attachments: z.array(keptFile).max(maxAttachments).optional().describe('Attached files, as the gateway stored them.'),
      client: clientTools.optional().describe('Tools of the program that sends it, and the form of the answer that it wants.'),
      continues: z.literal(true).optional().describe('Continues behind results of these tools; the text is for people only.'),
      source: turnSource.optional().describe('Where it comes from, by which is decided whether it is answered.'),
    }),
    output: laneResult,
    example: { text: 'Summarise the files here.' },
    tier: 'side_effecting',
    right: turnRight,
    effect: 'idempotent',
    audience: ['terminal'],
    labels: { adds: [], sink: false },
    // A turn has its own limits, which are paused while it waits for a person.
    timeoutMs: Infinity,
    recordOutput: (output) => output as unknown as JsonObject,
    run: async (input, context) => ({
      output: await lanes.run(context.id, context.caller, input, context.signal, recovered.get(context.id) ?? noPast),
    }),
  })
}

function cancelTurn({ lanes }: TurnCallDeps): Call {
  return defineCall({
    name: cancelCall,
    forPrograms: true,
    routes: [{ method: 'POST', path: '/sessions/{session}/cancel' }],
    summary: 'Stops the running turn of a session and everything that it runs.',
    input: z.strictObject({
      session: sessionId.describe('Id of the session.'),
      waiting: z.boolean().default(false).describe('Also drop the messages that wait behind it.'),
    }),
    output: z.object({ cancelled: z.boolean(), turns: z.int() }),
    example: { session: '01890a5d-ac96-774b-bcce-b302099a8057' as SessionId, waiting: false },
    tier: 'side_effecting',
    right: turnRight,
    effect: 'idempotent',
    audience: ['terminal'],
    labels: { adds: [], sink: false },
    timeoutMs: 10_000,
    async run({ session, waiting }) {
      const turns = lanes.cancel(session, waiting)
      return { output: { cancelled: turns > 0, turns } }
    },
  })
}

/** Each session is cancelled by a call of its own, so that a crash in between resumes nothing that was cancelled. */
function cancelAllTurns({ lanes, gate, newId }: TurnCallDeps): Call {
  return defineCall({
    name: 'turn.cancel_all',
    routes: [{ method: 'POST', path: '/sessions/cancel' }],
    summary: 'Stops every running turn, also of agents and schedules, and drops the messages that wait.',
    input: z.strictObject({}),
    output: z.object({ cancelled: z.int() }),
    example: {},
    tier: 'side_effecting',
    right: turnRight,
    effect: 'idempotent',
    audience: ['terminal'],
    labels: { adds: [], sink: false },
    timeoutMs: 10_000,
    recordOutput: (output) => ({ ...output }),
    async run(_, { caller }) {
      const calls = lanes.sessions().map(async (session) => {
        const outcome = await gate.call({ ...caller, session }, cancelCall, { session, waiting: true }, optionsOf(undefined, newId))
        if (outcome.status !== 'ok') throw toError(outcome.failure)
        return (outcome.output as { turns: number }).turns
      })
      return { output: { cancelled: (await Promise.all(calls)).reduce((sum, turns) => sum + turns, 0) } }
    },
  })
}

const inbox = z.strictObject({ messages: z.array(mail).readonly() })

function takeInbox({ runningTurns }: TurnCallDeps): Call {
  return defineCall({
    name: inboxCall,
    summary: 'Takes the messages that were sent while the current turn runs.',
    input: z.strictObject({}),
    output: inbox,
    example: {},
    tier: 'side_effecting',
    right: processRight,
    effect: 'idempotent',
    audience: ['runtime'],
    labels: { adds: [], sink: false },
    timeoutMs: 30_000,
    recordOutput: ({ messages }) => ({ messages: messages.map((message) => message.id) }),
    run: async (_, { caller }) => ({ output: { messages: (await runningTurns.find(caller.turn as TurnId)?.takeMail()) ?? [] } }),
  })
}
