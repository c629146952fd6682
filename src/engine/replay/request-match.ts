/**
 * Compares a request with recorded ones: the conversation must be the same, word for word.
 *
 * Compared are the system prompt, the messages with their tool calls and results, and the names of the tools. Left out are the
 * settings of the model (its name, token limits, sampling, cache keys: a replay asks no model) and what another run cannot repeat:
 * - ids of calls, marks of fences, and what memory recalled, anywhere;
 * - times, durations and UUIDs, in the system prompt and in tool results, but not in the words of a person or the model.
 * Text that was erased from the recording matches any text in its place, and so does an answer that a replay gave in place of one.
 */
import { isObject, ownValue } from '../../base/index.ts'
import { erasedText, recalledBeginning } from '../../protocol/index.ts'

/** One compared value of a request. */
interface Leaf {
  /** Where it stands in the request, e.g. `messages[2].content`. */
  readonly at: string
  readonly key: string
  readonly text: string
  /** Text of the model. */
  readonly answered: boolean
}

/** What is compared of a request, in order. */
export type Conversation = readonly Leaf[]

/** @param body of any wire @returns null when it is not a JSON object */
export function readConversation(body: Buffer): Conversation | null {
  const request = parsedBody(body)
  if (request === null) return null
  const leaves: Leaf[] = []
  for (const name of ['system', 'instructions', 'systemInstruction']) {
    walk(ownValue(request, name), { at: name, key: 'text', unstable: true, answered: false }, leaves)
  }
  for (const [place, name] of toolNames(request['tools']).entries()) {
    leaves.push({ at: `tools[${place}].name`, key: 'tool', text: name, answered: false })
  }
  for (const name of ['messages', 'input', 'contents']) walk(ownValue(request, name), { ...nowhere, at: name }, leaves)
  return leaves
}

/** @param body of any wire @returns the system prompt as it was sent; empty without one */
export function systemIn(body: Buffer): string {
  const request = parsedBody(body)
  if (request === null) return ''
  for (const name of ['system', 'instructions', 'systemInstruction']) {
    const own = ownValue(request, name)
    if (own !== undefined) return textsIn(own)
  }
  const messages = ownValue(request, 'messages') ?? ownValue(request, 'input')
  const first: unknown = Array.isArray(messages) ? messages[0] : undefined
  return isObject(first) && (first['role'] === 'system' || first['role'] === 'developer') ? textsIn(first['content']) : ''
}

/** A text, or the texts of parts. */
function textsIn(value: unknown): string {
  if (typeof value === 'string') return value
  if (Array.isArray(value)) return value.map(textsIn).join('')
  return isObject(value) ? textsIn(value['text'] ?? value['parts']) : ''
}

function parsedBody(body: Buffer): Readonly<Record<string, unknown>> | null {
  try {
    const request: unknown = JSON.parse(body.toString('utf8'))
    return isObject(request) ? request : null
  } catch {
    return null
  }
}

/** @param rest of a body whose beginning was erased: in every wire the end of its messages @returns what can be read of it */
export function readConversationEnd(rest: Buffer): Conversation | null {
  const text = rest.toString('utf8').replace(/\}\s*$/, '')
  let tries = 0
  for (let from = text.indexOf('{'); from >= 0 && tries < maxRestTries; from = text.indexOf('{', from + 1)) {
    tries += 1
    try {
      const leaves: Leaf[] = []
      walk(JSON.parse(`[${text.slice(from)}`), { ...nowhere, at: 'rest' }, leaves)
      return leaves
    } catch {
      // It begins inside of a message: the next brace may begin a whole one.
    }
  }
  return null
}

/** Braces at which a message may begin; one message rarely has more. */
const maxRestTries = 200

export interface Difference {
  /** Leaves that are the same before it. */
  readonly same: number
  /** Where it is; never content of the conversation. */
  readonly where: string
}

/** @returns null when the request is the recorded one */
export function firstDifference(recorded: Conversation, current: Conversation): Difference | null {
  for (let same = 0; same < Math.max(recorded.length, current.length); same += 1) {
    const [then, now] = [recorded[same], current[same]]
    if (then === undefined) return { same, where: `${now?.at} is not in the recorded request` }
    if (now === undefined) return { same, where: `${then.at} of the recorded request is missing` }
    if (then.key !== now.key) return { same, where: `${now.at} is ${then.at} in the recorded request` }
    if (isAlike(then, now)) continue
    let place = 0
    while (then.text[place] === now.text[place]) place += 1
    return { same, where: `${now.at} differs from character ${place + 1} on` }
  }
  return null
}

