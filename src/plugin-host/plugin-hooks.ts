/** The hooks of the plugins of a host, by step: their own, and those by the names of other programs. Several at one step run in order. */
import { type JsonObject, errorMessage, ownValue } from '../base/index.ts'
import { type HookAlias, type HookStep, hookSteps, type HookValues, type PluginHook, type PluginHookResult } from '../protocol/index.ts'
import { type AliasSteps, hookAliases } from './hook-aliases.ts'
import { verdictOf } from './hook-answer.ts'
import { maxHookFailureChars, maxHookFailures } from './limits.ts'
import type { HookPart, PluginObject, PluginRuntime } from './plugin-object.ts'

export interface PluginHooks {
  /** What they look at, each step once. */
  readonly declared: readonly PluginHook[]
  /** One that fails open is left out, and `failed` has its reason. @throws Error of the first that fails closed, or when all have failed */
  run(step: string, value: JsonObject, runtime: PluginRuntime): Promise<PluginHookResult>
}

interface Hook {
  readonly step: HookStep
  readonly fail: PluginHook['fail']
  readonly run: (value: JsonObject, runtime: PluginRuntime) => Promise<PluginHookResult>
}

/** @throws Error that names a step which does not exist */
export function hooksOf(plugins: readonly PluginObject[]): PluginHooks {
  const hooks = plugins.flatMap(({ name, hooks: parts = [] }) => parts.flatMap((part) => hooksOfPart(name, part)))
  const steps = hookSteps.filter((step) => hooks.some((hook) => hook.step === step))
  return {
    // One that must look at the step makes it so for all of the host.
    declared: steps.map((step) => ({ step, fail: hooks.some((hook) => hook.step === step && hook.fail === 'closed') ? 'closed' : 'open' })),
    async run(step, value, runtime) {
      let shown = value
      let changed: JsonObject = {}
      const reasons: string[] = []
      const errors: unknown[] = []
      const asked = hooks.filter((each) => each.step === step)
      for (const hook of asked) {
        const answer = await runUnlessOpen(hook, shown, runtime, errors)
        if (answer === null) continue
        if (answer.verdict === 'refuse') return { ...answer, ...failures(errors) }
        if (answer.verdict === 'approve') reasons.push(answer.reason)
        if (answer.verdict === 'pass' || answer.value === null) continue
        const change = answer.value as JsonObject
        changed = { ...changed, ...change }
        shown = { ...shown, ...change }
      }
      if (asked.length > 0 && errors.length === asked.length) throw errors[0]
      const hasChanged = Object.keys(changed).length > 0
      const verdict = reasons.length > 0 ? 'approve' : hasChanged ? 'change' : 'pass'
      const reason = reasons.filter((each) => each !== '').join('; ')
      return { verdict, value: hasChanged ? changed : null, reason, ...failures(errors) }
    },
  }
}

/** @param errors gets what a hook throws that fails open @returns null for that one: those behind it must look at the step all the same */
async function runUnlessOpen(hook: Hook, value: JsonObject, runtime: PluginRuntime, errors: unknown[]): Promise<PluginHookResult | null> {
  try {
    return await hook.run(value, runtime)
  } catch (error) {
    if (hook.fail === 'closed') throw error
    errors.push(error)
    return null
  }
}

function failures(errors: readonly unknown[]): Pick<PluginHookResult, 'failed'> {
  if (errors.length === 0) return {}
  const texts = errors.slice(0, maxHookFailures).map((error) => errorMessage(error))
  return { failed: texts.map((text) => text.slice(0, maxHookFailureChars).toWellFormed()) }
}

/** @param part checked only to have a name and a function */
function hooksOfPart(plugin: string, part: HookPart): readonly Hook[] {
  const { step, fail = 'open' } = part
  const run = (first: unknown, second: unknown): unknown => part.run(first as never, second as never)
  const own = hookSteps.find((each) => each === step)
  if (own !== undefined) return [{ step: own, fail, run: async (value, runtime) => verdictOf(await run(runtime, value)) }]
  const alias = ownValue(hookAliases, step as HookAlias)
  if (alias === undefined)
    throw new Error(`${plugin} has a hook at ${step}, which is no step: ${[...hookSteps, ...Object.keys(hookAliases)].join(', ')}.`)
  const steps: AliasSteps = alias(run)
  return hookSteps.flatMap((each) => {
    const handle = steps[each] as ((value: HookValues[HookStep], runtime: PluginRuntime) => Promise<PluginHookResult>) | undefined
    return handle === undefined
      ? []
      : [{ step: each, fail, run: async (value, runtime) => handle(value as unknown as HookValues[HookStep], runtime) }]
  })
}
