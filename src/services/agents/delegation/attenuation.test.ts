import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { derivedId, type SessionId } from '../../../base/index.ts'
import { type Call, type Caller, type Reaches, grantOf } from '../../../protocol/index.ts'
import { parseConfig } from '../../config-schema.ts'
import { agents } from '../service.ts'
import { refuseLimited } from '../../../kernel/policy/right-limits.ts'
import { type AgentProfile, createProfileOf } from '../../../kernel/policy/profiles.ts'
import { user } from '../../../kernel/kernel-fixture.ts'
import { allows, boundsOf, delegableOf, type Entries, meet, modelRight, passedOn, secretRight } from '../../../kernel/policy/attenuation.ts'

const paths = ['/shared', '/shared/a', '/shared/a/b', '/shared/ab', '/shared/a/**', '/shared/a/../c', '/tmp']
const hosts = ['example.com', 'api.example.com', '*.example.com', '*.com', 'Example.com', 'foo*']
const models = ['openai/gpt', 'openai/*', 'anthropic/claude', '*']
const secrets = ['TOKEN', 'TOK*', 'OTHER']
const resources: Readonly<Record<string, readonly string[]>> = {
  'file.read': paths,
  'file.write': paths,
  'web.read': hosts,
  [modelRight]: models,
  [secretRight]: secrets,
}
const plain = ['file.read', 'file.write', 'web.read', 'shell.run', 'agent.spawn', 'mcp.files', 'schedule.write', modelRight, secretRight]

const entry = fc.oneof(
  { weight: 3, arbitrary: fc.constantFrom(...plain) },
  {
    weight: 3,
    arbitrary: fc
      .constantFrom(...Object.keys(resources))
      .chain((right) => fc.constantFrom(...resources[right]!).map((resource) => `${right}:${resource}`)),
  },
  { weight: 1, arbitrary: fc.constantFrom(...plain).map((right) => `!${right}`) },
  { weight: 1, arbitrary: fc.constantFrom(...paths).map((path) => `!file.read:${path}`) },
  { weight: 1, arbitrary: fc.constantFrom('*', 'worker', 'analyst') },
)
const list = fc.array(entry, { maxLength: 10 })
/** Mostly everything, so that much is left at the end of a chain for a mistake to show. */
const generous = fc.oneof({ weight: 3, arbitrary: fc.constant<readonly string[]>(plain) }, { weight: 1, arbitrary: list })

/** Uses that the gate judges: a call with its input, or a name of a secret or a model. */
const uses = [
  ...['/shared/a/b/x', '/shared/ab', '/shared/c', '/tmp/x', '/shared'].flatMap((path) => [
    ['file.read', 'file.read', { path }],
    ['file.write', 'file.write', { path }],
  ]),
  ...['https://api.example.com/', 'https://example.com', 'https://foobar.com'].map((url) => ['web.fetch', 'web.read', { url }]),
  ['shell.exec', 'shell.run', {}],
  ['agent.spawn', 'agent.spawn', {}],
  ['mcp.files.read', 'mcp.files', {}],
  ['schedule.create', 'schedule.write', {}],
] as unknown as readonly (readonly [name: string, right: string, input: object])[]

const named = [
  ...['openai/gpt', 'openai/o9', 'anthropic/claude'].map((name) => [modelRight, name] as const),
  ...['TOKEN', 'TOK*', 'OTHER', 'TOKEN2'].map((name) => [secretRight, name] as const),
]

const reaching: Readonly<Record<string, Reaches>> = {
  'file.read': { kind: 'paths', fields: ['path'] },
  'file.write': { kind: 'paths', fields: ['path'] },
  'web.fetch': { kind: 'url', fields: ['url'] },
  'memory.search': { kind: 'tags', fields: ['tags'] },
  'memory.save': { kind: 'tags', fields: ['tags'] },
}

