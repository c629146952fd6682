/**
 * The hooks of plugins, as gate and turns see them. All else about hooks is loaded when one looks at a step: a guest without hooks has this
 * file alone, and its turns do not run it.
 */
import type { TurnHooks } from '../../runtime/index.ts'
import {
  type Call,
  type Caller,
  type CallId,
  type CallOutcome,
  type HookSource,
  type HookStep,
  once,
  type RecordView,
} from '../../types/index.ts'
import type { Events } from '../events.ts'
import type { Refusal } from '../stages/refusals.ts'

export interface KernelHooks {
  /** Whether a hook looks at this call, before it or after it. */
  sees(caller: Caller, call: Call): boolean
  /** @returns how the call goes on, or why it is refused */
  before(passing: HookedPassing, call: Call, input: unknown): Promise<HookedCall | Refusal>
  /** @param actor whose turns they are */
  turns(actor: string): TurnHooks
  /** Shows a record to those who look at events; costs nothing without them. */
  publish(record: RecordView): void
}

/** What is loaded with the first step that a hook looks at. */
export interface LoadedHooks extends Pick<KernelHooks, 'before' | 'publish'> {
  turns(actor: string): Omit<TurnHooks, 'sees'>
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

/** What hooks see of a call: `null`, nothing. */
function stepsOf({ audience }: Caller, { name, forModel }: Call): readonly HookStep[] | null {
  if (name === 'turn.send') return messageSteps
  if (name === 'model.generate') return modelSteps
  // What a person does at a terminal is theirs, and what the runtime does for itself is no act of an agent.
  return audience === 'model' || forModel === true ? callSteps : null
}

const messageSteps: readonly HookStep[] = ['message.received', 'turn.ended']
const modelSteps: readonly HookStep[] = ['model.before', 'model.after']
const callSteps: readonly HookStep[] = ['call.before', 'call.after']

/** @param open loads the hooks, at the first step that one looks at */
export function lazyHooks(source: HookSource, { watchers }: Pick<Events, 'watchers'>, open: () => Promise<LoadedHooks>): KernelHooks {
  const hooks = once(open)
  const has = (step: HookStep): boolean => source.at(step).length > 0 || source.loading() !== null
  const port: KernelHooks = {
    sees: (caller, call) => stepsOf(caller, call)?.some(has) === true,
    before: async (...call) => (await hooks()).before(...call),
    publish: (record) => void (has('event.emitted') && hooks().then((opened) => opened.publish(record))),
    turns: (actor) => ({
      sees: has,
      decide: async (...turn) => (await hooks()).turns(actor).decide(...turn),
      compose: async (...turn) => (await hooks()).turns(actor).compose(...turn),
      evaluated: async (...turn) => (await hooks()).turns(actor).evaluated(...turn),
    }),
  }
  watchers.add(port.publish)
  return port
}
