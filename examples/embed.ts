/** A program with an agent of its own: a tool, a model and approvals that are functions. Everything is in the journal. `node examples/embed.ts` */
import assert from 'node:assert/strict'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type AskedCall, startOxbow, tool } from 'oxbow/sdk'
import { z } from 'zod'

const stock = new Map([['apples', 4]])
const asked: AskedCall[] = []

const home = await mkdtemp(join(tmpdir(), 'oxbow-example-'))
const oxbow = await startOxbow({
  home,
  insecure: true, // no sandbox: this agent has no use for files
  tools: {
    count: tool({
      description: 'How many there are of something.',
      input: z.object({ what: z.string() }),
      tier: 'read_only',
      effect: 'none',
      run: ({ what }) => ({ what, count: stock.get(what) ?? 0 }),
    }),
    // Says nothing of itself, so it asks each time and is never repeated.
    order: tool({
      description: 'Orders more of something.',
      input: z.object({ what: z.string(), count: z.number().int().positive() }),
      run({ what, count }) {
        stock.set(what, (stock.get(what) ?? 0) + count)
        return 'ordered'
      },
    }),
  },
  approve(call) {
    asked.push(call)
    return call.name === 'app.order'
  },
  // Any model of Oxbow fits here, such as `model: 'anthropic/claude-sonnet-4-5'`; this one is a function.
  model({ messages }) {
    const results = messages.filter(({ role }) => role === 'tool')
    if (results.length === 0) return { toolCalls: [{ name: 'app_count', input: { what: 'apples' } }] }
    if (results.length === 1) return { toolCalls: [{ name: 'app_order', input: { what: 'apples', count: 6 } }] }
    return 'There were four apples, and six more are on their way.'
  },
})

const run = oxbow.run('Are there enough apples?')
for await (const event of run) if (event.type === 'call') console.log(event.call.name, event.call.status)
const reply = await run
assert.match(reply.text, /six more/)
assert.equal(stock.get('apples'), 10)
assert.deepEqual(
  asked.map(({ name, input }) => [name, input]),
  [['app.order', { what: 'apples', count: 6 }]],
)
console.log(reply.text)
await oxbow.close()
await rm(home, { recursive: true })
