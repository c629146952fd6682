/**
 * Rights: what a caller may do. A list of rights has entries of these forms, and what is not granted is denied:
 *
 * - `file.read`: the right that a call needs; `*`: every right.
 * - `file.write:/shared/reports`: the right, limited to this folder or file; `web.read:*.example.com`: to these hosts.
 * - `!shell.run`, `!file.read:/shared/private`: denied, whatever else grants it.
 * - `worker`: the rights of a role.
 */
import { OxbowError } from '../base/index.ts'
import { turnRight } from './turn/turn-record.ts'

/** What the plain names of rights do not say. Absent from a caller whose rights have no limits. */
export interface RightLimits {
  /** The entries with a resource or a denial, as written: who passes rights on passes these on, too. */
  readonly entries: readonly string[]
  readonly denied: ReadonlySet<string>
  /** By right: the resources that it is limited to, and those that are denied. */
  readonly only: ReadonlyMap<string, readonly string[]>
  readonly except: ReadonlyMap<string, readonly string[]>
}

/** Rights, and the resources to which some of them are limited. */
export interface Grant {
  readonly rights: ReadonlySet<string>
  readonly limits?: RightLimits
}

/** Of whoever works on files, and of whoever only reads. */
const reading = ['file.read', 'media.send', 'memory.read', 'scratchpad.use', 'skill.use', 'system.read']
const worker = [...reading, 'attachment.save', 'exec.run', 'file.write', 'shell.run'].sort()
const analyst = [...reading, 'state.read', 'web.read'].sort()
const operator = [
  ...new Set([...worker, ...analyst, 'agent.spawn', 'agent.use', 'events.read', 'memory.write', 'schedule.read', 'state.write']),
]
const supervisor = [...operator, 'audit.read', 'browser.use', 'events.publish', 'schedule.write', 'shell.network']
const user = [
  ...operator,
  'audit.write',
  'call.decide',
  'media.read',
  'schedule.write',
  'session.read',
  'session.write',
  'text.embed',
  turnRight,
  'vault.copy',
  'vault.list',
  'version.read',
]
const superuser = [...new Set([...user, ...supervisor, 'access.read', 'version.write'])]

/** Roles by name: `user`, `superuser` and `admin` for people and their keys, the others for agents. */
export const roles: Readonly<Record<string, readonly string[]>> = { worker, analyst, operator, supervisor, user, superuser, admin: ['*'] }

/** @returns the list with roles replaced by their rights, and without rights that it denies */
export function expandRights(list: string | readonly string[]): string[] {
  const entries = (typeof list === 'string' ? [list] : list).flatMap((entry) =>
    Object.hasOwn(roles, entry) ? (roles[entry] ?? []) : [entry],
  )
  const denied = new Set(entries.filter((entry) => entry.startsWith('!')).map((entry) => entry.slice(1)))
  return [...new Set(entries)].filter((entry) => !denied.has(entry))
}

const entryForm = /^(?<not>!)?(?<right>\*|[a-z][a-z0-9_]*\.[a-z0-9_-]+)(?::(?<resource>\S{1,500}))?$/

/** @throws OxbowError `bad_input` that names an invalid entry */
export function grantOf(list: string | readonly string[]): Grant {
  const entries = expandRights(list)
  const rights = new Set<string>()
  const denied = new Set<string>()
  const only = new Map<string, readonly string[]>()
  const except = new Map<string, readonly string[]>()
  for (const entry of entries) {
    const { not, right = '', resource } = entryForm.exec(entry)?.groups ?? {}
    if (right === '' || (right === '*' && (not !== undefined || resource !== undefined)))
      throw new OxbowError('bad_input', `${JSON.stringify(entry)} is not a right, nor a role.`, {
        hint: `Rights look like file.read or file.write:/shared/reports; roles are ${Object.keys(roles).join(', ')}.`,
      })
    if (resource === undefined) (not === undefined ? rights : denied).add(right)
    else if (not === undefined) only.set(right, [...(only.get(right) ?? []), resource])
    else except.set(right, [...(except.get(right) ?? []), resource])
  }
  for (const right of only.keys()) if (!denied.has(right)) rights.add(right)
  for (const right of denied) rights.delete(right)
  const limiting = entries.filter((entry) => entry.startsWith('!') || entry.includes(':'))
  return limiting.length === 0 ? { rights } : { rights, limits: { entries: limiting, denied, only, except } }
}

