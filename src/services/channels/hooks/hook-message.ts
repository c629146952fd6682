/** What a webhook is to its templates: the request, and the message that they make of it. Any field of a body may be missing, or be anything. */
import { createHash } from 'node:crypto'
import { isObject } from '../../../base/index.ts'

/** A request, as the gateway has read it. */
export interface HookRequest {
  /** By lower-case names. */
  readonly headers: Readonly<Record<string, string>>
  readonly body: Buffer
}

/** What a body says. */
export interface HookMessage {
  /** A session for each chat and thread. */
  readonly chat: string
  readonly thread: string
  /** The same for the same content. */
  readonly message: string
  readonly text: string
}

/** A body, or a part of one. */
export type Fields = Readonly<Record<string, unknown>>

/** @returns the fields of an object; of anything else, none */
export const fieldsOf = (value: unknown): Fields => (isObject(value) ? { ...value } : {})

/** @returns a text or a number as a text; of anything else, an empty one */
export const wordOf = (value: unknown): string => (typeof value === 'string' ? value : typeof value === 'number' ? String(value) : '')

/** The same for the same bytes. */
export const contentId = (bytes: Uint8Array): string => createHash('sha256').update(bytes).digest('hex').slice(0, 32)
