/** What pages ask about programs of MCP servers on the host: what other programs have, and packages of npm. */
import { homedir } from 'node:os'
import { isObject, type Json } from '../../base/index.ts'
import type { FoundServer, ServerPackages, InstalledServer } from '../../protocol/index.ts'
import type { Home, HostEnv } from '../home.ts'
import { findServers, type ServerInFile } from './found-servers.ts'
import { assertSeen, removeServerProgram, withServerProgram } from './server-programs.ts'

export interface ServerQuestions {
  resolve(server: string, spec: string): Promise<ServerPackages>
  install(server: string, spec: string, seen: string, bin: string | undefined): Promise<InstalledServer>
  uninstall(server: string): Promise<null>
  found(): Promise<readonly FoundServer[]>
}

export function createServerQuestions(host: { readonly home: Home; readonly env: HostEnv }): ServerQuestions {
  return {
    resolve: (server, spec) => withServerProgram(host, server, spec, async ({ digest, packages }) => ({ digest, packages })),
    install: (server, spec, seen, bin) =>
      withServerProgram(host, server, spec, async (program) => {
        assertSeen(program.digest, seen)
        return program.install(bin)
      }),
    async uninstall(server) {
      await removeServerProgram(host.home, server)
      return null
    },
    found: async () => (await findServers([host.env['HOME'] ?? homedir()], host.env)).map(withoutValues),
  }
}

/** No page receives the value of a secret, and such files are full of them. */
function withoutValues({ server, file, settings: { command, args, url, env, headers } }: ServerInFile): FoundServer {
  const text = (value: Json | undefined): string => (typeof value === 'string' ? value : '')
  const named = (values: Json | undefined): Record<string, string> =>
    Object.fromEntries(
      Object.entries(isObject(values) ? values : {}).map(([name, value]) => [name, /^\$\w+$/.test(text(value)) ? text(value) : '']),
    )
  return {
    server,
    file,
    command: text(command),
    args: Array.isArray(args) ? args.map(text) : [],
    url: text(url),
    env: named(env),
    headers: named(headers),
  }
}
