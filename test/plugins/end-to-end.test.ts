/** A plugin in a real sandbox of a real guest: its action is called by a model, its provider's text is in the context, its evaluator runs. */
import assert from 'node:assert/strict'
import { existsSync, mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { startGuest } from '../../src/guest/guest.ts'
import { newCallId } from '../../src/kernel/kernel-fixture.ts'
import { treeHash } from '../../src/plugins/index.ts'
import type { UserId } from '../../src/base/index.ts'
import type { HostedPlugin, RecordView } from '../../src/protocol/index.ts'
import type { GuestEnvelope } from '../../src/config/index.ts'
import { parseConfig } from '../../src/services/index.ts'
import { startModel } from '../support/model.ts'

const source = `
import { definePlugin } from 'oxbow/plugin'
export default definePlugin({
  name: 'garden',
  actions: [{
    name: 'WATER_PLANTS', description: 'Waters the plants of a bed.',
    parameters: [{ name: 'bed', type: 'string', required: true }],
    handler: async (runtime, message, state, { parameters }) => {
      const read = await runtime.call('file.read', { path: '/shared/beds.txt' })
      const list = await runtime.call('shell.run', { command: 'id' })
      return { success: true, text: 'Watered ' + parameters.bed + ' of ' + read.text + ', ' + list.status + ', ' + state.values.season }
    },
  }],
  providers: [{ name: 'SEASON', get: () => ({ text: 'It is autumn in the garden.', values: { season: 'autumn' } }) }],
  evaluators: [{ name: 'DIARY', alwaysRun: true, handler: async (runtime) => {
    await runtime.call('file.write', { path: '/shared/diary.txt', text: 'a turn has ended' })
  } }],
  routes: [{ type: 'GET', path: '/beds', public: true, handler: () => ({ status: 200, body: { beds: 3 } }) }],
})
`

void test('a plugin in its sandbox takes part in a turn with the rights of both sides', { timeout: 60_000 }, async () => {
  const root = mkdtempSync(join(tmpdir(), 'oxbow-plugin-'))
  const steps = [
    { events: [{ tool_call: { name: 'garden_water_plants', arguments: { bed: 'roses' } } }] },
    { events: [{ text: 'Watered.' }] },
  ]
  await using model = await startModel(steps)
  try {
    for (const folder of ['shared', 'tmp', 'vault', 'internal', 'ipc', 'logs']) mkdirSync(join(root, folder))
    writeFileSync(join(root, 'shared', 'beds.txt'), 'three beds')
    const folder = join(root, 'plugin')
    mkdirSync(folder)
    writeFileSync(join(folder, 'index.mjs'), source)
    const guest = await startGuest(await envelopeFor(root, folder, model.config.base_url))
    try {
      const { kernel } = guest
      const { id: session } = await kernel.createSession('garden')
      const records: RecordView[] = []
      const wake = new Set<() => void>()
      await kernel.follow(session, 0, (event) => {
        if (event.type === 'record') records.push(event.record)
        for (const look of wake) look()
      })
      const outcomeOf = (name: string): Promise<Record<string, unknown>> =>
        new Promise((resolve) => {
          const look = (): void => {
            const found = records.find((record) => record.name === name && (record.phase === 'outcome' || record.phase === 'refused'))
            if (found !== undefined) resolve(found.body as Record<string, unknown>)
          }
          wake.add(look)
          look()
        })
      // What a plugin has is learned from its files, once, in the background.
      const kept = join(root, 'internal', 'plugins', '.exports')
      while (!existsSync(kept) || readdirSync(kept).length === 0) await new Promise((resolve) => setTimeout(resolve, 20))
      await kernel.sendTurn({ session, clientId: newCallId(), text: 'Water the roses' })
      assert.equal((await outcomeOf('turn.send'))['reply'], 'Watered.')
      assert.match(String((await outcomeOf('garden.water_plants'))['text']), /^Watered roses of .*three beds.*, refused, autumn$/s)
      const evaluated = await outcomeOf('plugin.evaluate')
      assert.deepEqual([evaluated['ran'], evaluated['problems']], [['garden/DIARY'], []])
      const { status, text } = await outcomeOf('file.write')
      assert.equal(status, 'ok', String(text))
      assert.deepEqual(
        records.filter(({ phase, actor }) => phase === 'intent' && actor === 'plugin:garden').map(({ name }) => name),
        ['file.read', 'file.write'],
      )
      assert.match(JSON.stringify(model.requests[0]), /autumn in the garden/)
      const beds = await fetch(`${guest.url.replace('ws:', 'http:').replace('/ws', '')}/plugins/garden/beds`)
      assert.deepEqual([beds.status, await beds.json()], [200, { beds: 3 }])
    } finally {
      await guest.close()
    }
  } finally {
    rmSync(root, { recursive: true, force: true })
  }
})

async function envelopeFor(workspaceRoot: string, folder: string, modelUrl: string): Promise<GuestEnvelope> {
  const plugin: HostedPlugin = {
    name: 'garden',
    version: '1.0.0',
    program: 'plugin-host',
    folder,
    tree_hash: await treeHash(folder),
    entries: ['index.mjs'],
    rights: ['file.read', 'file.write'],
    hosts: [],
    secrets: [],
    public_routes: ['/beds'],
    paths: [],
    config: {},
  }
  const config = parseConfig(
    {
      model: { provider: 'openai', base_url: modelUrl },
      agent: { rights: ['file.read', 'file.write', 'shell.run', 'plugin.garden'] },
      approval: { side_effecting: 'allow', privileged: 'allow' },
    },
    'this test',
  )
  const keys = { OPENAI_API_KEY: 'sk-not-a-key' }
  return { user: 'ada' as UserId, workspaceRoot, config, insecure: false, version: '0.0.0', keys, plugins: [plugin] }
}
