import assert from 'node:assert/strict'
import { it } from 'node:test'
import { startProxy } from './proxy-fixture.ts'

it('what a command has asked for and not reached when it ends is on record, its name may have left by then', async () => {
  const asked = Promise.withResolvers<void>()
  const never = new Promise<readonly string[]>(() => undefined)
  const { proxy, dial, close } = await startProxy({ lookup: () => (asked.resolve(), never), ownAddresses: () => [] })
  const pass = await proxy.issue('online', [])
  const client = await dial()
  const credentials = Buffer.from(`oxbow:${pass.token}`).toString('base64')
  client.write(`CONNECT secret.example:443 HTTP/1.1\r\nhost: secret.example:443\r\nproxy-authorization: Basic ${credentials}\r\n\r\n`)
  await asked.promise
  const reason = 'it had not been reached at the time of this report'
  const row = { host: 'secret.example', port: 443, decision: 'failed', reason, connections: 1, bytesOut: 0, bytesIn: 0 }
  // Told twice, it is counted once.
  assert.deepEqual(await pass.soFar(), { rows: [row], more: 0 })
  assert.deepEqual(await pass.end(), { rows: [row], more: 0 })
  client.destroy()
  await close()
})
