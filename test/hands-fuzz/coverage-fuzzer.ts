/**
 * A coverage-guided fuzzer in little: inputs that reach a part of the code which none before has reached, or come to an end that
 * none before came to, are kept, and new ones are made from those. V8 counts blocks for whole batches, because asking it costs as
 * much as a thousand cases; a batch that reached something new is halved until it is known which of its inputs did. Batches grow
 * while nothing is new, so that millions of cases can be followed.
 */
import { Session } from 'node:inspector'
import { createChance, mutate } from './mutate.ts'
import type { Chance } from './mutate.ts'
import type { FuzzTarget } from './fuzz-targets.ts'

export interface FuzzReport {
  /** Inputs that are kept. */
  readonly corpus: readonly Buffer[]
  /** Characters of the code that were reached. */
  readonly reached: number
}

/** The case at which a target has thrown. */
export interface FuzzFailure extends Error {
  readonly input: Buffer
}

const batchCases = 200
/** Inputs are up to 6 kB: a batch of so many is 30 MB at the very most. */
const maxBatchCases = 5_000
/** Ends that are told apart; a target whose ends are without number would keep every input. */
const maxEnds = 2_000

export interface Fuzzer {
  /** @throws FuzzFailure with the input that broke a law */
  guide(target: FuzzTarget, cases: number, seed: number): Promise<FuzzReport>
  close(): Promise<void>
}

/** V8 counts parts only of functions that it compiles from here on: opened before the code of a target has run, and once. */
export async function openFuzzer(): Promise<Fuzzer> {
  const session = new Session()
  session.connect()
  await post(session, 'Profiler.enable')
  await post(session, 'Profiler.startPreciseCoverage', { callCount: true, detailed: true })
  return {
    async guide(target, cases, seed) {
      const chance = createChance(seed)
      const all: Reached = new Map()
      const corpus = [...target.seeds]
      const ends = new Set<string>()
      const keepEnd = (input: Buffer, end: string): void => {
        if (end === '' || ends.has(end) || ends.size >= maxEnds) return
        ends.add(end)
        corpus.push(alone(input))
      }
      await lookAt(session, target)
      await reach(session, target, target.seeds, all)
      for (let done = 0, size = batchCases; done < cases;) {
        const batch = Array.from({ length: Math.min(size, cases - done) }, () => next(target, corpus, chance))
        done += batch.length
        const known = copyOf(all)
        const isNew = await reach(session, target, batch, all, keepEnd)
        if (isNew) corpus.push(...(await findNew(session, target, batch, known)))
        size = isNew ? batchCases : Math.min(size * 2, maxBatchCases)
      }
      const reached = [...all.values()].reduce((sum, marks) => sum + marks.reduce((total, mark) => total + mark, 0), 0)
      return { corpus, reached }
    },
    async close() {
      await post(session, 'Profiler.stopPreciseCoverage')
      session.disconnect()
    },
  }
}

/** Goes on from what was found, at the speed of code that nobody watches. @throws FuzzFailure as `guide` does */
export async function fuzzOn(target: FuzzTarget, corpus: readonly Buffer[], cases: number, seed: number): Promise<void> {
  const chance = createChance(seed)
  for (let done = 0; done < cases; done += 1) await runOne(target, next(target, corpus, chance))
}

/** A short input is a slice of a pool of 64 KiB, which it would hold as long as it is kept. */
function alone(input: Buffer): Buffer {
  return Buffer.from(Uint8Array.from(input).buffer)
}

function next(target: FuzzTarget, corpus: readonly Buffer[], chance: Chance): Buffer {
  // The newest are tried more: they stand where nothing was before.
  const pick = chance.below(2) === 0 ? chance.below(corpus.length) : Math.max(0, corpus.length - 1 - chance.below(8))
  return mutate(corpus[pick]!, corpus[chance.below(corpus.length)]!, target.words, chance).subarray(0, target.maxBytes)
}

/** By file, a mark for each character of it that has run. */
type Reached = Map<string, Uint8Array>

function copyOf(reached: Reached): Reached {
  return new Map([...reached].map(([url, marks]) => [url, marks.slice()]))
}

/** @returns whether there is something new; it is added. */
function addTo(all: Reached, reached: Reached): boolean {
  let isNew = false
  for (const [url, marks] of reached) {
    const known = all.get(url) ?? new Uint8Array(marks.length)
    const joined = new Uint8Array(Math.max(known.length, marks.length))
    joined.set(known)
    for (const [i, mark] of marks.entries()) {
      if (mark === 0 || joined[i] === 1) continue
      joined[i] = 1
      isNew = true
    }
    all.set(url, joined)
  }
  return isNew
}

/** @returns whether these reached what none had reached before; it is added. */
async function reach(
  session: Session,
  target: FuzzTarget,
  inputs: readonly Buffer[],
  all: Reached,
  onEnd: (input: Buffer, end: string) => void = () => undefined,
): Promise<boolean> {
  // What was asked before has set all counts to zero, and between the two nothing of the target runs.
  for (const input of inputs) {
    const running = runOne(target, input)
    onEnd(input, typeof running === 'string' ? running : await running)
  }
  return addTo(all, await lookAt(session, target))
}

/** @returns what the target says it came to; at once where it can, for a turn of the event loop costs as much as a case. */
function runOne(target: FuzzTarget, input: Buffer): string | Promise<string> {
  const failed = (cause: unknown): never => {
    throw Object.assign(new Error(`${target.name}: ${String(cause)}\ninput (base64): ${input.toString('base64')}`, { cause }), { input })
  }
  try {
    const running = target.run(input)
    return typeof running === 'object' ? running.then(() => '', failed) : (running ?? '')
  } catch (cause) {
    return failed(cause)
  }
}

/** Which inputs of a batch are worth keeping: those that reach what is not `known`, each something else. */
async function findNew(session: Session, target: FuzzTarget, batch: readonly Buffer[], known: Reached): Promise<Buffer[]> {
  const common = copyOf(known)
  const kept: Buffer[] = []
  const look = async (part: readonly Buffer[]): Promise<void> => {
    const now = copyOf(common)
    if (!(await reach(session, target, part, now))) return
    if (part.length === 1) {
      kept.push(alone(part[0]!))
      addTo(common, now)
      return
    }
    await look(part.slice(0, part.length >> 1))
    await look(part.slice(part.length >> 1))
  }
  await look(batch)
  return kept
}

interface Coverage {
  readonly result: readonly {
    url: string
    functions: readonly { ranges: readonly { startOffset: number; endOffset: number; count: number }[] }[]
  }[]
}

/** What has run since it was asked last. V8 tells a part that has not run by a range of its own with a count of zero. */
async function lookAt(session: Session, target: FuzzTarget): Promise<Reached> {
  const { result } = (await post(session, 'Profiler.takePreciseCoverage')) as Coverage
  const all: Reached = new Map()
  for (const { url, functions } of result.filter((script) => target.files.some((file) => script.url.endsWith(file)))) {
    const ranges = functions.flatMap((each) => each.ranges)
    const marks = new Uint8Array(Math.max(...ranges.map((range) => range.endOffset)))
    // Outer ranges come before those within them.
    for (const { startOffset, endOffset, count } of ranges) marks.fill(count > 0 ? 1 : 0, startOffset, endOffset)
    all.set(url, marks)
  }
  return all
}

function post(session: Session, method: string, params: object = {}): Promise<unknown> {
  return new Promise((resolve, reject) =>
    session.post(method, params, (error, result) => (error === null ? resolve(result) : reject(error))),
  )
}
