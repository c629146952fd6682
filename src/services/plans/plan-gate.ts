/**
 * The gate of a plan: which of its calls are made, and what stands for the others. Each call is judged by the real gate first, as the agent's
 * own: a plan lists nothing that would be refused. What a call is, its description says:
 *
 * - it only reads, or loads something: it is made;
 * - it changes files alone, or runs programs that have no network: it is made in the branch, where nobody needs to be asked;
 * - it changes the notes of its session: it is made, since the session is the plan's;
 * - anything else is listed with its arguments and answered by its stand-in. Without one the plan ends there.
 *
 * What stands for a call is recorded as `plan.step`: the journal never says that something was done which was not.
 */
import { cancelledOutcome, type Gate } from '../../kernel/index.ts'
import { derivedId, type Json, type JsonObject, OxbowError } from '../../base/index.ts'
import { type Call, type Caller, noSpend, type PlannedCall, type Spend } from '../../protocol/index.ts'
import { maxPlannedEffects, maxStandInBytes } from './limits.ts'
import type { Overlay } from './plan-overlay.ts'
import type { PlannedEffect } from './plan-record.ts'

/** The name under which a call is recorded that a plan did not make. */
const stepName = 'plan.step'

export interface PlanStage {
  readonly gate: Gate
  readonly effects: readonly PlannedEffect[]
  /** Why the plan ended before its agent was done; empty: it has not. */
  ends(): string
}

interface StageDeps {
  /** The real one. */
  readonly gate: Gate
  readonly plan: string
  readonly overlay: Overlay
  readonly find: (name: string) => Call | undefined
  /** Ends the turn. */
  readonly stop: () => void
}

/** What is done with a call. */
type Way = 'made' | 'in_branch' | 'answered' | 'listed'

export function createPlanStage(deps: StageDeps): PlanStage {
  const { gate, stop } = deps
  const effects: PlannedEffect[] = []
  const known = new Set<string>()
  let ends = ''
  const end = (why: string): void => {
    if (ends === '') ends = why
    stop()
  }
  const list = (call: Call, input: unknown, asks: boolean): Call => {
    if (effects.length >= maxPlannedEffects) {
      end(`It has ${maxPlannedEffects} effects, the most of one plan.`)
      throw new OxbowError('limit_reached', 'This plan has as many effects as one may have.', { hint: 'Make a smaller plan first.' })
    }
    const n = effects.length + 1
    const minted = mint(`${deps.plan} ${n}`)
    const found = { answer: null, made: [], basis: {}, most: none }
    effects.push({ n, call: call.name, input: input as Json, asks, outside: isOutside(call), ...found })
    return stepOf(call, input, async (context) => {
      const basis = await newBasis(call, input, known)
      const most = await mostOf(call, input, context.caller)
      Object.assign(effects[n - 1]!, { basis, most })
      if (call.planned === undefined) {
        end(`What ${call.name} gives back cannot be known before it is made.`)
        return { output: null, text: `Planned as step ${n}. The plan ends here.` }
      }
      const done = await call.planned(input, { ...minted, overlay: deps.overlay, ends: end }, context)
      assertFits(done.output)
      Object.assign(effects[n - 1]!, { answer: (done.output ?? {}) as Json, made: minted.made() })
      return done
    })
  }
  const call: Gate['call'] = async (caller, name, input, options) => {
    if (ends !== '') return cancelledOutcome('The plan has ended.')
    const asked = deps.find(name)
    const onWait = (waiting: boolean): void => {
      if (waiting) end(`${asked?.name ?? 'A call'} only reads, but a person must allow it.`)
    }
    const listed = effects.length
    const instead = (judged: Call, parsed: unknown, asks: boolean): Call => {
      const way = wayOf(judged, parsed, caller)
      if (way === 'made' && asks) onWait(true)
      if (way === 'in_branch' || way === 'made') return ends === '' ? judged : unmade(judged, parsed)
      return way === 'listed' ? list(judged, parsed, asks) : answer({ ...deps, end }, judged, parsed)
    }
    const isMade = caller.audience === 'runtime' || asked === undefined || wayOf(asked, null, caller) === 'made'
    const outcome = await gate.call(caller, name, input, { ...options, onWait, ...(!isMade && { instead }) })
    if (ends !== '') return cancelledOutcome('The plan has ended.')
    // What its stand-in refused, such as a note that does not exist, would be refused when it is applied.
    if (outcome.status !== 'ok' && effects.length > listed) effects.length = listed
    return outcome
  }
  return {
    gate: {
      call,
      start: () => {
        throw new Error('a plan waits for each of its calls')
      },
    },
    effects,
    ends: () => ends,
  }
}

