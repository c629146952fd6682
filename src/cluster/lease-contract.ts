/** What a place of leases must do, of every implementation and of the fake. */
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import type { LeasePort } from './lease.ts'

export interface LeaseContractCase extends AsyncDisposable {
  readonly port: LeasePort
  /** Resolves when keys that were not written since have ended. */
  expire(): Promise<void>
}

export function describeLeaseContract(name: string, make: () => Promise<LeaseContractCase>, skip: string | false = false): void {
  describe(`${name} as a place of leases`, { skip }, () => {
    test('a key is made once, changed by its revision only, and given up by its revision only', async () => {
      await using place = await make()
      const { port } = place
      const first = await port.create('ann', 'a')
      assert.ok(first !== null)
      assert.equal(await port.create('ann', 'b'), null)
      const second = await port.update('ann', 'a2', first)
      assert.ok(second !== null && second > first)
      assert.equal(await port.update('ann', 'late', first), null)
      await port.remove('ann', first)
      assert.equal(await port.create('ann', 'b'), null)
      await port.remove('ann', second)
      assert.equal(await port.update('ann', 'a3', second), null)
      const third = await port.create('ann', 'b')
      assert.ok(third !== null && third > second)
    })

    test('of many that want a key at once one has it, and any name can be a key', async () => {
      await using place = await make()
      for (const user of ['ann', 'bob@example.com', 'ü*>.', '=']) {
        const made = await Promise.all(Array.from({ length: 8 }, (_, i) => place.port.create(user, String(i))))
        assert.equal(made.filter((revision) => revision !== null).length, 1)
      }
    })

    test('a key that is not renewed ends, and the next one has a larger revision', async () => {
      await using place = await make()
      const { port } = place
      const first = await port.create('ann', 'a')
      assert.ok(first !== null)
      await place.expire()
      assert.equal(await port.update('ann', 'a', first), null)
      const second = await port.create('ann', 'b')
      assert.ok(second !== null && second > first)
    })
  })
}