/** @returns why the list cannot be an agent's rights; empty when it can */
export function wrongAgentRights(list: string | readonly string[]): string {
  if (!expandRights(list).includes('*')) return wrongRights(list)
  const forAgents = Object.keys(roles).filter((role) => role !== 'admin')
  return `"*", which is the role admin, is not for agents. Name rights, or roles: ${forAgents.join(', ')}.`
}

/** @returns why the list is no list of rights; empty when it is one */
export function wrongRights(list: string | readonly string[]): string {
  try {
    grantOf(list)
    return ''
  } catch (error) {
    return error instanceof OxbowError ? `${error.message} ${error.hint}` : String(error)
  }
}

/** Rights of calls that reach hosts which they name, and send text there, by themselves or through a program. */
export const networkRights: ReadonlySet<string> = new Set(['web.read', 'shell.network', 'browser.use'])

/** Rights that are no call's: which secrets, and which models, a delegated agent may use. */
export const secretRight = 'secret.use'
export const modelRight = 'model.use'

/** Whether every resource of the second pattern is one of the first; see `refuseLimited`, and `allows` for models. */
export function coversResource(right: string, wide: string, narrow: string): boolean {
  if (wide === narrow) return true
  if (right === modelRight) return wide.endsWith('*') && narrow.startsWith(wide.slice(0, -1))
  if (right === secretRight) return false
  if (wide.startsWith('/')) {
    const folder = folderOf(wide)
    const inner = folderOf(narrow)
    return narrow.startsWith('/') && (inner === folder || inner.startsWith(`${folder}/`))
  }
  // `*.example.com`, as a pattern of hosts.
  return wide.startsWith('*.') && narrow.toLowerCase().endsWith(wide.slice(1).toLowerCase())
}

/** The path of a pattern, without `.`, `..` and what stands for everything below it. */
function folderOf(pattern: string): string {
  const parts: string[] = []
  for (const part of pattern.replace(/\/\*{1,2}$/, '').split('/'))
    if (part === '..') parts.pop()
    else if (part !== '' && part !== '.') parts.push(part)
  return `/${parts.join('/')}`
}

/*
 * The form of API keys, and how one is proven: the guest checks each key so, and so does the door of a cluster before it wakes a guest. The store
 * has a key's scrypt hash. A key's first part finds its document, and its second part, 256 random bits, is compared in constant time.
 */

/** Documents of keys, by the first part of the key. */
export const keyCategory = 'system/keys'

/** `oxbow_`, the id, and the secret. */
export const keyForm: RegExp = /^oxbow_([0-9a-f]{16})([A-Za-z0-9_-]{43})$/

/** What the document of a key has, by which it is proven. */
export interface KeyProof {
  readonly salt: string
  readonly hash: string
  readonly expires_at: number | null
}

/** 32 MiB and some 50 ms for each check. */
const cost = { N: 2 ** 15, r: 8, p: 1, maxmem: 64 * 1024 * 1024 } as const
const hashBytes = 32

/** Off the event loop, in a thread of libuv. */
export function hashOfKey(secret: string, salt: string): Promise<Buffer> {
  const { scrypt } = process.getBuiltinModule('node:crypto')
  return new Promise((resolve, reject) =>
    scrypt(secret, Buffer.from(salt, 'base64url'), hashBytes, cost, (error, hash) => (error === null ? resolve(hash) : reject(error))),
  )
}

/** @returns whether the secret is the one of the key */
export async function provesKey({ salt, hash }: Pick<KeyProof, 'salt' | 'hash'>, secret: string): Promise<boolean> {
  const { timingSafeEqual } = process.getBuiltinModule('node:crypto')
  return timingSafeEqual(await hashOfKey(secret, salt), Buffer.from(hash, 'base64url'))
}
