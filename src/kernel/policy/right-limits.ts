/** Rights that are limited to resources: which files, hosts and skills a call reaches, and whether its caller's rights cover them. A denial wins. */
import { posix } from 'node:path'
import { type Failure, isObject, ownValue } from '../../base/index.ts'
import { type Call, type Caller, type Hands, hostNamed, hostOfUrl, type RightLimits } from '../../protocol/index.ts'

/**
 * @param isExcused what a right does not cover is allowed, unless it is denied
 * @returns why the caller's limits do not allow the call, or null
 */
export function refuseLimited({ actor, limits, rights }: Caller, call: Call, input: unknown, isExcused = false): Failure | null {
  if (limits === undefined) return null
  if (limits.denied.has(call.right)) return beyond(call, `needs the right ${call.right}, which is denied`, `Remove "!${call.right}"`)
  const only = isExcused ? undefined : limits.only.get(call.right)
  const except = limits.except.get(call.right)
  if ((only === undefined && except === undefined) || call.reaches?.kind === 'covered') return null
  const reached = resourcesOf(call, input)
  if (reached === null)
    return beyond(call, `cannot be limited to ${(only ?? except ?? []).join(', ')}`, `Grant ${call.right} without a resource`)
  const denied = reached.find((resource) => except?.some((pattern) => isInside(resource, pattern) || isInside(pattern, resource)))
  if (denied !== undefined) return beyond(call, `reaches ${denied}, where ${call.right} is denied`, `Remove "!${call.right}:…" for it`)
  const isCovered = (one: string): boolean => only?.some((pattern) => isInside(one, pattern)) !== false
  if (rights.has('*') || (call.reaches?.kind === 'tags' && reached.some(isCovered))) return null
  const outside = reached.find((one) => !isCovered(one))
  if (outside === undefined) return null
  const grant =
    outside === untagged ? `Name the tag ${only?.[0]}, or grant ${call.right} without a tag,` : `Grant "${call.right}:${outside}"`
  const refusal = beyond(call, `reaches ${outside}, which ${call.right} does not cover`, grant)
  const list = call.reaches === undefined ? undefined : ownValue(manifestLists, call.reaches.kind)
  if (actor.startsWith('program:') && list !== undefined)
    return { ...refusal, hint: `In its program.toml, "${outside}" in ${list} under [rights] would allow it, if whoever runs it may, too.` }
  if (!actor.startsWith('plugin:') || list === undefined) return refusal
  return { ...refusal, hint: `Its manifest allows it with "${outside}" under rights.${list}, if the agent that it works for may, too.` }
}

/** Where the manifest of a plugin, or of a program, names what a right covers. */
const manifestLists: Readonly<Record<string, string>> = { paths: 'paths', url: 'hosts' }

/** @returns the tag of all memories that a caller with these rights is reminded of, in a list; empty: of every one; null: of none */
export function recallTags({
  rights,
  limits,
}: {
  readonly rights: ReadonlySet<string>
  readonly limits?: RightLimits | undefined
}): readonly string[] | null {
  if (!rights.has('memory.read')) return null
  const only = limits?.only.get('memory.read') ?? []
  // Memories with any of several tags would take a search for each.
  return only.length > 1 ? null : only
}

/** @returns the paths of a call that writes files of the workspace; empty for any other */
export function writtenPaths(call: Call, input: unknown): readonly string[] {
  if (call.files !== 'writes' || call.reaches?.kind !== 'paths' || !isObject(input)) return []
  const values = call.reaches.fields.map((field) => ownValue(input, field))
  return values.flatMap((value) => (typeof value === 'string' ? (workspacePath(value) ?? []) : []))
}

function beyond({ name }: Call, why: string, remedy: string): Failure {
  return { code: 'denied', message: `${name} ${why}.`, hint: `${remedy} to allow it.` }
}

const untagged = 'memories without a tag'

function resourcesOf({ reaches }: Call, input: unknown): readonly string[] | null {
  if (reaches === undefined || reaches.kind === 'covered' || !isObject(input)) return null
  const { kind, fields } = reaches
  const values = fields.map((field) => ownValue(input, field))
  if (kind === 'tags') {
    const tags = values.flatMap((value) => (Array.isArray(value) ? value.map(String) : []))
    return tags.length > 0 ? tags : [untagged]
  }
  const found = values.map((value) => (typeof value === 'string' ? resourceReaders[kind](value) : null))
  return found.every((one) => one !== null) ? found : null
}

const resourceReaders: Readonly<Record<'paths' | 'url' | 'name', (value: string) => string | null>> = {
  paths: workspacePath,
  url: hostOfUrl,
  name: (value) => value.normalize('NFKC'),
}

/** @param pattern a path, with everything below it; a host, or `*.` and a domain; the name of a skill */
function isInside(resource: string, pattern: string): boolean {
  if (pattern.startsWith('*.')) return resource.endsWith(pattern.slice(1).toLowerCase().replace(/\.$/, ''))
  if (!pattern.startsWith('/')) return resource === pattern.toLowerCase() || resource === hostNamed(pattern)
  const folder = workspacePath(pattern.replace(/\/\*{1,2}$/, ''))
  return folder !== null && (resource === folder || resource.startsWith(`${folder}/`))
}

/** @returns the path as hands resolve it, or null outside of the workspace. Only hands resolve links. */
export function workspacePath(path: string): string | null {
  const whole = posix.normalize(posix.isAbsolute(path) ? path : posix.join('/shared', path)).replace(/^\/+/, '/')
  const clean = whole.length > 1 && whole.endsWith('/') ? whole.slice(0, -1) : whole
  return /^\/(shared|tmp)(\/|$)/.test(clean) && !clean.includes('\0') ? clean : null
}

type Ask = Hands['ask']

export interface AskOptions {
  readonly signal: AbortSignal
  readonly timeoutMs: number
}

/** Links of a path that are followed. */
const maxLinks = 40

/** Follows links, which hands resolve by themselves. @returns the path itself where nothing is there */
export async function realPath(ask: Ask, path: string, options: AskOptions): Promise<string> {
  return (await realPlace(ask, path, options)).path
}

/** As `realPath`. @returns also how many names the file has, hard links included; 0: it is no file */
export async function realPlace(ask: Ask, path: string, options: AskOptions): Promise<{ readonly path: string; readonly names: number }> {
  let [done, left, names] = ['', path.split('/').slice(1), 0]
  for (let links = 0; left.length > 0;) {
    const [name = '', ...rest] = left
    const here = `${done}/${name}`
    const found = done === '' ? null : await ask('stat', { path: here }, options).catch((): null => null)
    if (found === null && done !== '') return { path: posix.join(here, ...rest), names: 0 }
    names = found?.names ?? 0
    if (found?.kind === 'link' && (links += 1) <= maxLinks) {
      left = [...posix.resolve(done, found.linkTarget).split('/').slice(1), ...rest]
      done = ''
    } else {
      done = here
      left = rest
    }
  }
  return { path: done === '' ? path : done, names }
}
