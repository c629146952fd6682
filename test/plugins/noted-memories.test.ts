/** Memories that plugins note, through a real kernel with a memory: whose they are, that they are untrusted, and that plugins learn nothing of each other. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { asks, inOrder, says, user } from '../../src/kernel/kernel-fixture.ts'
import { openMemoryStore } from '../../src/store/index.ts'
import { memoryCalls } from '../../src/tools/index.ts'
import type { JsonObject } from '../../src/base/index.ts'
import type { CallOutcome } from '../../src/protocol/index.ts'
import { openMemoryOver } from '../memory/memory-fixture.ts'
import { acted, anAction, createFakeHosts, type FakePlugin } from './fake-hosts.ts'
import { openPartsFixture, type PartsFixture, rightsOf } from './parts-fixture.ts'

interface Hit {
  readonly note_id: string
  readonly text: string
  readonly author: string
  readonly labels: readonly string[]
  readonly tags: readonly string[]
}

type Asks = readonly (readonly [call: string, input: JsonObject])[]

/** Its action makes these calls, one after another; `$id` is the first note that was saved. */
function plugin(name: string, made: Asks, outcomes: CallOutcome[], memory: 'own' | 'write' = 'own'): FakePlugin {
  const tag = memory === 'own' ? `:plugin.${name}` : ''
  return {
    rights: [`memory.read${tag}`, `memory.write${tag}`],
    exports: { actions: [anAction('NOTE', { effect: 'none' })], evaluators: [{ name: 'WATCH', description: '', always: true }] },
    async action(_input, { call }) {
      for (const [asked, input] of made) outcomes.push(await call!(asked, input))
      return acted('Noted.')
    },
    async evaluate(_input, { call }) {
      outcomes.push(await call!('memory.save', { content: `Seen by ${name} after a turn.`, tags: [`plugin.${name}`] }))
      return { ran: true, data: {} }
    },
  }
}

async function inTurn(plugins: Readonly<Record<string, FakePlugin>>, look: (fixture: PartsFixture) => Promise<void>): Promise<void> {
  const store = await openMemoryStore({ user })
  const names = Object.keys(plugins)
  await using fixture = await openPartsFixture(createFakeHosts(plugins), {
    store,
    memory: { make: (host) => openMemoryOver(store, {}, undefined, host), calls: memoryCalls },
    config: rightsOf('memory.read', 'memory.write', ...names.map((name) => `plugin.${name}`)),
    play: inOrder(...names.map((name) => asks([`${name}_note`, { city: 'x' }])), says('Done.')),
  })
  const person = await fixture.kernel.call('memory.save', { content: 'The gate is green.', tags: ['home'] })
  assert.equal(person.status, 'ok')
  await fixture.turn('Note it.')
  await fixture.record(({ name, phase }) => name === 'plugin.evaluate' && phase === 'outcome')
  await look(fixture)
}

async function search(fixture: PartsFixture, query: string): Promise<readonly Hit[]> {
  const found = await fixture.kernel.call('memory.search', { query, top_k: 20 })
  assert.ok(found.status === 'ok')
  return found.output
}

const saves = (content: string, ...tags: readonly string[]) => ['memory.save', { content, tags: [...tags] }] as const

void test('what a plugin notes, in an action and in an evaluator, is its own and untrusted, also in an export', async () => {
  const outcomes: CallOutcome[] = []
  const weather = plugin('weather', [saves('The person wants rain.', 'plugin.weather', 'pinned', 'plugin.other')], outcomes)
  await inTurn({ weather }, async (fixture) => {
    assert.deepEqual(
      outcomes.map(({ status }) => status),
      ['ok', 'ok'],
    )
    for (const [query, text] of [
      ['rain', 'The person wants rain.'],
      ['seen turn', 'Seen by weather after a turn.'],
    ] as const) {
      const hit = (await search(fixture, query)).find((each) => each.text === text)
      assert.deepEqual([hit?.author, hit?.labels, hit?.tags], ['plugin:weather', ['untrusted'], ['plugin.weather']])
    }
    const told = await fixture.kernel.call('memory.search', { query: 'rain', top_k: 20 })
    assert.match(told.text, /note by the plugin weather; .*untrusted\nThe person wants rain\./)
    const exported = await fixture.kernel.call('memory.export', {})
    const lines = (exported.status === 'ok' ? (exported.output as { lines: readonly string[] }).lines : []).join('\n')
    assert.match(lines, /"author":"plugin:weather","tags":\["plugin\.weather"\],"labels":\["untrusted"\]/)
  })
})

void test('a plugin that rewrites or supersedes a note of a person makes it its own', async () => {
  const outcomes: CallOutcome[] = []
  const made: [string, JsonObject][] = []
  const editor = plugin('editor', made, outcomes, 'write')
  const store = editor.action!
  await inTurn(
    {
      editor: {
        ...editor,
        async action(input, request) {
          const found = await request.call!('memory.search', { query: 'gate' })
          assert.ok(found.status === 'ok')
          const id = (found.output as readonly Hit[])[0]!.note_id
          made.push(['memory.update', { note_id: id, content: 'The gate is blue.' }])
          made.push(['memory.supersede', { note_id: id, content: 'The gate is red.' }])
          return store(input, request)
        },
      },
    },
    async (fixture) => {
      assert.equal(outcomes[0]?.status, 'ok', outcomes[0]?.text)
      const hits = (await search(fixture, 'gate')).filter(({ text }) => /gate/.test(text))
      assert.deepEqual(
        hits.map(({ text, author, labels }) => [text, author, labels]).toSorted(([a = ''], [b = '']) => (a < b ? -1 : 1)),
        [
          ['The gate is blue.', 'plugin:editor', ['untrusted']],
          ['The gate is red.', 'plugin:editor', ['untrusted']],
        ],
      )
    },
  )
})

void test('the same text of two plugins and a person are three notes, and each plugin learns of its own alone', async () => {
  const [first, second]: [CallOutcome[], CallOutcome[]] = [[], []]
  const text = 'The gate is green.'
  const found = (name: string) => ['memory.search', { query: 'gate', tags: [`plugin.${name}`] }] as const
  const plugins = {
    weather: plugin('weather', [saves(text, 'plugin.weather'), saves(text, 'plugin.weather'), found('weather')], first),
    guess: plugin('guess', [saves(text, 'plugin.guess'), found('guess')], second),
  }
  await inTurn(plugins, async (fixture) => {
    assert.match(first[0]!.text, /^Noted\./, 'it does not learn that the person has noted this')
    assert.match(first[1]!.text, /already noted/)
    assert.match(second[0]!.text, /^Noted\./)
    assert.doesNotMatch(second[1]!.text, /weather/)
    const notes = (await search(fixture, 'gate green')).filter((each) => each.text === text)
    assert.deepEqual(notes.map(({ author, tags }) => `${author} ${tags.join()}`).toSorted(), [
      'plugin:guess plugin.guess',
      'plugin:weather plugin.weather',
      'user home',
    ])
    const again = await fixture.kernel.call('memory.save', { content: text, tags: [] })
    assert.match(again.text, /already noted/, 'the person their own')
  })
})
