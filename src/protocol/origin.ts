/**
 * Origins: where the labelled data of a conversation comes from, so that a person who is asked can see what may meet in a call. They explain
 * a decision and never make one: only labels do. Names in them are hostile text.
 */
import { joinLabels, type Label, type Labels } from './record.ts'
import { isObject, isOxbowError, OxbowError } from '../base/index.ts'

const originKinds = ['call', 'path', 'page', 'host', 'server', 'agent', 'session', 'schedule', 'plugin', 'space', 'channel'] as const

/** `path:/vault/letter.pdf`, `page:https://…`, `host:…`, `server:NAME`, `agent:NAME`, `plugin:NAME`, `session:ID`, `space:NAME/MEMORY`, `channel:NAME/IDENTITY`; what has no better name: `call:NAME`. */
export type DataOrigin = `${(typeof originKinds)[number]}:${string}`

/** A label, and where the data with it comes from. */
export interface LabelOrigin {
  readonly label: Label
  readonly from: DataOrigin
}

/** Labels, and where the data comes from that has them. */
export interface Provenance {
  readonly labels: Labels
  readonly from: readonly LabelOrigin[]
}

/** Documents of labels of files, and of what may be writing such. */
export const fileFlowCategories = ['system/file-labels', 'system/file-writers'] as const

/** Documents of `ToldLabels`. */
export const toldCategory = 'system/told-labels'

/**
 * What programs of others were told: they may keep it, in files, a database or memory, and tell it to somebody else later. Of labels that
 * say more than that others may have written it; what a program says is untrusted anyway.
 */
export interface ToldLabels {
  /** @returns labels of what the program may have kept, with the program as their only origin */
  of(program: DataOrigin): Promise<Provenance>
  /** The program is about to be told this. Durable when it resolves. @param hosts that the program reaches by itself */
  tell(program: DataOrigin, told: Provenance, hosts?: readonly string[]): Promise<void>
  /** @returns the hosts that the program did not reach when it was told what it has kept */
  newHosts(program: DataOrigin, hosts: readonly string[]): Promise<readonly string[]>
  /** What it has kept is gone. */
  clear(program: DataOrigin): Promise<void>
  /** All programs that may have kept something. */
  list(): Promise<readonly (Provenance & { readonly program: DataOrigin })[]>
}

/** @returns the labels that a program has seen in these folders */
export function seenIn(labels: Labels, folders: readonly string[]): Provenance {
  return {
    labels,
    from: labelOrigins(
      labels,
      folders.map((folder) => originOf('path', folder)),
    ),
  }
}

/** @returns the error of a program, whose message may hold what the program has kept */
export function labelledError(error: unknown, kept: Labels): unknown {
  if (kept.length === 0 || !isOxbowError(error)) return error
  const { code, message, hint, data } = error
  return new OxbowError(code, message, { hint, data: { ...data, labels: [...kept] }, cause: error })
}

/** Origins that a session, a file or a call keeps of each label: the first half and the newest half of what it has met. */
export const maxOrigins = 16

/** Characters of an origin: longer names are cut. */
const maxOriginLength = 200

/** @returns the origin, on one line and of limited length */
export function originOf(kind: (typeof originKinds)[number], name: string): DataOrigin {
  const plain = name.replace(/[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]/gu, ' ')
  return `${kind}:${plain.length > maxOriginLength ? `${plain.slice(0, maxOriginLength - 1).toWellFormed()}…` : plain}`
}

/** @returns the program of others that a call asks, which its name says: `mcp.SERVER.TOOL`, `a2a.AGENT`, `acp.AGENT`; null: it asks none */
export function programAsked(call: string): { readonly kind: 'server' | 'agent'; readonly name: string } | null {
  const [family = '', name = ''] = call.split('.', 2)
  if (family === 'mcp') return { kind: 'server', name }
  return family === 'a2a' || family === 'acp' ? { kind: 'agent', name } : null
}

/** The default origin of what a call has read, by the names in its input. */
export function originOfCall(call: string, input: unknown): DataOrigin {
  const program = programAsked(call)
  if (program !== null) return originOf(program.kind, program.name)
  const { url, path, source_path: source } = isObject(input) ? input : {}
  const file = path ?? source
  if (typeof url === 'string' && URL.canParse(url)) return originOf('page', withoutQuery(new URL(url)))
  return typeof file === 'string' && file !== ''
    ? originOf('path', file.startsWith('/') ? file : `/shared/${file}`)
    : originOf('call', call)
}

