/**
 * Waits for agents. Whoever waits lends its place to others meanwhile: otherwise parents that wait for children could keep all places from
 * them. What a wait returns to the parent counts as reported, so that no mail repeats it.
 */
import type { Runs } from '../../runs/index.ts'
import type { CallId, Clock, SessionId } from '../../base/index.ts'
import { type AgentRecord, isSettled } from './agent-record.ts'
import { createWaitGraph, type WaitGraph } from './mail/wait-graph.ts'

export interface WaitFor {
  /** Session of whoever waits; empty: a person outside of any. */
  readonly session: SessionId | ''
  readonly ids: readonly CallId[]
  /** `all`: until each has settled; `any`: until one has. */
  readonly mode: 'all' | 'any'
  readonly timeoutMs: number
  readonly signal: AbortSignal
}

export interface Waits {
  readonly graph: WaitGraph
  /**
   * Resolves when the agents have settled or the time is over; rejects with the reason of the signal.
   * @throws OxbowError `bad_input` where they wait for whoever waits
   */
  wait(request: WaitFor): Promise<void>
  /** An agent has settled. */
  settled(): void
  /** @returns whether its parent waits for it, so that its end needs no mail */
  covers(agent: AgentRecord): boolean
}

interface WaitDeps {
  readonly runs: Pick<Runs, 'queue' | 'until' | 'changed'>
  readonly clock: Clock
  readonly find: (id: CallId) => AgentRecord | undefined
  /** A wait for this agent begins. */
  readonly onBegun: (id: CallId) => void
  /** A wait has returned the end of this agent to its parent. */
  readonly onTaken: (id: CallId) => void
  /** A wait was given up although this agent had settled. */
  readonly onLeft: (id: CallId) => void
}

/** What waits look at again when an agent has settled. */
const topic = 'agents'

export function createWaits({ runs, clock, find, onBegun, onTaken, onLeft }: WaitDeps): Waits {
  const waits = new Set<WaitFor>()
  const graph = createWaitGraph()

  const isMet = ({ ids, mode }: WaitFor): boolean => {
    const hasSettled = (id: CallId): boolean => {
      const record = find(id)
      return record === undefined || isSettled(record)
    }
    return mode === 'all' || ids.length === 0 ? ids.every(hasSettled) : ids.some(hasSettled)
  }
  const unreported = ({ ids, session }: WaitFor): readonly CallId[] =>
    ids.filter((id) => {
      const record = find(id)
      return record !== undefined && isSettled(record) && record.report === 'due' && record.home === session
    })
  const settle = async (request: WaitFor): Promise<void> => {
    waits.add(request)
    try {
      const until = clock.now() + request.timeoutMs
      await runs.until(topic, () => (isMet(request) ? true : null), { signal: request.signal, until })
    } finally {
      waits.delete(request)
    }
  }

  return {
    graph,
    async wait(request) {
      const { session, ids, mode, timeoutMs } = request
      const agents = ids.flatMap((id) => find(id) ?? []).filter((each) => !isSettled(each))
      // Who only looks is not held up.
      using _ = isMet(request) || timeoutMs === 0 ? null : graph.enter({ session, agents, mode })
      ids.forEach(onBegun)
      if (!isMet(request)) {
        runs.queue.pause(request.session)
        try {
          await settle(request)
        } catch (error) {
          for (const id of unreported(request)) onLeft(id)
          void runs.queue.resume(request.session, true)
          throw error
        }
        // Before the place is back: until then nothing else is to report it.
        for (const id of unreported(request)) onTaken(id)
        await runs.queue.resume(request.session)
      }
      for (const id of unreported(request)) onTaken(id)
    },
    settled: () => runs.changed(topic),
    covers: ({ id, home }) => [...waits].some(({ session, ids }) => session === home && ids.includes(id)),
  }
}
