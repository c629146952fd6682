/**
 * What programs of others add to a guest, which comes and goes without a restart: calls, hooks that look at calls and at the steps of turns, and what
 * is asked around a turn. Services bring it; gate, registry and turns read it at once.
 */
import type { TurnHooks } from '../../runtime/index.ts'
import { type CallId, joinLists, once } from '../../base/index.ts'
import type { Call, Caller, CallOutcome, Process, TurnResult } from '../../protocol/index.ts'
import type { SectionAgent } from '../calls/registry.ts'
import type { Refusal } from './refusals.ts'

/** @returns a section of the system prompt of an agent; empty: there is nothing to say */
export type PromptSection = (agent: SectionAgent) => Promise<string>

/** What a service adds that comes and goes, without a restart. */
export interface Coming {
  /** Calls, such as tools of servers; the same array until something changes. */
  calls(): readonly Call[]
  /** Resolves when programs that nobody has asked yet have told what they have; null: all have. Absent: always. */
  loading?(): Promise<void> | null
  /** Looks at calls and turns of agents; undefined: nothing does. One service at a time has hooks: a second one would not be asked, so no call passes. */
  hooks?(): KernelHooks | undefined
  /** Is asked around each turn; null: nothing to ask. */
  around?(): AroundTurn | null
}

/** The turn that programs are asked about. */
export interface AskedTurn {
  readonly rights: ReadonlySet<string>
  /** The message. */
  readonly text: string
}

export interface AroundTurn {
  /** @returns what is added to the context; empty: nothing */
  provide(process: Process, turn: AskedTurn): Promise<string>
  /** Looks at the end of a turn. */
  evaluate(process: Process, turn: AskedTurn, result: TurnResult): Promise<void>
}

/** What looks at calls of agents and at the steps of their turns, and may change or refuse them. */
export interface KernelHooks {
  /** Whether a hook looks at this call, before it or after it. */
  sees(caller: Caller, call: Call): boolean
  /** @returns how the call goes on, or why it is refused */
  before(passing: HookedPassing, call: Call, input: unknown): Promise<HookedCall | Refusal>
  /** @param actor whose turns they are */
  turns(actor: string): TurnHooks
}

/** A call on its way through the gate. */
export interface HookedPassing {
  readonly id: CallId
  readonly caller: Caller
  readonly signal: AbortSignal | null
  readonly onWait?: (waiting: boolean) => void
}

export interface HookedCall {
  /** The call, which asks a person if a hook demands that. */
  readonly call: Call
  /** What runs instead; it is judged from the beginning. Absent: nothing has changed. */
  readonly input?: unknown
  /** @param ms how long it ran @returns the outcome as hooks leave it */
  after(outcome: CallOutcome, ms: number): Promise<CallOutcome>
}

/** What all services add. */
export interface HeldComing extends Required<Coming> {
  load(): Promise<void>
}

/** Empty before it is loaded. */
export function holdComing(load: () => Promise<readonly Coming[]>): HeldComing {
  let all: readonly Coming[] = []
  const first = <Found>(ask: (coming: Coming) => Found | null | undefined): Found | null =>
    all.map(ask).find((found) => found != null) ?? null
  return {
    load: once(async () => void (all = await load())),
    calls: joinLists(() => all.map((each) => each.calls())),
    loading: () => first((each) => each.loading?.()),
    hooks() {
      const [one, ...others] = all.flatMap((each) => each.hooks?.() ?? [])
      if (others.length > 0) throw new Error('two services bring hooks, and nothing joins their answers')
      return one
    },
    around: () => first((each) => each.around?.()),
  }
}
