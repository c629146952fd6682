/** A node whose disk is full: a file is written when its version is kept, and whoever asked is told why it was not. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { clusterSkip } from '../cluster-fixture.ts'
import { startNetCluster } from './net-cluster.ts'
import { networkSkip } from './network.ts'

const user = 'ann'

test(
  'a write on a full disk is refused with what to do, and with space all is kept',
  { skip: clusterSkip() || networkSkip() },
  async () => {
    await using cluster = await startNetCluster()
    const key = await cluster.addUser(user)
    const { machine, door } = (await cluster.whereIs(user))!
    const write = async (name: string): Promise<readonly [number, string]> => {
      const response = await fetch(`${door}/users/${user}/api/v1/calls/file.write`, {
        method: 'POST',
        headers: { authorization: `Bearer ${key}`, 'content-type': 'application/json' },
        body: JSON.stringify({ path: name, text: name }),
      })
      return [response.status, await response.text()]
    }
    assert.equal((await write('before.txt'))[0], 200)
    machine.fill()
    for (const name of ['first.txt', 'second.txt']) {
      const [status, body] = await write(name)
      assert.equal(status, 413, body)
      assert.match(body, /limit_reached.*No space is left/)
    }
    machine.makeRoom()
    assert.equal((await write('after.txt'))[0], 200)
    assert.deepEqual(await cluster.postgres.sql(`select count(*)::int as "lost" from "journal" where body like '%internal_failure%'`), [
      { lost: 0 },
    ])
  },
)
