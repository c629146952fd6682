/** `oxbow call`: makes a system call as the user, from a terminal or a script. What other verbs share about calls. */
import type { MadeCall } from '../../protocol/index.ts'
import { text as readText } from 'node:stream/consumers'
import { setTimeout as sleep } from 'node:timers/promises'
import { plainText } from '../../terminal/index.ts'
import { type Failure, type Json, OxbowError, toError, wrongInput } from '../../base/index.ts'
import type { InputOf, OutputOf } from '../../client/index.ts'
import { type GatewayPort, type GuestChoice, outcomeOf, outputOf, withGuest } from '../guest-connection.ts'
import { maxCallInputBytes, restartPollMs, restartWaitMs } from '../limits.ts'
import { printAnswer, printLine, printText, type Terminal } from '../terminal.ts'
import { findSession } from '../verbs/sessions.ts'

/** Options of verbs that make one call. */
export interface CallOptions extends GuestChoice {
  readonly json?: boolean | undefined
  readonly session?: string | undefined
}

/** Makes one call. @param text the input as JSON; `-` reads it from standard input, as undefined does when something is piped */
export async function makeCall(name: string, text: string | undefined, options: CallOptions, terminal: Terminal): Promise<number> {
  const isPiped = !terminal.input.isTTY
  const piped = text === '-' || (text === undefined && isPiped) ? await readText(terminal.input) : ''
  const input = parseInput(piped.trim() === '' ? (text ?? '{}') : piped)
  return withGuest(options, terminal, async (connection) => {
    const { gateway, guest } = connection
    // What waits for approval is known when the turns that wait for it have resumed.
    if (guest.owned && isAboutApprovals(name)) await (await import('../verbs/approve.ts')).listPending(connection)
    const session = options.session === undefined ? undefined : (await findSession(gateway, options.session, { archived: true })).id
    const outcome = await outcomeOf(gateway, name, input, session)
    if (options.json === true) printLine(terminal, JSON.stringify(outcome.output))
    // Not every call has words for people.
    else printText(terminal, plainText(outcome.text).trim() === '' ? JSON.stringify(outcome.output, null, 2) : plainText(outcome.text))
    return 0
  })
}

const isAboutApprovals = (name: string): boolean => /^(?:approval|call)\./.test(name)

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
  [name, input]: readonly [Name & MadeCall<Name>, InputOf<Name>],
  options: CallOptions,
  terminal: Terminal,
  show: (output: OutputOf<Name>) => string,
): Promise<number> {
  return withGuest(options, terminal, async ({ gateway }) => {
    const outcome = await gateway.call<Name>(name, input)
    if (outcome.status !== 'ok') throw toError(forPeople(outcome.failure))
    return printAnswer(outcome.output, show(outcome.output), options, terminal)
  })
}

/**
 * A refusal names fields of the call, and gives an example for models. A person typed arguments and options.
 * @param word what the person typed for a field
 */
export function forPeople(failure: Failure, word = (field: string): string => field): Failure {
  const why = wrongInput(failure)
  if (why === undefined) return failure
  const message = why.replaceAll(/field `([^`]*)`/g, (_, field: string) => word(field))
  return { ...failure, message, hint: 'Add --help to see the options.' }
}

/** Of verbs that destroy something: they only say what they would do. */
export interface DryRunOptions extends CallOptions {
  readonly dryRun?: boolean | undefined
}