/** @returns the host as the network reads it: in lower case and punycode, without the dot that may end it; null for what is no URL */
export function hostOfUrl(url: string): string | null {
  const parsed = URL.parse(url)
  return parsed === null ? null : parsed.hostname.toLowerCase().replace(/\.+$/, '')
}

/** @param name of a host, as a rule or a list spells it, with a port or without @returns it as `hostOfUrl` does */
export function hostNamed(name: string): string {
  return hostOfUrl(`http://${name}/`) ?? name.toLowerCase()
}

/** A query may hold secrets. */
function withoutQuery({ origin, pathname, protocol, hostname }: URL): string {
  return `${origin === 'null' ? `${protocol}//${hostname}` : origin}${pathname}`
}

/** @returns the union, at most `maxOrigins` for each label; the same array when nothing is new */
export function joinOrigins(held: readonly LabelOrigin[], added: readonly LabelOrigin[]): readonly LabelOrigin[] {
  return added.reduce((all, one) => {
    if (all.some(({ label, from }) => label === one.label && from === one.from)) return all
    const same = all.filter(({ label }) => label === one.label)
    const dropped = same.length >= maxOrigins ? same[maxOrigins / 2] : undefined
    return [...all.filter((each) => each !== dropped), one]
  }, held)
}

/** @returns each of the labels with each of the origins */
export function labelOrigins(labels: readonly Label[], from: readonly DataOrigin[]): readonly LabelOrigin[] {
  return labels.flatMap((label) => from.map((origin) => ({ label, from: origin })))
}

/** For people: `private data (/vault/letter.pdf) and untrusted text (https://example.com/, server tickets)`. */
export function describeLabels(labels: readonly Label[], origins: readonly LabelOrigin[], maxShown: number = maxOrigins): string {
  const parts = labels.map((label) => {
    const own = origins.filter((one) => one.label === label).map(({ from }) => describeOrigin(from))
    const more = own.length > maxShown ? [`${own.length - maxShown} more`] : []
    const shown = [...own.slice(-maxShown), ...more]
    return `${label === 'private' ? 'private data' : 'untrusted text'}${shown.length > 0 ? ` (${shown.join(', ')})` : ''}`
  })
  return parts.join(' and ')
}

/** For people: what a path or a page is called, and the kind and name of anything else. */
export function describeOrigin(origin: DataOrigin): string {
  const [kind, name] = [origin.slice(0, origin.indexOf(':')), origin.slice(origin.indexOf(':') + 1)]
  return kind === 'path' || kind === 'page' || kind === 'host' ? name : `${kind} ${name}`
}

/** @returns the origins that `writeOrigins` has written; anything else is left out */
export function parseOrigins(value: unknown): readonly LabelOrigin[] {
  if (!Array.isArray(value)) return []
  return value.flatMap((one: unknown): LabelOrigin[] => {
    const [label, from] = Array.isArray(one) ? (one as unknown[]) : []
    if ((label !== 'private' && label !== 'untrusted') || typeof from !== 'string') return []
    return originKinds.some((kind) => from.startsWith(`${kind}:`)) ? [{ label, from: from as DataOrigin }] : []
  })
}

/** For records and rows. */
export function writeOrigins(origins: readonly LabelOrigin[]): [Label, DataOrigin][] {
  return origins.map(({ label, from }) => [label, from])
}

/**
 * Labels that one call has in addition to its session's. `carried`: its input holds texts that the session has not read. `apart`: what it
 * reads is for another reader, and joins this scope instead of the session.
 */
export interface LabelScope {
  labels: readonly Label[]
  origins: readonly LabelOrigin[]
  readonly kind: 'carried' | 'apart'
  /** Fields of the input that hold such texts. */
  readonly fields: readonly string[]
  /** Of a plugin that reads apart: untrusted text that it reads becomes its own words, with this origin; the rest joins the session as well. */
  readonly by?: DataOrigin
}

/** Adds to what a call reads apart. @returns the labels that the session reads as well */
export function joinScope(scope: LabelScope, labels: readonly Label[], from: readonly LabelOrigin[]): readonly Label[] {
  const { by } = scope
  const words = by === undefined ? labels : labels.filter((label) => label === 'untrusted')
  scope.labels = joinLabels(scope.labels, words)
  scope.origins = joinOrigins(scope.origins, by === undefined ? from : labelOrigins(words, [by]))
  return by === undefined ? [] : labels.filter((label) => label !== 'untrusted')
}