const described = (name: string, right: string): Call => ({ name, right, reaches: reaching[name] }) as unknown as Call

/** What these entries allow, as the stages judge it. */
function allowed(entries: Entries): ReadonlySet<string> {
  const grant = grantOf(entries)
  const caller: Caller = { user, actor: 'agent:x', audience: 'model', session: '', turn: '', process: '', ...grant }
  const fits = uses.filter(
    ([name, right, input]) =>
      (grant.rights.has('*') || grant.rights.has(right)) && refuseLimited(caller, described(name, right), input) === null,
  )
  const others = named.filter(([right, name]) => (grant.rights.has('*') || grant.rights.has(right)) && allows(grant.limits, right, name))
  return new Set([...fits.map((use) => JSON.stringify(use)), ...others.map((use) => JSON.stringify(use))])
}

const isWithin = (inner: Entries, outer: Entries): void => {
  const wide = allowed(outer)
  for (const use of allowed(inner))
    assert.ok(wide.has(use), `${use} is allowed by ${JSON.stringify(inner)}, not by ${JSON.stringify(outer)}`)
}

test('what two lists of rights have in common allows nothing that one of them does not', () => {
  fc.assert(
    fc.property(list, list, (a, b) => {
      const both = meet(a, b)
      isWithin(both, a)
      isWithin(both, b)
      assert.deepEqual(allowed(meet(both, a)), allowed(both))
    }),
    { numRuns: 200 },
  )
})

const neverPassed = ['*', 'schedule.write']

test('no chain of delegations widens anything: rights, paths, hosts, secrets, servers or models', () => {
  const definition = fc.record({ rights: generous, delegable: generous })
  fc.assert(
    fc.property(generous, fc.array(definition, { maxLength: 5 }), fc.array(list, { maxLength: 3 }), (root, chain, revoked) => {
      let delegable = delegableOf(grantOf(root), [...neverPassed, 'vault.copy'])
      for (const profile of chain) {
        const rights = passedOn(delegable, profile.rights, neverPassed)
        isWithin(rights, delegable)
        isWithin(rights, profile.rights)
        assert.ok(!grantOf(rights).rights.has('schedule.write') && !grantOf(rights).rights.has('*'))
        const passed = meet(rights, profile.delegable)
        isWithin(passed, rights)
        // A resume or a later turn is bounded once more, and what was revoked meanwhile is gone.
        const taken = revoked.flat().filter((each) => each.startsWith('!'))
        isWithin(meet(boundsOf({ rights: [...rights, ...taken], delegable: passed }, neverPassed), passed), passed)
        delegable = passed
      }
    }),
    { numRuns: 200 },
  )
})

