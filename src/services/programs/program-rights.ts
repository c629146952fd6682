/**
 * What a program may do: what its manifest lists, what whoever starts it can pass on, and nothing that nobody passes on. The entries of
 * rights are judged by the gate as anybody's; that a call is listed, and that its input fits, is judged there too, by `refusalOf`.
 */
import { posix } from 'node:path'
import { passedOn, modelRight, secretRight, workspacePath } from '../../kernel/index.ts'
import { type Failure, isObject, matchesStars, ownValue, truncate } from '../../base/index.ts'
import type { Call } from '../../protocol/index.ts'
import { listedCalls, type ListedCall, type Manifest } from './program-package.ts'

/** The call with which a script asks a model for a judgement. */
export const judgementCall = 'program.ask'
export const runCallName = 'program.run'
/** What each script may do: it tells nothing, and changes nothing. */
export const freeCalls: ReadonlySet<string> = new Set(['program.now', 'program.random', 'program.wait', 'program.question'])

type FindCall = (name: string) => Pick<Call, 'right' | 'reaches' | 'does'> | undefined

/** @returns the entries of rights that a manifest asks for */
export function wantedRights(manifest: Manifest, find: FindCall): readonly string[] {
  const { paths, hosts, secrets } = manifest.rights
  const entries = listedCalls(manifest).flatMap(({ call: name }) => {
    const call = find(name)
    if (call === undefined) return []
    const { right, reaches } = call
    if (reaches?.kind === 'paths') return paths.map((path) => `${right}:${path}`)
    if (reaches?.kind === 'url') return hosts.map((host) => (host === '*' ? right : `${right}:${host}`))
    return [right]
  })
  // Whoever works for it asks models, too.
  const asksModels = listedCalls(manifest).some(({ call }) => call === judgementCall || find(call)?.does?.includes('delegate'))
  return [...new Set([...entries, ...secrets.map((name) => `${secretRight}:${name}`), ...(asksModels ? [modelRight] : [])])]
}

/** @returns the entries that it has: see `passedOn` */
export function grantedRights(
  manifest: Manifest,
  find: FindCall,
  { delegable, never }: { readonly delegable: readonly string[]; readonly never: readonly string[] },
): readonly string[] {
  return passedOn(delegable, wantedRights(manifest, find), never)
}

/** @returns why the manifest does not allow a call; null: it does, as far as rights allow it, too */
export function refusalOf(manifest: Manifest, asked: Pick<Call, 'name' | 'reaches' | 'goesTo'>, input: unknown): Failure | null {
  const call = asked.name
  if (freeCalls.has(call)) return null
  const name = manifest.program.name
  const listed = listedCalls(manifest).filter((each) => each.call === call)
  if (listed.length === 0) {
    return {
      code: 'denied',
      message: `The program ${name} does not list the call ${call}.`,
      hint: `In its program.toml, this line under [rights] would allow it: calls = [${[...manifest.rights.calls.map(written), `"${call}"`].join(', ')}]`,
    }
  }
  const unbound = unboundOf(manifest, asked) ?? beyondHosts(manifest, asked, input)
  if (unbound !== null) return unbound
  const unfit = listed.map((each) => misfit(each, asked, input))
  const [first] = unfit
  if (unfit.includes(null) || first == null) return null
  const { field, value } = first
  const shown = typeof value === 'string' ? truncate(value, 200) : value.map((each) => truncate(each, 200))
  const line = written({ call, input: { [field]: shown } })
  return {
    code: 'denied',
    message: `The program ${name} may not make the call ${call} with this ${field}.`,
    hint: `In its program.toml, this entry of calls under [rights] would allow it: ${line}`,
  }
}

/** Another listed call may bring the same right without a limit: what is bound by a list reaches nothing where the list is empty. */
function unboundOf({ program, rights }: Manifest, { name, reaches, goesTo }: Pick<Call, 'name' | 'reaches' | 'goesTo'>): Failure | null {
  const list = reaches?.kind === 'paths' ? 'paths' : reaches?.kind === 'url' || goesTo !== undefined ? 'hosts' : null
  if (list === null || rights[list].length > 0) return null
  return {
    code: 'denied',
    message: `The program ${program.name} lists the call ${name} and no ${list} that it may reach.`,
    hint: `In its program.toml, name them in ${list} under [rights].`,
  }
}

