/**
 * Calls that the kernel makes itself: in the background, after turns, and to ask a model for a text outside of turns. They
 * pass the gate with records and budgets like any other call, and end with the guest.
 */
import { setTimeout as delay } from 'node:timers/promises'
import type { RollingSummary } from '../../runtime/index.ts'
import type { CallId, SessionId, UserId } from '../../base/index.ts'
import type { MadeCall, Caller, CallOutcome, Completion, Engine } from '../../protocol/index.ts'
import type { Config } from '../../config/index.ts'
import type { Complete } from '../conversation/summaries.ts'
import type { Gate } from '../stages/gate.ts'
import { processRight } from '../policy/policy.ts'

/** A guest that ends waits this long for plugins' evaluators: in a one-shot run they have just begun. */
const maxEvaluatorWaitMs = 5_000

export interface Background {
  /** Never throws; a failure is in the journal. The same call of a session does not run twice at once. */
  run<Name extends string>(session: SessionId | '', name: Name & MadeCall<Name>, input: unknown): Promise<CallOutcome | null>
  /** Takes on work that goes on after a turn has ended, such as evaluators' work. Never rejects. */
  follow(work: Promise<void>): Promise<void>
  /** Resolves when no such work is left, or after some seconds: a one-shot run ends when its evaluators have just begun. */
  followed(): Promise<void>
  /** Stops the calls of a session, and resolves when they have ended. */
  end(session: SessionId): Promise<void>
  /** Stops all calls, and resolves when they have ended. */
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
  const behind = new Set<Promise<void>>()
  const rights: ReadonlySet<string> = new Set([processRight])
  return {
    async run(session, name, input) {
      const key = `${session} ${name}`
      if (stopping.signal.aborted || running.has(key)) return null
      const caller: Caller = { user, actor: 'kernel', rights, audience: 'runtime', session, turn: '', process: '' }
      const control = new AbortController()
      const signal = AbortSignal.any([stopping.signal, control.signal])
      const made: string = name
      const call = gate.call(caller, made, input, { id: newId() as CallId, signal })
      const settled = call.catch(() => null).finally(() => running.delete(key))
      running.set(key, { session, settled, control })
      return settled
    },
    async follow(work) {
      behind.add(work)
      await work.catch(() => {})
      behind.delete(work)
    },
    async followed() {
      if (behind.size > 0) await Promise.race([Promise.allSettled(behind), delay(maxEvaluatorWaitMs, undefined, { ref: false })])
    },
    async end(session) {
      const calls = [...running.values()].filter((call) => call.session === session)
      for (const { control } of calls) control.abort('cancelled')
      await Promise.all(calls.map(({ settled }) => settled))
    },
    async close() {
      stopping.abort('shutdown')
      while (running.size > 0) await Promise.all([...running.values()].map(({ settled }) => settled))
    },
  }
}

const runtimeRights: ReadonlySet<string> = new Set([processRight])

interface CompleteDeps {
  readonly gate: Gate
  readonly newId: () => string
  readonly engine: Pick<Engine, 'model'>
  /** Model to ask; empty: the usual one. */
  readonly model: Config['memory']['summary']['model']
}

export function createComplete({ gate, newId, engine, model }: CompleteDeps): Complete {
  return async (caller, { system, text }, signal, onSpent, id) => {
    if (model === '' && engine.model.provider === 'offline') return null
    const asker: Caller = { ...caller, actor: 'kernel', rights: runtimeRights, audience: 'runtime', turn: '', process: '' }
    const passing = { id: id ?? (newId() as CallId), signal, resumed: id !== undefined }
    const outcome = (await gate.call(asker, 'model.complete', { model, system, text }, passing)) as CallOutcome<Completion>
    if (outcome.status !== 'ok') return null
    onSpent?.(outcome.output.spent)
    return outcome.output.text
  }
}

/** How the runtime has a conversation summarized; undefined when summaries are off. */
export function rollingBy(
  background: Background,
  { enabled, trigger_ratio: triggerRatio }: Config['memory']['summary'],
): RollingSummary | undefined {
  const later: RollingSummary['later'] = ({ session }, room) =>
    void background.run(session, 'session.summarize', { room, background: true })
  return enabled ? { triggerRatio, later } : undefined
}
