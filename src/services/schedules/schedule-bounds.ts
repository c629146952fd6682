/** Of schedules that run as an agent with a definition: by what their runs are bound, besides by its rights. */
import { meet } from '../../kernel/index.ts'
import type { CallId } from '../../base/index.ts'
import type { Caller } from '../../protocol/index.ts'
import type { Agents } from '../agents/service.ts'
import type { Schedule } from './schedule-schemas.ts'

type AskAgents = () => Promise<Pick<Agents, 'parentOf' | 'profileAs'>>

/** What a run as an agent is bound by: its definition, and what whoever schedules it can pass on. @throws OxbowError for one that cannot run */
export async function boundsOf(agents: AskAgents, as: string, call: CallId, caller: Caller): Promise<Pick<Schedule, 'as_bounds'>> {
  if (as === '') return { as_bounds: undefined }
  const { parentOf, profileAs } = await agents()
  const { delegable } = await parentOf(caller)
  await profileAs(as, delegable, call)
  return { as_bounds: delegable }
}

/** Who says what it does, and may pass on less than whoever named its agent, gives it no more than that. */
export async function narrowed(
  agents: AskAgents,
  { as = '', as_bounds: before = [] }: Schedule,
  fields: object,
  caller: Caller,
): Promise<Partial<Pick<Schedule, 'as_bounds'>>> {
  if (as === '' || Object.keys(fields).every((field) => field === 'status')) return {}
  const { parentOf } = await agents()
  const { delegable } = await parentOf(caller)
  return { as_bounds: meet(before, delegable) }
}
