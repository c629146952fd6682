/**
 * What stands for agents in a plan. One that would be started gets an id, under which the plan can go on to name it and write to it; it starts
 * when the plan is applied. What it answers cannot be known before: a plan ends where it would wait for that, or look at it.
 */
import type { CallId, SessionId } from '../../base/index.ts'
import type { Call, CallContext, PlannedCall } from '../../protocol/index.ts'
import type { AgentView } from './agent-view.ts'

/** What the plan has started, in its overlay; no part of the workspace, and so no line of the difference. */
const place = 'agents/'

type NewAgent = Pick<AgentView, 'task' | 'name' | 'model' | 'rights' | 'priority' | 'keep' | 'labels' | 'budget'>

/** @returns the agent as it will be listed, before it has run */
export function plannedAgent(
  agent: NewAgent,
  plan: PlannedCall,
  { caller, clock }: Pick<CallContext, 'caller' | 'clock'>,
): { readonly output: AgentView; readonly text: string } {
  const [id, session] = [plan.newId() as CallId, plan.newId() as SessionId]
  plan.overlay.put(`${place}${id}`, agent.name, { before: '', after: '' })
  const output: AgentView = {
    ...agent,
    id,
    session,
    parent: '',
    home: caller.session,
    depth: 1,
    state: 'starting',
    reply: '',
    reason: '',
    created_at: clock.now(),
    started_at: null,
    ended_at: null,
    waiting_for: null,
    waiting_on: '',
    current_call: null,
    usage: null,
    spent: { tokens: 0, micro_dollars: 0 },
    left: null,
    origins: [],
  }
  return { output, text: `Planned: ${agent.name} (${id}) starts when this plan is applied. Go on without its answer.` }
}

/** @returns the id of an agent that the plan would have started; null: `ref` names none */
export function plannedId({ overlay }: Pick<PlannedCall, 'overlay'>, ref: string): CallId | null {
  for (const [at, name] of overlay.below(place)) {
    const id = at.slice(place.length)
    if (id === ref || name === ref) return id as CallId
  }
  return null
}

/** Of a call that looks at agents: as it is, unless the plan would have started some. */
export function endsWithAgents<Input, Output>(
  run: (input: Input, context: CallContext) => ReturnType<Call<Input, Output>['run']>,
  empty: Output | null,
): NonNullable<Call<Input, Output>['planned']> {
  return async (input, plan, context) => {
    const names = [...plan.overlay.below(place).values()].map(String)
    if (names.length === 0) return run(input, context)
    plan.ends(`What ${names.join(', ')} will answer cannot be known before the plan is applied.`)
    return { output: empty as Output, text: 'The plan ends here.' }
  }
}
