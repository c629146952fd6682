/**
 * `session.title`: a session gets a title by a model, in the background and under a budget of its own, once, after its first reply.
 * A title that a person gave stays; so does the first line where no model answers.
 */
import { z } from 'zod'
import { loadSummary } from '../../memory/index.ts'
import type { SessionRow, Store } from '../../store/index.ts'
import {
  addSpend,
  type Call,
  type CallContext,
  type Clock,
  type Config,
  fenced,
  isErased,
  type JsonObject,
  noSpend,
  type SessionId,
  type Spend,
} from '../../types/index.ts'
import { titleBudgetMs } from '../limits.ts'
import type { Complete } from '../models/ask-model.ts'
import { firstLine, type Sessions } from '../sessions.ts'
import { processRight } from '../stages/policy.ts'

export interface TitleCallDeps {
  readonly store: Store
  readonly sessions: Sessions
  readonly titles: Config['memory']['titles']
  readonly askForTitle: Complete
}

interface Titled {
  readonly session: SessionId
  /** Absent: the title stays. */
  readonly change?: Partial<Pick<SessionRow, 'title'>>
}

/** A model that is asked for seven words, and no longer. */
const titleTimeoutMs = 60_000

export function titleCall(deps: TitleCallDeps): Call<{ clear: boolean }, Titled> {
  const budget = createDayBudget(() => deps.titles.budget)
  return {
    name: 'session.title',
    summary: 'Gives the own session a title after its first reply.',
    input: z.strictObject({ clear: z.boolean().default(false).describe('Takes the title away, because what it says was forgotten.') }),
    output: z.custom<Titled>(),
    example: { clear: false },
    tier: 'read_only',
    right: processRight,
    effect: 'idempotent',
    audience: ['runtime'],
    labels: { adds: [], sink: false },
    timeoutMs: titleTimeoutMs,
    recordOutput: (output) => output as unknown as JsonObject,
    async run({ clear }, context) {
      const session = context.caller.session as SessionId
      await deps.sessions.load(session)
      const title = clear ? '' : await titleByModel(deps, session, context, budget)
      return { output: { session, ...(title !== null && { change: { title } }) } }
    },
  }
}

async function titleByModel(deps: TitleCallDeps, session: SessionId, context: CallContext, budget: DayBudget): Promise<string | null> {
  const { store, sessions } = deps
  const [started, outcome] = await firstTurn(store, session)
  const asked = textIn(started, 'text')
  const own = async (): Promise<boolean> => (await sessions.load(session)).title !== firstLine(asked)
  if (asked === '' || (await own()) || !budget.allows(context.clock)) return null
  const { readTitle, titleInstructions, titleRequest } = await loadSummary()
  const question = { system: titleInstructions, text: titleRequest(asked, textIn(outcome, 'reply'), (text) => fenced(text, context.id)) }
  const answer = await deps.askForTitle(context.caller, question, context.signal, (spent) => budget.add(context.clock, spent))
  // A person may have named it meanwhile, or had forgotten what it was made of.
  const [still] = await firstTurn(store, session)
  return answer === null || textIn(still, 'text') !== asked || (await own()) ? null : readTitle(answer)
}

/** The beginning and the end of the first turn of a session, as they are on record; of a fork, its own first turn. */
async function firstTurn(store: Store, session: SessionId): Promise<readonly [unknown, unknown]> {
  const asked = { session, order: 'oldest_first', limit: 1, hydrate: true } as const
  const [started] = await store.records({ ...asked, phases: ['started'] })
  if (started === undefined || started.name !== 'turn.send') return [null, null]
  const [outcome] = await store.records({ call: started.call, phases: ['outcome'], order: 'newest_first', limit: 1, hydrate: true })
  return [JSON.parse(started.body), outcome === undefined ? null : JSON.parse(outcome.body)]
}

function textIn(body: unknown, name: string): string {
  if (isErased(body) || typeof body !== 'object' || body === null) return ''
  const value = (body as JsonObject)[name]
  return typeof value === 'string' ? value : ''
}

interface DayBudget {
  allows(clock: Clock): boolean
  add(clock: Clock, spent: Spend): void
}

/** What titles have cost since their day began; a guest that starts again begins a new day. */
function createDayBudget(limit: () => Config['memory']['titles']['budget']): DayBudget {
  let since = 0
  let spent = noSpend
  const turnDay = ({ now }: Clock): void => {
    if (now() - since < titleBudgetMs) return
    since = now()
    spent = noSpend
  }
  return {
    allows(clock) {
      turnDay(clock)
      return spent.tokens < limit().tokens && spent.microDollars < limit().micro_dollars
    },
    add(clock, more) {
      turnDay(clock)
      spent = addSpend(spent, more)
    },
  }
}
