/** Plugins as a source of calls, and what else they add to turns. Loaded where one is installed; their hosts start with the first need. */
import { join } from 'node:path'
import { openBreakers } from '../engine/index.ts'
import type { KernelOptions } from '../kernel/index.ts'
import type { GuestEnvelope, HostPort } from '../types/index.ts'
import { systemClock } from '../types/index.ts'
import { controlCalls, createPluginHosts, createPluginParts, createSpendCap, createTreeCheck, type PluginParts } from '../plugins/index.ts'
import type { HostWays } from './host-ways.ts'

type ProgramHost = Parameters<NonNullable<KernelOptions['servers']>>[0]

export async function openPlugins(
  { sandbox, proxy }: Pick<HostWays, 'sandbox'> & { readonly proxy: HostWays['proxy'] | undefined },
  { user, config, workspaceRoot, plugins = [] }: Pick<GuestEnvelope, 'user' | 'config' | 'workspaceRoot' | 'plugins'>,
  { secrets, schemas, messageOf, labelsOf, noteEvent, limit }: ProgramHost,
  runner: HostPort | undefined,
): Promise<PluginParts> {
  const hosts = await createPluginHosts({
    plugins,
    sandbox,
    proxy,
    secrets,
    tree: createTreeCheck(),
    // Of the workspace, and not seen by agents: backups have it, and it goes with the workspace.
    stateFolder: join(workspaceRoot, 'internal', 'plugins'),
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
  return { ...parts, calls: [...parts.calls, ...controlCalls({ hosts, installed, counts, capSpend: createSpendCap(limit) })] }
}
