/** The input of a call, as a page shows it. */
import { exactText } from '../../../../src/terminal/index.ts'
import { isObject, type JsonObject, ownValue } from '../../../../src/base/index.ts'

export function inputOf(text: string): JsonObject {
  try {
    const input: unknown = JSON.parse(text)
    return isObject(input) ? input : {}
  } catch {
    return text === '' ? {} : { input: text }
  }
}

/** The fields that say most about a call, the first that it has. */
const tellingFields = ['command', 'path', 'url', 'query', 'pattern', 'text', 'name', 'task', 'goal', 'id', 'input']
const maxSummary = 160

export function summaryOf(input: JsonObject): string {
  const field = tellingFields.find((name) => typeof ownValue(input, name) === 'string' && ownValue(input, name) !== '')
  const value = field === undefined ? '' : ownValue(input, field)
  const text = typeof value === 'string' ? value : ''
  return exactText(text.replaceAll(/\s+/g, ' ').trim().slice(0, maxSummary))
}
