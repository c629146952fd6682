/**
 * Names that somebody else chooses, through a real guest with a plugin that handles every event, hooks every call and acts: of tools, of keys
 * of their arguments, of events, and of everything that has a name in any call. None ends the guest, and `__proto__` is in no answer.
 */
import assert from 'node:assert/strict'
import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { treeHash } from '../../src/plugins/index.ts'
import { isObject, type Json, type JsonObject, OxbowError } from '../../src/base/index.ts'
import type { HostQuestion } from '../../src/config/index.ts'
import type { HostedPlugin } from '../../src/protocol/index.ts'
import { openConversation } from '../support/conversation.ts'
import { foreignNames } from '../support/foreign-names.ts'
import { ofNoFiles, startGuest } from '../support/guest-process.ts'
import { startModel } from '../support/model.ts'
import { scaled } from '../support/scale.ts'
import { openTerminal } from '../support/terminal.ts'
import { makeWorkspace, type TestWorkspace, tokenOf } from '../support/workspace.ts'

const names = foreignNames(scaled(500, 24))
const toolsInOneAnswer = 20
/** Calls that stop the guest, ask its runner, a person or the network, or take long by design. */
const leftOut =
  /^plugin\.(?:sync|installed|look|install|change|propose|create|sign)$|^(?:machine|server|guest|host|model|store|web|search|a2a|acp|mcp|servers|exec|shell|browser|wasm|image|approval|config|keys|upgrade)\./

const source = `
const keys = (names) => JSON.parse('{' + names.map((name) => JSON.stringify(name) + ':{"polluted":true}').join() + '}')
export default { name: 'nosy',
  actions: [{ name: 'echo', description: 'Echoes.', parameters: { type: 'object' }, effect: 'none', async handler(runtime, message, state, { parameters }) {
    for (const name of (parameters.emit ?? [])) await runtime.emit(name, keys([name]))
    for (const name of (parameters.ask ?? [])) {
      await runtime.getService(name).catch(() => {})
      await runtime.useModel(name, keys([name])).catch(() => {})
      await runtime.provide(name).catch(() => {})
      await runtime.call(name, keys([name]))
      runtime.getSetting(name)
    }
    return { success: true, data: { parameters, ...keys(Object.keys(parameters)) }, values: keys(Object.keys(parameters)) }
  } }],
  providers: [{ name: 'constructor', get: () => ({ text: 'here', values: keys(['__proto__', 'constructor']), data: keys(['__proto__', 'toString']) }) }],
  evaluators: [{ name: 'toString', alwaysRun: true, handler: async () => keys(['__proto__']) }],
  events: { '*': [() => {}], constructor: [() => {}] },
  hooks: [{ step: 'call.before', run: () => {} }, { step: 'event.emitted', run: () => {} }],
}`

async function makePlugin({ home }: TestWorkspace): Promise<HostedPlugin> {
  const folder = join(home, 'nosy')
  mkdirSync(folder)
  writeFileSync(join(folder, 'index.mjs'), source)
  const base = { version: '1.0.0', program: 'plugin-host', entries: ['index.mjs'], hosts: [], secrets: [], paths: [], config: {} } as const
  return {
    ...base,
    name: 'nosy',
    folder,
    tree_hash: await treeHash(folder),
    rights: ['memory.read'],
    hooks: ['call.before', 'event.emitted'],
  }
}

const chunks = (size: number): readonly (readonly string[])[] =>
  Array.from({ length: Math.ceil(names.length / size) }, (_, at) => names.slice(at * size, (at + 1) * size))

/** One key after another, since an object literal would not keep `__proto__`. */
const withKeys = (list: readonly string[]): string => `{${list.map((name) => `${JSON.stringify(name)}:{"polluted":true}`).join(',')}}`

