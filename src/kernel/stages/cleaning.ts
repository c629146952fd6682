/**
 * Stage 9, clean: the result of a call is labelled, truncated, and freed of the secrets that this guest holds and, unless only its owner
 * reads it, of host paths, before its caller or the journal receives it.
 */
import { channel } from 'node:diagnostics_channel'
import { assertNever, createRecentMap, type Failure, isOxbowError, type Json, type JsonObject, toFailure } from '../../base/index.ts'
import {
  type Call,
  type Caller,
  type CallOutcome,
  type DataOrigin,
  type Done,
  type LabelOrigin,
  labelOrigins,
  noSpend,
  originOfCall,
  type Spend,
  joinLabels,
  type Labels,
} from '../../protocol/index.ts'
import type { Secrets, SecretUse } from '../../secrets/index.ts'
import type { Store } from '../../store/index.ts'
import type { WatchedFiles } from '../records/sessions.ts'
import { failureLabels, nothing, type Provenance } from '../policy/policy.ts'
import { refusalText, stopFailure } from './refusals.ts'
import type { StopReason } from './running-calls.ts'

/** Bytes of one tool result in a model's context. The rest can be read with `output.read`. */
export const maxResultBytes: number = 16 * 1024

/** Long outputs whose labels are remembered, about 150 bytes each; others have all labels. */
const maxKnownOutputs = 10_000

export interface Cleaner {
  /** Replaces host paths with sandbox paths, and known secrets with handles. */
  scrub(text: string): string
  /** Replaces host paths only. */
  withoutPaths(text: string): string
  /** @returns the text, or its head and tail around a note that says where the full text can be read */
  fit(text: string, labels: Labels): Promise<string>
}

export interface CleanerDeps {
  readonly workspaceRoot: string
  /** Other host folders that a sandbox names, as its table of mounts does. */
  readonly hostFolders?: readonly string[]
  readonly secrets: Pick<Secrets, 'hide'>
  /** Keeps the full text. @returns its hash */
  readonly keep: (bytes: Uint8Array, labels: Labels) => Promise<string>
}

/** What running a call gave. */
export type Ran =
  | { readonly done: Done<unknown> }
  | { readonly failure: Failure; readonly cancelled: boolean; readonly labels: Labels; readonly spent?: Spend; readonly extra?: JsonObject }

/** @param reason why the call was stopped; null: it has thrown @returns what it gave all the same */
export function stoppedRun(call: Call, error: unknown, reason: StopReason | null): Ran {
  const data = isOxbowError(error) ? error.data : {}
  const spent = (data['spent'] as unknown as Spend | undefined) ?? noSpend
  const extra = data['outcome'] as JsonObject | undefined
  const failure =
    reason === null
      ? toFailure(error, 'tool_failed', 'This is a bug in Oxbow, not a problem with the input. Try another way.')
      : stopFailure(call, reason)
  return {
    failure,
    cancelled: reason !== null && reason !== 'timeout' && reason !== 'budget',
    labels: reason === null ? failureLabels(call, error) : [],
    spent,
    ...(extra !== undefined && { extra }),
  }
}

/** @returns the outcome of a call as its caller receives it, and as it is recorded */
export async function clean(
  cleaner: Cleaner,
  use: SecretUse,
  { caller, call }: { readonly caller: Pick<Caller, 'actor' | 'audience'>; readonly call: Call },
  ran: Ran,
  labels: Labels,
): Promise<CallOutcome> {
  const isForeign = labels.includes('untrusted') && call.encoded !== true
  // Who owns the machine needs its paths, e.g. to change the mode of a folder; no model reads the results of these calls.
  const isForOwner = caller.actor.startsWith('user:') && call.audience.every((each) => each === 'terminal')
  const cleanText = (text: string): string => {
    const hidden = use.clean(text, isForeign)
    return isForOwner ? hidden : cleaner.withoutPaths(hidden)
  }
  if ('failure' in ran) {
    const failure = { ...ran.failure, message: cleanText(ran.failure.message), hint: cleanText(ran.failure.hint) }
    const status = ran.cancelled ? 'cancelled' : 'failed'
    return { status, failure, text: await cleaner.fit(refusalText(failure), labels), ...(labels.length > 0 && { labels }) }
  }
  const { done } = ran
  const files = done.files === undefined || done.files.length === 0 ? {} : { files: done.files }
  const text = done.text === undefined ? undefined : cleanText(done.text)
  const output = isInternal(call) || call.reveals === true ? done.output : use.cleanValue(done.output, isForeign)
  const base = { status: 'ok', output, ok: done.ok ?? true, ...files, ...(labels.length > 0 && { labels }) } as const
  // The runtime and programs read outputs, models read texts. Only a text is truncated, and kept in the record.
  const isForModel = caller.audience === 'model' && call.audience.includes('model')
  if (call.recordOutput !== undefined && text === undefined && !isForModel) return { ...base, text: '' }
  return { ...base, text: await cleaner.fit(text ?? cleanText(JSON.stringify(output)), labels) }
}

