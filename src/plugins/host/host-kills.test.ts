/** Hosts that are killed at random while they work: what is asked fails or has happened, and nothing happens twice. */
import assert from 'node:assert/strict'
import { it } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { isOxbowError } from '../../base/index.ts'
import type { ServerProcess } from '../../protocol/index.ts'
import { scaled } from '../../../test/support/scale.ts'
import { makeWorkbench } from '../../sandbox/sandbox-fixture.ts'
import { done, makeHostBench, usualPlugin } from './host-fixture.ts'

const kills = scaled(200, 4)

const source = `export default { name: 'acts', actions: [{ name: 'act', handler: async (runtime, message, state, { parameters }) => {
  for (const step of [1, 2, 3]) await runtime.call('file.write', { token: parameters.token + '.' + step })
  return { success: true, text: parameters.token }
} }] }`

it(`after ${kills} kills of its host no call of a plugin was made twice, and another plugin went on`, { timeout: 120_000 }, async (t) => {
  await using workbench = await makeWorkbench()
  const servers: ServerProcess[] = []
  const serve = async (program: Parameters<NonNullable<typeof workbench.sandbox.serve>>[0]): Promise<ServerProcess> => {
    const server = await workbench.sandbox.serve!(program)
    if (program.programFolder.endsWith('/acts')) servers.push(server)
    return server
  }
  const deps = { sandbox: { serve }, restartMs: 1, maxCrashes: Infinity }
  await using bench = await makeHostBench({ plugins: { acts: source, usual: usualPlugin }, deps })
  const made: string[] = []
  const call = async (_: string, input: object) => {
    await sleep(Math.random() * 3)
    made.push((input as { token: string }).token)
    return done('written')
  }
  await bench.act('usual', 'echo', { text: 'x' })
  const outcomes: Record<string, number> = {}
  for (let round = 0; round < kills; round += 1) {
    while ((await bench.act('acts', 'act', { token: `warm-${round}` }, { call }).catch(() => null)) === null) await sleep(5)
    const asked = bench.act('acts', 'act', { token: `${round}` }, { call }).then(
      ({ text }) => (assert.equal(text, `${round}`), 'ok'),
      (error: unknown) => (assert.ok(isOxbowError(error, 'sandbox_failed')), error.data['lost'] === true ? 'lost' : 'not sent'),
    )
    await sleep(Math.random() * 12)
    await servers.at(-1)!.kill()
    const outcome = await asked
    outcomes[outcome] = (outcomes[outcome] ?? 0) + 1
  }
  t.diagnostic(JSON.stringify(outcomes))
  assert.equal(new Set(made).size, made.length, 'no call was made twice')
  for (const token of new Set(made.map((one) => one.split('.')[0]))) assert.ok(made.includes(`${token}.1`))
  assert.equal((await bench.act('usual', 'echo', { text: 'x' })).data['inits'], 1)
})
