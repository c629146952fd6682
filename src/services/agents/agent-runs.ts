/** What the core asks about agents: which turns are theirs, and what a turn of one waits for. */
import type { Core, ServiceRuns } from '../../kernel/index.ts'
import type { CallId } from '../../base/index.ts'
import { agentCategory, type AgentRecord, messageTurn } from './agent-record.ts'
import type { Agents } from './open-agents.ts'

export function agentRuns({ documents }: Pick<Core, 'documents'>, self: () => Promise<Agents>): ServiceRuns {
  return {
    async started() {
      const agents = (await documents.all<AgentRecord>(agentCategory)).map(({ value }) => value)
      return (turn, calls) => {
        const own = agents.filter((agent) => calls.has(agent.id) || agent.delegation?.turn === turn)
        const sent: ReadonlySet<string> = new Set([...calls].map((call) => messageTurn(call as CallId)))
        // One that is kept gets messages of other turns too.
        const sessions: ReadonlySet<string> = new Set(own.filter(({ keep }) => !keep).map(({ session }) => session))
        return {
          runs: own.map((agent) => messageTurn(agent.id)),
          includes: (one, session) => sent.has(one) || sessions.has(session),
        }
      }
    },
    async isBelow(session, above) {
      const { supervisor } = await self()
      const agent = supervisor.agentOf(session)
      return agent !== undefined && supervisor.isBelow(agent, above)
    },
    async watch(session) {
      const { supervisor } = await self()
      return { pause: () => supervisor.pauseOf(session), onWait: () => {} }
    },
  }
}
