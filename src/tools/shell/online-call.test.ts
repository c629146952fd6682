import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import type { Visit, Visits } from '../../sandbox/index.ts'
import type { JsonObject } from '../../base/index.ts'
import type { CallContext, HandsOps } from '../../protocol/index.ts'
import { shellOnline } from './online-sessions.ts'

const visit = (host: string): Visit => ({ host, port: 443, decision: 'reached', reason: '', connections: 2, bytesOut: 10, bytesIn: 20 })
const ended = { exitCode: 0, signal: null, timedOut: false, stdout: 'out\n', stderr: '', stdoutBytes: 4, stderrBytes: 0, durationMs: 1 }

function setup(visits: Visits, answer: (op: string, input: HandsOps['exec']['input']) => Promise<HandsOps['exec']['output']>) {
  const profiles: string[] = []
  const allowedHosts: (readonly string[])[] = []
  const recorded: JsonObject[] = []
  let watching = 0
  const proxy = {
    issue: (_: string, hosts: readonly string[]) => {
      watching += 1
      allowedHosts.push(hosts)
      const end = async (): Promise<Visits> => {
        watching -= 1
        return visits
      }
      return Promise.resolve({ token: 'f00d', soFar: async () => visits, end })
    },
  }
  const sandbox = { hands: (profile: string) => Promise.resolve({ ask: answer, profile: profiles.push(profile) }) }
  const context = { sandbox, signal: new AbortController().signal, record: (body: JsonObject) => void recorded.push(body) }
  const call = shellOnline(proxy)
  return {
    profiles,
    allowedHosts,
    recorded,
    watching: () => watching,
    run: () => call.run(call.example, context as unknown as CallContext),
    call,
  }
}

describe('shell.online', () => {
  it('runs with network access, and needs its own right', async () => {
    const { call, profiles, allowedHosts, run } = setup({ rows: [], more: 0 }, () => Promise.resolve(ended))
    const { text, output } = await run()
    assert.deepEqual(profiles, ['online'])
    assert.deepEqual(allowedHosts, [['registry.npmjs.org']])
    assert.equal(text, 'exit code 0\nstdout:\nout')
    assert.deepEqual(output.hosts, [])
    assert.deepEqual(
      [call.tier, call.right, call.effect, call.labels],
      ['privileged', 'shell.network', 'once', { adds: ['untrusted'], sink: true }],
    )
  })

  it('lists a limited number of hosts and counts the rest; the record has all', async () => {
    const rows = Array.from({ length: 40 }, (_, i) => visit(`host-${i}.test`))
    const { call, run } = setup({ rows, more: 7 }, () => Promise.resolve(ended))
    const { text = '', output } = await run()
    assert.equal(text.match(/ {2}reached host-/g)?.length, 15)
    assert.match(text, /^exit code 0\nnetwork:\n {2}reached host-0\.test:443 \(2 times\): 10 bytes out, 20 bytes in\n/)
    assert.match(text, /\n {2}and more: 25 hosts, 7 connections\nstdout:/)
    assert.equal((call.recordOutput!(output)['hosts'] as unknown[]).length, 40)
    call.output.parse(output)
  })

  it('records the hosts that a stopped command had reached', async () => {
    const { recorded, run, watching } = setup({ rows: [visit('a.test')], more: 0 }, () => Promise.reject(new Error('cancelled')))
    await assert.rejects(run(), /cancelled/)
    const row = { host: 'a.test', port: 443, decision: 'reached', reason: '', connections: 2, bytes_out: 10, bytes_in: 20 }
    assert.deepEqual(recorded, [{ hosts: [row], more_connections: 0 }])
    assert.equal(watching(), 0)
  })
})
