/**
 * A model that answers from a recording: the bytes that an endpoint once sent are read again by the wire that read them then.
 * No network. A request is answered only when it is one that was recorded (see `request-match.ts`); any other ends with
 * `replay_diverged`, which names the first difference. Of several tries of a generation the last
 * one is played. An exchange that was erased is answered with "(erased)".
 *
 * The same request may be recorded more than once: its answers are given in order. So the place in the recording is kept on
 * disk, and a process that starts later goes on from there; behind the end it begins again.
 */
import { createHash } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { StringDecoder } from 'node:string_decoder'
import { type Failure, OxbowError, toFailure, writeWhole } from '../../base/index.ts'
import { erasedText, type GenerateRequest, type Model, type ModelEvent, plainFacts } from '../../protocol/index.ts'
import { builtinProviders } from '../../config/index.ts'
import { bytesOf } from '../http/request-body.ts'
import type { ModelLimits } from '../limits.ts'
import { cancelled, noUsage, type Problem, problem, problemOfStatus } from '../model-problem.ts'
import type { Wire } from '../wire.ts'
import { readRecording, type RecordedExchange } from './recording.ts'
import { endsWith, firstDifference, readConversation, readConversationEnd, type Conversation } from './request-match.ts'

type LoadWire = (name: string) => Promise<Wire | null>

export interface ReplayOptions {
  readonly limits: ModelLimits
  readonly loadWire: LoadWire
  /** Where the place in the recording is kept between processes; unset: nowhere. */
  readonly stateFolder?: string | undefined
}

/** @throws OxbowError `bad_config` when the file cannot be used. */
export async function openReplay(file: string, options: ReplayOptions): Promise<Model> {
  if (file === '')
    throw new OxbowError('bad_config', 'The replay model has no recording.', {
      hint: 'Set model.replay to what `oxbow audit recording SESSION > FILE` wrote.',
    })
  const text = await readFile(file, 'utf8').catch((cause: unknown) => {
    const hint =
      'Set model.replay to what `oxbow audit recording SESSION > FILE` wrote; a relative path is looked for next to config.toml, then in the folder where Oxbow is started.'
    throw new OxbowError('bad_config', `The recording ${file} cannot be read.`, { hint, cause })
  })
  return createReplay(text, file, options)
}

/** @param name of the recording, for errors. @throws OxbowError `bad_config` when the text is not a recording */
export async function createReplay(text: string, name: string, { limits, loadWire, stateFolder }: ReplayOptions): Promise<Model> {
  const recorded = [...new Map(readRecording(text, name).map((exchange) => [exchange.generation, exchange])).values()]
  const wires = new Map<string, Wire | null>()
  for (const { wire, erased } of recorded) if (!erased && !wires.has(wire)) wires.set(wire, await loadWire(wire))
  // A provider package has no wire of ours: what it sent cannot be read again.
  const exchanges = recorded.filter(({ wire, erased }) => erased || wires.get(wire))
  const place = openPlace(stateFolder, text, exchanges.length)
  return {
    async *generate(request, signal) {
      try {
        const found = signal.aborted ? null : findExchange(exchanges, place.next(), request, wires)
        const exchange = typeof found === 'number' ? exchanges[found] : undefined
        if (exchange !== undefined) place.move(Number(found) + 1)
        if (exchange === undefined) yield failed(typeof found === 'string' ? diverged(name, found) : cancelled)
        else if (exchange.erased) yield erasedAnswer
        else if (exchange.status === 200) yield* play(exchange, wires.get(exchange.wire)!, limits)
        else yield failed(refusalOf(exchange).failure)
      } catch (error) {
        yield failed(toFailure(error, 'store_failed', 'Check that the disk of the workspace can be written.'))
      }
    },
  }
}

interface Place {
  /** Index of the exchange that is expected next. */
  next(): number
  move(to: number): void
}

/** A place that was kept for another recording is ignored. */
function openPlace(folder: string | undefined, text: string, length: number): Place {
  const file = folder === undefined ? null : join(folder, 'replay.json')
  const recording = createHash('sha256').update(text).digest('hex')
  let next = file === null ? 0 : readPlace(file, recording)
  return {
    next: () => (next < length ? next : 0),
    move(to) {
      next = to
      if (file !== null) writeWhole(file, `${JSON.stringify({ recording, next })}\n`)
    },
  }
}

