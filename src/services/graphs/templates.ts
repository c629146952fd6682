/**
 * Templates: values of a definition whose texts hold `${field.path}`. A text that is nothing but one reference becomes the value itself;
 * within other text, a value is inserted as text. `$${` stands for `${`. What is inserted is never read as a template again.
 */
import { isObject, type Json, ownValue, OxbowError } from '../../base/index.ts'
import type { ReadField } from './guards.ts'

const reference = /\$\$\{|\$\{([^{}]*)\}/g
const wholeReference = /^\$\{([^{}]*)\}$/
const path = /^[a-z][a-z0-9_]*(?:\.[^\s.]+)*$/i

/** @returns the paths that a template refers to; one that is no path is returned as it is */
export function referencesOf(template: Json): readonly string[] {
  if (typeof template === 'string')
    return [...template.matchAll(reference)].flatMap(([, found]) => (found === undefined ? [] : [found.trim()]))
  if (typeof template !== 'object' || template === null) return []
  return Object.values(template as Record<string, Json>).flatMap(referencesOf)
}

export function isPath(text: string): boolean {
  return path.test(text)
}

/**
 * @param insert makes text of a value that stands within other text
 * @throws OxbowError `bad_input` for a reference to what the state does not have
 */
export function fill(template: Json, read: ReadField, insert: (value: Json) => string = textOf): Json {
  if (typeof template === 'string') {
    const [, whole] = wholeReference.exec(template) ?? []
    return whole === undefined ? fillText(template, read, insert) : valueOf(whole, read)
  }
  if (Array.isArray(template)) return template.map((item: Json) => fill(item, read, insert))
  if (isObject(template)) return Object.fromEntries(Object.entries(template).map(([key, value]) => [key, fill(value, read, insert)]))
  return template
}

export function fillText(template: string, read: ReadField, insert: (value: Json) => string = textOf): string {
  return template.replace(reference, (all, found: string | undefined) => (found === undefined ? '${' : insert(valueOf(found, read))))
}

function valueOf(found: string, read: ReadField): Json {
  const value = read(found.trim())
  if (value !== undefined) return value
  throw new OxbowError('bad_input', `The state has no value for \${${found.trim()}}.`, {
    hint: 'Give the field a default, or lead here only where a guard with `exists` holds.',
  })
}

/** A value of the state in a text: a string as it is, anything else as JSON. */
export function textOf(value: Json): string {
  return typeof value === 'string' ? value : JSON.stringify(value)
}

/** @returns the part of a value that a path names; undefined if it is absent. Only own fields count. */
export function partOf(value: unknown, steps: readonly string[]): Json | undefined {
  let part: unknown = value
  for (const step of steps) {
    if (typeof part !== 'object' || part === null || !Object.hasOwn(part, step) || (Array.isArray(part) && !/^\d+$/.test(step)))
      return undefined
    part = ownValue(part as Record<string, unknown>, step)
  }
  return part as Json | undefined
}
