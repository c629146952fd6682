/** The calls about budgets: show, check, set, reset and remove them. */
import { z } from 'zod'
import { amountOf, type Book, budgetCategory, budgetName, type Core, type Definition, limitsOf, lineOf } from '../../kernel/index.ts'
import { type CallId, OxbowError } from '../../base/index.ts'
import {
  type Call,
  type Caller,
  defineCall,
  evident,
  noAmount,
  sessionScope,
  spendSchema,
  userScope,
  type BudgetLine,
  budgetLine,
  limitAmounts,
  limitFields,
  scopeSchema,
  windowSchema,
} from '../../protocol/index.ts'

type BudgetCallDeps = Pick<Core, 'user' | 'budgets' | 'documents'>

const spend = spendSchema()
const overview = z.strictObject({
  spent: spend,
  reserved: spend,
  limit: z.strictObject({ micro_dollars: z.int().nullable(), tokens: z.int().nullable() }).describe('Null: no limit.'),
})

const shownBudgets = z.strictObject({
  session: overview.nullable(),
  user: overview,
  budgets: z.array(budgetLine).readonly().describe('Those that limit the caller, from the bottom; for a person without a session, all.'),
})

const shared = { rare: true, labels: { adds: [], sink: false }, timeoutMs: 10_000 } as const satisfies Partial<Call>
const reads = { ...shared, tier: 'read_only', right: 'system.read', effect: 'none', audience: ['model', 'terminal'] } as const
const writes = { ...shared, tier: 'privileged', right: 'budget.write', effect: 'idempotent', audience: ['terminal'] } as const

export function budgetCalls(deps: BudgetCallDeps): readonly Call[] {
  return [showCall(deps), checkCall(deps), setCall(deps), resetCall(deps), removeCall(deps)]
}

function showCall({ budgets, user }: BudgetCallDeps): Call {
  return defineCall({
    ...reads,
    name: 'budget.show',
    routes: [{ method: 'GET', path: '/budgets' }],
    summary: 'Shows spending and limits, in micro-dollars and tokens.',
    input: z.strictObject({}),
    output: shownBudgets,
    example: {},
    async run(_, { caller }) {
      const [book] = await Promise.all([budgets.book(), budgets.load(caller)])
      await book.load(caller)
      const session = caller.session === '' ? null : budgets.view(sessionScope(caller.session))
      const isAll = caller.session === '' && caller.audience === 'terminal'
      const lines = isAll
        ? await everyLine(book)
        : book
            .chain(caller.session, caller.actor)
            .filter(({ config }) => config === null)
            .map(lineOf)
      return { output: { session, user: budgets.view(userScope(user)), budgets: lines } }
    },
  })
}

/** General budgets, such as the one for each session, have limits but no use of their own. */
async function everyLine(book: Book): Promise<readonly BudgetLine[]> {
  const sorted = [...book.definitions()].sort((a, b) => (budgetName(a.scope, a.window) < budgetName(b.scope, b.window) ? -1 : 1))
  return Promise.all(
    sorted.map(async (definition) => {
      const line = lineOf(await book.account(definition))
      const general = amountOf(definition.limits)
      return definition.scope === 'session' || definition.scope === 'agent' ? { ...line, limit: limitsOf(general), until: null } : line
    }),
  )
}

const checked = z.strictObject({
  covered: z.boolean(),
  reason: z.string().describe('Why not; empty when it is.'),
  left: limitAmounts.describe('The least that is left of any budget; null: no limit.'),
})

function checkCall({ budgets }: BudgetCallDeps): Call {
  return defineCall({
    ...reads,
    name: 'budget.check',
    routes: [{ method: 'POST', path: '/budgets/check' }],
    summary: 'Checks whether the budgets cover this much more work, and returns what is left.',
    input: z.strictObject({
      tokens: z.int().nonnegative().default(0).meta(evident('Tokens that the work needs.')),
      calls: z.int().nonnegative().default(0).meta(evident('Calls that the work needs.')),
    }),
    output: checked,
    example: { tokens: 50_000, calls: 20 },
    async run({ tokens, calls }, { caller }) {
      const book = await budgets.book()
      await book.load(caller)
      const short = book.uncovered(caller, { ...noAmount, tokens, calls })
      const left = limitsOf(book.left(caller))
      return { output: { covered: short === null, reason: short === null ? '' : short.failure.message, left } }
    },
  })
}

