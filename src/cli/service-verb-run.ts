/** Runs a verb of a service: one call, and what it shows. */
import { text as readText } from 'node:stream/consumers'
import { plainText } from '../terminal/index.ts'
import { errorTable, type JsonObject, type ServiceVerb, toError } from '../types/index.ts'
import { withGuest } from './guest-connection.ts'
import { type DryRunOptions, outputOf } from './kernel/call.ts'
import { printLine, printNotice, printPreview, printText, type Terminal } from './terminal.ts'
import { argumentsOf, type Field, inputOf } from './verb-fields.ts'

interface Given {
  readonly fields: readonly Field[]
  /** Arguments, in their order. */
  readonly given: readonly unknown[]
  readonly options: DryRunOptions & Readonly<Record<string, unknown>>
}

/** @returns the exit code */
export async function runVerb(verb: ServiceVerb, { fields, given, options }: Given, terminal: Terminal): Promise<number> {
  const words = argumentsOf(fields, given)
  const typed = { options: { ...options, ...words }, readPiped: () => readText(terminal.input) }
  const written: JsonObject = { ...verb.fixed, ...inputOf(fields, given, options) }
  const completed = verb.input === undefined ? written : await verb.input(written, typed)
  return withGuest(options, terminal, async ({ gateway }) => {
    const ask = (call: string, input: JsonObject) => outputOf(gateway, call, input)
    const input = verb.find === undefined ? completed : await verb.find(completed, ask, typed.options)
    if (options.dryRun === true && verb.preview !== undefined) return printPreview(await verb.preview(input, ask), options, terminal)
    const outcome = await gateway.call(verb.call!, input)
    if (outcome.status !== 'ok') throw toError(outcome.failure)
    await print(verb, { output: outcome.output as never, of: { input, text: outcome.text, options: typed.options, ask } }, terminal)
    const failed = verb.fails === undefined && !outcome.ok ? 'tool_failed' : (verb.fails?.(outcome.output as never) ?? null)
    return failed === null ? 0 : errorTable[failed].exit
  })
}

async function print(
  { lines, empty, notice, show }: ServiceVerb,
  { output, of }: { readonly output: never; readonly of: Parameters<NonNullable<ServiceVerb['show']>>[1] },
  terminal: Terminal,
): Promise<void> {
  const list = lines?.(output, of)
  if (notice !== undefined && of.options['json'] !== true) printNotice(terminal, notice)
  if (of.options['json'] === true) for (const line of list ?? [output]) printLine(terminal, JSON.stringify(line))
  else if (empty !== undefined && list?.length === 0) printNotice(terminal, empty)
  else if (show !== undefined) printText(terminal, await show(output, of))
  // Not every call has words for people.
  else printText(terminal, plainText(of.text).trim() === '' ? JSON.stringify(output, null, 2) : plainText(of.text))
}
