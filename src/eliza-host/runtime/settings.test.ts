/** Settings of a character, as plugins of elizaOS read them. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { ElizaRuntime, RunState, RuntimeDeps, SettingMethods } from './runtime-types.ts'
import { settingMethods } from './settings.ts'

function open(character: object = {}, settings: object = {}): SettingMethods & { readonly character: Record<string, any> } {
  const core = { decryptStringValue: (text: string) => text.replace(/^enc:/, ''), getSalt: () => 'salt' }
  const self = { character } as unknown as ElizaRuntime
  const methods = settingMethods(self, {} as RunState, { core, settings } as unknown as RuntimeDeps)
  return Object.assign(self, methods)
}

test('a setting is looked up in secrets, settings, secrets within settings and host settings, in this order', () => {
  const own = open(
    { secrets: { A: 'secret' }, settings: { A: 'setting', B: 'setting', C: '', secrets: { C: 'nested', D: 'nested' } } },
    { A: 'host', D: 'host', E: 'host' },
  )
  assert.deepEqual(
    ['A', 'B', 'C', 'D', 'E', 'F'].map((key) => own.getSetting(key)),
    ['secret', 'setting', 'nested', 'nested', 'host', null],
  )
})

test('values keep their types, encrypted ones are read, and names of what objects inherit are no settings', () => {
  const own = open({ settings: { n: 3, yes: 'true', no: 'false', flag: true, locked: 'enc:open', list: ['x'] } })
  assert.deepEqual(
    ['n', 'yes', 'no', 'flag', 'locked', 'list'].map((key) => own.getSetting(key)),
    [3, true, false, true, 'open', null],
  )
  for (const name of ['constructor', '__proto__', 'toString']) assert.equal(own.getSetting(name), null, name)
  own.setSetting('__proto__', { polluted: true } as never)
  assert.equal(({} as { polluted?: unknown }).polluted, undefined)
})

test('what is set is found, secrets apart, and nothing is set to nothing', () => {
  const own = open()
  own.setSetting('KEY', 'value', true)
  own.setSetting('NAME', 'ann')
  own.setSetting('GONE', null)
  assert.deepEqual(own.character, { ...own.character, secrets: { KEY: 'value' }, settings: { NAME: 'ann' } })
  assert.equal(own.getSetting('GONE'), null)
})

test('stored settings fill in what the character leaves out, and secrets are merged without the removed ones', () => {
  const own = open({ settings: { A: 'own' }, secrets: { KEY: 'own', OLD: null } })
  own.mergeAgentSettings({ settings: { A: 'stored', B: 'stored', secrets: { KEY: 'stored', MORE: 'stored' } } })
  assert.equal(own.getSetting('A'), 'own')
  assert.equal(own.getSetting('B'), 'stored')
  assert.equal(own.getSetting('MORE'), 'stored')
  assert.deepEqual(Object.keys(own.character['secrets']).toSorted(), ['KEY', 'MORE'])
})

test("a model's parameters come from its type's settings, else from the defaults, else from settings with older names", () => {
  const own = open({ settings: { TEXT_LARGE_MAX_TOKENS: '500', DEFAULT_TEMPERATURE: 0.5, MODEL_MAX_TOKEN: 9, DEFAULT_SEED: 'no number' } })
  assert.deepEqual(own.getModelSettings('TEXT_LARGE'), { maxTokens: 500, temperature: 0.5 })
  assert.deepEqual(own.getModelSettings('TEXT_SMALL'), { maxTokens: 9, temperature: 0.5 })
  assert.equal(open().getModelSettings('TEXT_LARGE'), null)
})

test('a run has one id until it ends', () => {
  const own = open()
  const id = own.startRun('room')
  assert.equal(own.getCurrentRunId(), id)
  own.endRun()
  assert.notEqual(own.getCurrentRunId(), id)
})