/** What only the runtime calls hides secrets itself, while it runs. */
function isInternal({ audience }: Call): boolean {
  return audience.every((each) => each === 'runtime')
}

/** @param fields of `Call.recordOutput`; null: the call has none @param extra fields of a failure */
export function outcomeBody(
  outcome: CallOutcome,
  {
    ms,
    spent,
    fields,
    extra,
  }: { readonly ms: number; readonly spent: Spend; readonly fields: JsonObject | null; readonly extra?: JsonObject | undefined },
): JsonObject {
  const cost = spent.tokens === 0 && spent.microDollars === 0 ? {} : { spent: { ...spent } }
  switch (outcome.status) {
    case 'ok': {
      const { text, ok, labels, files } = outcome
      const shown =
        fields === null || text !== ''
          ? { text, ok, ...(labels !== undefined && { labels }), ...(files !== undefined && { files: files as unknown as Json }) }
          : {}
      return { status: 'ok', ms, ...cost, ...shown, ...fields }
    }
    case 'failed':
    case 'cancelled': {
      const { status, failure, text, labels } = outcome
      return { status, ms, ...cost, code: failure.code, text, ...(labels !== undefined && { labels }), ...extra }
    }
    case 'refused':
    case 'unknown':
      return { status: outcome.status, ms, code: outcome.failure.code, text: outcome.text }
    default:
      return assertNever(outcome)
  }
}

export function createCleaner({ workspaceRoot, hostFolders = [], secrets, keep }: CleanerDeps): Cleaner {
  const roots = spelledPaths(workspaceRoot)
  const inside = roots.flatMap((root) => ['shared', 'tmp', 'vault'].map((folder) => [`${root}/${folder}`, `/${folder}`] as const))
  const folders = [
    ...roots.map((root) => [root, '(workspace)'] as const),
    ...hostFolders.flatMap(spelledPaths).map((path) => [path, '(host)'] as const),
  ]
  const withoutPaths = (text: string): string => folders.reduce(withoutFolder, replaceEach(text, inside))
  return {
    withoutPaths,
    scrub: (text) => withoutPaths(secrets.hide(text)),
    async fit(text, labels) {
      // UTF-16 length × 3 bounds the bytes: short texts need no encoding.
      if (text.length * 3 <= maxResultBytes) return text
      const bytes = Buffer.from(text)
      if (bytes.length <= maxResultBytes) return text
      const hash = await keep(bytes, labels)
      return cutMiddle(
        bytes,
        `\n… cut here: ${bytes.length} bytes in all. Read any part with output_read {"id":"${hash}","from_byte":0} …\n`,
      )
    },
  }
}

/** Fewer names than these are no place of a person: many texts have them. */
const fewestNames = 2
const fewestNamesOfPart = 3
/** Homes, or each of them, may be a file system of their own: what is mounted deeper is not looked for. */
const deepestMount = 2

/** @returns the path, and as tables of mounts have it where a part of it is a file system of its own; the longest first. */
function spelledPaths(path: string): readonly string[] {
  const names = path.split('/').slice(1)
  if (names.length < fewestNames) return []
  const parts = Array.from({ length: deepestMount }, (_, at) => names.slice(at + 1)).filter((rest) => rest.length >= fewestNamesOfPart)
  return [path, ...parts.map((rest) => `/${rest.join('/')}`)]
}

