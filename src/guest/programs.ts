/** Programs of others as services of the guest; nothing is started. Each SDK is loaded with the first that is. */
import type { CallSource } from '../connect/index.ts'
import type { Service } from '../kernel/index.ts'
import type { Memory } from '../memory/index.ts'
import { pluginService, type ProgramHost, type Source, sourceService } from '../services/index.ts'
import { createHasher } from '../store/index.ts'
import { once, systemClock } from '../base/index.ts'
import type { Engine } from '../protocol/index.ts'
import type { GuestEnvelope, HostPort } from '../config/index.ts'
import { type HostWays, withScripts } from './host-ways.ts'
import type { GuestPluginData } from './guest-store.ts'
import type { GuestPlugins } from './plugin-source.ts'
import type { GuestFolders } from './shown-folders.ts'

/** Filled once they are opened. */
export interface HeldParts {
  plugins?: GuestPlugins
  memory?: Memory
}

interface ProgramParts {
  readonly engine: Pick<Engine, 'countTokens'>
  readonly host: HostPort | undefined
  readonly folders: GuestFolders
  readonly data: Pick<GuestPluginData, 'clear'>
  readonly held: HeldParts
  readonly onPlugins: (plugins: GuestPlugins) => void
}

export function programServices(ways: HostWays, envelope: GuestEnvelope, parts: ProgramParts): readonly Service[] {
  const hasPlugins = (envelope.plugins ?? []).length > 0
  return [
    sourceService('servers', (host) => openServers(ways, envelope, host)),
    sourceService('skills', (host) => openSkills(ways, envelope, host, parts)),
    pluginService((host) => openGuestPlugins(ways, envelope, host, parts), hasPlugins),
    ...appService(envelope, parts),
  ]
}

function appService({ app }: GuestEnvelope, { host }: ProgramParts): readonly Service[] {
  const ask = host?.app
  if (app === undefined || app.tools.length === 0 || ask === undefined) return []
  const open = async ({ schemas }: ProgramHost): Promise<Source> => {
    const { appCalls } = await import('./app-source.ts')
    return { ...nothing, calls: appCalls(app.tools, ask, schemas) }
  }
  return [sourceService('app', open)]
}

async function openServers(
  { sandbox, proxy, openFetch }: HostWays,
  { config, version }: GuestEnvelope,
  host: ProgramHost,
): Promise<CallSource> {
  const { createCoders, createRemotes, createServers, joinSources } = await import('../connect/index.ts')
  const shared = { ...host, openFetch, hash: once(createHasher), nowMs: systemClock.monotonicMs }
  const sources = [
    createServers({ ...shared, config: config.mcp, sandbox, proxy, version }),
    createRemotes({ ...shared, config: config.a2a }),
    createCoders({ ...shared, config: config.acp, sandbox, proxy, version }),
  ]
  return joinSources(await Promise.all(sources))
}

async function openSkills(
  { sandbox, skills }: HostWays,
  envelope: GuestEnvelope,
  { documents }: ProgramHost,
  { engine, host, folders }: ProgramParts,
): Promise<Source> {
  const { createSkills } = await import('../skills/index.ts')
  const { calls, section, health } = createSkills({
    documents,
    host,
    sandbox,
    mounts: folders.names,
    agent: envelope.config.agent.name,
    countTokens: engine.countTokens,
    show: async (...skill) => skills?.show(...skill) ?? '',
    nowMs: systemClock.monotonicMs,
  })
  return { ...nothing, calls: withScripts(calls, sandbox.status, sandbox.serve !== undefined), section, health }
}

async function openGuestPlugins(
  { sandbox, proxy, pluginFiles }: HostWays,
  envelope: GuestEnvelope,
  host: ProgramHost,
  { host: runner, data, held, onPlugins }: ProgramParts,
): Promise<Source | GuestPlugins> {
  const { openPlugins } = await import('./plugin-source.ts')
  const untag = async (tag: string): Promise<number> => (await (await held.memory?.notes())?.untag(tag)) ?? 0
  const plugins = await openPlugins({ sandbox, proxy, pluginFiles }, envelope, { ...host, untag, clear: data.clear }, runner)
  if (plugins !== null) onPlugins(plugins)
  return plugins ?? nothing
}

const nothing: Source = { calls: [], close: async () => {} }
