/** A plugin of elizaOS that uses the services and tests of others, as plugins that depend on them do. */
const toPlain = (value) => (value instanceof Uint8Array ? { base64: Buffer.from(value).toString('base64') } : value)
const fromPlain = (value) => (typeof value?.base64 === 'string' ? Buffer.from(value.base64, 'base64') : value)

async function callService(runtime, { service, method, args }) {
  const found = runtime.getService(service)
  if (!found) throw new Error(`there is no service ${service}`)
  return toPlain(await found[method](...args.map(fromPlain)))
}

/** Runs the test suites that a plugin brings, as elizaOS does. */
async function runTests(runtime, { module }) {
  const { default: plugin } = await import(module)
  const passed = []
  for (const suite of plugin.tests ?? [])
    for (const each of suite.tests) {
      await each.fn(runtime)
      passed.push(`${suite.name}: ${each.name}`)
    }
  return passed
}

const action = (name, run) => ({
  name,
  description: name,
  similes: [],
  examples: [],
  validate: async () => true,
  handler: async (runtime, message, state, options) => ({ success: true, data: { value: await run(runtime, options.parameters) } }),
})

export default {
  name: 'probe',
  description: 'Uses others',
  actions: [action('PROBE_SERVICE', callService), action('PROBE_TESTS', runTests)],
}