/** What is left of it: errors of the system and of the launcher name other folders. One that only begins so stays. */
function withoutFolder(text: string, [folder, shown]: readonly [folder: string, shown: string]): string {
  if (!text.includes(folder)) return text
  return text.split(folder).reduce((before, after) => `${before}${/^[\w.-]/.test(after) ? folder : shown}${after}`)
}

function replaceEach(text: string, replacements: readonly (readonly [from: string, to: string])[]): string {
  for (const [from, to] of replacements) if (text.includes(from)) text = text.replaceAll(from, () => to)
  return text
}

/** Keeps as much of head and tail as fits with the note between; cuts between characters. */
function cutMiddle(bytes: Buffer, note: string): string {
  const half = Math.floor((maxResultBytes - Buffer.byteLength(note)) / 2)
  let headEnd = half
  while (headEnd > 0 && isContinuation(bytes[headEnd])) headEnd--
  let tailStart = bytes.length - half
  while (tailStart < bytes.length && isContinuation(bytes[tailStart])) tailStart++
  return bytes.toString('utf8', 0, headEnd) + note + bytes.toString('utf8', tailStart)
}

/** UTF-8 continuation bytes are 10xxxxxx. */
function isContinuation(byte: number | undefined): boolean {
  return byte !== undefined && (byte & 0xc0) === 0x80
}

/** Outputs that were too long to show whole, kept to be read in parts, with their labels: any conversation may read any of them. */
export interface KeptOutputs {
  /** @returns the hash by which the output can be read */
  keep(bytes: Uint8Array, labels: Labels): Promise<string>
  /** An output that this guest did not keep, or no longer knows, has all labels. */
  labelsOf(hash: string): Labels
}

export function createKeptOutputs({ putBlob }: Pick<Store, 'putBlob'>): KeptOutputs {
  const known = createRecentMap<string, Labels>(maxKnownOutputs)
  return {
    async keep(bytes, labels) {
      const hash = await putBlob(bytes)
      known.put(hash, joinLabels(known.get(hash) ?? [], labels))
      return hash
    },
    labelsOf: (hash) => known.get(hash) ?? ['private', 'untrusted'],
  }
}

/**
 * @param files what the call has read @param more labels from elsewhere
 * @returns all labels of a result with their origins, and the part of its record that names those that its input does not
 */
export function labelsOfResult(
  call: Call,
  input: unknown,
  ran: { readonly done: Done<unknown> } | { readonly labels: Labels },
  files: WatchedFiles | null,
  more: Labels,
): Provenance & { readonly origins: { readonly origins?: DataOrigin[] } } {
  const seen = files === null ? nothing : files.seen()
  const done = 'done' in ran ? ran.done : undefined
  const own = joinLabels('labels' in ran ? ran.labels : joinLabels(call.labels.adds, done?.labels ?? []), more)
  const labels = joinLabels(own, seen.labels)
  if (labels.length === 0) return { ...nothing, origins: {} }
  const named = [...originsOf(call, input, own, done?.origins), ...seen.from]
  // Every label has an origin: one without would pass for another reading's label.
  const unnamed = labels.filter((label) => named.every((one) => one.label !== label))
  const from = [...named, ...originsOf(call, input, unnamed)]
  const isPlain = done?.origins === undefined && seen.from.length === 0
  return { labels, from, origins: isPlain ? {} : { origins: [...new Set(from.map((one) => one.from))] } }
}

/** @returns the origins of the labels of a call's result. @param own what the call names; by default what its input names */
export function originsOf(call: Call, input: unknown, labels: Labels, own?: readonly DataOrigin[]): readonly LabelOrigin[] {
  return labels.length === 0 ? [] : labelOrigins(labels, own ?? [originOfCall(call.name, input)])
}

const outputs = channel('oxbow:output')

/** Tells of what a call returned, before it is cleaned. Tests hold it to the schema of the call; nobody else listens. */
export function noteOutput(call: Call, output: unknown): void {
  if (outputs.hasSubscribers) outputs.publish({ call, output })
}
