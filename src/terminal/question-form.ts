/**
 * What people type for servers of tools: answers to their questions, `server.elicit`, which are shown as lines and answered by `field=value`,
 * and the arguments of their prompts.
 */
import { type Failure, isObject, type Json, type JsonObject, ownValue, OxbowError } from '../base/index.ts'
import { type CallOutcome, type PendingApproval, type InputOf, type OutputOf, elicitCall, type MadeCall } from '../protocol/index.ts'
import { plainLine, plainText } from './terminal-text.ts'

/** A form that waits for a person. */
export interface QuestionForm {
  readonly server: string
  readonly message: string
  readonly fields: Readonly<Record<string, JsonObject>>
  readonly required: readonly string[]
  /** The input of the call. */
  readonly input: JsonObject
}

const maxFieldChars = 200
const textOf = (value: Json | undefined): string => (typeof value === 'string' ? value : '')

/** @returns null for a call that is no form */
export function formOf({ name, input }: Pick<PendingApproval, 'name' | 'input'>): QuestionForm | null {
  if (name !== elicitCall) return null
  try {
    const parsed = JSON.parse(input) as Json
    const schema = isObject(parsed) ? parsed['schema'] : undefined
    const properties = isObject(schema) ? schema['properties'] : undefined
    if (!isObject(parsed) || parsed['mode'] !== 'form' || !isObject(schema) || !isObject(properties)) return null
    const fields = Object.fromEntries(Object.entries(properties).flatMap(([field, value]) => (isObject(value) ? [[field, value]] : [])))
    const required = Array.isArray(schema['required']) ? schema['required'].map(String) : []
    return { server: textOf(parsed['server']), message: textOf(parsed['message']), fields, required, input: parsed }
  } catch {
    return null
  }
}

/** @returns the question and its fields, one a line */
export function formText({ server, message, fields, required }: QuestionForm): string {
  const lines = Object.entries(fields).map(([name, field]) => {
    const { type, title, description, default: preset } = field
    const marks = [
      ...(typeof type === 'string' ? [type] : []),
      ...choicesOf(field),
      ...(required.includes(name) ? ['required'] : []),
      ...(preset === undefined ? [] : [`default ${JSON.stringify(preset)}`]),
    ]
    const about = [title, description]
      .map(textOf)
      .filter((text) => text !== '')
      .join('. ')
    return `  ${plainLine(name, maxFieldChars)} (${plainLine(marks.join(', '), maxFieldChars)})${about === '' ? '' : `: ${plainLine(about, maxFieldChars)}`}`
  })
  return [`The server ${plainLine(server, maxFieldChars)} asks: ${plainText(message)}`, ...lines].join('\n')
}

function choicesOf({ enum: values, oneOf }: JsonObject): readonly string[] {
  if (Array.isArray(values)) return [`one of ${values.join(' ')}`]
  const titled = Array.isArray(oneOf) ? oneOf.filter(isObject).map((each) => `${textOf(each['const'])} (${textOf(each['title'])})`) : []
  return titled.length === 0 ? [] : [`one of ${titled.join(' ')}`]
}

/**
 * @param pairs each `field=value`; a value of a field that is no text is JSON
 * @returns the input with these answers, which the guest compares with the form
 * @throws OxbowError `bad_input`
 */
export function answered(form: QuestionForm, pairs: readonly string[]): JsonObject {
  const { fields, input } = form
  const given = pairs.map((pair): readonly [string, Json] => {
    const at = pair.indexOf('=')
    const name = pair.slice(0, Math.max(0, at)).trim()
    const field = ownValue(fields, name)
    if (field === undefined)
      throw new OxbowError('bad_input', `The form has no field ${JSON.stringify(name)}.`, {
        hint: `Answer by field=value; its fields are ${Object.keys(fields).join(', ')}.`,
      })
    return [name, valueOf(field, pair.slice(at + 1).trim())]
  })
  const answer: JsonObject = { ...(isObject(input['answer']) ? input['answer'] : {}), ...Object.fromEntries(given) }
  return { ...input, answer }
}

function valueOf({ type }: JsonObject, text: string): Json {
  if (type === 'string') return text
  try {
    return JSON.parse(text) as Json
  } catch {
    // A list is written with commas, as people do; the guest checks the type.
    return type === 'array' ? text.split(',').map((each) => each.trim()) : text
  }
}

/**
 * @param words server, prompt, and `field=value` for each of its arguments
 * @returns the call that reads the prompt
 * @throws OxbowError `bad_input`
 */
export function promptCall([server = '', prompt = '', ...pairs]: readonly string[]): readonly [name: string, input: JsonObject] {
  const wrong = pairs.find((pair) => !pair.includes('='))
  if (!/^[a-z][a-z0-9-]*$/.test(server) || prompt === '' || wrong !== undefined)
    throw new OxbowError('bad_input', 'A prompt needs its server, its name, and field=value for each argument.', {
      hint: '`oxbow servers prompts SERVER` lists them.',
    })
  const values = Object.fromEntries(pairs.map((pair) => [pair.slice(0, pair.indexOf('=')), pair.slice(pair.indexOf('=') + 1)]))
  return [`mcp.${server}.prompt_get`, { prompt, values }]
}

/** @returns the call that makes the message of a command, `/NAME ARGUMENTS` in one line; null for a text that can be none */
export function commandCall(text: string): readonly [name: string, input: { readonly name: string; readonly arguments: string }] | null {
  const [, name = '', given = ''] = /^\/([A-Za-z0-9][A-Za-z0-9_:-]{0,63})(?:[ \t]+([^\n]*))?$/.exec(text.trim()) ?? []
  return name === '' ? null : ['command.expand', { name, arguments: given.trim() }]
}

/** A command that a person has written, or trusts. */
export interface OwnCommand {
  readonly name: string
  /** What to write behind the name; empty: not described. */
  readonly argument: string
  readonly help: string
}

const maxArgumentChars = 40
const maxHelpChars = 120

/** @returns what can be sent as /NAME; nothing if the guest cannot be asked for it */
export async function ownCommands(gateway: {
  call<Name extends string>(name: Name & MadeCall<Name>, input: InputOf<Name>): Promise<CallOutcome<OutputOf<Name>>>
}): Promise<readonly OwnCommand[]> {
  const outcome = await gateway.call('command.list', {})
  if (outcome.status !== 'ok') return []
  return outcome.output.commands.map(({ name, description, hint }) => ({
    name,
    argument: plainLine(hint, maxArgumentChars),
    help: plainLine(description, maxHelpChars),
  }))
}

/** @returns whether the failure of that call says that there is no such command */
export function isNoCommand({ code }: Pick<Failure, 'code'>): boolean {
  // The guest of another version has no such call.
  return code === 'not_found' || code === 'unknown_call'
}

/** @returns the pairs of a line such as `name=Ada, size=3`; null for any other line */
export function pairsIn(line: string): readonly string[] | null {
  const parts = line.split(/,\s*(?=[\w.-]+\s*=)/)
  return parts.every((part) => /^\s*[\w.-]+\s*=/.test(part)) ? parts : null
}
