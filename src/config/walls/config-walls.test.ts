/** Which of two values of a wall is the tighter one, and which of two configurations lets more through. */
import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import type { Json } from '../../base/index.ts'
import { configJsonSchema, configSchema } from '../config-sections.ts'
import { areRightsWithin, compareConfigs, flatByText, tightenedTo } from './config-walls.ts'

const schema = configJsonSchema(configSchema)
const configOf = (table: Json) => configSchema.parse(table)

/** @returns how the keys that differ compare: `looser` where one is */
function compared(before: Json, after: Json): string {
  const all = compareConfigs(schema, flatByText(configOf(before)), flatByText(configOf(after))).map(({ is }) => is)
  return ['looser', 'other', 'tighter'].find((each) => all.some((is) => is === each)) ?? 'same'
}

void describe('lists of rights', () => {
  for (const [loose, tight, isWithin] of [
    [['file.write'], ['file.write:/shared/a'], true],
    [['file.write:/shared/a'], ['file.write'], false],
    // Next to a folder, the plain right grants no more than the folder.
    [['file.write', 'file.write:/shared/a'], ['file.write'], false],
    [['file.write', 'file.write:/shared/a'], ['file.write:/shared'], false],
    [['file.write:/shared/a'], ['file.write:/shared/a/b', '!file.read'], true],
    [['file.write:/shared/a'], ['file.write:/shared/a/../b'], false],
    [['file.write:/shared/a'], ['file.write:/shared/ab'], false],
    [['file.write:/shared/a', 'file.write:/shared/b'], ['file.write:/shared/b'], true],
    [['web.read:*.example.com'], ['web.read:a.example.com'], true],
    [['web.read:a.example.com'], ['web.read:*.example.com'], false],
    [['file.read', '!file.read:/shared/private'], ['file.read'], false],
    [['file.read', '!file.read:/shared/private'], ['file.read', '!file.read:/shared'], true],
    [['file.read', '!file.read:/shared/private'], ['!file.read'], true],
    [['file.read', '!shell.run'], ['file.read'], true],
    [['*', '!shell.run'], ['*'], false],
    [['*', '!shell.run'], ['file.read'], true],
    [['*'], ['file.write:/shared/a'], true],
    [['worker'], ['file.read', 'shell.run'], true],
    [['worker'], ['supervisor'], false],
  ] as const)
    it(`${loose.join(' ')} ${isWithin ? 'covers' : 'does not cover'} ${tight.join(' ')}`, () =>
      assert.equal(areRightsWithin(tight, loose), isWithin))
})

void describe('values of walls', () => {
  for (const [before, after, is] of [
    // A rule of a call in place of the general one.
    [{ flow: { both: 'deny' } }, { flow: { both: 'deny', sinks: { 'web.fetch': { both: 'ask' } } } }, 'looser'],
    [{ flow: { both: 'ask' } }, { flow: { both: 'ask', sinks: { 'web.fetch': { both: 'ask' } } } }, 'same'],
    [{ flow: { both: 'ask' } }, { flow: { both: 'ask', sinks: { 'web.fetch': { both: 'deny' } } } }, 'tighter'],
    [{ flow: { both: 'ask' } }, { flow: { both: 'ask', sinks: { 'web.fetch': { private: 'deny' } } } }, 'tighter'],
    [{ flow: { sinks: { 'web.fetch': { both: 'deny' } } } }, { flow: { sinks: {} } }, 'looser'],
    [{ flow: { sinks: { 'web.fetch': { both: 'deny' } } } }, { flow: { sinks: { 'web.fetch': {} } } }, 'looser'],
    // An empty table has no entry that could differ.
    [{}, { approval: { calls: { 'file.delete': 'deny' } } }, 'tighter'],
    [{ approval: { calls: { 'file.delete': 'deny' } } }, {}, 'looser'],
    [{}, { approval: { calls: { 'shell.run': 'allow' } } }, 'looser'],
    [{}, { secrets: { TOKEN: {} } }, 'same'],
    [{}, { secrets: { TOKEN: { calls: ['web.fetch'] } } }, 'looser'],
    [{ secrets: { TOKEN: { calls: ['web.fetch'] } } }, {}, 'tighter'],
    [{}, { flow: { source: [{ call: 'mail.*', labels: ['private'] }] } }, 'tighter'],
    [{ budget: { user: { tokens: 5 } } }, {}, 'looser'],
    [{}, { agent: { max_rights: ['file.read'] } }, 'tighter'],
    [{ agent: { max_rights: ['file.read'] } }, {}, 'looser'],
    [{}, { sandbox: { container: { kernel: 'gvisor' } } }, 'tighter'],
    [{}, { only_tighten: ['flow'] }, 'tighter'],
    // To publish an agent is no wall's value; it differs all the same.
    [{}, { a2a: { agents: { helper: { description: 'helps' } } } }, 'other'],
  ] as const)
    it(`${JSON.stringify(before)} → ${JSON.stringify(after)} is ${is}`, () => assert.equal(compared(before, after), is))

  it('are taken from the tighter one of two configurations, key by key', () => {
    const config = configOf({
      approval: { mode: 'auto', calls: { 'web.fetch': 'allow', 'file.delete': 'deny' } },
      agent: { name: 'mine', rights: ['file.read', 'web.read'] },
      secrets: { TOKEN: { calls: ['web.fetch'] } },
    })
    const than = configOf({ approval: { mode: 'manual', calls: { 'mail.send': 'deny' } }, agent: { name: 'other', rights: ['file.read'] } })
    const { approval, agent, secrets } = configSchema.parse(tightenedTo(schema, config, than))
    assert.deepEqual(approval.calls, { 'file.delete': 'deny', 'mail.send': 'deny' })
    assert.deepEqual([approval.mode, agent.name, agent.rights, secrets['TOKEN']?.calls], ['manual', 'mine', ['file.read'], []])
  })
})
