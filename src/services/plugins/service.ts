import type { Core, Service } from '../../kernel/index.ts'
import { once } from '../../base/index.ts'
import { syncPluginsCall, type DescribedPlugin, type RecordView } from '../../protocol/index.ts'
import { type Runs, runs } from '../../runs/index.ts'
import { type Agents, agents } from '../agents/service.ts'
import type { PluginSource } from './coming-plugins.ts'
import { maxPluginEvents, pluginDeskMs } from './limits.ts'
import { type OpenSource, sourceService } from '../sources/service.ts'

const none: readonly DescribedPlugin[] = []

interface Needs {
  readonly agents: typeof agents
  readonly runs: typeof runs
  readonly [name: string]: Service
}

/**
 * Plugins: their actions, and what they add around calls and turns. Their tasks and events wait for no call.
 * @param hasAny some were installed when the guest started; the first may come later
 */
export function pluginService(open: OpenSource<PluginSource>, hasAny: boolean): Service<PluginSource, Needs> {
  return {
    ...sourceService('plugins', open),
    needs: { agents, runs },
    async calls(_core, self) {
      const [{ calls }, { hookAskCall }] = await Promise.all([self(), import('./hooks/hook-approval.ts')])
      return [...calls, hookAskCall()]
    },
    async coming(core, self, ports) {
      const source = await self()
      // Without any there never will be.
      return source.tools === undefined
        ? undefined
        : (await import('./coming-plugins.ts')).comingPlugins(core, ports.runs, source, source.tools)
    },
    judges: {
      decides: ['actAs'],
      load: async ({ neverPassedOn }) => ({
        actAs: async (asks) => (await import('./plugin-caller.ts')).pluginCaller(asks, neverPassedOn),
      }),
    },
    begin: (core, self, ports) => startDesk(hasAny, core, self, ports),
  }
}

/** @returns a function that stops it */
function startDesk(
  hasAny: boolean,
  core: Core,
  self: () => Promise<PluginSource>,
  ports: { readonly agents: () => Promise<Agents>; readonly runs: () => Promise<Runs> },
): () => Promise<void> {
  const { watchers } = core.events
  const stopping = new AbortController()
  /** What happens before plugins are looked after. */
  const kept: RecordView[] = []
  const keep = (record: RecordView): void => void (kept.length < maxPluginEvents && kept.push(record))
  const early = (): readonly RecordView[] => {
    watchers.delete(keep)
    return kept.splice(0)
  }
  const desk = once(async () => {
    const [{ createPluginDesk }, source, held] = await Promise.all([import('./plugin-desk.ts'), self(), ports.runs()])
    const plugins = (): readonly DescribedPlugin[] => source.plugins?.() ?? none
    const definedAgents = (): ReturnType<Agents['workers']> => ports.agents().then(({ workers }) => workers())
    const opened = createPluginDesk({ ...core, runs: held, early, plugins, definedAgents: async () => definedAgents().catch(() => []) })
    await opened.refresh()
    return opened
  })
  const open = (): void => void core.resumed.then(desk).catch((error: unknown) => console.error(error))
  if (hasAny) {
    watchers.add(keep)
    void ports
      .runs()
      .then(({ pause }) => pause(pluginDeskMs, stopping.signal))
      .then(open, () => {})
    // The first plugin may come while the guest runs.
  } else watchers.add(({ name, phase }) => void (name === syncPluginsCall && phase === 'outcome' && open()))
  return async () => {
    stopping.abort()
    ;(await desk.made()?.catch(() => null))?.stop()
  }
}
