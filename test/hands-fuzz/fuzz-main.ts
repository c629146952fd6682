/**
 * `node --expose-gc test/hands-fuzz/fuzz-main.ts [CASES] [SEED] [TARGET]`: many cases, divided among the targets, with time and memory.
 * With the name of a target it gets all of them, and each is followed by coverage.
 */
import { mkdtemp, realpath, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fuzzOn, openFuzzer } from './coverage-fuzzer.ts'
import { type FuzzTarget, fuzzTargets } from './fuzz-targets.ts'
import { streamTargets } from './stream-targets.ts'

const cases = Number(process.argv[2] ?? 1_000_000)
const seed = Number(process.argv[3] ?? Date.now() % 2 ** 31)
const wanted = process.argv[4]

/** How much of the cases each gets: an archive takes ten times as long as a frame, and whole streams longer still. */
const shareOf: Readonly<Record<string, number>> = { 'frames and messages': 0.6, replies: 0.36, 'tar archives': 0.03 }
const shareOfStream = 0.005

/** Twice, a turn apart: bytes outside of the heap go when the turn is over. */
async function heldBytes(): Promise<number> {
  const { gc } = globalThis as { gc?: () => void }
  gc?.()
  await new Promise((resolve) => setImmediate(resolve))
  gc?.()
  const { heapUsed, arrayBuffers } = process.memoryUsage()
  return heapUsed + arrayBuffers
}

/** After so many cases hardly anything is new, and what nobody watches is half as dear. */
const guidedCases = 20_000

type Cases = { readonly target: FuzzTarget; readonly own: number; readonly guided: number }

function plan(targets: readonly FuzzTarget[]): readonly Cases[] {
  if (wanted === undefined) {
    return targets.map((target) => {
      const own = Math.round(cases * (shareOf[target.name] ?? shareOfStream))
      return { target, own, guided: Math.min(own, guidedCases) }
    })
  }
  const target = targets.find(({ name }) => name === wanted)
  if (target === undefined) throw new Error(`There is no target ${wanted}: ${targets.map(({ name }) => name).join(', ')}.`)
  return [{ target, own: cases, guided: cases }]
}

/** @returns seconds that it took, and megabytes that are held after it and were not before. */
async function measured(work: () => Promise<void>): Promise<string> {
  const before = await heldBytes()
  const began = performance.now()
  await work()
  const seconds = (performance.now() - began) / 1000
  const grown = ((await heldBytes()) - before) / 1e6
  return `${seconds.toFixed(0)} s, ${(before / 1e6).toFixed(1)} MB before, ${grown.toFixed(1)} MB more after`
}

process.stdout.write(`seed ${seed}\n`)
const fuzzer = await openFuzzer()
const folder = await realpath(await mkdtemp(join(tmpdir(), 'oxbow-fuzz-')))
const planned = plan([...fuzzTargets, ...(await streamTargets(folder))])
const corpora: (readonly Buffer[])[] = []
for (const { target, guided } of planned) {
  const took = await measured(async () => {
    const { corpus, reached } = await fuzzer.guide(target, guided, seed)
    process.stdout.write(`${target.name}: ${reached} characters of code reached, ${corpus.length} inputs kept\n`)
    corpora.push(corpus)
  })
  process.stdout.write(`${target.name}: ${guided} cases followed by coverage, ${took}\n`)
}
await fuzzer.close()
for (const [i, { target, own, guided }] of planned.entries()) {
  if (own === guided) continue
  const took = await measured(() => fuzzOn(target, corpora[i]!, own - guided, seed + 1))
  process.stdout.write(`${target.name}: ${own - guided} more cases, ${took}\n`)
}
await rm(folder, { recursive: true })
