/** `oxbow call` and `oxbow state`: make a system call as the user, from a terminal or a script. */
import { text as readText } from 'node:stream/consumers'
import { setTimeout as sleep } from 'node:timers/promises'
import { formatTime, plainLine, plainText, table } from '../../terminal/index.ts'
import type { CallOutputs, OutputOf } from '../../client/index.ts'
import { type Json, OxbowError, toError } from '../../types/index.ts'
import { type GatewayPort, type GuestChoice, withGuest } from '../guest-connection.ts'
import { maxCallInputBytes, restartPollMs, restartWaitMs } from '../limits.ts'
import { type Preview, printLine, printPreview, printText, type Terminal } from '../terminal.ts'
import { findSession } from '../verbs/sessions.ts'

export interface CallOptions extends GuestChoice {
  readonly json?: boolean | undefined
  readonly session?: string | undefined
}

/** Makes one call. @param text the input as JSON; `-` reads it from standard input, as undefined does when something is piped */
export async function makeCall(name: string, text: string | undefined, options: CallOptions, terminal: Terminal): Promise<number> {
  const isPiped = !terminal.input.isTTY
  const piped = text === '-' || (text === undefined && isPiped) ? await readText(terminal.input) : ''
  const input = parseInput(piped.trim() === '' ? (text ?? '{}') : piped)
  return withGuest(options, terminal, async ({ gateway }) => {
    const session = options.session === undefined ? undefined : (await findSession(gateway, options.session, { archived: true })).id
    const outcome = await gateway.call(name, input, session)
    if (outcome.status !== 'ok') throw toError(outcome.failure)
    if (options.json === true) printLine(terminal, JSON.stringify(outcome.output))
    // Not every call has words for people.
    else printText(terminal, plainText(outcome.text).trim() === '' ? JSON.stringify(outcome.output, null, 2) : plainText(outcome.text))
    return 0
  })
}

/** @throws OxbowError `bad_input` */
export function parseInput(text: string): Json {
  if (Buffer.byteLength(text) > maxCallInputBytes)
    throw new OxbowError('bad_input', `the input has more than ${maxCallInputBytes} bytes`, { hint: 'Put large content into a file.' })
  try {
    return JSON.parse(text) as Json
  } catch (cause) {
    throw new OxbowError('bad_input', 'the input is not valid JSON', {
      hint: `Give one JSON object, in single quotes: oxbow call file.read '{"path": "/shared/notes.md"}'`,
      cause,
    })
  }
}

/** @returns the output of a call as the user, of the type that its schema says. @throws OxbowError as the call failed */
export async function outputOf<Name extends string>(gateway: Pick<GatewayPort, 'call'>, name: Name, input: Json): Promise<OutputOf<Name>> {
  const outcome = await gateway.call(name, input)
  if (outcome.status === 'ok') return outcome.output as OutputOf<Name>
  throw toError(outcome.failure)
}

/**
 * A guest starts anew inside of its process, and its turns go on. Resolves when it answers again: a verb that found none in between would
 * start another.
 */
export async function restartGuest(gateway: Pick<GatewayPort, 'call' | 'status'>): Promise<void> {
  await outputOf(gateway, 'guest.restart', {})
  // It begins a moment after its answer.
  for (const until = performance.now() + restartWaitMs; performance.now() < until;) {
    await sleep(restartPollMs)
    const answers = await gateway.status().then(
      () => true,
      () => false,
    )
    if (answers) return
  }
}

/**
 * A verb that makes one call and shows its output.
 * @param show the output as people read it
 */
export function showOutput<Name extends string>(
  [name, input]: readonly [Name, Json],
  options: CallOptions,
  terminal: Terminal,
  show: (output: OutputOf<Name>) => string,
): Promise<number> {
  return withGuest(options, terminal, async ({ gateway }) => {
    const output = await outputOf(gateway, name, input)
    if (options.json === true) printLine(terminal, JSON.stringify(output))
    else printText(terminal, show(output))
    return 0
  })
}