type SetInput = z.infer<typeof setInput>

const place = {
  scope: scopeSchema.describe('user, session or agent (each of them), or session:ID, agent:NAME, program:NAME, plugin:NAME, key:NAME.'),
  window: windowSchema.default('total').describe('minute, hour, day, week, month, total, or seconds such as 7200s.'),
}

const setInput = z.strictObject({ ...place, ...limitFields })

function setCall({ budgets, documents }: BudgetCallDeps): Call {
  return defineCall({
    ...writes,
    name: 'budget.set',
    routes: [{ method: 'PUT', path: '/budgets' }],
    summary: 'Sets a budget: what a scope may use in a window. 0 is unlimited; what is left out has no limit of its own.',
    input: setInput,
    output: budgetLine,
    example: { scope: 'user', window: 'day', tokens: 500_000, micro_dollars: 2_000_000 },
    async run({ scope, window, ...limits }, { id: call, caller, clock }) {
      if (Object.values(limits).every((limit) => limit === undefined))
        throw new OxbowError('bad_input', 'The budget limits nothing.', {
          hint: 'Name a limit, for example: `oxbow budget set user --per day --money 2.50`, or --tokens, --calls, --seconds.',
        })
      const book = await budgets.book()
      const known = book.definitions().find((each) => each.scope === scope && each.window === window)
      // A new limit applies to what was used since the budget began.
      const definition: Definition = { scope, window, limits, since: known?.since ?? clock.now() }
      await save(documents, { caller, call, name: 'budget.set' }, definition)
      const line = lineOf(await book.account(definition))
      return { output: { ...line, limit: limitsOf(amountOf(limits)) } }
    },
  })
}

type Place = Pick<SetInput, 'scope' | 'window'>

function resetCall({ budgets, documents }: BudgetCallDeps): Call {
  return defineCall({
    ...writes,
    name: 'budget.reset',
    routes: [{ method: 'POST', path: '/budgets/reset' }],
    summary: 'Begins the window of a budget anew: what was used so far no longer counts.',
    input: z.strictObject(place),
    output: budgetLine,
    example: { scope: 'user', window: 'day' },
    async run(where, { id: call, caller, clock }) {
      const book = await budgets.book()
      const definition = { ...find(book, where), since: clock.now() }
      await save(documents, { caller, call, name: 'budget.reset' }, definition)
      return { output: lineOf(await book.account(definition)) }
    },
  })
}

function removeCall({ budgets, documents }: BudgetCallDeps): Call {
  return defineCall({
    ...writes,
    name: 'budget.remove',
    routes: [{ method: 'DELETE', path: '/budgets' }],
    summary: 'Removes a budget. Those above it, and those in the configuration, still hold.',
    input: z.strictObject(place),
    output: z.strictObject({ scope: z.string(), window: z.string() }),
    example: { scope: 'agent:helper', window: 'day' },
    async run(where, { id: call, caller }) {
      const { scope, window } = find(await budgets.book(), where)
      const change = { category: budgetCategory, name: budgetName(scope, window), value: null }
      await documents.put({ caller, call, name: 'budget.remove' }, [change])
      return { output: { scope, window } }
    },
  })
}

function save(
  documents: BudgetCallDeps['documents'],
  of: { caller: Caller; call: CallId; name: string },
  definition: Definition,
): Promise<void> {
  const { scope, window } = definition
  return documents.put(of, [{ category: budgetCategory, name: budgetName(scope, window), value: definition }])
}

/** @throws OxbowError `not_found` */
function find(book: Book, { scope, window }: Place): Definition {
  const found = book.definitions().find((each) => each.scope === scope && each.window === window)
  if (found !== undefined) return found
  throw new OxbowError('not_found', `There is no budget ${budgetName(scope, window)}.`, {
    hint: '`oxbow budget list` shows those that were set; limits of config.toml are changed there.',
  })
}
