/** What a note may hold: tags in one spelling, and nothing that looks like a secret. */
import { OxbowError } from '../../types/index.ts'
import { maxTagCharacters, maxTags } from './keep-limits.ts'

/** As a tag is kept, and looked for. */
export function cleanTag(tag: string): string {
  return tag.normalize('NFC').trim().toLowerCase()
}

/** @throws OxbowError `bad_input` for too many or too long ones; empty ones are left out */
export function cleanTags(tags: readonly string[]): readonly string[] {
  const clean = [...new Set(tags.map(cleanTag).filter((tag) => tag !== ''))].sort()
  if (clean.length > maxTags) {
    throw new OxbowError('bad_input', `${clean.length} tags are too many; ${maxTags} is the most.`, {
      hint: 'Keep the few that you would search by.',
    })
  }
  const long = clean.find((tag) => tag.length > maxTagCharacters)
  if (long === undefined) return clean
  throw new OxbowError('bad_input', `A tag has ${long.length} characters; ${maxTagCharacters} is the most.`, {
    hint: 'A tag is a word or two.',
  })
}

/**
 * What looks like a secret. Memory is read into prompts for years: a key has no business in it. The shapes are those that vendors
 * give their keys, and what stands behind a word such as "password"; a secret of no shape is the person's own care.
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
  // A word, a sign, and something that is no plain word: at least eight characters with a digit or a sign among them.
  /\b(?:password|passwort|passphrase|api[_ -]?key|secret[_ -]?key|access[_ -]?token|auth[_ -]?token|client[_ -]?secret|비밀번호|암호)\s*(?:is|=|:|는|은)\s*["'`]?(?=[^\s"'`]*[\d!@#$%^&*+/=_-])[^\s"'`]{8,}/i,
]

/** Handles that stand for secrets of this guest wherever text is shown. */
const handle = /\[secret:[^\]\s]{1,100}\]/

/** @returns what is wrong with keeping this text, or null. */
export function secretIn(text: string): 'handle' | 'key' | null {
  if (handle.test(text)) return 'handle'
  return shapes.some((shape) => shape.test(text)) ? 'key' : null
}

/** @returns the text with all that looks like a secret taken out: for what is indexed without anybody having asked for it. */
export function withoutSecrets(text: string): string {
  return shapes.reduce((rest, shape) => rest.replace(new RegExp(shape.source, `${shape.flags}g`), '[left out: looks like a secret]'), text)
}

/** Whether memory makes ids like this one. What a person types in place of an id may be what nobody is to read. */
export function looksLikeId(id: string): boolean {
  return /^(?:note|fact)-[0-9a-f]+$|^message:[0-9a-f.-]+(?::reply)?$|^document:[0-9a-f]+:\d+$/.test(id)
}
