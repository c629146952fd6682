/** Records of the journal, as they are stored, followed by terminals and checked by `audit verify`. */
import type { CallId, JsonObject, SessionId, TurnId } from '../base/index.ts'
import type { ChainHead } from './heads/head-schema.ts'

/**
 * - `intent`: the call is about to run; its input, reservation and labels
 * - `parked`: the call waits for approval; `decided`: a person approved or denied it
 * - `started`: a queued message was taken up, by a new turn or by a running one
 * - `exchange`: the bytes of a request to a model's endpoint and of its response; for other calls, a step
 * - `outcome`: the call ended or was stopped; `refused`: it was stopped at the gate
 * - `reconciled`: a crash hid the outcome; how that was resolved
 */
export const phases = ['intent', 'parked', 'decided', 'started', 'exchange', 'outcome', 'refused', 'reconciled'] as const
/** What a record says of its call, e.g. `started` or `outcome`. */
export type Phase = (typeof phases)[number]

/** What data may contain. A caller that reads labelled data gets its labels and never loses them. */
export type Label = 'untrusted' | 'private'

export interface NewRecord {
  /** Unix milliseconds. */
  readonly at: number
  /** Who acts: `user:<id>`, `agent:<name>` or `kernel`. */
  readonly actor: string
  /** Empty if the record belongs to no session. */
  readonly session: SessionId | ''
  readonly turn: TurnId | ''
  readonly call: CallId
  /** Name of the call, `family.verb`. */
  readonly name: string
  readonly phase: Phase
  /** JSON text. A body over 4 KiB is stored by its hash and appears as `{"blob":"<hash>","bytes":n}`. */
  readonly body: string
}

/** What replaces an erased body; see `Store.erase`. */
export interface ErasedBody {
  /** BLAKE3 of the body as it was appended. */
  readonly erased: string
  readonly bytes: number
  /** Why it was erased, for people. */
  readonly reason: string
}

/** The first field of an `ErasedBody`. */
export const erasedField = 'erased'

/** @returns whether a parsed body, or any other value, is an `ErasedBody` */
export function isErased(body: unknown): body is ErasedBody {
  if (typeof body !== 'object' || body === null || !('erased' in body) || typeof body.erased !== 'string') return false
  return Object.keys(body).join() === 'erased,bytes,reason' && /^[0-9a-f]{64}$/.test(body.erased)
}

/** Shown to people and models in place of an erased text. */
export const erasedText = '(erased)'

const archiveStart = 'archived in '

/** @returns the reason of an erasure whose bodies are in an archive */
export function archivedIn(file: string): string {
  return `${archiveStart}${file}`
}

/** @returns what people are shown in place of a body that is gone: where it is, if it is in an archive */
export function goneText({ reason }: ErasedBody): string {
  return reason.startsWith(archiveStart) ? `(${reason})` : erasedText
}

export interface JournalRecord extends NewRecord {
  /** 1, 2, 3 … without gaps, per user. */
  readonly seq: number
  /** Hash of the previous record; 64 zeros for the first. Lower-case hex. */
  readonly previous: string
  /** BLAKE3-256 over all other fields in canonical form. Lower-case hex. */
  readonly hash: string
}

/** The head of a journal without records. */
export const emptyChain: ChainHead = { seq: 0, hash: '0'.repeat(64) }

/**
 * The labels of what a session has read. They are added with each read and never removed, so that a sink is judged by everything that
 * could have influenced it.
 */
export type Labels = readonly Label[]

/** @returns the union, sorted; the same array when nothing is new */
export function joinLabels(held: Labels, added: Labels): Labels {
  const fresh = added.filter((label) => !held.includes(label))
  return fresh.length === 0 ? held : [...held, ...fresh].sort()
}

/** @returns the labels that a record of a call names: of what it was given, of its result, or of who asked for one that did not run */
export function labelsIn(body: unknown): Labels {
  const { labels, held } = (body ?? {}) as { readonly labels?: unknown; readonly held?: unknown }
  return [labels, held].reduce<Labels>((all, one) => (Array.isArray(one) ? joinLabels(all, parseLabels(one.join(','))) : all), [])
}

/** @returns the fields of an event, with the labels of what they say: who receives the event has read that */
export function labelledFields(fields: JsonObject, labels: Labels): JsonObject {
  return labels.length === 0 ? fields : { ...fields, labels: [...labels] }
}

/** @param text labels joined by commas @returns the known ones; unknown names are dropped */
export function parseLabels(text: string): Labels {
  return text.split(',').filter((label): label is Label => label === 'untrusted' || label === 'private')
}