/** `category/name`, where the category may have slashes of its own. */
function placeOf(path: string): { readonly category: string; readonly name: string } {
  const slash = path.lastIndexOf('/')
  if (slash > 0 && slash < path.length - 1) return { category: path.slice(0, slash), name: path.slice(slash + 1) }
  throw new OxbowError('bad_input', `${JSON.stringify(path)} is not category/name`, {
    hint: 'For example: oxbow state load projects/oxbow',
  })
}

export function stateList(
  category: string,
  options: CallOptions & { readonly after?: string | undefined },
  terminal: Terminal,
): Promise<number> {
  const input = { category, ...(options.after !== undefined && { after: options.after }) }
  return showOutput(['state.list', input], options, terminal, ({ documents, next }) => {
    if (documents.length === 0) return `There is no document in ${plainLine(category, 100)}.`
    const rows = documents.map((row) => [plainLine(row.name, 60), `version ${row.version}`, formatTime(row.saved_at), row.saved_by])
    return `${table(rows)}${next === null ? '' : `\nMore: oxbow state list ${category} --after ${JSON.stringify(next)}`}`
  })
}

export function stateLoad(path: string, options: CallOptions, terminal: Terminal): Promise<number> {
  return showOutput(['state.load', { ...placeOf(path) }], options, terminal, ({ data }) =>
    typeof data === 'string' ? plainText(data) : JSON.stringify(data, null, 2),
  )
}

export interface StateSaveOptions extends CallOptions {
  readonly markdown?: boolean | undefined
  readonly ifVersion?: number | undefined
}

/** @param text undefined or `-`: read from standard input */
export async function stateSave(path: string, text: string | undefined, options: StateSaveOptions, terminal: Terminal): Promise<number> {
  const content = text === undefined || text === '-' ? await readText(terminal.input) : text
  const data = options.markdown === true ? content : parseInput(content)
  const version = options.ifVersion
  const format = options.markdown === true ? 'markdown' : 'json'
  const input = { ...placeOf(path), data, format, ...(version !== undefined && { if_version: version }) }
  return showOutput(['state.save', input], options, terminal, (saved) => `Saved ${path}, version ${saved.version}.`)
}

export function stateDelete(path: string, options: DryRunOptions, terminal: Terminal): Promise<number> {
  const place = { ...placeOf(path) }
  if (options.dryRun === true) {
    return withGuest(options, terminal, async ({ gateway }) => {
      const { version, saved_at, saved_by } = await outputOf(gateway, 'state.load', place)
      return printPreview(
        { would: `delete ${path}, version ${version}`, target: { ...place, version, saved_at, saved_by } },
        options,
        terminal,
      )
    })
  }
  return showOutput(['state.delete', place], options, terminal, ({ existed }) =>
    existed ? `Deleted ${path}.` : `There was no document ${path}.`,
  )
}

// `--dry-run` of verbs that destroy something: they say what they would do, and make no call that changes anything.

export interface DryRunOptions extends CallOptions {
  readonly dryRun?: boolean | undefined
}

/**
 * A verb that makes one call, which destroys something.
 * @param find finds what it would destroy; throws `not_found` as the call would
 */
export function showDestruction<Name extends string>(
  call: readonly [Name, Json],
  options: DryRunOptions,
  terminal: Terminal,
  show: (output: OutputOf<Name>) => string,
  find: (gateway: GatewayPort) => Promise<Preview>,
): Promise<number> {
  if (options.dryRun !== true) return showOutput(call, options, terminal, show)
  return withGuest(options, terminal, async ({ gateway }) => printPreview(await find(gateway), options, terminal))
}

/** Calls that return a list. */
type ListName = { [Name in keyof CallOutputs]: CallOutputs[Name] extends readonly unknown[] ? Name : never }[keyof CallOutputs]

/** @returns the one of a list that a call without input returns. @throws OxbowError `not_found` */
export async function findListed<Name extends ListName>(
  gateway: GatewayPort,
  list: Name,
  matches: (line: CallOutputs[Name][number]) => boolean,
  missing: { readonly what: string; readonly verb: string },
): Promise<CallOutputs[Name][number]> {
  const lines: readonly CallOutputs[Name][number][] = await outputOf(gateway, list, {})
  const found = lines.find(matches)
  if (found !== undefined) return found
  throw new OxbowError('not_found', `there is no ${missing.what}`, { hint: `\`${missing.verb}\` lists them.` })
}
