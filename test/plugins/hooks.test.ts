/**
 * Hooks of plugins in real sandboxes, in real turns: one that fails open, one that fails closed, and those written for other programs. The
 * agent has no right to any of these plugins: a hook is a rule of the whole guest.
 */
import assert from 'node:assert/strict'
import { after, test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { z } from 'zod'
import { asks, done, inOrder, says, testCall } from '../../src/kernel/kernel-fixture.ts'
import { type HostBench, makeHostBench } from '../../src/plugins/host/host-fixture.ts'
import { openPartsFixture, type PartsFixture, rightsOf } from './parts-fixture.ts'

/** What it does is in the path of the call, so that one host serves all cases. */
const guard = (name: string, fail: string): string => `
import { definePlugin } from 'oxbow/plugin'
export default definePlugin({ name: '${name}', hooks: [{ step: 'call.before', fail: '${fail}', run(runtime, { input }) {
  const [plugin, act] = String(input.path).split('/')
  if (plugin !== '${name}') return
  if (act === 'refuse') return { verdict: 'refuse', reason: 'not that one' }
  if (act === 'change') return { verdict: 'change', value: { input: { path: 'changed' } } }
  if (act === 'ask') return { verdict: 'approve', reason: 'are you sure?' }
  if (act === 'throw') throw new Error('I am broken')
  if (act === 'late') return new Promise(() => {})
  if (act === 'circle') return { verdict: 'change', value: Object.assign(input, { input }) }
  if (act === 'odd') throw { message: 5 }
  if (act === 'large') return runtime.call('file.list', { path: 'x'.repeat(9e6) }).then(({ text }) => ({ verdict: 'refuse', reason: text }))
  if (act === 'loop') return runtime.call('file.list', { input: Object.assign(input, { input }) }).then(({ text }) => ({ verdict: 'refuse', reason: text }))
  if (act === 'exit') process.exit(3)
  if (act === 'call') return runtime.call('file.list', {}).then(({ status, text }) => ({ verdict: 'refuse', reason: status + ' ' + text }))
} }] })`

const foreign = `
const log = []
export default { name: 'foreign', hooks: [
  { step: 'before_tool_call', run: (event) => { if (event.params.path === 'claw') return { block: true, blockReason: 'a claw' } } },
  { step: 'tool.execute.before', run: async (input, output) => { if (output.args.path === 'open') output.args.path = 'code' } },
  { step: 'tool_result', run: (event) => { if (event.input.path === 'pi') return { content: [{ type: 'text', text: '3.14159' }] } } },
] }`

/** One hook by each name that other programs give theirs; it prints that it was fired, and what its handler was called with. */
const names = [
  'before_tool_call after_tool_call message_received agent_end session_start',
  'tool.execute.before tool.execute.after chat.params session.idle',
  'tool_call tool_result turn_start turn_end',
].flatMap((line) => line.split(' '))
const everyAlias = `
export default { name: 'aliases', hooks: ${JSON.stringify(names)}.map((step) => ({ step, run: (first) => {
  console.log('fired ' + step + ' ' + (first.toolName ?? first.tool ?? first.content ?? first.sessionID ?? first.sessionId ?? first.event?.type ?? first.turnIndex ?? first.success))
} })) }`

let opened: Promise<HostBench> | undefined
const open = (): Promise<HostBench> =>
  (opened ??= makeHostBench({
    plugins: { lenient: guard('lenient', 'open'), strict: guard('strict', 'closed'), foreign, aliases: everyAlias },
  }))
after(async () => (await opened)?.[Symbol.asyncDispose]())

interface Ran extends AsyncDisposable {
  readonly fixture: PartsFixture
  /** Paths with which the call ran. */
  readonly paths: readonly string[]
  /** Ends with what the model read of the call. */
  turn(): Promise<string>
}

async function calling(path: string): Promise<Ran> {
  const { hosts } = await open()
  const paths: string[] = []
  const texts: string[] = []
  const steps = [asks(['test_act', { path }]), says('done')]
  const fixture = await openPartsFixture(
    { ...hosts, close: async () => {} },
    {
      config: rightsOf(),
      play: (request) => {
        texts.push(JSON.stringify(request.messages.at(-1)))
        return steps.shift() ?? inOrder()(request, new AbortController().signal)
      },
      calls: [
        testCall('test.act', async (input) => (paths.push((input as { path: string }).path), done('acted')), {
          input: z.strictObject({ path: z.string() }),
        }),
      ],
    },
  )
  const turn = async (): Promise<string> => {
    const { reply } = await fixture.turn('act')
    assert.equal(reply, 'done')
    return texts.at(-1)!
  }
  return { fixture, paths, turn, [Symbol.asyncDispose]: () => fixture[Symbol.asyncDispose]() }
}

/** What becomes of a call, by its path: the path with which it runs, or what the model reads instead. */
const cases: readonly (readonly [path: string, ran: string, read: RegExp])[] = [
  ['plain', 'plain', /acted/],
  ['strict/refuse', '', /The plugin strict refused this test\.act call: not that one/],
  ['lenient/change', 'changed', /The plugin lenient changed the input/],
  ['lenient/throw', 'lenient/throw', /acted/],
  ['strict/throw', '', /the hook call\.before of the plugin strict must look at it, and failed: I am broken/],
  ['lenient/late', 'lenient/late', /acted/],
  ['strict/late', '', /did not answer within 500 ms/],
  ['strict/circle', '', /the plugin strict must look at it, and failed: The answer is not JSON: Converting circular structure to JSON\./],
  ['strict/odd', '', /the plugin strict must look at it, and failed: The plugin failed\./],
  ['strict/large', '', /The plugin strict refused this test\.act call: .*The input of file\.list is larger than 8 MiB\./],
  ['strict/loop', '', /The plugin strict refused this test\.act call: .*The input of file\.list is not JSON: Converting circular/],
  ['strict/call', '', /refused this test\.act call/],
  ['claw', '', /The plugin foreign refused this test\.act call: a claw/],
  ['open', 'code', /changed the input/],
  ['pi', 'pi', /3\.14159/],
]

/** Last: hosts that have ended wait before they start again, and until then each call meets the same. */
const endings: typeof cases = [
  ['lenient/exit', 'lenient/exit', /acted/],
  ['strict/exit', '', /the plugin strict must look at it, and failed: the host of the plugin strict failed: it ended\. Tell/i],
  ['plain', '', /the plugin strict must look at it/],
]

function runs([path, ran, read]: (typeof cases)[number]): void {
  test(`a call of ${path} ${ran === '' ? 'does not run' : `runs with ${ran}`}`, { timeout: 30_000 }, async () => {
    await using run = await calling(path)
    assert.match(await run.turn(), read)
    assert.deepEqual(run.paths, ran === '' ? [] : [ran])
  })
}

cases.forEach(runs)

test('a hook in a sandbox demands approval of the call in its turn', { timeout: 30_000 }, async () => {
  await using run = await calling('lenient/ask')
  const turn = run.turn()
  const parked = await run.fixture.record((record) => record.phase === 'parked')
  assert.match((parked.body as { reason: string }).reason, /the plugin lenient wants your approval: are you sure\?/)
  await run.fixture.kernel.approve(parked.call, true)
  assert.match(await turn, /acted/)
  assert.deepEqual(run.paths, ['lenient/ask'])
})

test(
  'a hook by each name of another program is fired in a turn, with the arguments that its program gives',
  { timeout: 30_000 },
  async () => {
    await using run = await calling('plain')
    await run.turn()
    const { hosts } = await open()
    let log = ''
    // The turn does not wait for those that only observe.
    while (!names.every((name) => log.includes(`fired ${name} `))) {
      await sleep(10)
      log = await hosts.log('aliases')
    }
    const first = (name: string): string | undefined => new RegExp(`fired ${name} (.*)`).exec(log)?.[1]
    for (const name of ['before_tool_call', 'after_tool_call', 'tool.execute.before', 'tool.execute.after', 'tool_call', 'tool_result'])
      assert.equal(first(name), 'test_act', name)
    assert.equal(first('message_received'), 'act')
    assert.equal(first('session.idle'), 'session.idle')
    assert.equal(first('agent_end'), 'true')
  },
)

endings.forEach(runs)
