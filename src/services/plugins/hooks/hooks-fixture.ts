/** Hooks as functions of this process, behind the port by which plugins have theirs. */
import type { Json } from '../../../base/index.ts'
import type { HookSource, HookStep, HookValues, PluginHookResult } from '../../../protocol/index.ts'

export interface TestHook<Step extends HookStep = HookStep> {
  readonly step: Step
  readonly plugin?: string
  readonly fail?: 'open' | 'closed'
  readonly run: (value: HookValues[Step], signal: AbortSignal) => unknown
}

/** Keeps the type of the value of its step. */
export function on<Step extends HookStep>(
  step: Step,
  run: TestHook<Step>['run'],
  options: Pick<TestHook, 'plugin' | 'fail'> = {},
): TestHook {
  return { step, run, ...options } as unknown as TestHook
}

export const pass: PluginHookResult = { verdict: 'pass', value: null, reason: '' }
export const change = (value: Json): PluginHookResult => ({ verdict: 'change', value, reason: '' })
export const refuse = (reason: string): PluginHookResult => ({ verdict: 'refuse', value: null, reason })
export const approve = (reason: string, value: Json = null): PluginHookResult => ({ verdict: 'approve', value, reason })

export function hookSource(...hooks: readonly TestHook[]): HookSource {
  const nameOf = ({ plugin = 'guard' }: TestHook): string => plugin
  return {
    at: (step) => hooks.filter((hook) => hook.step === step).map((hook) => ({ plugin: nameOf(hook), fail: hook.fail ?? 'open' })),
    loading: () => null,
    ready: () => null,
    kept: async () => [],
    run: async (plugin, step, value, _labels, signal) => {
      const hook = hooks.find((each) => each.step === step && nameOf(each) === plugin)
      return (await hook!.run(structuredClone(value) as never, signal)) as PluginHookResult
    },
  }
}
