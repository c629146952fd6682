/** What every way to the guest must do. `docs/transports.md` is generated from this list, and `transports.full.test.ts` runs it. */

export const transports = ['websocket', 'http', 'openai', 'mcp', 'in-process'] as const

export type TransportName = (typeof transports)[number]

export interface Requirement {
  readonly id: string
  readonly sentence: string
  /** Where it holds; of the others, why it does not. */
  readonly on: readonly TransportName[]
  readonly elsewhere?: string
}

const everywhere = transports

export const requirements = [
  { id: 'reply', sentence: 'A message gets one reply, which is the answer of its turn.', on: everywhere },
  { id: 'stream', sentence: 'The text arrives as it is written, and its pieces together are the reply.', on: everywhere },
  { id: 'session', sentence: 'A second message to a session continues its conversation.', on: everywhere },
  { id: 'once', sentence: 'A message that is sent twice with the same id is one turn with one reply.', on: everywhere },
  {
    id: 'order',
    sentence: 'Messages that come to one session at once are answered, alone or together, and none is lost or asked twice.',
    on: ['websocket', 'http', 'mcp', 'in-process'],
    elsewhere: 'Its programs send the whole conversation each time; two continuations of one conversation are two sessions.',
  },
  { id: 'files', sentence: 'A picture that comes with a message reaches the model.', on: everywhere },
  { id: 'wrong-key', sentence: 'A wrong key is refused with `unauthenticated` before anything happens.', on: everywhere },
  {
    id: 'limited-key',
    sentence: 'A key that lacks the right is refused with `denied`, and the refusal is in the journal.',
    on: everywhere,
  },
  { id: 'revoked-key', sentence: 'A key that was revoked is refused from then on.', on: everywhere },
  { id: 'bad-input', sentence: 'Input that does not fit is refused with `bad_input` or `not_found`, and starts no turn.', on: everywhere },
  { id: 'budget', sentence: 'A turn that no budget covers ends with `budget_exhausted`, before the model is asked.', on: everywhere },
  { id: 'cancel', sentence: 'A running turn can be cancelled, and is recorded as cancelled.', on: everywhere },
  { id: 'approval', sentence: 'A turn that waits for an approval goes on when a person allows the call.', on: everywhere },
  {
    id: 'restart',
    sentence: 'A turn that a restart of the guest interrupts goes on, and whoever comes back gets its reply.',
    on: everywhere,
  },
  {
    id: 'cursor',
    sentence: 'Whoever comes back with a cursor gets each record since then, once and in order.',
    on: ['websocket', 'http', 'in-process'],
    elsewhere: 'They have no cursor; a response or a call is read again by its id.',
  },
  {
    id: 'list',
    sentence: 'Sessions are listed, newest first, as many as asked for.',
    on: ['websocket', 'http', 'mcp', 'in-process'],
    elsewhere: 'It has no sessions.',
  },
] as const satisfies readonly Requirement[]

export type RequirementId = (typeof requirements)[number]['id']