function readPlace(file: string, recording: string): number {
  try {
    const kept = JSON.parse(readFileSync(file, 'utf8')) as { recording?: unknown; next?: unknown } | null
    return kept?.recording === recording && Number.isSafeInteger(kept.next) ? Math.max(0, Number(kept.next)) : 0
  } catch {
    return 0
  }
}

/** @returns the index of the recorded exchange, from the expected one on and around; else the first difference to the nearest one */
function findExchange(
  exchanges: readonly RecordedExchange[],
  next: number,
  request: GenerateRequest,
  wires: ReadonlyMap<string, Wire | null>,
): number | string {
  const written = new Map<string, Conversation>()
  // Written once for each wire and model, however long the recording is.
  const writtenOf = ({ wire, model, url }: RecordedExchange): Conversation => {
    const official = isOfficial(url)
    const key = `${wire} ${official} ${model}`
    const known = written.get(key)
    if (known !== undefined) return known
    const made = readConversation(bodyOf(wires.get(wire)!, { ...request, model }, official)) ?? []
    written.set(key, made)
    return made
  }
  let nearest = { same: -1, where: 'nothing that can be replayed is recorded' }
  for (let step = 0; step < exchanges.length; step += 1) {
    const at = (next + step) % exchanges.length
    const exchange = exchanges[at]!
    if (exchange.erased) continue
    const current = writtenOf(exchange)
    if (exchange.unknown > 0) {
      const rest = readConversationEnd(exchange.request)
      if (rest !== null && endsWith(current, rest)) return at
      continue
    }
    const recorded = readConversation(exchange.request)
    if (recorded === null) continue
    const difference = firstDifference(recorded, current)
    if (difference === null) return at
    if (difference.same > nearest.same) nearest = { ...difference, where: `${difference.where} (exchange ${at + 1})` }
  }
  // The request of an erased exchange is gone: any request may be that one.
  return exchanges[next]?.erased === true ? next : nearest.where
}

export function isOfficial(url: string): boolean {
  return Object.values(builtinProviders).some(({ baseUrl }) => baseUrl !== '' && url.startsWith(`${baseUrl}/`))
}

/** The body that the wire would send. Facts of the model are not recorded, and what depends on them is not compared. */
function bodyOf(wire: Wire, request: GenerateRequest, official: boolean): Buffer {
  const { model: name, maxOutputTokens } = request
  const facts = plainFacts({ name, provider: 'replay', contextTokens: 1, maxOutputTokens, price: null })
  return Buffer.concat(bytesOf(wire.createWriter({ facts: () => facts, official }).write(request)))
}

function diverged(name: string, where: string): Failure {
  return {
    code: 'replay_diverged',
    message: `The request is not in the recording ${name}: ${where}.`,
    hint: 'Send the messages of the recorded session, in one session (`--session ID`), or choose another model.',
  }
}

const erasedAnswer: readonly ModelEvent[] = [
  { type: 'text', text: erasedText },
  { type: 'finish', reason: 'stop', usage: noUsage },
]

function refusalOf({ url, status, response }: RecordedExchange): Problem {
  const origin = originOf(url)
  if (status === 0) return problem('model_unreachable', `${origin} did not answer.`, 'It did not when it was recorded.')
  return problemOfStatus({ status, body: response.toString('utf8'), key: '', origin, retryAfterMs: null, redirect: '' })
}

/** A recording is untrusted. */
function originOf(url: string): string {
  return URL.canParse(url) ? new URL(url).origin : 'The endpoint'
}

/** The events of a recorded answer, as its wire reads its bytes. */
export function* play({ url, model, response }: RecordedExchange, wire: Wire, limits: ModelLimits): Generator<readonly ModelEvent[]> {
  const origin = originOf(url)
  const reader = wire.createReader({ limits, origin, key: '', model, requestChars: 0 })
  const decoder = new StringDecoder('utf8')
  for (let at = 0; at < response.length; at += pieceBytes) {
    const batch: ModelEvent[] = []
    const more = reader.feed(decoder.write(response.subarray(at, at + pieceBytes)), batch)
    if (batch.length > 0) yield batch
    if (!more) break
  }
  const found = reader.problem(null)
  yield found === null ? reader.finish() : failed(found.failure, reader.usage())
}

/** As a socket would give it. */
const pieceBytes: number = 64 * 1024

function failed(failure: Failure, usage = noUsage): readonly ModelEvent[] {
  return [{ type: 'error', failure, usage }]
}