test('no resume, handoff or revocation leaves a turn more than each above it can still pass on', async () => {
  const denials = fc.array(
    fc.constantFrom(...plain).map((right) => `!${right}`),
    { maxLength: 2 },
  )
  const definition = fc.record({ rights: generous, delegable: generous, revoked: denials })
  await fc.assert(
    fc.asyncProperty(
      // No agent of the configuration has the role admin.
      generous.map((rights) => rights.map((right) => (right === '*' || right === 'admin' ? 'superuser' : right))),
      fc.array(definition, { minLength: 1, maxLength: 3 }),
      fc.array(definition, { maxLength: 3 }),
      async (root, chain, handoffs) => {
        const config = parseConfig({ agent: { rights: root } }, 'the test')
        const withheld = [...neverPassed, ...(agents.withheld?.(config) ?? [])]
        const docs = new Map<string, AgentProfile>()
        const documents = {
          get: async (_: string, name: string) => (docs.has(name) ? { name, value: docs.get(name)!, seq: 0, at: 0 } : null),
        }
        const profileFor = (
          name: string,
          home: string,
          delegable: Entries,
          { rights, delegable: passes }: (typeof chain)[number],
        ): AgentProfile => {
          const held = passedOn(delegable, rights, neverPassed)
          const base = {
            agent: name as never,
            name,
            model: '',
            instructions: '',
            home: home as SessionId,
            spawner: 'agent:above',
            killed: false,
          }
          return { ...base, rights: held, delegable: meet(held, passes) }
        }
        const bounds = [boundsOf({ rights: config.agent.rights }, withheld)]
        let home = 'person'
        for (const [i, each] of chain.entries()) {
          const session = derivedId('agent', i)
          docs.set(session, profileFor(`a${i}`, home, bounds.at(-1)!, each))
          bounds.push(boundsOf(docs.get(session)!, withheld))
          home = session
        }
        const held = handoffs.map((each, i) => {
          const profile = profileFor(`h${i}`, home, bounds.at(-1)!, each)
          bounds.push(boundsOf(profile, withheld))
          return { profile, from: 'agent:above', call: 'c' as never }
        })
        // After that, rights are taken from those above.
        const now = [bounds[0]!]
        for (const [i, { revoked }] of chain.entries()) {
          const session = derivedId('agent', i)
          const profile = docs.get(session)!
          const taken = revoked.filter((one) => one.startsWith('!'))
          docs.set(session, { ...profile, rights: [...profile.rights, ...taken] })
          now.push(boundsOf(docs.get(session)!, withheld))
        }
        const sessions = new Map(held.length === 0 ? [] : [[home as SessionId, held]])
        const profileOf = createProfileOf(documents as never, config, withheld, { held: sessions, past: new Map() }, async () => null)
        const effective = await profileOf(home as SessionId)
        for (const above of now.slice(0, -1)) isWithin(effective!.rights, above)
        if (held.length > 0) isWithin(effective!.rights, now.at(-1)!)
        for (const above of bounds.slice(0, -1)) isWithin(effective!.rights, above)
      },
    ),
    { numRuns: 150 },
  )
})

test('secrets and models that an agent was not given are denied, also to those below it', () => {
  const root = delegableOf(grantOf(['file.read', 'agent.spawn']), [])
  const child = passedOn(root, ['file.read', 'secret.use:TOKEN', 'model.use'], neverPassed)
  assert.ok(allows(grantOf(child).limits, secretRight, 'TOKEN'))
  assert.ok(!allows(grantOf(child).limits, secretRight, 'OTHER'))
  const grandchild = passedOn(meet(child, ['file.read']), ['secret.use:TOKEN', 'model.use', 'file.read'], neverPassed)
  assert.ok(!allows(grantOf(grandchild).limits, secretRight, 'TOKEN'))
  assert.ok(!allows(grantOf(grandchild).limits, modelRight, 'any'))
  assert.deepEqual(grandchild, ['!model.use', '!secret.use', 'file.read'])
})

test('an agent with a memory of its own reaches only memories with its tag', () => {
  const refused = (name: string, right: string, input: object): boolean => {
    const grant = grantOf(
      passedOn(delegableOf(grantOf(['memory.read', 'memory.write']), []), ['memory.read:agent-a', 'memory.write:agent-a'], neverPassed),
    )
    const caller: Caller = { user, actor: 'agent:a', audience: 'model', session: '', turn: '', process: '', ...grant }
    return refuseLimited(caller, described(name, right), input) !== null
  }
  assert.equal(refused('memory.search', 'memory.read', { query: 'x', tags: ['agent-a'] }), false)
  assert.equal(refused('memory.save', 'memory.write', { content: 'x', tags: ['agent-a', 'other'] }), false)
  assert.equal(refused('memory.search', 'memory.read', { query: 'x' }), true)
  assert.equal(refused('memory.search', 'memory.read', { query: 'x', tags: ['agent-b'] }), true)
  assert.equal(refused('memory.update', 'memory.write', { note_id: 'n', tags: ['agent-a'] }), true)
  assert.equal(refused('memory.delete', 'memory.write', { note_id: 'n' }), true)
})
