/** Groups are looked up again for a key while it holds, and not any longer. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { setImmediate as turn } from 'node:timers/promises'
import { systemRandom } from '../../base/index.ts'
import { configSchema } from '../../config/index.ts'
import type { Kernel } from '../../kernel/index.ts'
import { createPersonKeys } from './person-keys.ts'
import type { Provider } from './provider.ts'

test('a key that has expired is asked for no more', async (t) => {
  t.mock.timers.enable({ apis: ['setInterval'] })
  let now = 0
  let refreshed = 0
  const revoked: string[] = []
  const outputs: Readonly<Record<string, (input: { key?: string }) => unknown>> = {
    'key.list': () => [],
    'people.sign_in': () => ({ person: 'ann', roles: ['user'] }),
    'key.create': () => ({ id: 'k1', key: 'oxbow_k1', expires_at: 3_600_000 }),
    'key.revoke': ({ key = '' }) => void revoked.push(key),
  }
  const kernel = { call: async (name: string, input: object) => ({ status: 'ok', output: outputs[name]!(input) }) } as unknown as Kernel
  const claims = { subject: 's', issuer: 'i', email: '', groups: [] }
  const provider = {
    refresh: async () => {
      refreshed += 1
      return { claims, refreshToken: 'next' }
    },
  } as unknown as Provider
  const config = configSchema.parse({ oidc: { session_hours: 1, refresh_min: 10 } }).oidc
  const keys = createPersonKeys({ kernel, provider, config, random: systemRandom, now: () => now })
  const pass = async (ms: number): Promise<void> => {
    for (const end = now + ms; now < end;) {
      now += 60_000
      t.mock.timers.tick(600_000)
      await turn()
    }
  }
  await keys.make({ person: 'ann', roles: ['user'], refreshToken: 'first' }, 'page')
  await pass(59 * 60_000)
  assert.equal(refreshed, 5)
  await pass(24 * 3_600_000)
  assert.equal(refreshed, 5)
  assert.deepEqual(revoked, [])
  keys.close()
})
