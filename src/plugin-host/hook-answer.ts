/** What a hook has answered: anything but a known answer is a failure of the hook, since a guard that nobody understands has not looked at the step. */
import { inspect } from 'node:util'
import { isObject, type JsonObject, ownValue } from '../base/index.ts'
import type { PluginHookResult } from '../protocol/index.ts'

const verdicts = ['pass', 'change', 'refuse', 'approve'] as const satisfies readonly PluginHookResult['verdict'][]

/** Nothing and `true` pass, `false` refuses. @throws Error for any other answer that has no known verdict */
export function verdictOf(result: unknown): PluginHookResult {
  if (result === undefined || result === true) return { verdict: 'pass', value: null, reason: '' }
  if (result === false) return { verdict: 'refuse', value: null, reason: '' }
  const { verdict, value, reason } = isObject(result) ? result : {}
  const known = verdicts.find((each) => each === verdict)
  if (known === undefined)
    throw wrongAnswer(
      result,
      `it may return nothing, true, false, or an object whose verdict is ${verdicts.join(', ').replace(', approve', ' or approve')}`,
    )
  if (!isObject(value) && (known === 'change' || (known === 'approve' && (value ?? null) !== null)))
    throw wrongAnswer(result, `the value of ${known} must be an object with the fields that change`)
  return { verdict: known, value: value ?? null, reason: typeof reason === 'string' ? reason : '' }
}

type Kind = 'boolean' | 'string' | 'object' | 'list' | 'any'

/**
 * The answer of a handler that was written for another program.
 * @param fields that it may have there
 * @returns it; empty where the handler returns nothing @throws Error when it has another field, or one of another type
 */
export function answerOf(result: unknown, fields: Readonly<Record<string, Kind>>): JsonObject {
  if (result === undefined || result === null) return {}
  const wrong = isObject(result) ? Object.entries(result).some(([field, value]) => !isKind(value, ownValue(fields, field))) : true
  if (wrong) throw wrongAnswer(result, `it may return nothing, or an object with ${Object.keys(fields).join(', ')}`)
  return result as JsonObject
}

function isKind(value: unknown, kind: Kind | undefined): boolean {
  if (value === undefined) return true
  if (kind === 'list') return Array.isArray(value)
  if (kind === 'object') return isObject(value)
  return kind === 'any' || typeof value === kind
}

const maxShownChars = 100

function wrongAnswer(answer: unknown, allowed: string): Error {
  const text = inspect(answer, { depth: 1, breakLength: Infinity, maxArrayLength: 5, maxStringLength: maxShownChars })
  const shown = text.length > maxShownChars ? `${text.slice(0, maxShownChars).toWellFormed()}…` : text
  return new Error(`it answered ${shown}; ${allowed}`)
}
