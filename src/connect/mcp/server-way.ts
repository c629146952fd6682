/** How a server is reached: a program in its sandbox with its own secrets and hosts, or an address behind the egress policy. */
import { createHash } from 'node:crypto'
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import type { EgressFetch, EgressPass, EgressProxy } from '../../sandbox/index.ts'
import { OxbowError, type Sandbox } from '../../types/index.ts'
import { canonical, type HashText } from './definitions.ts'
import type { RegisteredClient, ServerSecrets } from './login.ts'
import type { ServerWay } from './mcp-client.ts'
import type { NamedServer } from './settings.ts'

export interface WayDeps {
  readonly sandbox: Pick<Sandbox, 'serve' | 'status'>
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
    Object.fromEntries(Object.entries(values).map(([key, value]) => [key, filled(`The server ${name}`, value, deps.secrets)]))
  if (url !== '') return { kind: 'http', url, headers: fill(headers), fetch: await deps.openFetch(new URL(url).host, allow) }
  const { serve } = deps.sandbox
  if (serve === undefined) throw noSandbox(name)
  const variables = fill(env)
  const seen = folders.map((folder) => ({ path: folder.replace(/:rw$/, ''), writable: folder.endsWith(':rw') }))
  const pass = allow.length === 0 ? null : await passFor(name, allow, deps.proxy)
  try {
    const process = await serve({ command, args, env: variables, programFolder, folders: seen, pass: pass?.token ?? null })
    void process.exited.then(() => pass?.end())
    return { kind: 'stdio', process }
  } catch (error) {
    await pass?.end()
    throw error
  }
}

/** @returns null where Oxbow registers itself */
export function registeredClient({ name, settings }: NamedServer, { secrets }: Pick<WayDeps, 'secrets'>): RegisteredClient | null {
  const { client_id: id, client_secret: secret } = settings
  return id === '' ? null : { id, secret: () => filled(`The server ${name}`, secret, secrets) }
}

/** What is approved with the tools of a server: which program, from which packages, or which address. */
export async function identityOf({ name, settings }: NamedServer, hash: HashText): Promise<string> {
  const { command, args, program_folder: folder, url, lock: pinned } = settings
  if (url !== '') return `address ${url}`
  const lock = folder === '' ? '' : await readFile(join(folder, 'package-lock.json'), 'utf8').catch(() => '')
  if (pinned !== '' && createHash('sha256').update(lock).digest('hex') !== pinned)
    throw new OxbowError('denied', `The packages of ${name} are not those that were installed: its lock file has changed.`, {
      hint: 'Install it again: oxbow servers install NAME PACKAGE@VERSION.',
    })
  return `program ${canonical({ command, args, folder, packages: lock === '' ? '' : hash(lock) })}`
}

/** @param owner whose setting it is @returns the text with the values of secrets for `$NAME` @throws OxbowError `bad_config` */
export function filled(owner: string, value: string, secrets: Pick<ServerSecrets, 'get'>): string {
  return value.replaceAll(/\$(\w+)/g, (_, name: string) => {
    const found = secrets.get(name)
    if (found !== undefined) return found
    throw new OxbowError('bad_config', `${owner} needs ${name}, which is not set.`, {
      hint: `Set it with \`oxbow secret set ${name}\` or as an environment variable, and restart the guest.`,
    })
  })
}

async function passFor(name: string, allow: readonly string[], proxy: WayDeps['proxy']): Promise<EgressPass> {
  if (proxy !== undefined) return proxy.issue('online', allow)
  throw new OxbowError('sandbox_missing', `The server ${name} needs the network, which this sandbox does not have.`, {
    hint: 'Remove `allow` from its settings, or use another tier; oxbow status shows what this one has.',
  })
}

function noSandbox(name: string): OxbowError {
  return new OxbowError('sandbox_missing', `The server ${name} is a program, and this sandbox cannot run servers.`, {
    hint: 'sandbox.tier = "process" on Linux can. Servers with a url work in every tier.',
  })
}
