/** Rules for notes: normalized tags, and nothing that looks like a secret. */
import { createHash } from 'node:crypto'
import { type CallId, OxbowError } from '../../base/index.ts'
import { maxTagCharacters, maxTags } from './keep-limits.ts'

/** Derived from the call, so repeating it after a crash writes the same note. 64 bits are enough for one user. */
export function noteIdOf(call: CallId): string {
  return `note-${createHash('sha256').update(call).digest('hex').slice(0, 16)}`
}

/** Normalizes a tag for storing and searching. */
export function cleanTag(tag: string): string {
  return tag.normalize('NFC').trim().toLowerCase()
}

/** Drops empty tags. @throws OxbowError `bad_input` for too many or too long tags */
export function cleanTags(tags: readonly string[]): readonly string[] {
  const clean = [...new Set(tags.map(cleanTag).filter((tag) => tag !== ''))].sort()
  if (clean.length > maxTags) {
    throw new OxbowError('bad_input', `${clean.length} tags are too many; at most ${maxTags} are allowed.`, {
      hint: 'Keep the few that you would search by.',
    })
  }
  const long = clean.find((tag) => tag.length > maxTagCharacters)
  if (long === undefined) return clean
  throw new OxbowError('bad_input', `A tag has ${long.length} characters; at most ${maxTagCharacters} are allowed.`, {
    hint: 'A tag is a word or two.',
  })
}

/**
 * Detects secrets, which must not end up in prompts: known key formats of vendors, and values after a word such as "password". Secrets
 * without a recognizable form are not detected.
 */
const shapes: readonly RegExp[] = [
  /\bsk-(?:ant-|proj-|or-)?[A-Za-z0-9_-]{20,}/,
  /\bgh[opusr]_[A-Za-z0-9]{30,}|\bgithub_pat_[A-Za-z0-9_]{40,}/,
  /\bglpat-[A-Za-z0-9_-]{20,}/,
  /\bxox[abeoprs]-[A-Za-z0-9-]{10,}/,
  /\b(?:AKIA|ASIA)[A-Z0-9]{16}\b/,
  /\bAIza[A-Za-z0-9_-]{35}/,
  /\b[rsp]k_(?:live|test)_[A-Za-z0-9]{16,}/,
  /\bnpm_[A-Za-z0-9]{30,}|\bhf_[A-Za-z0-9]{30,}|\bSG\.[\w-]{16,}\.[\w-]{16,}/,
  /\beyJ[A-Za-z0-9_-]{10,}\.eyJ[A-Za-z0-9_-]{10,}\.[A-Za-z0-9_-]{5,}/,
  /-----BEGIN (?:[A-Z]+ ){0,3}PRIVATE KEY-----[\s\S]{0,8192}?(?:-----END [A-Z ]{0,40}-----|$)/,
  /\b[a-z][a-z0-9+.-]{1,20}:\/\/[^\s/:@]{1,100}:[^\s/@]{3,200}@/i,
  // A keyword, a separator, and at least eight characters with a digit or a symbol among them.
  /\b(?:password|passwort|passphrase|api[_ -]?key|secret[_ -]?key|access[_ -]?token|auth[_ -]?token|client[_ -]?secret|비밀번호|암호)\s*(?:is|=|:|는|은)\s*["'`]?(?=[^\s"'`]*[\d!@#$%^&*+/=_-])[^\s"'`]{8,}/i,
]

/** Handles that replace secrets of this guest in displayed text. */
const handle = /\[secret:[^\]\s]{1,100}\]/

/** @returns the kind of secret in this text, or null. */
export function secretIn(text: string): 'handle' | 'key' | null {
  if (handle.test(text)) return 'handle'
  return shapes.some((shape) => shape.test(text)) ? 'key' : null
}

/** @returns the text without anything that looks like a secret: for texts that are indexed automatically. */
export function withoutSecrets(text: string): string {
  return shapes.reduce((rest, shape) => rest.replace(new RegExp(shape.source, `${shape.flags}g`), '[left out: looks like a secret]'), text)
}

/** Whether a string has the form of a memory id. Other input in place of an id may be confidential and must not be repeated. */
export function looksLikeId(id: string): boolean {
  return /^(?:note|fact)-[0-9a-f]+$|^message:[0-9a-f.-]+(?::reply)?$|^document:[0-9a-f]+:\d+$/.test(id)
}
