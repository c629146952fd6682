/** Every kind of part that a plugin can have. What it does is written to its own folder, where the test reads it. */
import { appendFileSync, existsSync } from 'node:fs'
import { definePlugin } from 'oxbow/plugin'

const note = (file, line) => appendFileSync(`/data/${file}`, `${line}\n`)
const pause = (ms) => new Promise((resolve) => setTimeout(resolve, ms))
let country = ''

export default definePlugin({
  name: 'atlas',
  init(config) {
    country = config.country
    note('starts', process.pid)
  },
  actions: [
    {
      name: 'LOOK_UP',
      description: 'Looks up a place in the atlas.',
      similes: ['FIND_PLACE'],
      parameters: [{ name: 'place', type: 'string', required: true }],
      async handler(runtime, message, state, { parameters }) {
        const all = await Promise.all([1, 2, 3].map(() => runtime.getService('gazetteer')))
        const written = await runtime.call('file.write', { path: '/shared/atlas/seen.txt', text: parameters.place })
        const refused = await runtime.call('file.write', { path: '/shared/elsewhere.txt', text: 'x' })
        return {
          success: true,
          text: `${parameters.place} is in ${all[0].where()}, near ${state.values.near}; ${written.status}, ${refused.status}`,
          values: { looked_up: parameters.place },
        }
      },
    },
    {
      name: 'CRASH',
      description: 'Ends the process of the atlas.',
      handler() {
        process.exit(3)
      },
    },
  ],
  providers: [
    { name: 'LAST', position: 10, get: () => ({ text: 'LAST: the sea.' }) },
    { name: 'FIRST', position: -5, get: () => ({ text: `FIRST: maps of ${country}.`, values: { near: 'Bergen' } }) },
    { name: 'LATE', position: 0, deadline_ms: 200, get: () => pause(60_000) },
    { name: 'BROKEN', position: 1, get: () => Promise.reject(new Error('the ink is dry')) },
    { name: 'TIDES', position: 20, dynamic: true, description: 'Tides at a harbour.', get: () => ({ text: 'TIDES: low at noon.' }) },
    { name: 'KEEPER', position: 30, private: true, get: () => ({ text: 'KEEPER: who keeps the atlas.' }) },
  ],
  evaluators: [
    {
      name: 'REVIEW',
      handler(runtime, message, state, didRespond, responses) {
        note('reviews', JSON.stringify([message.text, didRespond, responses.map(({ text }) => text), state.values]))
      },
    },
  ],
  services: [
    {
      serviceType: 'gazetteer',
      async start() {
        note('services', process.pid)
        await pause(50)
        return { where: () => country, stop: () => note('services', 'stopped') }
      },
    },
  ],
  models: {
    TEXT_EMBEDDING: (runtime, { text }) => [text.length, 1],
    TEXT_LARGE: { priority: 5, handler: (runtime, { prompt }) => `atlas heard ${prompt}` },
  },
  routes: [
    { type: 'GET', path: '/open', public: true, handler: () => ({ status: 200, body: { open: true } }) },
    { type: 'GET', path: '/closed', handler: (runtime, { query }) => ({ status: 200, body: query }) },
  ],
  tasks: [{ name: 'wind', every_s: 1, run: (runtime, due) => note('tasks', due) }],
  events: {
    '*': [
      async (runtime, payload, name) => {
        note('events', name === 'RESYNC' ? `RESYNC ${payload.lost}` : name)
        if (name !== 'HOLD') return
        while (!existsSync('/data/released')) await pause(20)
      },
    ],
  },
  tests: [],
})
