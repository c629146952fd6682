/** Calls about sessions and turns: those that terminals make, and those that the runtime needs to run a turn. */
import { z } from 'zod'
import {
  clientTools,
  type Core,
  describeSession,
  type LaneResult,
  type ListInput,
  type Mail,
  maxInputBytes,
  maxPieces,
  optionsOf,
  processRight,
  sessionsOf,
  type TurnInput,
  type TurnPast,
} from '../../kernel/index.ts'
import {
  type Call,
  isUuid,
  type JsonObject,
  type KeptFile,
  maxAttachedHead,
  maxAttachments,
  OxbowError,
  type SessionId,
  type SessionInfo,
  toError,
  type TurnId,
} from '../../types/index.ts'
import type { SessionRow } from '../../store/index.ts'
import { folderChange, foldersOf, sessionFolder } from './session-folders.ts'

type SessionCallDeps = Pick<
  Core,
  | 'store'
  | 'documents'
  | 'lanes'
  | 'journal'
  | 'conversations'
  | 'summaries'
  | 'recovered'
  | 'runningTurns'
  | 'engine'
  | 'gate'
  | 'newId'
  | 'handoffs'
>

export const sessionId: z.ZodType<SessionId, string> = z
  .string()
  .refine(isUuid, 'must be a session id')
  .transform((text) => text as SessionId)

export function sessionCalls(deps: SessionCallDeps): readonly Call[] {
  return [createSession(deps), listSessions(deps), sendTurn(deps), cancelTurn(deps), cancelAllTurns(deps), takeInbox(deps)]
}

interface CreateInput {
  readonly title?: string | undefined
  readonly folder?: string | undefined
}

function createSession({ store, documents }: SessionCallDeps): Call<CreateInput, { id: SessionId; title: string }> {
  return {
    name: 'session.create',
    event: ({ id = '' }) => ({ kind: 'session_created', fields: { id } }),
    summary: 'Starts a new session.',
    input: z.strictObject({
      title: z.string().max(200).optional().describe('Title shown in lists. Default: the first line of the first message.'),
      folder: sessionFolder.optional().describe('Your folder in which it begins, as lists show it. Nothing is added or opened by it.'),
    }),
    output: z.object({ id: sessionId, title: z.string() }),
    example: { title: 'Taxes' },
    tier: 'side_effecting',
    right: 'session.write',
    effect: 'idempotent',
    projection: 'new_session',
    audience: ['terminal'],
    labels: { adds: [], sink: false },
    timeoutMs: 10_000,
    recordOutput: (output) => ({ ...output }),
    async run({ title = '', folder }, { id: call, caller }) {
      // The session id is the call's id, which the terminal may choose: a repeated request creates no second session.
      const id = call as string as SessionId
      if ((await store.session(id)) !== null)
        throw new OxbowError('bad_input', `Session ${id} already exists.`, { hint: 'Use a new id for each session.' })
      if (folder !== undefined) await documents.put({ caller, call, name: 'session.create' }, [folderChange(id, folder)])
      return { output: { id, title } }
    },
  }
}

function listSessions({ store, lanes, journal, handoffs, documents }: SessionCallDeps): Call<ListInput, readonly SessionInfo[]> {
  return {
    name: 'session.list',
    summary: 'Lists sessions, newest activity first.',
    input: z.strictObject({
      limit: z.int().min(1).max(1000).default(50).describe('Maximum number of sessions to list.'),
      archived: z.boolean().default(false).describe('Include archived sessions.'),
      search: z.string().max(200).default('').describe('Words that the title must contain.'),
    }),
    output: z.custom<readonly SessionInfo[]>(),
    example: { limit: 20, archived: false, search: 'taxes' },
    tier: 'read_only',
    right: 'session.read',
    effect: 'none',
    audience: ['terminal'],
    labels: { adds: ['private'], sink: false },
    timeoutMs: 10_000,
    recordOutput: (output) => ({ sessions: output.length }),
    async run(input) {
      // The list must show changes that were made just now.
      await journal.flushed()
      const rows = await sessionsOf(store, input)
      const folders = await foldersOf(
        documents,
        rows.map(({ id }) => id),
      )
      const view = (row: SessionRow): SessionInfo => {
        const folder = folders.get(row.id)
        return { ...describeSession(row, lanes.isBusy(row.id), handoffs.answering(row.id)), ...(folder !== undefined && { folder }) }
      }
      return { output: rows.map(view) }
    },
  }
}

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

