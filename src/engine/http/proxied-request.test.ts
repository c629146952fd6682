/** Where a guest has no network of its own, its environment names a proxy, and every exchange with a model goes there. */
import assert from 'node:assert/strict'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { it } from 'node:test'
import { systemClock } from '../../base/index.ts'
import { modelLimits } from '../limits.ts'
import { createEndpoint } from './http-exchange.ts'

it('an exchange goes through the proxy that the environment names', async () => {
  const asked: string[] = []
  const proxy = createServer((request, response) => {
    asked.push(`${request.method} ${request.url}`)
    request.resume().on('end', () => response.end('{}'))
  })
  await new Promise<void>((resolve) => proxy.listen(0, '127.0.0.1', resolve))
  const before = process.env['HTTP_PROXY']
  process.env['HTTP_PROXY'] = `http://127.0.0.1:${(proxy.address() as AddressInfo).port}`
  const baseUrl = new URL('http://models.invalid:8080/v1')
  const endpoint = createEndpoint({ baseUrl, key: '', headers: {}, clock: systemClock, limits: modelLimits })
  if (before === undefined) delete process.env['HTTP_PROXY']
  else process.env['HTTP_PROXY'] = before
  await new Promise<void>((resolve, reject) => {
    const request = endpoint.request('/chat', 2)
    request.on('response', (response) => response.resume().on('end', resolve))
    request.on('error', reject)
    request.end('{}')
  })
  endpoint.close()
  await new Promise((resolve) => proxy.close(resolve))
  assert.deepEqual(asked, ['POST http://models.invalid:8080/v1/chat'])
})
