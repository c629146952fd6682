/** The calls by which pages make what the verbs of `plugin` and `servers` make on the host: manifests, new plugins, signatures, programs of npm. */
import { z } from 'zod'
import { maxSource, serverName as server } from '../../config/index.ts'
import { type Call, defineCall, foundServer, pluginProposal, serverPackages, installedServer } from '../../protocol/index.ts'
import { fetchMs, type Port, reads, writes } from './host-call.ts'

const path = z
  .string()
  .min(1)
  .max(maxSource)
  .refine((text) => text.startsWith('/'), 'must be an absolute path')
const spec = z.string().max(maxSource).describe('NAME@VERSION of npm, with an exact version.')

export function packageCalls(port: Port): readonly Call[] {
  return [...authorCalls(port), ...serverCalls(port)]
}

function authorCalls(port: Port): readonly Call[] {
  const propose = defineCall({
    ...reads,
    // It fetches, and reads where agents do not.
    right: 'config.write',
    name: 'plugin.propose',
    summary: 'Proposes a manifest for a package that has none, from what its files say. A person removes what it does not need.',
    input: z.strictObject({ source: z.string().min(1).max(maxSource) }),
    output: pluginProposal,
    example: { source: 'npm:@acme/plugin-weather@2.1.0' },
    timeoutMs: fetchMs,
    recordOutput: ({ files, bytes }) => ({ files, bytes }),
    run: async ({ source }) => ({ output: await port().proposePlugin(source) }),
  })
  const make = defineCall({
    ...writes,
    name: 'plugin.create',
    summary: 'Makes a folder with a plugin to begin with, on the host. Its name is the plugin’s.',
    input: z.strictObject({ folder: path }),
    output: z.strictObject({ plugin: z.string() }),
    example: { folder: '/home/ada/weather' },
    // A second time, the folder is there.
    effect: 'once',
    run: async ({ folder }) => ({ output: { plugin: await port().newPlugin(folder) } }),
  })
  const sign = defineCall({
    ...writes,
    name: 'plugin.sign',
    summary:
      'Signs the files of a plugin in a folder of the host with your Ed25519 key, a file in PEM, which is made if it does not exist.',
    input: z.strictObject({ folder: path, key: path }),
    output: z.strictObject({ fingerprint: z.string(), made_key: z.boolean() }),
    example: { folder: '/home/ada/weather', key: '/home/ada/plugin-key.pem' },
    run: async ({ folder, key }) => ({ output: await port().signPlugin(folder, key) }),
  })
  return [propose, make, sign]
}

function serverCalls(port: Port): readonly Call[] {
  const discover = defineCall({
    ...reads,
    // The files of other programs are the person's.
    right: 'config.write',
    name: 'server.discover',
    summary:
      'Lists the servers of tools that other programs of this machine have in files like .mcp.json, without values that may be secret.',
    input: z.strictObject({}),
    output: z.strictObject({ servers: z.array(foundServer).readonly() }),
    example: {},
    recordOutput: ({ servers }) => ({ servers: servers.length }),
    run: async () => ({ output: { servers: await port().foundServers() } }),
  })
  const resolve = defineCall({
    ...reads,
    right: 'config.write',
    name: 'server.packages',
    summary: 'Shows the packages of npm that would be installed for a server of tools. None is fetched.',
    input: z.strictObject({ server, package: spec }),
    output: serverPackages,
    example: { server: 'files', package: '@modelcontextprotocol/server-filesystem@2026.8.31' },
    timeoutMs: fetchMs,
    recordOutput: ({ packages, digest }) => ({ packages: packages.length, digest }),
    run: async ({ server: name, package: pack }) => ({ output: await port().resolveServer(name, pack) }),
  })
  const install = defineCall({
    ...writes,
    name: 'server.install',
    summary:
      'Installs a server of tools from npm, exactly the packages that were shown, without running their scripts. `server.add` adds it.',
    input: z.strictObject({
      server,
      package: spec,
      digest: z
        .string()
        .regex(/^[0-9a-f]{64}$/)
        .describe('Of the packages that were shown.'),
      bin: z.string().max(maxSource).optional().describe('Program of the package, if it has several.'),
    }),
    output: installedServer,
    example: { server: 'files', package: '@modelcontextprotocol/server-filesystem@2026.8.31', digest: '0'.repeat(64) },
    timeoutMs: fetchMs,
    run: async ({ server: name, package: pack, digest, bin }) => ({ output: await port().installServer(name, pack, digest, bin) }),
  })
  const uninstall = defineCall({
    ...writes,
    name: 'server.uninstall',
    summary: 'Removes what was installed from npm for a server of tools. `server.remove` removes the server.',
    input: z.strictObject({ server }),
    output: z.strictObject({ server: z.string() }),
    example: { server: 'files' },
    async run({ server: name }) {
      await port().uninstallServer(name)
      return { output: { server: name } }
    },
  })
  return [discover, resolve, install, uninstall]
}