/** What has network of its own goes to hosts of the manifest, as far as it says where it goes. */
function beyondHosts(
  { program, rights: { hosts } }: Manifest,
  { name, goesTo }: Pick<Call, 'name' | 'goesTo'>,
  input: unknown,
): Failure | null {
  if (goesTo === undefined || hosts.includes('*')) return null
  if (goesTo === 'anywhere')
    return {
      code: 'denied',
      message: `The program ${program.name} may reach ${hosts.join(', ')}, and ${name} could lead anywhere.`,
      hint: 'web.fetch stays within hosts. In its program.toml, hosts = ["*"] under [rights] would allow it.',
    }
  const named = isObject(input) ? ownValue(input, goesTo.hosts) : undefined
  const asked = Array.isArray(named) ? named.map(String) : []
  const beyond = asked.filter((host) => !hosts.some((pattern) => matchesStars(pattern.toLowerCase(), host.toLowerCase())))
  if (asked.length > 0 && beyond.length === 0) return null
  return {
    code: 'denied',
    message: `The program ${program.name} may reach ${hosts.join(', ')}, and ${name} would reach ${beyond.length === 0 ? 'any host' : beyond.join(', ')}.`,
    hint: `Name only hosts of its program.toml in the field ${goesTo.hosts} of the call.`,
  }
}

interface Misfit {
  readonly field: string
  readonly value: string | string[]
}

/** @returns the first field that does not match; null: all do */
function misfit({ input: patterns }: ListedCall, { reaches }: Pick<Call, 'reaches'>, input: unknown): Misfit | null {
  for (const [field, wanted] of Object.entries(patterns)) {
    const value = isObject(input) ? ownValue(input, field) : undefined
    const kind = reaches !== undefined && 'fields' in reaches && reaches.fields.includes(field) ? reaches.kind : ''
    if (value === undefined) return { field, value: '' }
    const found = Array.isArray(value) ? value.map((each) => textOf(each, kind)) : textOf(value, kind)
    if (!fits(kind === 'url' ? asUrls(wanted) : wanted, found)) return { field, value: found }
  }
  return null
}

/** As it resolves: no `..` leads out of what a pattern names. */
function textOf(value: unknown, kind: string): string {
  if (typeof value !== 'string') return JSON.stringify(value)
  if (kind === 'url') return urlText(value)
  return kind === 'paths' ? (workspacePath(value) ?? posix.resolve('/shared', value)) : value
}

const urlText = (text: string): string => (URL.canParse(text) ? new URL(text).href : text)

/** An address without `*`, as it resolves. */
function asUrls(wanted: ListedCall['input'][string]): ListedCall['input'][string] {
  const one = (pattern: string): string => (pattern.includes('*') ? pattern : urlText(pattern))
  return typeof wanted === 'string'
    ? one(wanted)
    : (wanted.map((each) => (typeof each === 'string' ? one(each) : each.map(one))) as typeof wanted)
}

/** Of a list, each element has to match a pattern of its own: no `*` reaches the next one, such as another argument of a command. */
function fits(wanted: ListedCall['input'][string], found: string | readonly string[]): boolean {
  if (typeof found === 'string') return [wanted].flat().some((pattern) => typeof pattern === 'string' && matchesStars(pattern, found))
  if (typeof wanted === 'string') return wanted === '*'
  const each = wanted.filter((one) => typeof one !== 'string')
  const lists = each.length > 0 ? each : [wanted as readonly string[]]
  return lists.some((list) => list.length === found.length && list.every((pattern, i) => matchesStars(pattern, found[i]!)))
}

function written(listed: Manifest['rights']['calls'][number]): string {
  if (typeof listed === 'string') return JSON.stringify(listed)
  const fields = Object.entries(listed.input).map(
    ([field, wanted]) => `${/^[\w-]+$/.test(field) ? field : JSON.stringify(field)} = ${JSON.stringify(wanted)}`,
  )
  return fields.length === 0 ? `"${listed.call}"` : `{ call = "${listed.call}", input = { ${fields.join(', ')} } }`
}