void test('no name that a model, a plugin or a peer chooses ends the guest', { timeout: 900_000 }, async (t) => {
  using workspace = makeWorkspace()
  const turns = chunks(toolsInOneAnswer).flatMap((list, at) => {
    const calls = list.map((name) => ({ tool_call: { name, arguments: withKeys([name]) } }))
    const own = [
      { tool_call: { name: 'nosy_echo', arguments: withKeys(list) } },
      { tool_call: { name: 'nosy_echo', arguments: { emit: list, ask: list.slice(0, 5) } } },
    ]
    return [
      { match: `tools ${at}.`, steps: [{ events: calls }, { events: [{ text: 'told' }] }] },
      { match: `keys ${at}.`, steps: [{ events: own }, { events: [{ text: 'told' }] }] },
    ]
  })
  await using model = await startModel({ turns })
  const config = {
    model: { ...model.config, max_output_tokens: 1_000 },
    agent: { rights: ['plugin.nosy', 'memory.read', 'memory.write', 'state.read', 'state.write', 'tools.search'] },
    approval: { side_effecting: 'allow', privileged: 'allow' },
    plugins: { tier: 'unlimited' },
    memory: { embedder: 'none' },
  }
  // Its runner has nothing, and refuses whatever would change the home.
  const answer = ({ ask }: HostQuestion): unknown => {
    if (ask in ofNoFiles) return undefined
    throw new OxbowError('not_found', 'This runner has no files.', { hint: 'Ask another one.' })
  }
  await using guest = startGuest({ workspace, config, plugins: [await makePlugin(workspace)], answer })
  const started = await guest.started
  assert.equal(started.type, 'ready', JSON.stringify(started))
  const { url } = started as { url: string }
  using terminal = await openTerminal(url, workspace)
  const conversation = await openConversation(terminal)
  for (const at of chunks(toolsInOneAnswer).keys()) {
    assert.equal(
      (await conversation.say(`tools ${at}.`)).reply,
      'told',
      names.slice(at * toolsInOneAnswer, (at + 1) * toolsInOneAnswer).join(', '),
    )
    assert.equal((await conversation.say(`keys ${at}.`)).reply, 'told')
  }
  assertClean(terminal.frames)
  const asked = await askEveryCall(url.replace('ws:', 'http:').replace(/\/ws$/, ''), tokenOf(workspace))
  t.diagnostic(`${names.length} names, ${asked} requests`)
  assert.equal((await conversation.say('tools 0.')).reply, 'told', 'the guest that was started at first still answers')
  await terminal.expect('result', 'list_sessions', {})
})

/** Puts a name into each text field of each call in turn, as a program over HTTP. @returns how many requests it made */
async function askEveryCall(address: string, token: string): Promise<number> {
  const headers = { authorization: `Bearer ${token}`, 'content-type': 'application/json' }
  const document = (await (await fetch(`${address}/api/v1/openapi.json`, { headers })).json()) as { paths: Record<string, JsonObject> }
  let next = 0
  for (const [path, { post }] of Object.entries(document.paths)) {
    const name = /^\/api\/v1\/calls\/([\w.]+)$/.exec(path)?.[1]
    if (name === undefined || leftOut.test(name) || !isObject(post ?? null)) continue
    const content = ((post as any).requestBody?.content?.['application/json'] ?? {}) as { schema?: JsonObject; example?: JsonObject }
    const fields = Object.entries((content.schema?.['properties'] ?? {}) as JsonObject).filter(([, schema]) => isObject(schema))
    for (const [field, schema] of fields) {
      const text = names[next++ % names.length]!
      const value: Json = (schema as JsonObject)['type'] === 'array' ? [text] : text
      const body = JSON.stringify({ ...content.example, [field]: value })
      await askOnce(
        `${address}${path}`,
        headers,
        (schema as JsonObject)['type'] === 'object' ? withField(content.example ?? {}, field, text) : body,
      )
    }
  }
  for (const name of names.filter((each) => each.length < 1_000)) {
    const escaped = encodeURIComponent(name.toWellFormed())
    await askOnce(`${address}/api/v1/calls/${escaped}`, headers, withKeys([name]))
    for (const place of ['plugins', 'files/shared', 'sessions', 'models', 'a2a', escaped])
      await askOnce(`${address}/api/v1/${place}/${escaped}`, headers)
    await askOnce(`${address}/mcp`, headers, JSON.stringify({ jsonrpc: '2.0', id: 1, method: name, params: {} }))
    await askOnce(
      `${address}/mcp`,
      headers,
      `{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":${JSON.stringify(name)},"arguments":${withKeys([name])}}}`,
    )
    await askOnce(`${address}/plugins/nosy/${escaped}`, headers)
    await askOnce(`${address}/plugins/${escaped}/x`, headers)
    next += 11
  }
  return next
}

const withField = (example: JsonObject, field: string, name: string): string => {
  const rest = Object.entries(example).filter(([key]) => key !== field)
  return `{${[...rest.map(([key, value]) => `${JSON.stringify(key)}:${JSON.stringify(value)}`), `${JSON.stringify(field)}:${withKeys([name, '__proto__'])}`].join(',')}}`
}

async function askOnce(url: string, headers: Readonly<Record<string, string>>, body?: string): Promise<void> {
  const response = await fetch(url, {
    ...(body !== undefined && { method: 'POST', body }),
    headers,
    signal: AbortSignal.timeout(30_000),
  }).catch((error: unknown) => assert.fail(`${url} ${body?.slice(0, 300)}: ${String(error)} ${String((error as Error).cause)}`))
  const text = await response.text()
  // An event stream has no end of its own; the answers are JSON.
  if (/json/.test(response.headers.get('content-type') ?? '')) {
    assert.ok(response.status !== 500 || !/internal_failure/.test(text), `${url} ${body?.slice(0, 300)}: ${text}`)
    assertClean(JSON.parse(text))
  }
}

function assertClean(value: unknown): void {
  if (Array.isArray(value)) return value.forEach(assertClean)
  if (typeof value !== 'object' || value === null) return
  assert.ok(!Object.hasOwn(value, '__proto__'), `an answer has __proto__: ${JSON.stringify(value).slice(0, 500)}`)
  Object.values(value).forEach(assertClean)
}
