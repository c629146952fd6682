/**
 * Runs `main.js`. The script has no clock, chance or file: whatever it wants is a call, and each has a place in the run. A script that was
 * interrupted begins again, and its calls return what is on record until it has come to where it was. It may wait for days: nothing of it is
 * in memory meanwhile but that it waits.
 */
import { type CallId, type Failure, type Json, type JsonObject, OxbowError, type TurnId } from '../../base/index.ts'
import type { CallOutcome } from '../../protocol/index.ts'
import { type KnownCall, runTool, type ScriptThreads, type WasmTool } from '../../sandbox/index.ts'
import { maxProgramCalls, parkMs, scriptComputeMs, scriptMemoryMb } from './limits.ts'
import { digestOf, type PastCall, placeOf } from './program-record.ts'
import { durablePrelude } from './script-prelude.ts'

export interface ScriptDeps {
  readonly run: TurnId
  readonly source: string
  readonly input: JsonObject
  /** What is on record of it; what it does is added. */
  readonly past: Map<number, PastCall>
  /** Puts handles in the place of secrets. */
  readonly hide: (input: Json) => Json
  /** Notes that a call is about to be made. */
  readonly note: (call: CallId, name: string, digest: string) => void
  /** @param isOpen it was made before, and has not ended */
  readonly make: (call: CallId, name: string, input: Json, isOpen: boolean) => Promise<CallOutcome>
  readonly signal: AbortSignal
  readonly parkAfterMs?: number
  /** See `scriptComputeMs` and `moduleMs`. */
  readonly computeMs?: number
  /** One of them was started ahead. */
  readonly threads?: ScriptThreads
}

export interface ScriptEnd {
  readonly value: Json
  readonly printed: string
  /** Null: it returned. */
  readonly failure: Failure | null
}

/** @throws the reason of the signal; OxbowError `program_diverged`, `limit_reached` */
export async function runProgramScript(deps: ScriptDeps): Promise<ScriptEnd> {
  for (;;) {
    deps.signal.throwIfAborted()
    const { end, waits } = await runOnce(deps)
    if (end !== null) return end
    // What it waits for is on record then, or the run is over.
    await waits
  }
}

/** @returns how it ended, or what it waits for */
async function runOnce(deps: ScriptDeps): Promise<{ readonly end: ScriptEnd | null; readonly waits?: Promise<unknown> }> {
  const { source, input, signal, parkAfterMs = parkMs, computeMs = scriptComputeMs, threads } = deps
  const over = new AbortController()
  let waits: Promise<unknown> | undefined
  let fatal: { readonly error: unknown } | undefined
  const tool: WasmTool = {
    kind: 'js',
    prelude: durablePrelude,
    code: new TextEncoder().encode(source),
    input,
    limits: { timeoutMs: computeMs, memoryMb: scriptMemoryMb },
    signal: AbortSignal.any([signal, over.signal]),
    known: (from) => knownFrom(deps, from),
    async waits(name, asked, place) {
      const made = callAt(deps, place, name, asked)
      const park = (): void => {
        waits = made
        over.abort('parked')
      }
      const patience = setTimeout(park, parkAfterMs).unref()
      try {
        return reply(await made)
      } catch (error) {
        if (error instanceof Fatal || signal.aborted) {
          fatal ??= { error: error instanceof Fatal ? error.failure : error }
          over.abort('ended')
        }
        throw error
      } finally {
        clearTimeout(patience)
      }
    },
  }
  const outcome = await runTool(tool, threads)
  signal.throwIfAborted()
  if (fatal !== undefined) throw fatal.error
  if (waits !== undefined) return { end: null, waits: waits.catch(() => {}) }
  const printed = [outcome.stdout.text, outcome.stderr.text].filter((text) => text !== '').join('')
  if (outcome.ok) return { end: { value: outcome.output, printed, failure: null } }
  return { end: { value: null, printed, failure: inWords(outcome.failure, 'main.js', computeMs) } }
}

function* knownFrom({ past }: ScriptDeps, from: number): Generator<KnownCall> {
  for (let n = from; ; n++) {
    const call = past.get(n)
    if (call === undefined || call.outcome === null) return
    const { name, digest, outcome } = call
    yield { name, digest, answer: () => reply(outcome) }
  }
}

/** @returns what a person reads of a limit on computing */
export function inWords(failure: Failure, file: string, computeMs: number): Failure {
  if (failure.code !== 'timeout') return failure
  const message = `${file} computed for ${computeMs / 1_000} s and was stopped.`
  return { ...failure, message, hint: 'It may loop forever; else give it less to do in one run.' }
}

/** Ends the run: the script cannot catch it. */
export class Fatal extends Error {
  readonly failure: OxbowError

  constructor(failure: OxbowError) {
    super(failure.message)
    this.failure = failure
  }
}

/** @throws Fatal for what ends the run; the reason of the signal */
export async function callAt(deps: Omit<ScriptDeps, 'source' | 'input'>, n: number, name: string, input: Json): Promise<CallOutcome> {
  const { past, run, signal } = deps
  if (n >= maxProgramCalls)
    throw new Fatal(
      new OxbowError('limit_reached', `The script has made ${maxProgramCalls} calls.`, {
        hint: 'Ask for more with one call, or run several programs.',
      }),
    )
  const digest = digestOf(deps.hide(input))
  const known = past.get(n)
  if (known !== undefined && (known.name !== name || known.digest !== digest)) throw new Fatal(diverged(n, name, known))
  if (known?.outcome != null) return known.outcome
  const id = placeOf(run, n)
  if (known === undefined) deps.note(id, name, digest)
  const outcome = await deps.make(id, name, input, known !== undefined)
  signal.throwIfAborted()
  past.set(n, { name, digest, outcome })
  return outcome
}

function diverged(n: number, name: string, known: PastCall): OxbowError {
  const what = known.name === name ? `${name} with another input` : `${name} instead of ${known.name}`
  return new OxbowError('program_diverged', `The script made another call than before: call ${n} is ${what}.`, {
    hint: 'Whatever it decides must follow from its input and from what calls return. Run the program again.',
  })
}

/** The same for an outcome as it comes and as it is read back. @throws OxbowError */
export function reply(outcome: CallOutcome): Json {
  if (outcome.status === 'ok') return { ok: outcome.ok, text: outcome.text, output: (outcome.output ?? null) as Json }
  throw new OxbowError(outcome.failure.code, outcome.text.replace(/^Error \([a-z_]+\): /, ''), {
    hint: outcome.failure.hint,
  })
}
