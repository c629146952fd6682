/** Plugins as a source of calls, and what else they add to turns. Loaded where one is installed; their hosts start with the first need. */
import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { openBreakers } from '../engine/index.ts'
import type { KernelOptions } from '../kernel/index.ts'
import type { GuestEnvelope, HostPort, PluginHosts } from '../types/index.ts'
import { systemClock } from '../types/index.ts'
import { controlCalls, createPluginHosts, createPluginParts, createSpendCap, createTreeCheck, type PluginParts } from '../plugins/index.ts'
import type { HostWays } from './host-ways.ts'

/** To open a database, and to write its tables anew. */
const forgetMs = 120_000

export interface GuestPlugins extends PluginParts {
  /** Erases rows with one of these phrases from tables of plugins. @returns how many @throws OxbowError of the first plugin that failed, after all others */
  forget(phrases: readonly string[]): Promise<number>
}

type ProgramHost = Parameters<NonNullable<KernelOptions['servers']>>[0]

export async function openPlugins(
  { sandbox, proxy }: Pick<HostWays, 'sandbox'> & { readonly proxy: HostWays['proxy'] | undefined },
  { user, config, workspaceRoot, plugins = [] }: Pick<GuestEnvelope, 'user' | 'config' | 'workspaceRoot' | 'plugins'>,
  { secrets, schemas, messageOf, labelsOf, noteEvent, limit }: ProgramHost,
  runner: HostPort | undefined,
): Promise<GuestPlugins> {
  // Of the workspace, and not seen by agents: backups have it, and it goes with the workspace.
  const stateFolder = join(workspaceRoot, 'internal', 'plugins')
  const hosts = await createPluginHosts({
    plugins,
    sandbox,
    proxy,
    secrets,
    tree: createTreeCheck(),
    stateFolder,
    nowMs: systemClock.monotonicMs,
    onDisabled: (plugin) => noteEvent('plugin_disabled', { plugin }),
  })
  const parts = createPluginParts({
    hosts,
    user,
    limit,
    config: config.plugins,
    schemas,
    clock: systemClock,
    messageOf,
    labelsOf,
    flowsFreely: config.flow.both === 'allow',
    breakers: await openBreakers(systemClock),
  })
  const installed = runner === undefined ? undefined : () => runner.plugins()
  const { counts } = parts
  const calls = [...parts.calls, ...controlCalls({ hosts, installed, counts, capSpend: createSpendCap(limit) })]
  return { ...parts, calls, forget: (phrases) => forgetInPlugins(hosts, stateFolder, phrases) }
}

/** Only plugins that have a database learn the phrases. */
async function forgetInPlugins(hosts: PluginHosts, stateFolder: string, phrases: readonly string[]): Promise<number> {
  const having = hosts.plugins().filter(({ name }) => existsSync(join(stateFolder, name, 'database')))
  const request = { signal: new AbortController().signal, timeoutMs: forgetMs }
  const results = await Promise.allSettled(having.map(({ name }) => hosts.ask(name, 'forget', { phrases }, request)))
  for (const result of results) if (result.status === 'rejected') throw result.reason
  return results.reduce((sum, result) => sum + (result.status === 'fulfilled' ? result.value.rows : 0), 0)
}
