/** How services are held: when they go on with what a crash left, and what the core asks of all of them. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Call } from '../protocol/index.ts'
import type { Definition } from '../config/index.ts'
import { holdServices } from './hold-services.ts'
import type { Core, Service } from './service.ts'

const coreWith = (documents: readonly object[]): (() => Core) => {
  const list = async (): Promise<readonly object[]> => documents
  return () => ({ documents: { list } }) as unknown as Core
}

/** A service of one call, which asks for its port. */
function portOf(more: Partial<Service<string>>): { readonly service: Service; readonly ask: () => Promise<string> } {
  let ask: () => Promise<string> = () => assert.fail('its calls were not described')
  const service: Service<string> = {
    name: 'kept',
    wakes: ['system/kept'],
    async calls(_core, self) {
      ask = self
      return [] as readonly Call[]
    },
    ...more,
  }
  return { service, ask: () => ask() }
}

void test('a service goes on with what was left before anybody has its port, and once', async () => {
  const order: string[] = []
  const left = Promise.withResolvers<void>()
  const { service, ask } = portOf({
    open: async () => ({
      port: 'port',
      async recover() {
        order.push('recover')
        await left.promise
        order.push('recovered')
      },
    }),
  })
  const held = holdServices([service], coreWith([{}]))
  await held.calls()
  // A call that resumes with its turn comes before the start has come as far as services.
  const asked = ask().then((port) => order.push(port))
  const recovering = held.recover()
  await new Promise((resolve) => void setImmediate(resolve))
  assert.deepEqual(order, ['recover'])
  left.resolve()
  await Promise.all([asked, recovering])
  assert.deepEqual(order, ['recover', 'recovered', 'port'])
})

void test('a service that cannot go on with what was left is named, and works', async () => {
  const recover = (): Promise<void> => Promise.reject(new Error('a record is damaged'))
  const { service, ask } = portOf({ open: async () => ({ port: 'port', recover }) })
  const held = holdServices([service], coreWith([{}]))
  await held.calls()
  await held.recover()
  assert.deepEqual(held.problems(), [{ name: 'kept', problem: 'a record is damaged' }])
  assert.equal(await ask(), 'port')
})

void test('a service without documents is not opened by a start', async () => {
  const { service } = portOf({ open: () => assert.fail('nothing needs it') })
  await holdServices([service], coreWith([])).recover()
})

void test('what is wrong with a definition says the service to which its kind belongs', async () => {
  const definitionOf = (kind: Definition['kind']): Definition => ({ kind, name: 'one', toml: '', text: '', problem: '', ...read })
  const read = { from: 'person', hash: '', table: {} } as const
  const graphs: Service = { name: 'graphs', definitions: { graphs: async ({ name }) => `${name} has no start` } }
  const { definitionProblem } = holdServices([graphs], coreWith([]))
  assert.equal(await definitionProblem(definitionOf('graphs')), 'one has no start')
  assert.equal(await definitionProblem(definitionOf('agents')), '')
})

void test('what one service throws is named, and the rest lives', async () => {
  const throws = (): never => {
    throw new Error('broken')
  }
  const ended: string[] = []
  const bad: Service = {
    name: 'bad',
    begin: throws,
    left: throws,
    section: async () => throws,
    async *health() {
      yield throws()
    },
  }
  const good: Service = {
    name: 'good',
    begin: () => async () => void ended.push('good'),
    section: async () => async () => 'All is well.',
    async *health() {
      yield { name: 'good', state: 'ok', says: 'works', fix: '', required: false, ms: 0 }
    },
  }
  const named = [{ name: 'bad', problem: 'broken' }]
  const fresh = () => holdServices([bad, good], coreWith([]))
  const held = fresh()
  held.begin()
  await held.recover()
  assert.deepEqual(held.problems(), named)
  await held.close()
  assert.deepEqual(ended, ['good'])
  const asked = fresh()
  assert.equal(await asked.section({} as never), 'All is well.')
  assert.deepEqual(asked.problems(), named)
  const checks: (readonly string[])[] = []
  for await (const { name, state } of fresh().health()) checks.push([name, state])
  assert.deepEqual(checks, [
    ['service bad', 'missing'],
    ['good', 'ok'],
  ])
})
