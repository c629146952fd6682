/** Runs outputs with planted secrets through whole kernels, and looks for them wherever they must not be. */
import assert from 'node:assert/strict'
import { knownSecrets, ordinaryOutputs, type OrdinaryOutput, plantedOutputs } from '../secrets/output-fixture.ts'
import { openMemoryStore } from '../store/index.ts'
import { OxbowError } from '../base/index.ts'
import type { GenerateRequest } from '../protocol/index.ts'
import { asks, openFixture, says, testCall, user } from './kernel-fixture.ts'

/** Calls of one turn, which the model requests at once. */
const batch = 50

/** How an output reaches its caller. */
const ways = ['text', 'output', 'failure', 'record'] as const

interface Seen {
  readonly id: string
  readonly where: string
  readonly text: string
}

/** @returns what a model, the journal and those who follow the session have received of each output */
async function pass(outputs: readonly OrdinaryOutput[], known: ReadonlyMap<string, string>): Promise<readonly Seen[]> {
  const seen: Seen[] = []
  for (let from = 0; from < outputs.length; from += batch) {
    const part = outputs.slice(from, from + batch)
    const store = await openMemoryStore({ user })
    const requests: GenerateRequest[] = []
    const call = testCall(
      'test.output',
      async ({ i }: { i: number }, { record, progress }) => {
        const { text } = part[i]!
        const way = ways[i % ways.length]
        if (way === 'failure') throw new OxbowError('tool_failed', text, { hint: 'Try again.', data: {} })
        if (way === 'record') record({ note: text })
        progress(text)
        return way === 'output' ? { output: { text } } : { output: null, text }
      },
      { labels: { adds: ['untrusted'], sink: false }, tier: 'read_only', effect: 'none' },
    )
    await using guest = await openFixture({
      secrets: known,
      store,
      calls: [call],
      play: (request) => {
        requests.push(request)
        return requests.length === 1 ? asks(...part.map((_, i) => ['test_output', { i }] as const)) : says('done')
      },
    })
    await guest.turn('run')
    for (const message of requests.at(-1)?.messages ?? []) {
      if (message.role !== 'tool') continue
      const [{ id, text }] = message.parts
      seen.push({ id: `${from + Number(/[0-9]+$/.exec(id)?.[0])}`, where: 'a request', text })
    }
    const records = await store.records({ order: 'oldest_first', limit: 10_000, hydrate: true })
    for (const { call: id, name, body } of records) {
      const place = /\.([0-9]+)$/.exec(id)?.[1]
      if (name === 'test.output' && place !== undefined) seen.push({ id: `${from + Number(place)}`, where: 'the journal', text: body })
    }
    seen.push({ id: `${from}`, where: 'an event', text: JSON.stringify(guest.events) })
  }
  return seen
}

/** @returns how many places were looked at */
export async function assertNoneSeen(seed: number, count: number): Promise<number> {
  const known = knownSecrets(seed)
  const outputs = plantedOutputs(seed + 1, count, known)
  const seen = await pass(outputs, known)
  for (const { id, where, text } of seen) {
    const { planted, shape } = outputs[Number(id)]!
    const leaked = planted.find((each) => text.includes(each))
    assert.equal(leaked, undefined, `${shape}: output ${id} in ${where}: ${text.slice(0, 400)}`)
  }
  assert.ok(seen.filter(({ where }) => where === 'a request').length === count, 'every output reached a request')
  return seen.length
}

export async function assertAllUnchanged(seed: number, count: number): Promise<void> {
  const outputs = ordinaryOutputs(seed, count)
  for (const { id, where, text } of await pass(outputs, knownSecrets(seed + 1))) {
    const output = outputs[Number(id)]!
    if (where === 'a request')
      assert.ok(text.includes(output.text) || text.includes(JSON.stringify(output.text)), `${output.shape}: ${output.text}\n${text}`)
  }
}
