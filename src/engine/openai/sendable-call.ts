/**
 * Tool calls of old answers as OpenAI's protocols take them. A call may come from another vendor's model or from one that
 * wrote nonsense; one call that is refused would make the whole conversation unusable, so it is mended instead.
 */
import type { ToolCallPart } from '../../types/index.ts'
import { openAiCallIdChars, openAiNameChars } from '../limits.ts'

/** @returns the id as it is sent when no other call of its message has the same. */
export function sendableId(id: string): string {
  return id === '' ? 'call' : id.slice(0, openAiCallIdChars)
}

export interface SendableIds {
  /** One for each call, in order, all different. */
  readonly ids: readonly string[]
  /** By own id, for the results; null when each result finds its id alone. */
  readonly renamed: ReadonlyMap<string, readonly string[]> | null
}

export function sendableIds(calls: readonly ToolCallPart[]): SendableIds {
  const taken = new Set<string>()
  const byOwn = new Map<string, string[]>()
  let changed = false
  const ids = calls.map(({ id }) => {
    const plain = sendableId(id)
    let sent = plain
    for (let count = 2; taken.has(sent); count += 1) {
      const mark = `_${count}`
      sent = plain.slice(0, openAiCallIdChars - mark.length) + mark
    }
    changed ||= sent !== plain
    taken.add(sent)
    byOwn.set(id, [...(byOwn.get(id) ?? []), sent])
    return sent
  })
  return { ids, renamed: changed ? byOwn : null }
}

/** Tool and schema names: letters, digits, `_` and `-`, at most 64. */
export function sendableName(name: string): string {
  if (/^[\w-]{1,64}$/.test(name)) return name
  return name.replaceAll(/[^\w-]/g, '_').slice(0, openAiNameChars) || 'unnamed'
}

/** Some services parse the arguments of old calls and refuse the whole conversation over one broken text: wrap it. */
export function sendableArguments(text: string): string {
  try {
    const value: unknown = JSON.parse(text)
    if (typeof value === 'object' && value !== null && !Array.isArray(value)) return text
  } catch {
    // Not JSON: falls through to the wrapped form, which the model can still read.
  }
  return JSON.stringify(text.trim() === '' ? {} : { invalid_arguments: text })
}
