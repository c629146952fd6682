/** How a server is reached: a program in its sandbox with its own secrets and hosts, or an address behind the egress policy. */
import { createHash } from 'node:crypto'
import type { EgressFetch, EgressProxy } from '../../sandbox/index.ts'
import { OxbowError } from '../../base/index.ts'
import type { Sandbox } from '../../protocol/index.ts'
import { filled, filledValues, programIdentity, readLock, startProgram } from '../program.ts'
import type { HashText } from './definitions.ts'
import type { RegisteredClient, ServerSecrets } from './login.ts'
import type { ServerWay } from './mcp-client.ts'
import type { NamedServer } from './settings.ts'

export interface WayDeps {
  readonly sandbox: Pick<Sandbox, 'serve' | 'lockOf' | 'status'>
  readonly secrets: ServerSecrets
  /** Issues passes for programs; absent: they have no network. */
  readonly proxy?: Pick<EgressProxy, 'issue'> | undefined
  /** Requests to these hosts under the egress policy. @param allow those that may be private */
  readonly openFetch: (host: string, allow: readonly string[]) => Promise<EgressFetch>
}

/** @throws OxbowError `bad_config`, `sandbox_missing`, `sandbox_failed` */
export async function wayOf(server: NamedServer, deps: WayDeps): Promise<ServerWay> {
  const { name, settings } = server
  const { command, args, program_folder: programFolder, url, env, headers, folders, allow } = settings
  const fill = (values: Readonly<Record<string, string>>): Record<string, string> =>
    filledValues(`The server ${name}`, values, deps.secrets)
  if (url !== '') return { kind: 'http', url, headers: fill(headers), fetch: await deps.openFetch(new URL(url).host, allow) }
  const seen = folders.map((folder) => ({ path: folder.replace(/:rw$/, ''), writable: folder.endsWith(':rw') }))
  return {
    kind: 'stdio',
    process: await startProgram(`The server ${name}`, { command, args, env, programFolder, folders: seen, allow }, deps),
  }
}

/** @returns null where Oxbow registers itself */
export function registeredClient({ name, settings }: NamedServer, { secrets }: Pick<WayDeps, 'secrets'>): RegisteredClient | null {
  const { client_id: id, client_secret: secret } = settings
  return id === '' ? null : { id, secret: () => filled(`The server ${name}`, secret, secrets) }
}

/** What is approved with the tools of a server: which program, from which packages, or which address. */
export async function identityOf({ name, settings }: NamedServer, sandbox: WayDeps['sandbox'], hash: HashText): Promise<string> {
  const { command, args, program_folder: folder, url, lock: pinned } = settings
  if (url !== '') return `address ${url}`
  const lock = await readLock(folder, sandbox)
  if (pinned !== '' && createHash('sha256').update(lock).digest('hex') !== pinned)
    throw new OxbowError('denied', `The packages of ${name} are not those that were installed: its lock file has changed.`, {
      hint: 'Install it again: oxbow servers install NAME PACKAGE@VERSION.',
    })
  return programIdentity({ command, args, folder, lock }, hash)
}
