import assert from 'node:assert/strict'
import { once } from 'node:events'
import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { mkdtemp, rm } from 'node:fs/promises'
import { connect, createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, it } from 'node:test'
import { isOxbowError } from '../base/index.ts'
import { parseConfig } from '../services/index.ts'
import { embedderFolders, modelRules, openBridge } from './isolated-guest.ts'

void describe('the folder of an embedder, for an isolated guest', () => {
  let root = ''
  let model = ''
  let home = ''
  beforeEach(() => {
    root = mkdtempSync(join(tmpdir(), 'oxbow-embedder-'))
    home = join(root, 'home')
    model = join(home, 'embedders', 'mine')
    mkdirSync(model, { recursive: true })
    writeFileSync(join(model, 'config.json'), '{}')
  })
  afterEach(() => rmSync(root, { recursive: true }))

  void it('is shown when it is one, and nothing is shown for an embedder without a folder', () => {
    assert.deepEqual(embedderFolders(`folder:${model}`, [home]), [model])
    assert.deepEqual(embedderFolders(`onnx:${model}`, [home]), [model])
    for (const name of ['words-50k', 'none', 'openai/text-embedding-3-small']) assert.deepEqual(embedderFolders(name, [home]), [])
  })

  void it('is refused with advice when it does not exist, is not an absolute path, or contains more than a model', () => {
    const link = join(root, 'link')
    symlinkSync(root, link)
    for (const [name, message] of [
      [join(root, 'none'), /does not exist/],
      ['models/mine', /not an absolute path/],
      [join(model, 'config.json'), /does not exist/],
      [home, /contains more than a model/],
      [root, /contains more than a model/],
      ['/', /contains more than a model/],
      [link, /contains more than a model/],
    ] as const) {
      assert.throws(
        () => embedderFolders(`folder:${name}`, [home]),
        (error) => isOxbowError(error, 'bad_config') && message.test(error.message) && error.hint.includes('isolate_guest'),
        name,
      )
    }
  })

  void it('is refused when its files are links to a folder that the guest does not see, as in caches of hubs', () => {
    writeFileSync(join(root, 'blob'), 'numbers')
    symlinkSync(join(root, 'blob'), join(model, 'model.safetensors'))
    assert.throws(
      () => embedderFolders(`folder:${model}`, [home]),
      (error) =>
        isOxbowError(error, 'bad_config') && error.message.includes('model.safetensors is a link') && error.hint.includes('cp -rL'),
    )
  })
})

describe('the relay to an isolated guest', () => {
  it('relays bytes in both directions and ends with either side', async () => {
    const folder = await mkdtemp(join(tmpdir(), 'oxbow-bridge-'))
    const path = join(folder, 'gateway.sock')
    const guest = createServer((socket) => socket.on('data', (bytes) => socket.write(`guest: ${String(bytes)}`)))
    const bridge = await openBridge('127.0.0.1', 0, path)
    const { port } = new URL(bridge.url)
    // Without a guest, the connection is closed at once.
    const early = connect(Number(port), '127.0.0.1')
    early.on('error', () => undefined)
    await once(early, 'close')
    await new Promise<void>((resolve) => guest.listen(path, resolve))
    const terminal = connect(Number(port), '127.0.0.1')
    terminal.write('hello')
    assert.equal(String((await once(terminal, 'data'))[0]), 'guest: hello')
    const gone = once(terminal, 'close')
    await bridge.close()
    await gone
    await new Promise((resolve) => guest.close(resolve))
    await rm(folder, { recursive: true })
  })

  it('says which setting to change when its address is taken', async () => {
    const first = await openBridge('127.0.0.1', 0, '/nowhere')
    const { port } = new URL(first.url)
    await assert.rejects(
      openBridge('127.0.0.1', Number(port), '/nowhere'),
      (error) => isOxbowError(error, 'bad_config') && /gateway\.port/.test(error.hint),
    )
    await first.close()
  })
})

describe('the hosts of models', () => {
  it('come from the configuration, the environment and known services, and nowhere else', () => {
    const config = parseConfig(
      {
        model: { base_url: 'http://10.0.0.5:9000/v1' },
        providers: { mine: { base_url: 'https://llm.corp.example/v1' }, odd: { base_url: 'file:///x' } },
      },
      'test',
    )
    const { mode, allow } = modelRules(config, { OPENAI_BASE_URL: 'http://127.0.0.1:4000' })
    assert.equal(mode, 'strict')
    for (const host of ['10.0.0.5:9000', 'llm.corp.example:443', '127.0.0.1:4000', 'api.anthropic.com:443', '127.0.0.1:11434'])
      assert.ok(allow.includes(host), host)
    assert.ok(allow.every((host) => /^[\w.-]+:\d+$/.test(host)))
  })
})
