/** A process for tests of the runtime: calls are answered by a table, and every call is kept in order. */
import { type CallId, ownValue, type ProcessId, type SessionId, type TurnId } from '../base/index.ts'
import type { CallOutcome, HeldConversation, Process } from '../protocol/index.ts'

export interface FakeProcess extends Process {
  readonly made: { readonly name: string; readonly input: unknown; readonly id: CallId | undefined }[]
  readonly mail: { readonly id: CallId; readonly text: string }[]
}

type Answer = (input: unknown, id: CallId | undefined) => CallOutcome | Promise<CallOutcome>

/** @param answers by call name; a name that is missing is refused as unknown. `conversation` is what the turn finds */
export function createFakeProcess(
  answers: Readonly<Record<string, Answer>>,
  signal: AbortSignal = new AbortController().signal,
): FakeProcess {
  const made: FakeProcess['made'] = []
  const mail: FakeProcess['mail'] = []
  let ids = 0
  const call: Process['call'] = async (name, input, id) => {
    made.push({ name, input, id })
    if (name === 'turn.inbox') return ok({ messages: mail.splice(0) })
    return ownValue(answers, name)?.(input, id) ?? refused(name)
  }
  return {
    id: 'process' as ProcessId,
    session: 'session' as SessionId,
    turn: 'turn' as TurnId,
    signal,
    made,
    mail,
    call,
    callTool: call,
    isReadOnly: (name) => name.startsWith('read'),
    async conversation() {
      const found = (await answers['conversation']!({}, undefined)) as { readonly output: Partial<HeldConversation> }
      return { items: [], summary: null, ...found.output }
    },
    itemOf: () => undefined,
    hasMail: () => mail.length > 0,
    successor: () => '',
    newCallId: () => `call${ids++}` as CallId,
  }
}

/** The outcome of a call that succeeded. */
export function ok(output: unknown, text = ''): CallOutcome {
  return { status: 'ok', output, text, ok: true }
}

function refused(name: string): CallOutcome {
  const failure = { code: 'unknown_call', message: `no ${name}`, hint: '' } as const
  return { status: 'refused', failure, text: `Error: no ${name}` }
}
