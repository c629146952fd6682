import assert from 'node:assert/strict'
import { once } from 'node:events'
import { mkdtemp, rm } from 'node:fs/promises'
import { connect, createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, it } from 'node:test'
import { isOxbowError, parseConfig } from '../../types/index.ts'
import { openBridge } from './gateway-bridge.ts'
import { modelRules } from './model-rules.ts'

describe('the bridge to an isolated guest', () => {
  it('passes bytes on in both directions, and ends with either side', async () => {
    const folder = await mkdtemp(join(tmpdir(), 'oxbow-bridge-'))
    const path = join(folder, 'gateway.sock')
    const guest = createServer((socket) => socket.on('data', (bytes) => socket.write(`guest: ${String(bytes)}`)))
    const bridge = await openBridge('127.0.0.1', 0, path)
    const { port } = new URL(bridge.url)
    // The guest is not there yet: a terminal is not left waiting.
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
  it('are those of the configuration, of the environment and of known services, and no others', () => {
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
