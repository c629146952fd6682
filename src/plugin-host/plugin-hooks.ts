/** The hooks of the plugins of a host, by step: their own, and those by the names of other programs. Several at one step run in order. */
import {
  type HookAlias,
  type HookStep,
  hookSteps,
  type HookValues,
  type JsonObject,
  ownValue,
  type PluginHook,
  type PluginHookResult,
} from '../types/index.ts'
import { type AliasSteps, hookAliases } from './hook-aliases.ts'
import { verdictOf } from './hook-answer.ts'
import type { HookPart, PluginObject, PluginRuntime } from './plugin-object.ts'

export interface PluginHooks {
  /** What they look at, each step once. */
  readonly declared: readonly PluginHook[]
  /** @throws Error of the first hook that fails */
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
      for (const hook of hooks.filter((each) => each.step === step)) {
        const answer = await hook.run(shown, runtime)
        if (answer.verdict === 'refuse') return answer
        if (answer.verdict === 'approve') reasons.push(answer.reason)
        if (answer.verdict === 'pass' || answer.value === null) continue
        const change = answer.value as JsonObject
        changed = { ...changed, ...change }
        shown = { ...shown, ...change }
      }
      const hasChanged = Object.keys(changed).length > 0
      const verdict = reasons.length > 0 ? 'approve' : hasChanged ? 'change' : 'pass'
      return { verdict, value: hasChanged ? changed : null, reason: reasons.filter((reason) => reason !== '').join('; ') }
    },
  }
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
