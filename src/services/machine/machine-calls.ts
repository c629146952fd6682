/**
 * The calls by which pages reach what is on the host. The runner has the files and judges each question; the kernel carries them, so that each
 * is authorized and journaled as any call. No model may make these calls: they install programs of others.
 */
import { z } from 'zod'
import { OxbowError } from '../../base/index.ts'
import {
  type Call,
  defineCall,
  hostUser,
  installedPlugin,
  logPage,
  logWish,
  pluginChanges,
  spaceView,
  stagedPluginView,
} from '../../protocol/index.ts'
import { type HostPort, maxManifest, maxSource } from '../../config/index.ts'
import type { Core } from '../../kernel/index.ts'
import { fetchMs, type Port, reads, writes } from './host-call.ts'
import { packageCalls } from './package-calls.ts'

export function machineCalls({ host }: Pick<Core, 'host'>): readonly Call[] {
  const port = (): HostPort => {
    if (host !== undefined) return host
    throw new OxbowError('denied', 'This guest has no runner that knows its host.', { hint: 'Start it with oxbow start.' })
  }
  const packages = packageCalls(port)
  return [
    installedCall(port),
    lookCall(port),
    installCall(port),
    changeCall(port),
    ...packages,
    usersCall(port),
    spacesCall(port),
    logCall(port),
    stopCall(port),
  ]
}

function installedCall(port: Port): Call {
  return defineCall({
    ...reads,
    name: 'plugin.installed',
    summary: 'Lists the plugins that are installed on the host, who approved each, and its rights.',
    input: z.strictObject({}),
    output: z.strictObject({ plugins: z.array(installedPlugin).readonly() }),
    example: {},
    recordOutput: ({ plugins }) => ({ plugins: plugins.length }),
    run: async () => ({ output: { plugins: await port().installedPlugins() } }),
  })
}

const source = z
  .string()
  .min(1)
  .max(maxSource)
  .describe('A folder or a tarball on the host, as an absolute path, or `npm:NAME@VERSION`.')
  .refine((text) => text.startsWith('/') || text.startsWith('npm:'), 'must be an absolute path, or npm:NAME@VERSION')

const manifest = z.string().max(maxManifest).optional().describe('A manifest for a package that has none, as JSON.')

function lookCall(port: Port): Call {
  return defineCall({
    ...reads,
    // It fetches, and reads where agents do not.
    right: 'config.write',
    name: 'plugin.look',
    summary: 'Shows what a plugin is and may do before it is installed. Nothing of it runs.',
    input: z.strictObject({ source, manifest }),
    output: stagedPluginView,
    example: { source: '/home/ada/weather' },
    timeoutMs: fetchMs,
    recordOutput: ({ plugin, version, hash }) => ({ plugin, version, hash }),
    run: async ({ source: from, manifest: given }) => ({ output: await port().lookAtPlugin(from, given) }),
  })
}

function installCall(port: Port): Call {
  return defineCall({
    ...writes,
    name: 'plugin.install',
    summary: 'Installs a plugin on the host, exactly as `plugin.look` has shown it. `plugin.sync` makes this guest load it.',
    input: z.strictObject({
      source,
      hash: z
        .string()
        .regex(/^[0-9a-f]{16,128}$/)
        .describe('Hash of the files that were shown.'),
      manifest,
    }),
    output: stagedPluginView,
    example: { source: '/home/ada/weather', hash: '0'.repeat(64) },
    timeoutMs: fetchMs,
    recordOutput: ({ plugin, version, hash, may }) => ({ plugin, version, hash, may: [...may] }),
    run: async ({ source: from, hash, manifest: given }) => ({ output: await port().installPlugin(from, hash, given) }),
  })
}

function changeCall(port: Port): Call {
  return defineCall({
    ...writes,
    name: 'plugin.change',
    summary: 'Enables, disables or removes an installed plugin, lets the agent use it, or takes back the installation before.',
    input: z.strictObject({
      plugin: z.string().max(100),
      change: z
        .enum(pluginChanges)
        .describe(
          '`grant` adds its right to the rights of the agent; `revert` makes the version before the last installation the installed one.',
        ),
    }),
    output: z.strictObject({ plugin: z.string() }),
    example: { plugin: 'weather', change: 'disable' },
    async run({ plugin, change }) {
      await port().changePlugin(plugin, change)
      return { output: { plugin } }
    },
  })
}

function usersCall(port: Port): Call {
  return defineCall({
    ...reads,
    name: 'machine.users',
    summary: 'Lists the users of this home, and whether their guests run.',
    input: z.strictObject({}),
    output: z.strictObject({ users: z.array(hostUser).readonly() }),
    example: {},
    recordOutput: ({ users }) => ({ users: users.length }),
    run: async () => ({ output: { users: await port().users() } }),
  })
}

function spacesCall(port: Port): Call {
  return defineCall({
    ...reads,
    name: 'machine.spaces',
    summary: 'Lists the spaces of the person: names, sizes and what they share. Nothing of what is in them.',
    input: z.strictObject({}),
    output: z.strictObject({ spaces: z.array(spaceView).readonly() }),
    example: {},
    recordOutput: ({ spaces }) => ({ spaces: spaces.length }),
    run: async () => ({ output: { spaces: await port().spaces() } }),
  })
}

function logCall(port: Port): Call {
  return defineCall({
    ...reads,
    name: 'machine.log',
    summary: 'Shows the newest lines of the logs of this user: of the guest, its sandbox, plugins, and what keeps them.',
    input: logWish,
    output: logPage,
    example: { lines: 100, role: ['guest'], level: 'warn', since: 0, turn: '' },
    recordOutput: ({ lines }) => ({ lines: lines.length }),
    run: async (wish) => ({ output: await port().logPage(wish) }),
  })
}

function stopCall(port: Port): Call {
  return defineCall({
    ...writes,
    name: 'guest.stop',
    summary: 'Stops this guest with the service that holds it. Open turns continue at the next start.',
    input: z.strictObject({}),
    output: z.strictObject({ stopping: z.boolean() }),
    example: {},
    // Repeating it after a crash would stop a guest that has just started.
    effect: 'once',
    async run() {
      await port().stop()
      return { output: { stopping: true } }
    },
  })
}
