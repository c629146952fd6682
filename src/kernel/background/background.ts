/** Calls that the kernel makes for itself while nobody waits: they are on record and under budgets like any other, and end with the guest. */
import type { Caller, CallId, CallOutcome, SessionId, UserId } from '../../types/index.ts'
import type { Gate } from '../gate.ts'
import { processRight } from '../stages/policy.ts'

export interface Background {
  /** Never throws; a failure is in the journal. The same call of the same session is not made twice at once. */
  run(session: SessionId | '', name: string, input: unknown): Promise<CallOutcome | null>
  /** Stops what runs for a session, and resolves when nothing of it does. */
  end(session: SessionId): Promise<void>
  /** Stops what runs. */
  close(): Promise<void>
}

interface BackgroundDeps {
  readonly user: UserId
  readonly gate: Gate
  readonly newId: () => string
}

interface Running {
  readonly session: SessionId | ''
  readonly settled: Promise<CallOutcome | null>
  readonly control: AbortController
}

export function createBackground({ user, gate, newId }: BackgroundDeps): Background {
  const stopping = new AbortController()
  const running = new Map<string, Running>()
  const rights: ReadonlySet<string> = new Set([processRight])
  return {
    async run(session, name, input) {
      const key = `${session} ${name}`
      if (stopping.signal.aborted || running.has(key)) return null
      const caller: Caller = { user, actor: 'kernel', rights, audience: 'runtime', session, turn: '', process: '' }
      const control = new AbortController()
      const signal = AbortSignal.any([stopping.signal, control.signal])
      const call = gate.call(caller, name, input, { id: newId() as CallId, signal })
      const settled = call.catch(() => null).finally(() => running.delete(key))
      running.set(key, { session, settled, control })
      return settled
    },
    async end(session) {
      const its = [...running.values()].filter((each) => each.session === session)
      for (const { control } of its) control.abort('cancelled')
      await Promise.all(its.map(({ settled }) => settled))
    },
    async close() {
      stopping.abort('shutdown')
      while (running.size > 0) await Promise.all([...running.values()].map(({ settled }) => settled))
    },
  }
}
