/** From a verb to a call of memory and its answer. */
import { type CallOutcome, type Failure, type Json, OxbowError } from '../../types/index.ts'
import { type GuestChoice, withGuest } from '../guest/guest-connection.ts'
import type { GatewayPort } from '../guest/gateway-port.ts'
import { printLine, printText, type Terminal } from '../terminal.ts'
import { plainText } from '../view/terminal-text.ts'

export interface MemoryChoice extends GuestChoice {
  readonly json?: boolean | undefined
}

/** The guest is of the same house and version, so its answers are believed. @throws OxbowError as the call failed */
// oxlint-disable-next-line typescript/no-unnecessary-type-parameters -- it names what the call answers, as a cast would
export async function ask<Output>(gateway: GatewayPort, name: string, input: Json): Promise<{ output: Output; text: string; ok: boolean }> {
  const outcome: CallOutcome = await gateway.call(name, input)
  if (outcome.status === 'ok') return { output: outcome.output as Output, text: outcome.text, ok: outcome.ok }
  const { code, message, hint } = forPeople(outcome.failure)
  throw new OxbowError(code, message, { hint })
}

/** What has no option of its own: the words behind the verb. */
const positional: Readonly<Record<string, string>> = {
  content: 'the text',
  query: 'the words',
  note_id: 'the id',
  ids: 'the ids',
  path: 'the path',
}

/** A refused input is told by fields of the call, with an example for a model; a person has typed options. */
function forPeople(failure: Failure): Failure {
  const what = failure.code === 'bad_input' ? /^\w+ was not run: (.*)$/s.exec(failure.message)?.[1] : undefined
  if (what === undefined) return failure
  const message = what.replace(/field `(\w+)[^`]*`/g, (_, field: string) => positional[field] ?? `--${field.replaceAll('_', '-')}`)
  return { ...failure, message, hint: '--help behind the verb lists what it takes.' }
}

/** One call, printed: as JSON, or in words. @returns the exit code: 12 when the call has bad news */
// oxlint-disable-next-line typescript/no-unnecessary-type-parameters -- the same
export async function askAndPrint<Output>(
  call: { readonly name: string; readonly input: Json },
  options: MemoryChoice,
  terminal: Terminal,
  words: (output: Output, text: string) => string = (_, text) => plainText(text),
): Promise<number> {
  return withGuest(options, terminal, async ({ gateway }) => {
    const { output, text, ok } = await ask<Output>(gateway, call.name, call.input)
    if (options.json !== true) printText(terminal, words(output, text))
    else for (const each of Array.isArray(output) ? output : [output]) printLine(terminal, JSON.stringify(each))
    return ok ? 0 : badNews
  })
}

/** As `tool_failed`. */
const badNews = 12
