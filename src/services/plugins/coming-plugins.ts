/** What plugins add that comes and goes: their actions, their hooks around calls and turns, their providers and evaluators. */
import type { Coming, Core, KernelHooks } from '../../kernel/index.ts'
import type { Runs } from '../../runs/index.ts'
import type { Call, DescribedPlugin, HookSource } from '../../protocol/index.ts'
import { lazyHooks } from './hooks/lazy-hooks.ts'
import type { Source } from '../sources/service.ts'

export interface PluginSource extends Source {
  /** The same array until a plugin comes, goes or changes; absent: no plugins. */
  plugins?(): readonly DescribedPlugin[]
  /** Undefined until there are plugins. */
  readonly hooks?: HookSource | undefined
}

const none: readonly never[] = []

export function comingPlugins(core: Core, runs: () => Promise<Runs>, source: PluginSource, calls: () => readonly Call[]): Coming {
  let hooks: KernelHooks | undefined
  const pause = async (ms: number): Promise<void> => (await runs()).pause(ms)
  const load = async (from: HookSource): ReturnType<Parameters<typeof lazyHooks>[2]> =>
    (await import('./hooks/kernel-hooks.ts')).createKernelHooks({ ...core, source: from, settings: core.config.model })
  const openHooks = (from: HookSource): KernelHooks => lazyHooks(from, core.events, () => load(from))
  return {
    calls,
    loading: () => source.hooks?.loading() ?? null,
    hooks: () => (source.hooks === undefined ? undefined : (hooks ??= openHooks(source.hooks))),
    around() {
      const plugins = source.plugins?.() ?? none
      if (plugins.length === 0) return null
      return {
        provide: async (process, turn) => (await import('./turn-plugins.ts')).provide(process, { ...turn, plugins }),
        evaluate: async (process, turn, result) =>
          (await import('./turn-plugins.ts')).evaluate(process, { ...turn, plugins }, result, pause),
      }
    },
  }
}
