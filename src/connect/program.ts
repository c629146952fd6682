/** Programs of others, of whichever protocol: how one is started in its sandbox with its own secrets and hosts, and what it is. */
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import type { EgressPass, EgressProxy } from '../sandbox/index.ts'
import { canonicalJson, OxbowError } from '../base/index.ts'
import type { Sandbox, ServerProcess, ServerProgram } from '../protocol/index.ts'
import type { HashText } from './mcp/definitions.ts'

export interface ProgramDeps {
  /** Of the workspace, or of a branch of files. */
  readonly sandbox: Pick<Sandbox, 'serve'>
  readonly secrets: { get(name: string): string | undefined }
  /** Issues passes; absent: programs have no network. */
  readonly proxy?: Pick<EgressProxy, 'issue'> | undefined
}

export interface StartedBy extends Omit<ServerProgram, 'pass'> {
  /** Hosts that it may reach; none: it has no network. */
  readonly allow: readonly string[]
}

/** @param owner whose program it is, for people @throws OxbowError `bad_config`, `sandbox_missing`, `sandbox_failed` */
export async function startProgram(owner: string, { allow, env, ...program }: StartedBy, deps: ProgramDeps): Promise<ServerProcess> {
  const { serve } = deps.sandbox
  if (serve === undefined) throw noSandbox(owner)
  const variables = filledValues(owner, env, deps.secrets)
  const pass = allow.length === 0 ? null : await passFor(owner, allow, deps.proxy)
  try {
    const process = await serve({ ...program, env: variables, pass: pass?.token ?? null })
    void process.exited.then(() => pass?.end())
    return process
  } catch (error) {
    await pass?.end()
    throw error
  }
}

/** @returns the lock file of the packages in a program folder; empty without one */
export async function readLock(folder: string, { lockOf }: Pick<Sandbox, 'lockOf'>): Promise<string> {
  if (lockOf !== undefined && folder !== '') return lockOf(folder)
  return folder === '' ? '' : readFile(join(folder, 'package-lock.json'), 'utf8').catch(() => '')
}

interface Identified {
  readonly command: string
  readonly args: readonly string[]
  readonly folder: string
  readonly lock: string
}

/** @returns which program it is, and from which packages */
export function programIdentity({ command, args, folder, lock }: Identified, hash: HashText): string {
  return `program ${canonicalJson({ command, args, folder, packages: lock === '' ? '' : hash(lock) })}`
}

export function filledValues(
  owner: string,
  values: Readonly<Record<string, string>>,
  secrets: ProgramDeps['secrets'],
): Readonly<Record<string, string>> {
  return Object.fromEntries(Object.entries(values).map(([key, value]) => [key, filled(owner, value, secrets)]))
}

/** @param owner whose setting it is @returns the text with the values of secrets for `$NAME` @throws OxbowError `bad_config` */
export function filled(owner: string, value: string, secrets: ProgramDeps['secrets']): string {
  return value.replaceAll(/\$(\w+)/g, (_, name: string) => {
    const found = secrets.get(name)
    if (found !== undefined) return found
    throw new OxbowError('bad_config', `${owner} needs ${name}, which is not set.`, {
      hint: `Set it with \`oxbow secret set ${name}\` or as an environment variable, and restart the guest.`,
    })
  })
}

async function passFor(owner: string, allow: readonly string[], proxy: ProgramDeps['proxy']): Promise<EgressPass> {
  if (proxy !== undefined) return proxy.issue('online', allow)
  throw new OxbowError('sandbox_missing', `${owner} needs the network, which this sandbox does not have.`, {
    hint: 'Remove `allow` from its settings, or use another tier; `oxbow status` shows what this one has.',
  })
}

function noSandbox(owner: string): OxbowError {
  return new OxbowError('sandbox_missing', `${owner} is a program, and this sandbox cannot run programs of others.`, {
    hint: 'On Linux sandbox.tier = "process", "container" and "micro_vm" (QEMU) can. Servers with a url work in every tier.',
  })
}
