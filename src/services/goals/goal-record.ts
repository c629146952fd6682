/**
 * What is remembered of goals, in documents that records of the journal set: the goal with the step at which it is, each of its
 * generations, and each seed under its hash. A step that has finished is in the record that moves the goal on; what a crash interrupts begins
 * again from there, under the same ids of calls.
 */
import type { DocumentChange, Documents, ServiceRuns } from '../../kernel/index.ts'
import { type CallId, derivedId, type SessionId, type TurnId } from '../../base/index.ts'
import type { Labels, Limits, SandboxTier } from '../../protocol/index.ts'
import type { GenerationView, GoalPhase, GoalStatus, GoalView } from './goal-view.ts'
import type { Question, Scores } from './interview.ts'
import type { Seed } from './seed.ts'
import type { EndReason, Outcome } from './stop-rules.ts'

type Round = GoalView['rounds'][number]
export type GoalEnd = NonNullable<GoalView['end']>

export interface Goal {
  /** Follows from the call that started it. */
  readonly id: TurnId
  /** Its calls are made in this session. */
  readonly session: SessionId
  /** Session and actor that started it; empty: a person outside of any session. */
  readonly home: SessionId | ''
  readonly starter: string
  readonly rights: readonly string[]
  readonly tier: SandboxTier | ''
  readonly labels: Labels
  readonly request: string
  readonly options: GoalView['options']
  readonly budget?: Limits | undefined
  readonly deadline: number | null
  readonly status: GoalStatus
  readonly phase: GoalPhase
  /** Steps that have finished: with the id, what calls of the present one are named by. */
  readonly step: number
  /** Tries of this step that have failed. */
  readonly tries: number
  readonly retry_at: number | null
  /** Of tries of this step: the failure, as one form. */
  readonly failure: string
  readonly rounds: readonly Round[]
  /** What is asked now. */
  readonly questions: readonly Question[]
  readonly scores: Scores | null
  /** Hash; empty: it has no seed yet. */
  readonly seed: string
  /** Of the present generation, from 0. */
  readonly generation: number
  /** The newest outcomes, as many as rules look at, and the best of all. */
  readonly outcomes: readonly Outcome[]
  readonly best: { readonly generation: number; readonly score: number; readonly passed: boolean } | null
  /** Why it is to end; it does with the next step. */
  readonly ending: { readonly reason: EndReason; readonly text: string } | null
  readonly end: GoalEnd | null
  readonly created_at: number
  readonly ended_at: number | null
}

export type TaskEnd = GenerationView['tasks'][number]

/** One try to reach a goal. */
export interface Generation {
  readonly goal: TurnId
  readonly number: number
  readonly seed: string
  readonly branch: string
  /** Where its branch began: `from` is the version whose files it has, `base` what a merge compares with; empty: the workspace as it was. */
  readonly from: string
  readonly base: string
  /** Version with its files, once they are there. */
  readonly commit: string
  readonly tasks: readonly TaskEnd[]
  readonly changed: readonly string[]
  readonly checks: GenerationView['checks']
  readonly review: GenerationView['review']
  readonly outcome: Outcome | null
  readonly notes: readonly string[]
  readonly began_at: number
  readonly ended_at: number | null
}

export const goalCategory = 'system/goals'
export const generationCategory = 'system/goal_generations'
export const seedCategory = 'system/goal_seeds'

export const goalOf = (call: CallId): TurnId => derivedId('goal', call) as TurnId
export const sessionOfGoal = (goal: TurnId): SessionId => derivedId('goal session', goal) as SessionId
/** Work of a generation counts by itself: what a turn may delegate is limited. */
export const turnOfGeneration = ({ id, generation }: Pick<Goal, 'id' | 'generation'>): TurnId =>
  derivedId('goal generation', id, generation) as TurnId
/** The same after a crash, another one for each step and each try. */
export const stepCall = ({ id, step, tries }: Pick<Goal, 'id' | 'step' | 'tries'>, part: string): CallId =>
  derivedId('goal step', id, step, tries, part) as CallId
export const branchOf = ({ id, generation }: Pick<Goal, 'id' | 'generation'>): string => `goal-${id.slice(0, 13)}-${generation}`

export const isOver = ({ status }: Pick<Goal, 'status'>): boolean => status !== 'running' && status !== 'paused'

export const generationName = (goal: TurnId, number: number): string => `${goal}/${String(number).padStart(6, '0')}`

export const goalChange = (goal: Goal): DocumentChange => ({ category: goalCategory, name: goal.id, value: goal })
export const generationChange = (generation: Generation): DocumentChange => ({
  category: generationCategory,
  name: generationName(generation.goal, generation.number),
  value: generation,
})
export const seedChange = (hash: string, seed: Seed): DocumentChange => ({ category: seedCategory, name: hash, value: seed })

/** @returns generations, the oldest first @param from its number */
export async function readGenerations(
  documents: Pick<Documents, 'list'>,
  goal: TurnId,
  from: number,
  limit: number,
): Promise<readonly Generation[]> {
  const prefix = `${goal}/`
  const after = from === 0 ? prefix : generationName(goal, from - 1)
  const found = await documents.list<Generation>(generationCategory, limit, after)
  return found.filter(({ name }) => name.startsWith(prefix)).map(({ value }) => value)
}

/** What the core asks about goals; see `Service`. */
export function runsIn(documents: Pick<Documents, 'all' | 'get'>): ServiceRuns {
  return {
    async goesOn(run) {
      const known = await documents.get<Goal>(goalCategory, run)
      if (known !== null) return !isOver(known.value)
      const all = await documents.all<Goal>(goalCategory)
      return all.some(({ value }) => !isOver(value) && turnOfGeneration(value) === run)
    },
    sessionOf: sessionOfGoal,
    async started() {
      const all = (await documents.all<Goal>(goalCategory)).map(({ name }) => name)
      return (_run, calls) => {
        const begun: ReadonlySet<string> = new Set([...calls].map((call) => goalOf(call as CallId)))
        return { runs: all.filter((goal) => begun.has(goal)) }
      }
    },
  }
}
