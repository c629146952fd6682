/** Who waits for whom. Agents that wait for each other would wait until their time is over: the one that closes the circle is refused at once. */
import { OxbowError, type SessionId } from '../../../base/index.ts'
import type { AgentRecord } from '../agent-record.ts'

interface Waiting {
  /** Of whoever waits; empty: a person outside of any. */
  readonly session: SessionId | ''
  /** For whom. */
  readonly agents: readonly Pick<AgentRecord, 'session' | 'name'>[]
  /** Until each has answered, or one has. */
  readonly mode: 'all' | 'any'
}

export interface WaitGraph {
  /** @returns what ends the wait @throws OxbowError `bad_input` if those that it waits for wait for it */
  enter(waiting: Waiting): Disposable
}

export function createWaitGraph(): WaitGraph {
  const all = new Set<Waiting>()
  const fits = ({ agents, mode }: Waiting, isStuck: (session: SessionId) => boolean): boolean =>
    mode === 'all' || agents.length === 0 ? agents.some(({ session }) => isStuck(session)) : agents.every(({ session }) => isStuck(session))
  /** Whether a session goes on only when another one does. */
  const waitsFor = (session: SessionId, other: SessionId, seen: ReadonlySet<SessionId>): boolean =>
    !seen.has(session) &&
    [...all].some(
      (each) => each.session === session && fits(each, (next) => next === other || waitsFor(next, other, new Set([...seen, session]))),
    )
  return {
    enter(waiting) {
      const { session, agents } = waiting
      if (session !== '' && fits(waiting, (each) => each === session || waitsFor(each, session, new Set()))) {
        const names = agents.map(({ name }) => name).join(', ')
        throw new OxbowError('bad_input', `${names} waits for you, so that neither of you would go on.`, {
          hint: 'Answer first: end your turn with what was asked. The answer to your own message comes to you when it is there.',
        })
      }
      all.add(waiting)
      return { [Symbol.dispose]: () => void all.delete(waiting) }
    },
  }
}