function sendTurn({ lanes, recovered }: SessionCallDeps): Call<TurnInput, LaneResult> {
  return {
    name: 'turn.send',
    summary: 'Sends a message to the agent of a session. The outcome is the reply.',
    input: z.strictObject({
      text: z.string().min(1).max(maxInputBytes).describe('The message.'),
      model: z.string().min(1).max(200).optional().describe('Model for this turn. Default: the configured one.'),
      attachments: z.array(keptFile).max(maxAttachments).optional().describe('Attached files, as the gateway stored them.'),
      client: clientTools.optional().describe('Tools of the program that sends it, and the form of the answer that it wants.'),
      continues: z.literal(true).optional().describe('Continues behind results of these tools; the text is for people only.'),
    }),
    output: z.custom<LaneResult>(),
    example: { text: 'Summarise the files here.' },
    tier: 'side_effecting',
    right: 'turn.send',
    effect: 'idempotent',
    audience: ['terminal'],
    labels: { adds: [], sink: false },
    // A turn has its own limits, which are paused while it waits for a person.
    timeoutMs: Infinity,
    recordOutput: (output) => output as unknown as JsonObject,
    run: async (input, context) => ({
      output: await lanes.run(context.id, context.caller, input, context.signal, recovered.get(context.id) ?? noPast),
    }),
  }
}

function cancelTurn({ lanes }: SessionCallDeps): Call<{ session: SessionId; waiting: boolean }, { cancelled: boolean; turns: number }> {
  return {
    name: 'turn.cancel',
    summary: 'Stops the running turn of a session and everything that it runs.',
    input: z.strictObject({
      session: sessionId.describe('Id of the session.'),
      waiting: z.boolean().default(false).describe('Also drop the messages that wait behind it.'),
    }),
    output: z.object({ cancelled: z.boolean(), turns: z.int() }),
    example: { session: '01890a5d-ac96-774b-bcce-b302099a8057' as SessionId, waiting: false },
    tier: 'side_effecting',
    right: 'turn.send',
    effect: 'idempotent',
    audience: ['terminal'],
    labels: { adds: [], sink: false },
    timeoutMs: 10_000,
    async run({ session, waiting }) {
      const turns = lanes.cancel(session, waiting)
      return { output: { cancelled: turns > 0, turns } }
    },
  }
}

/** Each session is cancelled by a call of its own, so that a crash in between resumes nothing that was cancelled. */
function cancelAllTurns({ lanes, gate, newId }: SessionCallDeps): Call<object, { cancelled: number }> {
  return {
    name: 'turn.cancel_all',
    summary: 'Stops every running turn, also those of agents and schedules, and drops the messages that wait.',
    input: z.strictObject({}),
    output: z.object({ cancelled: z.int() }),
    example: {},
    tier: 'side_effecting',
    right: 'turn.send',
    effect: 'idempotent',
    audience: ['terminal'],
    labels: { adds: [], sink: false },
    timeoutMs: 10_000,
    recordOutput: (output) => ({ ...output }),
    async run(_, { caller }) {
      const calls = lanes.sessions().map(async (session) => {
        const outcome = await gate.call({ ...caller, session }, 'turn.cancel', { session, waiting: true }, optionsOf(undefined, newId))
        if (outcome.status !== 'ok') throw toError(outcome.failure)
        return (outcome.output as { turns: number }).turns
      })
      return { output: { cancelled: (await Promise.all(calls)).reduce((sum, turns) => sum + turns, 0) } }
    },
  }
}

interface Inbox {
  readonly messages: readonly Mail[]
}

function takeInbox({ runningTurns }: SessionCallDeps): Call<object, Inbox> {
  return {
    name: 'turn.inbox',
    summary: 'Takes the messages that were sent while the current turn runs.',
    input: z.strictObject({}),
    output: z.custom<Inbox>(),
    example: {},
    tier: 'side_effecting',
    right: processRight,
    effect: 'idempotent',
    audience: ['runtime'],
    labels: { adds: [], sink: false },
    timeoutMs: 30_000,
    recordOutput: ({ messages }) => ({ messages: messages.map((message) => message.id) }),
    run: async (_, { caller }) => ({ output: { messages: (await runningTurns.find(caller.turn as TurnId)?.takeMail()) ?? [] } }),
  }
}
