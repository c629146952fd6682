/**
 * The hooks of plugins as the core sees them. All else about hooks is loaded when one looks at a step: a guest without hooks has only this file,
 * and its turns do not run it.
 */
import type { Events, KernelHooks } from '../../../kernel/index.ts'
import type { TurnHooks } from '../../../runtime/index.ts'
import { once } from '../../../base/index.ts'
import { isGeneration, type Call, type Caller, type HookSource, type HookStep, type RecordView, turnCall } from '../../../protocol/index.ts'

/** What is loaded with the first step that a hook looks at. */
export interface LoadedHooks extends Pick<KernelHooks, 'before'> {
  /** Shows a record to those who look at events. */
  publish(record: RecordView): void
  turns(actor: string): Omit<TurnHooks, 'sees'>
}

/** What hooks see of a call: `null`, nothing. */
function stepsOf({ audience }: Caller, { name, forModel }: Call): readonly HookStep[] | null {
  if (name === turnCall) return messageSteps
  if (isGeneration({ name })) return modelSteps
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
  const publish = (record: RecordView): void => void (has('event.emitted') && hooks().then((opened) => opened.publish(record)))
  watchers.add(publish)
  return {
    sees: (caller, call) => stepsOf(caller, call)?.some(has) === true,
    before: async (...call) => (await hooks()).before(...call),
    turns: (actor) => ({
      sees: has,
      decide: async (...turn) => (await hooks()).turns(actor).decide(...turn),
      compose: async (...turn) => (await hooks()).turns(actor).compose(...turn),
      evaluated: async (...turn) => (await hooks()).turns(actor).evaluated(...turn),
    }),
  }
}
