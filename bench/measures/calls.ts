/** System calls without side effects: a kernel in this process over a real store, and a call that does nothing. */
import { z } from 'zod'
import { createKernel, type Kernel } from '../../src/kernel/index.ts'
import { createFakeSandbox } from '../../src/sandbox/fake/fake-sandbox.ts'
import { parseConfig, type OpenSource, pluginService, type PluginSource, services } from '../../src/services/index.ts'
import { openSqliteStore } from '../../src/store/index.ts'
import { type SessionId, systemClock, systemRandom } from '../../src/base/index.ts'
import { type Call, type Effect, type Engine, plainFacts } from '../../src/protocol/index.ts'
import type { Measure } from '../measure.ts'
import { bounded, ms, perSecond, shown } from '../report.ts'
import { median } from '../statistics.ts'
import { benchUser, makeWorkspace } from '../subjects/guest.ts'

interface Rate {
  readonly perSecond: number
  readonly p50: number
}

export const callers = 64
const effects: readonly Effect[] = ['none', 'idempotent', 'once']

export const calls: Measure = {
  name: 'calls',
  title: 'Journaled system calls',
  how: 'A call that does nothing, made through the whole gate in process over SQLite on disk. `idempotent` waits until its intent is committed, `once` until intent and outcome survive power loss, `none` waits for nothing.',
  async run({ plan }) {
    const normal = await measureKernel('normal', plan.callSeconds)
    const full = await measureKernel('full', plan.callSeconds)
    const many = (rates: Rates, effect: Effect): number => rates[effect].many.perSecond
    const one = normal.idempotent.one
    return [
      bounded(
        `idempotent, normal, ${callers} callers`,
        perSecond(many(normal, 'idempotent')),
        '',
        '≥ 10 000/s',
        many(normal, 'idempotent') >= 10_000,
      ),
      bounded('idempotent, normal, one caller, p50', ms(one.p50), perSecond(one.perSecond), '< 1 ms', one.p50 < 1),
      bounded(
        `idempotent, full, ${callers} callers`,
        perSecond(many(full, 'idempotent')),
        '',
        '≥ 5 000/s',
        many(full, 'idempotent') >= 5_000,
      ),
      shown('idempotent, full, one caller, p50', ms(full.idempotent.one.p50), perSecond(full.idempotent.one.perSecond)),
      shown(`once, normal, ${callers} callers`, perSecond(many(normal, 'once'))),
      shown(`once, full, ${callers} callers`, perSecond(many(full, 'once'))),
      shown(`read-only (none), normal, ${callers} callers`, perSecond(many(normal, 'none')), `one caller p50 ${ms(normal.none.one.p50)}`),
    ]
  },
}

type Rates = Record<Effect, { readonly one: Rate; readonly many: Rate }>

async function measureKernel(durability: 'normal' | 'full', seconds: number): Promise<Rates> {
  using workspace = makeWorkspace()
  const kernel = await openKernel(workspace.database, durability)
  try {
    const rates: Partial<Rates> = {}
    for (const effect of effects) {
      await rate(kernel, effect, callers, seconds / 4)
      rates[effect] = { one: await rate(kernel, effect, 1, seconds), many: await rate(kernel, effect, callers, seconds) }
    }
    return rates as Rates
  } finally {
    await kernel.close()
  }
}

/** Each caller makes one call after the other. The rate is the number of answers over the time until the last. */
export async function rate(
  kernel: Pick<Kernel, 'call'>,
  effect: Effect,
  width: number,
  seconds: number,
  session?: SessionId,
): Promise<Rate> {
  const took: number[] = []
  const began = performance.now()
  const until = began + seconds * 1000
  const work = async (): Promise<void> => {
    for (let now = performance.now(); now < until;) {
      const { status } = await kernel.call(`bench.${effect}`, {}, session)
      if (status !== 'ok') throw new Error(`a no-op call was ${status}`)
      const then = performance.now()
      took.push(then - now)
      now = then
      // A read-only call runs entirely in microtasks, so yield to the event loop, or the writer gets no messages.
      if (effect === 'none' && took.length % 100 === 0) await new Promise(setImmediate)
    }
  }
  await Promise.all(Array.from({ length: width }, work))
  return { perSecond: (took.length / (performance.now() - began)) * 1000, p50: median(took) }
}

/** @param more of its configuration */
export async function openKernel(
  path: string,
  durability: 'normal' | 'full',
  more: object = {},
  servers?: OpenSource<PluginSource>,
): Promise<Kernel> {
  const config = parseConfig({ store: { durability }, ...more }, 'the bench')
  return createKernel({
    services: servers === undefined ? services : [...services, pluginService(servers, false)],
    user: benchUser,
    version: 'bench',
    config,
    store: await openSqliteStore({ path, user: benchUser, durability, exclusive: true }),
    engine: silentEngine,
    sandbox: createFakeSandbox(),
    calls: async () => effects.map(noOp),
    workspaceRoot: '',
    secrets: new Map(),
    clock: systemClock,
    random: systemRandom,
  })
}

/** A call that does nothing, so that only the gate is measured. */
function noOp(effect: Effect): Call<object, null> {
  return {
    name: `bench.${effect}`,
    summary: 'Does nothing.',
    input: z.strictObject({}),
    output: z.null(),
    example: {},
    tier: effect === 'none' ? 'read_only' : 'side_effecting',
    right: 'system.read',
    effect,
    audience: ['terminal'],
    labels: { adds: [], sink: false },
    timeoutMs: 10_000,
    run: async () => ({ output: null, text: 'done' }),
  }
}

const silentModel = plainFacts({ name: 'silent', provider: 'scripted', contextTokens: 128_000, maxOutputTokens: 8_192, price: null })

const silentEngine: Engine = {
  // oxlint-disable-next-line require-yield -- nothing is ever asked
  async *generate() {},
  model: silentModel,
  facts: async () => silentModel,
  countTokens: async (texts) => texts.map((text) => text.length),
  decodeTokens: async (lists) => lists.map(() => null),
  estimateInput: async () => 0,
  embed: () => Promise.reject(new Error('nothing is embedded')),
  repairs: () => ({}),
  close: async () => {},
}

/** @throws Error if the call did not succeed */
export async function ask<Output>(kernel: Kernel, name: string, input: object): Promise<Output> {
  const outcome = await kernel.call(name, input as never)
  if (outcome.status !== 'ok') throw new Error(outcome.text)
  return outcome.output as Output
}
