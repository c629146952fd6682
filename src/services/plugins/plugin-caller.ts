/**
 * Who a plugin is when it makes a call: an actor of its own, in the session, turn and branch of the call that it works for, with the rights
 * that its manifest and that call's caller both have. Flow and approvals judge it as they judge a model.
 */
import { type ActsAs, allows, type Entries, modelRight, passedOn, processRight, secretRight } from '../../kernel/index.ts'
import { type Failure, isObject } from '../../base/index.ts'
import { type Call, type Caller, type Effect, grantOf } from '../../protocol/index.ts'

const ranks: Readonly<Record<Effect, number>> = { none: 0, idempotent: 0, once: 1 }

/** @param never see `passedOn` @returns whom the gate judges, or why the call is refused before */
export function pluginCaller({ plugin, approved, caller, within, call, input }: ActsAs, never: Entries): Caller | Failure {
  const { limits: own, ...base } = caller
  const limited = new Set(own?.only.keys())
  const entries = [...[...caller.rights, secretRight, modelRight].filter((right) => !limited.has(right)), ...(own?.entries ?? [])]
  const { rights, limits } = grantOf(passedOn(entries, approved, never))
  const made: Caller = { ...base, actor: `plugin:${plugin}`, rights, audience: 'model', ...(limits !== undefined && { limits }) }
  if (call === undefined) return made
  if (ranks[call.effect] > ranks[within.effect]) return unrepeatable(plugin, within, call)
  // The right `model.use` says which models it may ask, outside of the conversation.
  if (call.billed === true && !mayAsk(made, input)) return noModel(plugin, call, input)
  return call.forPlugins === true ? { ...made, rights: new Set([...rights, processRight]), audience: 'runtime' } : made
}

/** What may run again after a restart must not contain what may not. */
function unrepeatable(plugin: string, within: Pick<Call, 'name'>, call: Call): Failure {
  return {
    code: 'denied',
    message: `${call.name} must not be repeated, and ${within.name}, for which the plugin ${plugin} makes it, may be.`,
    hint: 'An action with effect "once" can make this call.',
  }
}

function mayAsk({ rights, limits }: Caller, input: unknown): boolean {
  return rights.has(modelRight) && allows(limits, modelRight, modelIn(input))
}

const modelIn = (input: unknown): string => (isObject(input) && typeof input['model'] === 'string' ? input['model'] : '')

function noModel(plugin: string, { name }: Call, input: unknown): Failure {
  const model = modelIn(input)
  return {
    code: 'denied',
    message: `${name} of the plugin ${plugin} needs the right ${modelRight} for ${model === '' ? 'the usual model' : model}.`,
    hint: `Name ${model === '' ? 'a model' : 'it'} under rights.models of its manifest; a person approves that.`,
  }
}
