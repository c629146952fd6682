/** A kernel with a memory, over one store, with the real readers of texts in process: whatever is said is indexed at once. */
import { type Fixture, type FixtureOptions, openFixture, user } from '../../src/kernel/kernel-fixture.ts'
import { createLocalTextEngine, createMemory, type Memory, type MemoryHost } from '../../src/memory/index.ts'
import { openMemoryStore, type Store } from '../../src/store/index.ts'
import { memoryCalls } from '../../src/tools/index.ts'
import { type Clock, systemClock } from '../../src/base/index.ts'
import type { Call, CallOutcome, GenerateRequest } from '../../src/protocol/index.ts'
import { configSchema } from '../../src/services/index.ts'
import { patienceMs } from '../support/patience.ts'

export interface MemoryFixture extends Fixture {
  readonly memory: Memory
  /** What models were asked, in order. */
  readonly asked: readonly GenerateRequest[]
  /** The output of a call that must succeed. */
  ask<Output>(name: string, input: object): Promise<Output>
  call(name: string, input: object): Promise<CallOutcome>
  /** A message in a session of its own. */
  say(text: string): Promise<void>
}

export interface MemoryFixtureOptions extends Omit<FixtureOptions, 'memory'> {
  readonly store?: Store
  /** How long a guest that ends reads what was said last. */
  readonly lastIndexMs?: number
  /** Puts another call in the place of one of memory's own. */
  readonly changeCall?: (call: Call) => Call
}

export function openMemoryOver(
  store: Store,
  config: unknown = {},
  clock: Clock = systemClock,
  host?: MemoryHost,
  lastIndexMs?: number,
): Memory {
  const text = createLocalTextEngine({ embedder: 'none' })
  return createMemory({
    store,
    config: configSchema.parse(config).memory,
    clock,
    text: async () => text,
    catchUpMs: patienceMs,
    ...(host && { host }),
    ...(lastIndexMs !== undefined && { lastIndexMs }),
  })
}

/** A person does not wait longer than a moment for a recall, and goes on without; a test waits for it. */
const patiently = (calls: readonly Call[]): readonly Call[] =>
  calls.map((call) => (call.name === 'memory.recall' ? { ...call, timeoutMs: patienceMs } : call))

export async function openMemoryFixture(options: MemoryFixtureOptions = {}): Promise<MemoryFixture> {
  const store = options.store ?? (await openMemoryStore({ user }))
  const { promise: made, resolve: make } = Promise.withResolvers<Memory>()
  const asked: GenerateRequest[] = []
  const { play } = options
  const fixture = await openFixture({
    ...options,
    store,
    memory: {
      make: (host) => {
        const memory = openMemoryOver(store, options.config, options.clock, host, options.lastIndexMs)
        make(memory)
        return memory
      },
      calls: (memory) => patiently(memoryCalls(memory)).map(options.changeCall ?? ((call) => call)),
    },
    play: (request, signal) => {
      asked.push(request)
      return play === undefined ? answer() : play(request, signal)
    },
  })
  const memory = await made
  const call = (name: string, input: object): Promise<CallOutcome> => fixture.kernel.call(name, input as never)
  return {
    ...fixture,
    [Symbol.asyncDispose]: () => fixture.kernel.close(),
    memory,
    asked,
    call,
    async ask(name, input) {
      const outcome = await call(name, input)
      if (outcome.status !== 'ok') throw new Error(`${name}: ${outcome.failure.code}: ${outcome.failure.message}`)
      return outcome.output as never
    },
    async say(text) {
      const { id } = await fixture.kernel.createSession()
      const ended = Promise.withResolvers<void>()
      const stop = await fixture.kernel.follow(id, 0, (event) => {
        if (event.type === 'record' && event.record.name === 'turn.send' && event.record.phase === 'outcome') ended.resolve()
      })
      await fixture.kernel.sendTurn({ session: id, clientId: crypto.randomUUID() as never, text })
      await ended.promise
      stop()
      await memory.caughtUp()
    },
  }
}

async function* answer() {
  yield [{ type: 'text', text: 'understood' } as const]
  yield [{ type: 'finish', reason: 'stop', usage: { inputTokens: 10, outputTokens: 2, estimated: false } } as const]
}