const none = { tokens: 0, micro_dollars: 0 }

/** @param input null: not parsed yet, which only matters for a call whose tier depends on it */
function wayOf(call: Call, input: unknown, caller: Caller): Way {
  const { labels, effect, files, folders, projection, planned, asks } = call
  const tier = input === null ? call.tier : (call.tierOf?.(input, caller) ?? call.tier)
  const leaves = labels.sink && labels.loads !== true
  if (!leaves && projection === 'scratchpad') return 'in_branch'
  if (!leaves && tier === 'read_only' && effect !== 'once') return planned === undefined ? 'made' : 'answered'
  if (labels.loads === true) return 'made'
  // A program of others that sees folders sees the workspace's, and not the branch.
  const isInBranch = files === 'writes' || (files === 'workspace' && folders === undefined)
  return !leaves && asks === undefined && isInBranch ? 'in_branch' : 'listed'
}

/** Whether its effect is elsewhere than in what the guest keeps for its person. */
function isOutside({ labels, basis }: Call): boolean {
  return labels.sink || basis === undefined
}

/** A call that a person would be asked about, in a plan that has ended with it. */
function unmade(call: Call, input: unknown): Call {
  return stepOf(call, input, async () => ({ output: null, text: 'The plan ends here.' }))
}

/** A call that reads what the plan may have changed. */
function answer({ plan, overlay, end }: StageDeps & { readonly end: PlannedCall['ends'] }, call: Call, input: unknown): Call {
  return stepOf(call, input, (context) => call.planned!(input, { ...mint(`${plan} ${context.id}`), overlay, ends: end }, context))
}

/** The call as it is recorded and run. */
function stepOf(call: Call, input: unknown, run: (context: Parameters<Call['run']>[1]) => ReturnType<Call['run']>): Call {
  const { summary, input: schema, output, example, right, audience, timeoutMs, labels, recordInput, recordOutput } = call
  return {
    name: stepName,
    summary,
    input: schema,
    // Nothing stands for the call with which the plan ends.
    output: output.nullable(),
    example,
    right,
    audience,
    timeoutMs,
    tier: 'read_only',
    effect: 'none',
    labels: { adds: labels.adds, sink: false },
    recordInput: (_, caller) => ({
      call: call.name,
      input: recordInput === undefined ? (input as Json) : recordInput(input, caller),
    }),
    ...(recordOutput !== undefined && {
      recordOutput: (given: unknown): JsonObject => (given === null ? {} : recordOutput(given)),
    }),
    run: (_, context) => run(context),
  }
}

/** Versions of what no earlier call of the plan has named. */
async function newBasis(call: Call, input: unknown, known: Set<string>): Promise<Readonly<Record<string, string>>> {
  const all = Object.entries((await call.basis?.(input as never)) ?? {}).filter(([place]) => !known.has(place))
  for (const [place] of all) known.add(place)
  return Object.fromEntries(all)
}

async function mostOf(call: Call, input: unknown, caller: Caller): Promise<PlannedEffect['most']> {
  const most: Spend = (await call.reserve?.(input, true, caller)) ?? noSpend
  return { tokens: most.tokens, micro_dollars: Math.ceil(most.microDollars) }
}

function assertFits(output: unknown): void {
  const bytes = Buffer.byteLength(JSON.stringify(output ?? null))
  if (bytes <= maxStandInBytes) return
  throw new OxbowError('limit_reached', `The answer has ${bytes} bytes; a plan keeps at most ${maxStandInBytes}.`, {
    hint: 'Ask for less.',
  })
}

/** Versions that a plan makes up: larger than any number of a record. */
const firstVersion = 4_000_000_000_000_000

function mint(seed: string): Pick<PlannedCall, 'newId' | 'newVersion'> & { made(): readonly (string | number)[] } {
  const made: (string | number)[] = []
  const keep = <Made extends string | number>(one: Made): Made => {
    made.push(one)
    return one
  }
  return {
    newId: (prefix = '') => keep(`${prefix}${derivedId(seed, made.length)}`),
    newVersion: () => keep(firstVersion + Number.parseInt(derivedId(seed, made.length).slice(0, 8), 16)),
    made: () => made,
  }
}