/** @param rest as `readConversationEnd` reads it */
export function endsWith(current: Conversation, rest: Conversation): boolean {
  const from = current.length - rest.length
  return (
    from >= 0 &&
    rest.length > 0 &&
    rest.every((then, place) => then.key === current[from + place]!.key && isAlike(then, current[from + place]!))
  )
}

function isAlike(then: Leaf, now: Leaf): boolean {
  return then.text === now.text || then.text === erasedText || (now.answered && now.text === erasedText)
}

interface Place {
  readonly at: string
  readonly key: string
  /** The system prompt or the result of a tool. */
  readonly unstable: boolean
  readonly answered: boolean
}

const nowhere: Place = { at: '', key: '', unstable: false, answered: false }

function walk(value: unknown, place: Place, leaves: Leaf[]): void {
  if (value === null || value === undefined || isRecalled(value)) return
  if (Array.isArray(value)) {
    for (const [index, each] of value.entries()) walk(each, { ...place, at: `${place.at}[${index}]` }, leaves)
  } else if (isObject(value)) walkObject(value, place, leaves)
  else {
    const text = withoutMarks(typeof value === 'string' ? value : JSON.stringify(value))
    leaves.push({ at: place.at, key: place.key, text: place.unstable ? settle(text) : text, answered: place.answered })
  }
}

function walkObject(value: Readonly<Record<string, unknown>>, place: Place, leaves: Leaf[]): void {
  const { role, ...rest } = value
  const unstable = place.unstable || unstableKinds.has(String(role ?? value['type']))
  const answered = place.answered || role === 'assistant' || role === 'model'
  const before = leaves.length
  // Services name the role of the system prompt differently.
  if (typeof role === 'string') {
    leaves.push({ at: `${place.at}.role`, key: 'role', text: role === 'developer' ? 'system' : role, answered: false })
  }
  const content = leaves.length
  for (const [name, each] of Object.entries(rest)) {
    if (ignored.has(name)) continue
    const key = name === 'content' || name === 'parts' ? 'text' : name
    walk(each, { at: `${place.at}.${name}`, key, unstable: unstable || name === 'functionResponse', answered }, leaves)
  }
  // A message that held nothing but what memory recalled.
  if (leaves.length === content && typeof role === 'string') leaves.length = before
}

const unstableKinds: ReadonlySet<string> = new Set(['system', 'developer', 'tool', 'tool_result', 'function_call_output'])

const ignored: ReadonlySet<string> = new Set(['id', 'call_id', 'tool_call_id', 'tool_use_id', 'type', 'cache_control', 'status'])

function isRecalled(value: unknown): boolean {
  const text = isObject(value) ? (value['text'] ?? value['content']) : value
  return typeof text === 'string' && text.startsWith(recalledBeginning)
}

function toolNames(tools: unknown): readonly string[] {
  if (!Array.isArray(tools)) return []
  return tools.flatMap((tool: unknown): readonly string[] => {
    if (!isObject(tool)) return []
    if ('functionDeclarations' in tool) return toolNames(tool['functionDeclarations'])
    const { name } = isObject(tool['function']) ? tool['function'] : tool
    return typeof name === 'string' ? [name] : []
  })
}

/** The fence of `base/text.ts`: its mark holds a part of the id of its call. */
function withoutMarks(text: string): string {
  return text.replaceAll(/<<data [0-9a-f]{12}(?:\.\d+)?/g, '<<data').replaceAll(/[0-9a-f]{12}(?:\.\d+)?>>/g, '>>')
}

/** Takes out what differs from run to run. */
function settle(text: string): string {
  return withoutMarks(text)
    .replaceAll(/[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}/gi, '<id>')
    .replaceAll(/\d{4}-\d\d-\d\d(?:[T ]\d\d:\d\d(?::\d\d(?:\.\d+)?)?)?(?:Z|[+-]\d\d:\d\d)?/g, '<time>')
    .replaceAll(/\b\d{1,2}:\d\d(?::\d\d)?(?:\.\d+)?\b/g, '<time>')
    .replaceAll(/\b(?:Mon|Tues|Wednes|Thurs|Fri|Satur|Sun)day\b/g, '<day>')
    .replaceAll(/"unix_ms":\d+/g, '"unix_ms":0')
    .replaceAll(/\b\d+(?:\.\d+)? ?(?:ms|s|sec|seconds?|min|minutes?|h|hours?|days?)\b/g, '<time>')
}
