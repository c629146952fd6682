/** Garbage for everything that reads what the other side says. Ten million cases were run by `fuzz-main.ts`; here are some. */
import assert from 'node:assert/strict'
import { mkdtemp, realpath, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, describe, it } from 'node:test'
import * as fc from 'fast-check'
import { fuzzOn, openFuzzer } from './coverage-fuzzer.ts'
import type { Fuzzer } from './coverage-fuzzer.ts'
import { fuzzTargets } from './fuzz-targets.ts'
import type { FuzzTarget } from './fuzz-targets.ts'
import { brittle } from './planted-fault.ts'
import { streamTargets } from './stream-targets.ts'
import { scaled, seed } from '../support/scale.ts'

describe('garbage between kernel and hands', () => {
  let top = ''
  let streams: readonly FuzzTarget[] = []
  let fuzzer: Fuzzer
  before(async () => {
    top = await realpath(await mkdtemp(join(tmpdir(), 'oxbow-fuzz-')))
    streams = await streamTargets(top)
    fuzzer = await openFuzzer()
  })
  after(async () => {
    await fuzzer.close()
    await rm(top, { recursive: true })
  })

  for (const target of fuzzTargets) {
    it(`breaks no law of ${target.name}, followed by coverage`, async (t) => {
      t.diagnostic(`seed ${seed}`)
      const { reached, corpus } = await fuzzer.guide(target, 2_000, seed)
      assert.ok(reached > 1_000, `${reached} characters: nothing was watched`)
      await fuzzOn(target, corpus, 2_000, seed)
    })

    it(`breaks no law of ${target.name}, whatever the bytes`, async () => {
      const input = fc.oneof(fc.uint8Array({ maxLength: 300 }), fc.constantFrom(...target.seeds))
      await fc.assert(fc.asyncProperty(input, async (bytes) => void (await target.run(Buffer.from(bytes)))))
    })
  }

  it('ends hands and requests, and never hangs either', async (t) => {
    t.diagnostic(`seed ${seed}`)
    for (const target of streams) await fuzzer.guide(target, 200, seed)
    for (const target of streams) {
      await fc.assert(
        fc.asyncProperty(fc.uint8Array({ maxLength: 100 }), async (bytes) => void (await target.run(Buffer.from(bytes)))),
        { numRuns: scaled(50) },
      )
    }
  })

  it('would be found: what only one step after another reaches, the fuzzer reaches', async () => {
    const target: FuzzTarget = {
      name: 'a planted fault',
      files: ['test/hands-fuzz/planted-fault.ts'],
      seeds: [Buffer.from('abcd')],
      words: [Buffer.from('x')],
      run: (input) => void brittle(input),
    }
    await assert.rejects(fuzzer.guide(target, 10_000, 1), /a planted fault: Error: found/)
    // As many cases, without learning from any.
    await fuzzOn(target, target.seeds, 10_000, 1)
  })
})
