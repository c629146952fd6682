/**
 * The frames that the gateway sends, as schemas, for the reference page and the tests. Frames are written by hand and from typed values,
 * so nothing checks them while they are sent. Not part of the public API of `types`: building these schemas would delay every start.
 */
import { z } from 'zod'
import type { ServerFrame } from './frame.ts'
import { isUuid, ownValue } from '../base/index.ts'
import { noticeKinds } from './notices.ts'

const requestId = z.string().describe('`request_id` of the request that this answers.')
const uuid = z.string().refine(isUuid, 'must be a lower-case UUID')
const session = uuid.describe('Id of the session.')
const turn = z.string().describe('Id of the turn: the `client_id` of its message.')
const call = z.string().describe('Id of the call.')
const count = z.int().nonnegative()
const cursor = count.describe('Number of the record in the journal. Subscribe with the highest one that was received.')
const failure = {
  code: z.string().describe('An error code of [errors.md](errors.md).'),
  message: z.string().describe('What happened, for people.'),
  hint: z.string().describe('What to do next.'),
}
const step = { session, turn, call: call.describe('The call of the turn that runs now.') }

const record = z.strictObject({
  seq: count,
  at: z.number().describe('Unix milliseconds.'),
  actor: z.string(),
  session: z.string(),
  turn: z.string(),
  call: z.string(),
  name: z.string(),
  phase: z.enum(['intent', 'outcome', 'refused', 'parked', 'decided', 'started', 'reconciled', 'exchange']),
  body: z.json(),
})

const approval = z.looseObject({
  call,
  session,
  turn,
  name: z.string().describe('Name of the call.'),
  input: z.string().describe('The exact input that would run, as JSON text.'),
  at: z.number().describe('Unix milliseconds.'),
})

const status = z.looseObject({
  user: z.string(),
  version: z.string(),
  model: z.string(),
  sandbox: z.looseObject({ tier: z.string(), problem: z.unknown() }),
  read_only: z.strictObject(failure).nullable().describe('Why the guest only reads; null if it does not.'),
})

const frame = (description: string, payload: z.ZodRawShape): z.ZodObject => z.strictObject(payload).describe(description)

/** Payloads by the type of the frame. */
export const serverPayloadSchemas: { readonly [Type in ServerFrame['type']]: z.ZodObject } = {
  hello_ack: frame('Answers `hello`.', {
    request_id: requestId,
    protocol: z.int().describe('Version of the protocol.'),
    status: status.describe('What a terminal shows about the guest; `status` asks for the current one.'),
  }),
  ack: frame('Answers `send_turn`: the message is in the journal and cannot be lost.', {
    request_id: requestId,
    turn,
    cursor,
    duplicate: z.boolean().describe('The message was sent before; its first copy is the turn.'),
  }),
  result: frame('Answers every other request.', {
    request_id: requestId,
    result: z.json().describe('See the request. Of `call`: the outcome, `{status, output, text}` or `{status, failure, text}`.'),
  }),
  error: frame('Answers a request that failed.', {
    request_id: requestId.nullable().describe('Null if the frame could not be read.'),
    ...failure,
  }),
  record: frame('A record of a session that the connection follows: messages, calls, approvals, files, outcomes.', {
    cursor,
    record: record.describe('The record, without the hashes of the chain. The session is empty for calls outside of sessions.'),
  }),
  snapshot: frame('Answers `subscribe`: every record up to `cursor` was sent, and live events follow.', {
    request_id: requestId,
    session,
    cursor,
    turn: turn.nullable().describe('The turn whose reply is being written, or null.'),
    call: call.nullable().describe('The generation that writes it, or null.'),
    text: z.string().describe('Its text so far.'),
    pending: z.array(approval).describe('Calls that wait for approval.'),
  }),
  delta: frame('Text of the running reply.', {
    ...step,
    offset: count.describe('UTF-16 length of the text before this.'),
    text: z.string(),
  }),
  reply_restarted: frame('The text of `call` so far is void: the answer starts over, perhaps with another model.', {
    ...step,
    model: z.string(),
    why: z.string(),
  }),
  progress: frame('A call still runs, at least every five seconds; or a turn waits until another one ends.', {
    ...step,
    name: z.string().describe('Name of the call; `turn.send` for a turn that waits.'),
    elapsed_ms: count,
    output: z.string().optional().describe('The end of the output so far.'),
  }),
  approval: frame('A call of an agent below the session begins or ends to wait for approval.', {
    session,
    waits: z.boolean().describe('False: it was decided, or does not wait any more.'),
    approval,
  }),
  notice: frame('What a person should hear of without asking, in whatever session it happened: scheduled work, spent budgets.', {
    seq: count,
    at: z.number().describe('Unix milliseconds.'),
    kind: z.enum(noticeKinds),
    session: z.string(),
    fields: z.record(z.string(), z.json()).describe('Names, counts and reasons; never what was said.'),
  }),
}

/** @throws ZodError for what is no frame of the gateway */
export function parseServerFrame(value: unknown): ServerFrame {
  const { type, payload } = z.strictObject({ type: z.enum(Object.keys(serverPayloadSchemas)), payload: z.unknown() }).parse(value)
  ownValue(serverPayloadSchemas, type as ServerFrame['type'])!.parse(payload)
  return value as ServerFrame
}
