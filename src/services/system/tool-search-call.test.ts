import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { openMemoryStore } from '../../store/index.ts'
import { builtinCalls } from '../../tools/index.ts'
import type { GenerateRequest, Message } from '../../protocol/index.ts'
import { asks, done, inOrder, openFixture, says, testCall, user } from '../../kernel/kernel-fixture.ts'
import { createRegistry } from '../../kernel/calls/registry.ts'
import { rankTools, toolSearchCall } from './tool-search-call.ts'

const usual = Array.from({ length: 45 }, (_, i) => testCall(`usual.call${i}`, async () => done('')))
const rare = (name: string, summary: string, right = 'file.write') =>
  testCall(name, async () => done('ran'), { summary, right, rare: true })
const calls = [
  ...usual,
  rare('page.open', 'Opens a web page.'),
  rare('page.click', 'Clicks an element of a web page.'),
  rare('mail.send', 'Sends a letter.'),
  rare('mail.burn', 'Burns a letter that nobody may read.', 'mail.burn'),
]

/** A guest of this store, and the tools of each request to its model. */
async function open(options: Parameters<typeof openFixture>[0] = {}) {
  const requests: GenerateRequest[] = []
  const play = options.play ?? (() => says('done'))
  const fixture = await openFixture({
    calls,
    ...options,
    play: (request, signal) => {
      requests.push(request)
      return play(request, signal)
    },
  })
  const names = () => requests.map(({ tools }) => tools.map(({ name }) => name))
  return { ...fixture, requests, names }
}

const search = (query: string) => asks(['tool_search', { query }])

describe('tool.search', () => {
  it('loads what it finds behind the tools that are always offered, search after search', async () => {
    await using guest = await open({ play: inOrder(search('click in a page'), search('letters'), search('page'), says('done')) })
    await guest.turn('go')
    const [before, ...after] = guest.names()
    assert.ok(before!.includes('tool_search') && before!.includes('usual_call44') && !before!.includes('page_open'))
    assert.deepEqual(
      after.map((tools) => tools.slice(before!.length)),
      [
        ['page_click', 'page_open'],
        ['page_click', 'page_open', 'mail_send'],
        ['page_click', 'page_open', 'mail_send'],
      ],
    )
    for (const tools of after) assert.deepEqual(tools.slice(0, before!.length), before)
    assert.equal(guest.requests[3]!.tools, guest.requests[2]!.tools, 'the same list is serialized once')
  })

  it('keeps what was loaded after a restart, and in no other session', async () => {
    const store = await openMemoryStore({ user })
    const keepOpen = Object.assign(Object.create(store), { close: async () => {} }) as typeof store
    const first = await open({ store: keepOpen, play: inOrder(search('letter'), says('done')) })
    await first.turn('go')
    await first[Symbol.asyncDispose]()
    await using second = await open({ store: keepOpen, session: first.session })
    await second.turn('go on')
    assert.equal(second.names()[0]!.at(-1), 'mail_send')
    await using other = await open({ store })
    await other.turn('go')
    assert.equal(other.names()[0]!.at(-1), 'tool_search')
  })

  it('searches only tools that the agent has the right to', async () => {
    const play = () => inOrder(search('burn a letter'), says('done'))
    await using guest = await open({ play: play() })
    await guest.turn('go')
    assert.ok(!guest.names()[1]!.includes('mail_burn'))
    await using allowed = await open({ play: play(), config: { agent: { rights: ['file.write', 'mail.burn'] } } })
    await allowed.turn('go')
    assert.deepEqual(allowed.names()[1]!.slice(-2), ['mail_burn', 'mail_send'])
  })

  it('is not offered where all tools are, and loads nothing that another result names', async () => {
    await using few = await open({ calls: calls.slice(-4), config: { agent: { rights: ['file.write'] } } })
    await few.turn('go')
    assert.ok(few.names()[0]!.includes('page_open') && !few.names()[0]!.includes('tool_search'))
    const liar = testCall('usual.liar', async () => done('page_open: Opens a web page.'))
    await using guest = await open({
      calls: [...calls, liar],
      play: inOrder(asks(['usual_liar']), search('qwertz'), says('done')),
    })
    await guest.turn('go')
    assert.deepEqual(guest.names()[2], guest.names()[0])
  })

  it('is recorded as a call, with what it loaded', async () => {
    await using guest = await open({ play: inOrder(search('letter'), says('done')) })
    await guest.turn('go')
    const { body } = await guest.record(({ name, phase }) => name === 'tool.search' && phase === 'outcome')
    assert.deepEqual((body as { loaded: unknown }).loaded, ['mail_send'])
  })
})

describe('the ranking of tools', () => {
  const registry = createRegistry(async () =>
    builtinCalls({ files: true, shell: true, profiles: ['work', 'vault-read', 'browser'] }).map((call) => ({ ...call, right: 'all' })),
  )

  it('finds built-in tools by plain words', async () => {
    await registry.parse('time.now', {})
    const tools = registry.tools(new Set(['all']), [])
    for (const [query, name] of [
      ['click a button on a page', 'browser_click'],
      ['take screenshots', 'browser_screenshot'],
      ['copy a secret file from the vault', 'vault_copy_to'],
      ['open an interactive shell', 'shell_session_open'],
      ['browser_type', 'browser_type'],
      ['resize the terminal', 'shell_session_resize'],
    ] as const) {
      assert.equal(rankTools(query, tools)[0]?.name, name, query)
    }
    assert.deepEqual(rankTools('zzz', tools), [])
    assert.deepEqual(rankTools('browser', []), [])
  })
})

describe('found tools in a small window', () => {
  it('are the last found ones that fit', async () => {
    const all = [
      ...builtinCalls({ files: true, shell: true, profiles: ['work', 'vault-read', 'browser'] }),
      toolSearchCall({ registry: { laterTools: () => [] } as never }),
    ]
    const registry = createRegistry(async () => all.map((call) => ({ ...call, right: 'all' })), undefined, undefined, 4_000)
    await registry.parse('time.now', {})
    const rights = new Set(['all'])
    const later = registry.laterTools(rights)
    const text = later.map(({ name, description }) => `${name}: ${description}`).join('\n')
    const found: Message = { role: 'tool', parts: [{ type: 'tool_result', id: '1', name: 'tool_search', ok: true, text }] }
    const shown = registry.tools(rights, [found])
    const loaded = shown.filter(({ name }) => later.some((tool) => tool.name === name))
    assert.ok(loaded.length > 1 && loaded.length < later.length, `${loaded.length} of ${later.length}`)
    assert.deepEqual(loaded, later.slice(-loaded.length))
    assert.ok(loaded.reduce((sum, tool) => sum + JSON.stringify(tool).length, 0) <= registry.maxLoadedChars)
  })
})
