/** `node --expose-gc test/hands-fuzz/fuzz-main.ts [CASES] [SEED]`: many cases, divided among the targets, with time and memory. */
import { mkdtemp, realpath, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fuzzOn, openFuzzer } from './coverage-fuzzer.ts'
import { fuzzTargets } from './fuzz-targets.ts'
import { streamTargets } from './stream-targets.ts'

const cases = Number(process.argv[2] ?? 1_000_000)
const seed = Number(process.argv[3] ?? Date.now() % 2 ** 31)

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

/** Watched code is several times slower, and after so many cases hardly anything is new. */
const guidedCases = 20_000

process.stdout.write(`seed ${seed}\n`)
const fuzzer = await openFuzzer()
const folder = await realpath(await mkdtemp(join(tmpdir(), 'oxbow-fuzz-')))
const targets = [...fuzzTargets, ...(await streamTargets(folder))].map((target) => ({
  target,
  own: Math.round(cases * (shareOf[target.name] ?? shareOfStream)),
}))
const guided: (readonly Buffer[])[] = []
for (const { target, own } of targets) {
  const { corpus, reached } = await fuzzer.guide(target, Math.min(own, guidedCases), seed)
  process.stdout.write(`${target.name}: ${reached} characters of code reached, ${corpus.length} inputs kept\n`)
  guided.push(corpus)
}
await fuzzer.close()
for (const [i, { target, own }] of targets.entries()) {
  const before = await heldBytes()
  const began = performance.now()
  await fuzzOn(target, guided[i]!, Math.max(0, own - guidedCases), seed + 1)
  const seconds = (performance.now() - began) / 1000
  const grown = ((await heldBytes()) - before) / 1e6
  process.stdout.write(
    `${target.name}: ${own} cases, ${seconds.toFixed(0)} s, ${(before / 1e6).toFixed(1)} MB before, ${grown.toFixed(1)} MB more after\n`,
  )
}
await rm(folder, { recursive: true })
